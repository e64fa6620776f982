"""The benchmark of embedding measures what it names on the same inputs, and its table tells it."""

import pytest

from tests.benchmarks import embedding, readme
from tests.benchmarks.records import read


def test_each_step_is_measured_beside_the_bare_model(tmp_path):
    few = ["--pictures", "5", "--captions", "7", "--batch", "3", "--vectors", "2000"]
    embedding.main([*few, "--size", "tiny", "--repeats", "1", "--records", str(tmp_path)])
    record = read("embedding", tmp_path)
    found = record["numbers"]
    assert set(found["times"]) == set(embedding.STEPS)
    for times in found["times"].values():
        assert len(times["ours"]) == len(times["bare"]) == 1
    assert found["difference"] < 1e-5
    assert [one["queries"] for one in found["search"]["found"]] == [1, 64]
    assert all(0 < one["peak"] < 2**27 for one in found["search"]["found"])
    table = readme.of_embedding(record)
    assert f"| {embedding.ratio(found['times']['files']):.2f} |" in table
    assert "2,000 vectors" in table


def test_the_ratio_is_that_of_the_medians():
    assert embedding.ratio({"ours": [9.0, 3.0, 1.0], "bare": [2.0, 7.0, 1.0]}) == pytest.approx(1.5)
