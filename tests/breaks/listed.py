"""The list of breaks, one TOML file for each room."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


@dataclass(frozen=True)
class Break:
    """A fault, and the tests that have to catch it.

    Attributes
    ----------
    room
        The part of the repository that it belongs to.
    name
        What goes wrong, in a few words.
    file
        The file in which it is made, from the root of the repository.
    old, new
        The text that stands in the file exactly once, and what takes its place.
    tests
        Files or ids of tests as pytest takes them, or files of vitest.
    """

    room: str
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def by_vitest(self) -> tuple[str, ...]:
        return tuple(test for test in self.tests if test.endswith(".ts"))

    @property
    def by_pytest(self) -> tuple[str, ...]:
        return tuple(test for test in self.tests if not test.endswith(".ts"))

    def made_in(self, source: str) -> str:
        """Return the file's text with the fault.

        Raises
        ------
        ValueError
            When the text that it replaces does not stand there exactly once.
        """
        count = source.count(self.old)
        if count != 1:
            raise ValueError(f"{self.name!r}: its text stands {count} times in {self.file}")
        return source.replace(self.old, self.new)


def read_breaks(folder: Path = FOLDER) -> list[Break]:
    return [
        Break(path.stem, **{**entry, "tests": tuple(entry["tests"])})
        for path in sorted(folder.glob("*.toml"))
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["break"]
    ]


def chosen(breaks: list[Break], names: list[str]) -> list[Break]:
    """Return the breaks of these names or rooms, all if there are no names.

    Raises
    ------
    ValueError
        When a name is neither.
    """
    for name in names:
        if not any(name in (one.name, one.room) for one in breaks):
            raise ValueError(f"there is no break and no room called {name!r}")
    return [one for one in breaks if not names or one.name in names or one.room in names]
