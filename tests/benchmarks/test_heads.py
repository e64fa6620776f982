"""The benchmark of heads measures what it names, and its table tells it."""

from tests.benchmarks import heads, readme
from tests.benchmarks.measure import headed
from tests.benchmarks.records import keep, read


def test_each_step_is_measured_and_told(tmp_path):
    found = [
        {"kind": kind, "size": "tiny", "tokens": 6, **headed(kind, "tiny", 6, repeats=1)}
        for kind in ("Llip", "FLAIR")
    ]
    for one in found:
        assert set(one["times"]) == {"forward", *heads.STEPS}
        assert all(len(values) == 1 for values in one["times"].values())
        assert one["nodes"].count("closed form") >= 1
        assert one["peak"] > 0.1
    keep("heads", found, tmp_path)
    table = readme.of_heads(read("heads", tmp_path))
    for one in found:
        ratio = one["times"]["map"][0] / one["times"]["forward"][0]
        assert f"| {one['kind']} tiny | " in table
        assert f" | {ratio:.2f} | " in table
