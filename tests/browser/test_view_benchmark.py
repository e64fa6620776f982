"""The view's benchmarks run, on few moves and pages: all but the one that needs JupyterLab."""

import pytest

from tests.benchmarks import readme, records, view


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("records")


@pytest.mark.parametrize("name", [name for name in view.TABLES if name != "lab"])
def test_a_part_is_measured_and_kept_beside_the_others(browser, folder, name):
    before = (records.read("view", folder) or {"numbers": {}})["numbers"]
    view.run(browser, [name], view.TINY, folder)
    found = records.read("view", folder)["numbers"]
    assert set(found) == {*before, name, "browser"}
    CHECKS[name](found[name])
    told = readme.view(records.read("view", folder))
    assert told.startswith("| | |\n| --- | --- |\n| ")


def _hover(found):
    assert found["size"] == "77 tokens × 1,024 patches"
    for side in ("tokens", "patches"):
        assert len(found[side]["painted"]) == view.TINY.moves - 5
        assert min(found[side]["painted"]) > 0


def _drag(found):
    for target in ("picture", "words"):
        assert found[target]["right"]
        assert 0 < found[target]["moves"] <= found[target]["count"] == 36


def _first(found):
    assert {what.split(",")[-1].strip() for what in found} == {"all rows", "no rows"}
    assert all(len(times["picture"]) == view.TINY.pages for times in found.values())


def _size(found):
    assert found["module"]["bytes"] > found["module"]["gzip"] > 1000


def _idle(found):
    asked = [counts for counts in found.values() if isinstance(counts, dict)]
    assert len(asked) == 3
    assert all(set(counts) == {"frames", "timers", "mutations"} for counts in asked)


def _many(found):
    """A large view holds its 77 rows of 1,025 float32 outside of the heap."""
    assert list(found) == [
        "3 of 16 tokens × 64 patches",
        "1 of 77 tokens × 1,024 patches",
        "2 of 16 tokens × 64 patches and 1 of 77 tokens × 1,024 patches",
    ]
    small, large, _ = (one["each"]["buffers"] for one in found.values())
    assert large > 77 * 1025 * 4 / 1e6 > small > 16 * 65 * 4 / 1e6


def _reruns(found):
    each = [one for one in found.values() if isinstance(one, dict)]
    assert len(each) == 2
    assert all(one["nodes"] == one["listeners"] == 0 for one in each)


CHECKS = {
    "hover": _hover,
    "drag": _drag,
    "first": _first,
    "size": _size,
    "idle": _idle,
    "many": _many,
    "reruns": _reruns,
}
