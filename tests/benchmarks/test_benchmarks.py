"""The benchmarks run, on models too small to say anything; the README says what they found."""

import json
import re

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from fpattr_widget.training._model import new_model
from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import exclip, grounding, readme, records


def run(folder, *arguments):
    benchmarks.main([*arguments, "--here", "--sizes", "tiny", "--records", str(folder)])


def marked(name, text=""):
    return f"before\n<!-- record {name} -->\n{text}<!-- end -->\nafter\n"


def told(name, folder):
    """Return the lines that a README would have of a record."""
    return readme.generated(marked(name), folder).splitlines()[2:-2]


def test_costs_are_of_pictures_and_captions_that_are_new_each_time(tmp_path, monkeypatch):
    asked = []
    attribute = fp.attribute

    def noting(encoder, image, ids, *rest):
        asked.append((image.sum().item(), tuple(ids)))
        return attribute(encoder, image, ids, *rest)

    monkeypatch.setattr(fp, "attribute", noting)
    run(tmp_path, "--only", "costs", "--repeats", "2")
    (found,) = records.read("costs", tmp_path)["numbers"]
    for name in ("forward", "matrix", "another caption", "first row", "one more row"):
        assert len(found[name]) == 2
        assert min(found[name]) > 0
    assert "nodes" in found["described"]
    # A map, another caption on its picture, and rows; thrice, and once for the nodes.
    images, captions = zip(*asked, strict=True)
    assert len(asked) == 3 * 3 + 1
    assert len(set(captions)) == len(captions)
    assert len(set(images)) == len(images) - 3
    head, _, row, _, machine = told("costs", tmp_path)
    assert head.startswith("| model | one forward pass")
    assert row.startswith("| tiny, 14 tokens | ")
    assert machine.endswith("medians of 2)")


@pytest.mark.slow
def test_other_layers_and_devices_are_measured(tmp_path):
    run(tmp_path, "--only", "layers", "devices")
    (found,) = records.read("layers-cost", tmp_path)["numbers"]
    assert all(np.min(found[name]) > 0 for name in ("first row", "region", "peak"))
    (found,) = records.read("devices", tmp_path)["numbers"]
    assert found["float32"] == 0 < found["bfloat16"] < 0.5


@pytest.mark.slow
def test_residuals_fall_with_nodes(tmp_path):
    run(tmp_path, "--only", "nodes", "--counts", "1", "16")
    found = records.read("nodes", tmp_path)["numbers"]["residuals"]
    assert all(few > many for few, many in found.values())


@pytest.fixture
def beside_exclip(tmp_path):
    settings = ["--processes", "2", "--repeats", "2", "--published-repeats", "1"]
    run(tmp_path, "--only", "exclip", "--size", "tiny", *settings)
    return tmp_path


def test_the_published_code_is_measured_on_the_same_module(beside_exclip):
    found = records.read("exclip", beside_exclip)["numbers"]
    assert 0 < found["largest difference"] < 1e-5
    assert [len(one["explanations"]) for one in found["ours"]] == [3, 3]
    assert [len(one["explanations"]) for one in found["exclip"]] == [2]
    one = found["ours"][0]
    summary = exclip.summary({"exclip": [one], "ours": [one]})["ours"]
    first, *later = one["explanations"]
    assert summary == {
        "cold with loading": one["load"] + first,
        "cold": first,
        "warm": sum(later) / 2,
        "peak": one["peak"],
    }
    lines = told("exclip", beside_exclip)
    assert "1 and 2 new processes, 1 and 4 warm explanations" in lines[-1]
    assert lines[2].startswith("| new process: the model is loaded and explains |")


def test_maps_that_differ_are_not_compared(tmp_path):
    maps = np.random.default_rng(0).normal(size=(2, 3, 4))
    np.save(tmp_path / "exclip-0.npy", maps[:1])
    np.save(tmp_path / "ours-0.npy", maps)
    assert exclip.largest_difference(tmp_path) == 0
    maps[0, 1, 2] += 1e-3
    np.save(tmp_path / "ours-1.npy", maps)
    with pytest.raises(SystemExit, match="the maps differ by"):
        exclip.largest_difference(tmp_path)


# The bundled model


@pytest.mark.slow
def test_the_record_stands_beside_maps_that_know_little(tmp_path, capsys):
    few = ["--scenes", "3", "--captions", "4", "--asked", "4", "--records", str(tmp_path)]
    grounding.main(["--only", "record", *few])
    found = records.read("bundled", tmp_path)["numbers"]
    nouns = found["model"]["pointing_game"]
    assert nouns["count"] == len(nouns["values"]) > 3
    assert nouns["mean"] == pytest.approx(np.mean(nouns["values"]), abs=1e-4)
    # Of a scene's objects one is right, but for patches that belong to several.
    share = found["any object"]["pointing_game"]["mean"]
    assert 3 / nouns["count"] - 1e-3 <= share < 3 / nouns["count"] + 0.1
    assert {one["mean"] for one in found["negative everywhere"].values()} == {0.75}
    there = records.git("cat-file", "-e", f"{grounding.CONTRAST_ONLY}^{{commit}}") is not None
    assert (found["contrast alone"] is not None) is there
    if there:
        energies = [
            found[name]["pointing_energy"]["values"] for name in ("model", "contrast alone")
        ]
        assert energies[0] != energies[1]
    lines = told("bundled", tmp_path)
    assert lines[0].startswith("Of 4 captions it finds the picture's own ")
    assert lines[-2].startswith("| negative everywhere | – | – | 0.750 | 0.750 |")
    assert "| any object | " in capsys.readouterr().out


def test_a_checkout_without_history_has_no_earlier_model(tmp_path, monkeypatch):
    monkeypatch.setattr(grounding, "ROOT", tmp_path)
    with grounding.earlier_model(grounding.CONTRAST_ONLY) as folder:
        assert folder is None


@pytest.mark.slow
def test_maps_are_compared_with_those_of_random_weights(tmp_path):
    few = ["--sanity", "1", "--seeds", "1", "--records", str(tmp_path)]
    grounding.main(["--only", "sanity", *few])
    stages = records.read("sanity", tmp_path)["numbers"]["stages"]
    assert list(stages)[:2] == ["nothing", "projections and final norms"]
    assert list(stages)[-1] == "embeddings"
    correlations = [one["rank_correlation"]["mean"] for one in stages.values()]
    assert correlations[0] == 1
    assert max(correlations[1:]) < 0.95
    assert len(set(correlations)) == len(correlations)
    (line,) = told("sanity", tmp_path)
    said = [f"{one:.2f}" for one in correlations[1:]]
    assert f"{said[0]} once the projections are random, then {', '.join(said[1:-1])}, and" in line


def test_in_the_end_all_weights_are_random(bundled):
    """All but the temperature, which no map depends on."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        untrained = new_model(bundled.processors["text"])
    model = new_model(bundled.processors["text"])
    model.load_state_dict(bundled.model.state_dict())
    for names in grounding.from_the_last(model).values():
        grounding.randomise(model, untrained, names)
    left = {
        name
        for name, weight in model.named_parameters()
        if not torch.equal(weight, untrained.get_parameter(name))
    }
    assert left == {"logit_scale"}


@pytest.mark.slow
def test_the_choice_of_layers_is_printed_and_kept(capsys, tmp_path):
    few = ["--choice", "1", "--steps", "2", "--records", str(tmp_path)]
    grounding.main(["--only", "layers", *few])
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    head, rows = lines[0], lines[2:-1]
    assert head.startswith("| method | text block | image block | pointing_game |")
    encoder = fp.load_encoder("scenes")
    blocks = len(encoder.towers["text"].blocks) * len(encoder.towers["image"].blocks)
    assert len(rows) == blocks
    scores = [float(row.split("|")[4]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert len(records.read("layers", tmp_path)["numbers"]["pairs"]) == blocks
    lines = told("layers", tmp_path)
    assert len(lines) == 2 + len(encoder.towers["text"].blocks) + 2
    assert sum("**" in line for line in lines) == 1


# Records and the README


def test_a_record_tells_where_it_comes_from(tmp_path):
    path = records.keep("one", {"values": [1, 2.5, -3e-05], "names": ["a", "b"]}, tmp_path)
    assert '"values": [ 1, 2.5, -3e-05 ]' in path.read_text()
    found = json.loads(path.read_text())
    assert found["numbers"] == {"values": [1, 2.5, -3e-05], "names": ["a", "b"]}
    assert found["machine"]["torch"] == torch.__version__
    assert found["machine"]["processor"]
    assert found["command"].startswith("python ")
    assert records.read("two", tmp_path) is None


def test_the_readme_says_what_is_on_record():
    text = "".join(path.read_text(encoding="utf-8") for path in readme.READMES)
    names = re.findall(r"<!-- record ([\w-]+) -->", text)
    assert sorted(names) == sorted(readme.TABLES)
    assert text.count("<!-- end -->") == len(names)
    assert not readme.drifted(text), "run python -m tests.benchmarks.readme"


def test_what_differs_from_the_records_is_told(tmp_path):
    kept = {"counts": [1, 2], "residuals": {}}
    for rule in ("gauss-legendre", "right"):
        for place in ("text block 2", "image block 3", "image block 0"):
            kept["residuals"][f"{rule}, {place}"] = [0.5, 0.0004]
    records.keep("nodes", kept, tmp_path)
    text = marked("nodes") + marked("costs", "| 389 times |\n")
    assert readme.drifted(text, tmp_path) == ["nodes", "costs"]
    written = readme.generated(text, tmp_path)
    assert "| text, last block, right rule | 5e-01 | 4e-04 |" in written
    assert "389" not in written
    assert "(not measured yet: `python -m tests.benchmarks --only costs`)" in written
    assert not readme.drifted(written, tmp_path)
    file = tmp_path / "README.md"
    file.write_text(written.replace("4e-04", "3e-04"))
    options = ["--readmes", str(file), "--records", str(tmp_path)]
    with pytest.raises(SystemExit, match="not what the records say: nodes;"):
        readme.main([*options, "--check"])
    readme.main(options)
    assert file.read_text() == written
    readme.main([*options, "--check"])
