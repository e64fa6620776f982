"""The records of an evaluation, in memory and in a file from which it can be resumed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import alone, writable
from ._score import Record, Score

#: What messages call the parts of a plan and of an encoder.
PART_NAMES = {
    "dataset": "data set",
    "models": "model",
    "weights": "set of weights",
    "image_processors": "image processor",
    "tokenizers": "tokenizer",
    "defaults": "default layer, reference or number of nodes",
    "methods": "list of methods or layers",
    "metrics": "list of metrics",
}

_FORMAT = "fpattr-widget evaluation 1"


class Records:
    """Records by sample; each is written as soon as it is added.

    Parameters
    ----------
    plan
        What is evaluated, as plain JSON; a file of another plan is refused.
    path
        A file of JSON lines, created or resumed; ``None`` keeps the records
        in memory.

    Raises
    ------
    InputError
        When the file cannot be read or written, or belongs to another plan.
    """

    def __init__(self, plan: dict[str, Any], path: str | os.PathLike[str] | None = None):
        self._plan = plan
        self._by_sample: dict[str, Record] = {}
        self._path: Path | None = None
        if path is not None:
            try:
                self._path = writable(path)
            except InputError as error:
                raise error.renamed("scores") from error
            with self.writing():
                pass

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Lock the file against other writers, and read what they have written before.

        Raises
        ------
        InputError
            When another evaluation writes to the file now, in this process or
            in another one; the file stays as it is then.
        """
        if self._path is None:
            yield
            return
        with alone(self._path, "scores"):
            self._open(self._path)
            yield

    def holds(self, sample: str) -> bool:
        """Whether a sample has scores; one that could not be explained has none."""
        return sample in self._by_sample and self._by_sample[sample].refusal is None

    def __contains__(self, sample: str) -> bool:
        return sample in self._by_sample

    def __len__(self) -> int:
        return len(self._by_sample)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._by_sample.values())

    def add(self, record: Record) -> None:
        """Keep a record, and append it to the file if the sample could be explained.

        Other samples are tried again when the file is resumed.
        """
        if self._path is not None and record.refusal is None:
            self._append(_entry(record))
        self._by_sample[record.sample] = record

    def _open(self, path: Path) -> None:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        if not any(lines):
            self._append({"format": _FORMAT, **self._plan})
            return
        # A last line without its end was torn, when the power went for example.
        torn = lines.pop()
        whole = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
        try:
            header = json.loads(whole[0][1]) if whole else {}
        except ValueError:
            header = {}
        if not isinstance(header, dict) or header.pop("format", None) != _FORMAT:
            raise InputError(
                "scores", f"names {path.name!r}, which holds no scores", "name another"
            )
        if header != json.loads(json.dumps(self._plan)):
            other = next((key for key in self._plan if header.get(key) != self._plan[key]), "")
            other = PART_NAMES.get(other, "plan")
            if any(key not in header for key in self._plan):
                other = "version of fpattr_widget"
            raise InputError(
                "scores",
                f"names {path.name!r}, which was begun with another {other}",
                "name another file, or delete it",
            )
        for number, line in whole[1:]:
            try:
                record = _read(line)
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    "scores",
                    f"names {path.name!r}, which is damaged in line {number}",
                    "delete that line to have its sample measured anew",
                ) from error
            self._by_sample[record.sample] = record
        if torn:
            with _write_errors(), open(path, "r+b") as file:
                file.truncate(path.stat().st_size - len(torn))

    def _append(self, entry: dict[str, Any]) -> None:
        assert self._path is not None
        with _write_errors(), open(self._path, "ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")


@contextmanager
def _write_errors() -> Iterator[None]:
    """Raise ``OSError`` as ``InputError``."""
    try:
        yield
    except OSError as error:
        raise InputError(
            "scores",
            f"cannot be written ({error.strerror})",
            "make room, and run again to go on",
        ) from error


def _entry(record: Record) -> dict[str, Any]:
    """Return a record as JSON; its scores leave out the sample's name, and foils they have not."""
    entry = asdict(record)
    for score in entry["scores"]:
        del score["sample"]
        if score["foil"] is None:
            del score["foil"]
    return entry


def _read(line: bytes) -> Record:
    """Return the record of a line; raise ValueError, KeyError or TypeError if it is damaged."""
    entry = json.loads(line)
    scores = tuple(Score(**score, sample=entry["sample"]) for score in entry["scores"])
    record = Record(entry["sample"], scores, entry["refusal"])
    well_typed = isinstance(record.sample, str) and isinstance(record.refusal, str | None)
    if not (well_typed and all(map(_well_typed, scores))):
        raise TypeError("values of other types")
    return record


def _well_typed(score: Score) -> bool:
    return (
        isinstance(score.run, int)
        and isinstance(score.metric, str)
        and isinstance(score.phrase, int | None)
        and isinstance(score.foil, int | None)
        and isinstance(score.value, int | float)
        and isinstance(score.chance, int | float | None)
    )
