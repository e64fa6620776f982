"""The changes of an explorer's choices that are to be worked on, only the newest of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ._choices import CHOICES


@dataclass(eq=False)
class Request:
    """All choices at the moment when one was changed.

    Attributes
    ----------
    number
        Of the last change; later ones have higher numbers.
    values
        The choices by name.
    changed
        The choices that were changed and not yet explained or refused, each
        with the number of its change.
    waits_for
        The model that is being loaded for it, if one is.
    """

    number: int
    values: Mapping[str, Any]
    changed: Mapping[str, int]
    waits_for: str | None = None


class ChoiceQueue:
    """The choices as they were requested; a newer request replaces one that has not begun.

    Its methods are called with the worker's lock held.

    Attributes
    ----------
    values
        The choices by name, as they were set or requested last.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = dict.fromkeys(CHOICES)
        self._changed: dict[str, int] = {}
        self._newest = 0
        self._begun = 0
        self._finished = 0

    @property
    def finished(self) -> bool:
        """Whether the newest request has been worked on."""
        return self._finished == self._newest

    def add(self, values: Mapping[str, Any]) -> None:
        """Request these choices, with all others as they are."""
        self._newest += 1
        self.values.update(values)
        self._changed.update(dict.fromkeys(values, self._newest))

    def take(self) -> Request | None:
        """Return the newest request, ``None`` if it has begun already."""
        if self._begun == self._newest:
            return None
        self._begun = self._newest
        return Request(self._newest, dict(self.values), dict(self._changed))

    def is_newest(self, request: Request) -> bool:
        """Return whether nothing was requested after this."""
        return request.number == self._newest

    def is_changed(self, name: str) -> bool:
        """Return whether a choice was changed and neither explained nor refused since."""
        return name in self._changed

    def settle(self, request: Request, names: Iterable[str]) -> None:
        """Note that choices were explained or refused, unless they were changed since."""
        for name in names:
            if self._changed.get(name) == request.changed[name]:
                del self._changed[name]

    def finish(self, request: Request) -> None:
        """Note that a request has been worked on."""
        self._finished = max(self._finished, request.number)
