"""A copy of the repository in which one fault at a time is made, and its tests are run."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.breaks.listed import ROOT, Break
from tests.breaks.session import forkserver, run_pytest

_LINKED = (".venv", "node_modules")
_LEFT_OUT = (".git", "__pycache__", "dist", ".runs", ".hypothesis", ".*_cache")
_MOST_SECONDS = 900
_PYTEST = ("-x", "-q", "-rfE", "--tb=no", "--no-header", "-p", "no:cacheprovider")
# What pytest and vitest print of a test that failed.
_FAILED = re.compile(r"^(?:FAILED|ERROR| *FAIL) +(.+?)(?: - .*)?$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class UnusableError(Exception):
    """Tests did not run to an end, so that they prove nothing."""


class Checkout:
    """A copy of the repository.

    Parameters
    ----------
    place
        Its folder, which is made.
    """

    def __init__(self, place: Path):
        self._place = place
        ignored = shutil.ignore_patterns(*_LINKED, *_LEFT_OUT)
        shutil.copytree(ROOT, place, ignore=ignored, symlinks=True)
        for name in _LINKED:
            (place / name).symlink_to((ROOT / name).resolve())
        self._made = 0
        self._forkserver = forkserver()

    @contextmanager
    def broken(self, one: Break) -> Iterator[None]:
        """Return a context in which the fault is made."""
        file = self._place / one.file
        source, second = file.read_text(encoding="utf-8"), int(file.stat().st_mtime)
        built = one.file.startswith("js/") and bool(one.by_pytest)
        file.write_text(one.made_in(source), encoding="utf-8")
        # Python takes compiled code to be of a file with the same size and second.
        self._made += 1
        os.utime(file, (second + self._made, second + self._made))
        try:
            if built:
                self._build()
            yield
        finally:
            file.write_text(source, encoding="utf-8")
            os.utime(file, (second, second))
            if built:
                self._build()

    def first_failure(self, by_pytest: Sequence[str], by_vitest: Sequence[str]) -> str | None:
        """Run tests until one fails; return its name, or ``None`` if all pass.

        Raises
        ------
        UnusableError
            When they cannot be run.
        """
        if by_vitest and (failed := self._vitest([test.removeprefix("js/") for test in by_vitest])):
            return failed
        return self._pytest([*_PYTEST, *by_pytest]) if by_pytest else None

    def _vitest(self, files: Sequence[str]) -> str | None:
        command = ["npx", "vitest", "run", "--config", "js/vitest.config.mts", "--bail=1", *files]
        done = subprocess.run(
            command, cwd=self._place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            encoding="utf-8", errors="replace", timeout=_MOST_SECONDS,
        )  # fmt: skip
        return _failed(done.returncode, done.stdout)

    def _pytest(self, arguments: list[str]) -> str | None:
        output = self._place.with_suffix(".txt")
        process = self._forkserver.Process(target=run_pytest, args=(self._place, arguments, output))
        process.start()
        process.join(_MOST_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise UnusableError(f"not done after {_MOST_SECONDS} seconds")
        return _failed(process.exitcode, output.read_text(encoding="utf-8", errors="replace"))

    def _build(self) -> None:
        subprocess.run(["node", "js/build.mjs"], cwd=self._place, check=True, capture_output=True)


def _failed(code: int, output: str) -> str | None:
    """Return the name of the first test that failed, read off what was printed."""
    if code == 0:
        return None
    failed = _FAILED.search(_COLOUR.sub("", output))
    # pytest's other codes are wrong arguments, or that no test was found.
    if code != 1 or failed is None:
        raise UnusableError(" / ".join(output.strip().splitlines()[-3:]))
    return failed[1]


def state_of_repository() -> str:
    """Return the commit, with a mark where files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.check_output(["git", *arguments], cwd=ROOT, text=True).strip()

    changed = git("status", "--porcelain", "--", ".", ":!tests/breaks/record.json")
    return git("rev-parse", "HEAD") + (" with changes" if changed else "")


def write_record(path: Path, found: dict[str, dict[str, str]], names: Iterable[str]) -> None:
    """Put what was found into a record, and leave out breaks that are no more."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    whole = {name: {**before, **found}[name] for name in names if name in {**before, **found}}
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
