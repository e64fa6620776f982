"""The file of scores: whole lines count, and nothing of others is touched."""

import errno
import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fpattr_widget as fp
from fpattr_widget.evaluation._records import PART_NAMES, Records
from fpattr_widget.evaluation._score import Record, Score

PLAN = {"dataset": "d", "models": ["m"], "methods": [["run", "Occlusion()"]], "metrics": ["x"]}
ODD = "zwei\n“<b>”\ud800"
RECORDS = (
    Record(
        "one",
        (
            Score("pointing_game", 0.5, 0.25, phrase=2, sample="one"),
            Score("residual", -1e-9, run=1, sample="one"),
        ),
    ),
    Record(ODD, (Score("a\nmetric\ud800", 1.0, phrase=0, sample=ODD),)),
    Record("three", ()),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scores.jsonl"


@pytest.fixture
def written(path):
    records = Records(PLAN, path)
    for record in RECORDS:
        records.add(record)
    return path


def test_records_are_there_again(written):
    again = Records(PLAN, written)
    assert tuple(again) == RECORDS
    assert len(again) == 3
    assert "one" in again
    assert "two" not in again
    again.add(Record("four", ()))
    assert [record.sample for record in Records(PLAN, str(written))][3:] == ["four"]
    assert written.read_bytes().count(b"\n") == 5


def test_a_file_of_the_first_version_is_resumed(path):
    """Its lines are written out here as that version wrote them."""
    score = {"run": 1, "metric": "pointing_game", "phrase": 2, "value": 1.0, "chance": 0.25}
    lines = (
        {"format": "fpattr-widget evaluation 1", **PLAN},
        {"sample": "s", "scores": [score], "refusal": None},
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    records = Records(PLAN, path)
    expected = Score("pointing_game", 1.0, 0.25, phrase=2, run=1, sample="s")
    assert tuple(records) == (Record("s", (expected,)),)
    before = path.read_bytes()
    path.unlink()
    again = Records(PLAN, path)
    again.add(Record("s", (expected,)))
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert written == [json.loads(line) for line in before.splitlines()]


def test_what_could_not_be_used_is_not_kept_for_the_next_time(written):
    records = Records(PLAN, written)
    before = written.read_bytes()
    records.add(Record("four", (), "`image` names no file"))
    assert "four" in records
    assert not records.holds("four")
    assert records.holds("three")
    assert written.read_bytes() == before
    assert "four" not in Records(PLAN, written)


def test_without_a_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = Records(PLAN)
    records.add(RECORDS[0])
    assert tuple(records) == RECORDS[:1]
    assert not list(tmp_path.iterdir())


def test_each_record_is_in_the_file_as_soon_as_it_is_there(path):
    records = Records(PLAN, path)
    for count, record in enumerate(RECORDS, start=1):
        records.add(record)
        assert tuple(Records(PLAN, path)) == RECORDS[:count]


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 10_000))
def test_a_torn_last_line_is_dropped(written, cut):
    """Wherever the power went after the first line."""
    whole = b"".join(
        [json.dumps({"format": "fpattr-widget evaluation 1", **PLAN}).encode() + b"\n"]
        + [line + b"\n" for line in written.read_bytes().split(b"\n")[1:-1]]
    )
    head = whole.index(b"\n") + 1
    left = whole[: head + cut % (len(whole) - head)]
    torn = written.with_name("torn.jsonl")
    torn.write_bytes(left)
    complete = left.count(b"\n") - 1
    records = Records(PLAN, torn)
    assert tuple(records) == RECORDS[:complete]
    assert torn.read_bytes() == whole[: left.rindex(b"\n") + 1]
    records.add(RECORDS[2])
    assert tuple(Records(PLAN, torn))[-1] == RECORDS[2]


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n"])
def test_an_empty_file_is_begun(path, content):
    path.write_bytes(content)
    Records(PLAN, path).add(RECORDS[0])
    assert tuple(Records(PLAN, path)) == RECORDS[:1]


@pytest.mark.parametrize(
    "damage",
    [
        b"{", b"[]", b"7", b"null", b"\xff\xfe", b'{"sample": "x"}',
        b'{"sample": 7, "scores": [], "refusal": null}',
        b'{"sample": "x", "scores": [{}], "refusal": null}',
        b'{"sample": "x", "scores": [["a"]], "refusal": null}',
        b'{"sample": "x", "scores": [{"run": 0, "metric": "m", "phrase": null, "value": null, '
        b'"chance": null}], "refusal": null}',
        b'{"sample": "x", "scores": [{"run": 0, "metric": "m", "phrase": "0", "value": 0.5, '
        b'"chance": null}], "refusal": null}',
    ],
)  # fmt: skip
def test_a_damaged_line_is_told_and_left(written, damage):
    lines = written.read_bytes().split(b"\n")
    lines[2] = damage
    written.write_bytes(b"\n".join(lines))
    before = written.read_bytes()
    with pytest.raises(
        fp.InputError, match=r"^`scores` names 'scores.jsonl', .* damaged in line 3"
    ):
        Records(PLAN, written)
    assert written.read_bytes() == before
    # As the message says:
    written.write_bytes(b"\n".join(lines[:2] + lines[3:]))
    assert tuple(Records(PLAN, written)) == (RECORDS[0], RECORDS[2])


def test_blank_lines_are_nothing(written):
    content = written.read_bytes().replace(b"\n", b"\r\n\r\n")
    written.write_bytes(b"\n" + content)
    assert tuple(Records(PLAN, written)) == RECORDS


@pytest.mark.parametrize("part", PLAN)
def test_a_file_of_another_plan_is_refused_and_left(written, part):
    before = written.read_bytes()
    said = rf"^`scores` names 'scores.jsonl', .* another {PART_NAMES[part]}:"
    with pytest.raises(fp.InputError, match=said):
        Records({**PLAN, part: ["other"]}, written)
    assert written.read_bytes() == before


def test_a_file_of_an_older_version_is_refused(written):
    with pytest.raises(fp.InputError, match="another version of fpattr_widget"):
        Records({**PLAN, "tokenizers": ["t"]}, written)


def test_two_that_write_to_one_file_do_not_harm_each_other(written):
    """Another process is in the middle of a line."""
    half = written.read_bytes() + b'{"sample": "fo'
    program = (
        "import fcntl, sys\n"
        "file = open(sys.argv[1], 'ab')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        'file.write(b\'{"sample": "fo\'); file.flush()\n'
        "print('written', flush=True); sys.stdin.readline()\n"
        'file.write(b\'ur", "scores": [], "refusal": null}\\n\')\n'
    )
    ours = Records(PLAN, written)
    command = [sys.executable, "-c", program, written]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "written\n"
        refused = r"^`scores` names 'scores.jsonl', to which another evaluation is writing now"
        with pytest.raises(fp.InputError, match=refused):
            Records(PLAN, written)
        with pytest.raises(fp.InputError, match=refused), ours.writing():
            pass
        assert written.read_bytes() == half
        other.stdin.write("\n")
    with ours.writing():  # what the other one wrote is known now
        assert ours.holds("four")
        with pytest.raises(fp.InputError, match=refused):
            Records(PLAN, written)
        ours.add(Record("five", ()))
    assert [record.sample for record in Records(PLAN, written)][3:] == ["four", "five"]


def test_a_file_system_without_locks_is_written_to_all_the_same(path, monkeypatch):
    def refuse(_file, _how):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse)
    records = Records(PLAN, path)
    with records.writing():
        records.add(RECORDS[0])
    assert tuple(Records(PLAN, path)) == RECORDS[:1]


def test_a_file_of_a_larger_plan_is_refused(written):
    content = written.read_text()
    written.write_text(content.replace('"dataset"', '"tower": 1, "dataset"', 1))
    with pytest.raises(fp.InputError, match=r"^`scores` names 'scores.jsonl', .* another plan"):
        Records(PLAN, written)


@pytest.mark.parametrize(
    "content",
    [
        b"my notes\n", b"no line at all", b"[1]\n", b'"format"\n', b"\x89PNG\r\n\x1a\n",
        b'{"format": "another"}\n', b'{"format": "fpattr-widget evaluation 2"}\n',
    ],
)  # fmt: skip
def test_other_files_are_refused_and_left(path, content):
    path.write_bytes(content)
    with pytest.raises(
        fp.InputError, match=r"^`scores` names 'scores.jsonl', which holds no scores"
    ):
        Records(PLAN, path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", [".", "none/scores.jsonl", "file/scores.jsonl", "a\0b", 7])
def test_places_that_cannot_be_written_are_told(tmp_path, name):
    (tmp_path / "file").write_text("x")
    with pytest.raises(fp.InputError, match=r"^`scores` "):
        Records(PLAN, str(tmp_path / name) if isinstance(name, str) else name)
