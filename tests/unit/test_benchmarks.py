"""The benchmarks run, on a model too small to say anything."""

from tests.benchmarks import measure

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
