"""What has been measured, in memory and in a file that an evaluation can go on from."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import alone, writable

#: What a plan's parts are called in a sentence.
SAID = {
    "dataset": "data set",
    "models": "model",
    "image_processors": "image processor",
    "tokenizers": "tokenizer",
    "defaults": "default layer, reference or number of nodes",
    "methods": "list of methods or layers",
    "metrics": "list of metrics",
}

_FORMAT = "fpattr-widget evaluation 1"


@dataclass(frozen=True)
class Score:
    """One number of one sample or phrase.

    Attributes
    ----------
    run
        Number of the way in which it was explained.
    metric
        The number's name.
    phrase
        Number of the sample's phrase; ``None`` for one of the whole sample.
    value
        The number.
    chance
        What would be reached without any knowledge, where there is such a level.
    """

    run: int
    metric: str
    phrase: int | None
    value: float
    chance: float | None


@dataclass(frozen=True)
class Record:
    """What was measured of one sample, or why nothing could be."""

    sample: str
    scores: tuple[Score, ...]
    refusal: str | None = None


class Records:
    """Records by sample, each kept as soon as it is there.

    Parameters
    ----------
    plan
        What is being evaluated, as plain JSON; a file of another plan is refused.
    path
        A file of JSON lines to keep records in and to go on from; ``None``
        keeps them in memory.

    Raises
    ------
    InputError
        When the file cannot be read or written, or belongs to another plan.
    """

    def __init__(self, plan: dict[str, Any], path: str | os.PathLike[str] | None = None):
        self._plan = plan
        self._found: dict[str, Record] = {}
        self._path: Path | None = None
        if path is not None:
            try:
                self._path = writable(path)
            except InputError as error:
                raise InputError(str(error).replace("`path`", "`scores`", 1)) from error
            with self.writing():
                pass

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep others from writing to the file meanwhile, and read what they have written before.

        Raises
        ------
        InputError
            When another evaluation writes to it now, in this process or in
            another one; it is left alone then.
        """
        if self._path is None:
            yield
            return
        with alone(self._path, "scores"):
            self._open(self._path)
            yield

    def holds(self, sample: str) -> bool:
        """Whether a sample was measured; one that could not be used was not."""
        return sample in self._found and self._found[sample].refusal is None

    def __contains__(self, sample: str) -> bool:
        return sample in self._found

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._found.values())

    def add(self, record: Record) -> None:
        """Keep a record, in the file too if there is one.

        Not in the file where the sample could not be used: next time it may.
        """
        if self._path is not None and record.refusal is None:
            self._append(asdict(record))
        self._found[record.sample] = record

    def _open(self, path: Path) -> None:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        if not any(lines):
            self._append({"format": _FORMAT, **self._plan})
            return
        # A line that was being written when the power went is no line yet.
        rest = lines.pop()
        whole = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
        try:
            header = json.loads(whole[0][1]) if whole else {}
        except ValueError:
            header = {}
        if not isinstance(header, dict) or header.pop("format", None) != _FORMAT:
            raise InputError(f"`scores` names {path.name!r}, which holds no scores: name another.")
        if header != json.loads(json.dumps(self._plan)):
            other = next((key for key in self._plan if header.get(key) != self._plan[key]), "")
            other = SAID.get(other, "plan")
            if any(key not in header for key in self._plan):
                other = "version of fpattr_widget"
            raise InputError(
                f"`scores` names {path.name!r}, which was begun with another {other}: name "
                "another file, or delete it."
            )
        for number, line in whole[1:]:
            try:
                record = _read(line)
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"`scores` names {path.name!r}, which is damaged in line {number}: delete "
                    "that line to have its sample measured anew."
                ) from error
            self._found[record.sample] = record
        if rest:
            with _told(), open(path, "r+b") as file:
                file.truncate(path.stat().st_size - len(rest))

    def _append(self, entry: dict[str, Any]) -> None:
        assert self._path is not None
        with _told(), open(self._path, "ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"`scores` cannot be written ({error.strerror}): make room, and run again to go on."
        ) from error


def _read(line: bytes) -> Record:
    entry = json.loads(line)
    scores = tuple(Score(**score) for score in entry["scores"])
    record = Record(entry["sample"], scores, entry["refusal"])
    right = isinstance(record.sample, str) and isinstance(record.refusal, str | None)
    if not (right and all(map(_usable, scores))):
        raise TypeError("values of other types")
    return record


def _usable(score: Score) -> bool:
    return (
        isinstance(score.run, int)
        and isinstance(score.metric, str)
        and isinstance(score.phrase, int | None)
        and isinstance(score.value, int | float)
        and isinstance(score.chance, int | float | None)
    )
