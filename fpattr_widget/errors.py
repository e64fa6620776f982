"""Input that cannot be used: the exceptions, and a record of what was left out."""

from dataclasses import dataclass
from typing import Self


class InputError(ValueError):
    """An argument cannot be used.

    The message is one sentence, ```argument` problem: remedy.``

    Parameters
    ----------
    argument
        The argument's name, as the caller spells it.
    problem
        What is wrong with it, as the rest of a sentence that begins with the
        name: ``"is 'heavy', which is no method"``.
    remedy
        What to do, as an imperative without a full stop: ``"pass 'occlusion'"``.
    """

    def __init__(self, argument: str, problem: str, remedy: str):
        super().__init__(argument, problem, remedy)
        self.argument = argument
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"`{self.argument}` {self.problem}: {self.remedy}."

    def renamed(self, argument: str) -> Self:
        """Return the same error with another name of the argument."""
        return type(self)(argument, self.problem, self.remedy)

    def for_readers(self) -> str:
        """Return the sentence without code marks, for display beside a menu."""
        return str(self).replace("`", "")


class ModelChanged(InputError):  # noqa: N818 - it names what happened
    """A model was changed after an explanation had begun."""


@dataclass(frozen=True)
class Problem:
    """Something that could not be read and was left out.

    Attributes
    ----------
    file
        The file's name, or what else was read.
    place
        Where in it: ``"line 12"``, ``"annotations[3]"``; empty for all of it.
    message
        The reason, in a few words.
    """

    file: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}{', ' if self.place else ''}{self.place}: {self.message}"
