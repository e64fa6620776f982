"""The benchmarks run, on a model too small to say anything."""

import fpattr_widget as fp
from tests.benchmarks import grounding, measure

SETTINGS = {"size": "tiny", "tokens": 6, "device": "cpu", "dtype": "float32"}


def test_every_measurement_is_made(monkeypatch):
    monkeypatch.setitem(measure.SIZES, "tiny", (64, 2, 2, 16, 32, 64, 2, 32))
    found = measure.default_layer(**SETTINGS)
    assert set(found) == {
        "forward",
        "matrix",
        "first row",
        "one more row",
        "new caption",
        "peak",
    }
    assert all(value > 0 for value in found.values())
    found = measure.other_layer(**SETTINGS, layer=0, nodes=2, megabytes=64)
    assert all(value > 0 for value in found.values())
    found = measure.residuals([1, 64])
    assert all(few > many for few, many in found.values())


def test_the_choice_of_layers_is_printed(capsys):
    grounding.main(["--only", "layers", "--choice", "1"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    head, rows = lines[0], lines[2:]
    assert head.startswith("| method | text block | image block | pointing_game |")
    encoder = fp.load_encoder()
    blocks = len(encoder.text_tower.blocks) * len(encoder.image_tower.blocks)
    assert len(rows) == blocks
    scores = [float(row.split("|")[4]) for row in rows]
    assert scores == sorted(scores, reverse=True)
