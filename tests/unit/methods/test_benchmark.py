"""The table of methods that the documentation shows."""

from tests.benchmarks import methods, records


def test_the_table_has_a_line_for_every_method(capsys, tmp_path):
    methods.main(["--scenes", "2", "--timed", "1", "--samples", "32", "--records", str(tmp_path)])
    kept = records.read("methods", tmp_path)["numbers"]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    names = [line.split("|")[1].strip() for line in lines]
    assert names == ["method", *methods.methods(32)] == ["method", *kept["methods"]]
    found = kept["methods"]
    assert all(0 <= one["pointing_game"]["mean"] <= 1 for one in found.values())
    assert found["integrated Jacobians"]["completeness_residual"]["mean"] < 0.01
    # One pass for each patch that is taken away; the words' are far cheaper.
    patches = 64
    assert patches < found["occlusion"]["passes"][0] < patches + 20
    assert found["patch–token similarity"]["passes"][0] < found["occlusion"]["passes"][0]
