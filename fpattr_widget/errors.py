"""The exceptions for input that cannot be used."""

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
