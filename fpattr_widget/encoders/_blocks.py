"""``Blocks``: a tower's blocks, instrumented to record or replace their states or to be skipped."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ..errors import InputError
from ..progress import checkpoint
from ._twin import Twin


@dataclass
class Pass:
    """What one pass through a tower changes at the blocks, and what it records there.

    Attributes
    ----------
    replaced
        States that take the place of those that enter a block, by the block's number.
    replaced_output
        States that take the place of those that leave the last block.
    skipped
        Numbers of the blocks that return the states they are given.
    entered
        States that entered each block, whether it ran or was skipped; one entry for each call.
    left
        States that left the last block; one entry for each call.
    """

    replaced: Mapping[int, Tensor] = field(default_factory=dict)
    replaced_output: Tensor | None = None
    skipped: frozenset[int] = frozenset()
    entered: dict[int, list[Tensor]] = field(default_factory=dict)
    left: list[Tensor] = field(default_factory=list)


class _PerThread(threading.local):
    current: Pass | None = None


class Blocks:
    """The blocks of one tower, instrumented so that each pass can change what they do.

    Parameters
    ----------
    tower
        The tower's name, for messages.
    modules
        First to last; the first argument of each is the hidden states.

    Attributes
    ----------
    return_more
        Whether blocks return more than their states. Then none is skipped, since blocks above
        may need the rest.
    """

    def __init__(self, tower: str, modules: Sequence[nn.Module]):
        self.return_more = False
        self._tower = tower
        self._modules = tuple(modules)
        self._return_tuples = False
        self._here = _PerThread()

    def instrument(self, twin: Twin) -> None:
        """Take the place of each block's ``forward`` in a twin.

        Raises
        ------
        InputError
            When a block is not a module of the twin.
        """
        for number, block in enumerate(self._modules):
            if block not in twin:
                raise InputError(
                    "blocks",
                    f"of the {self._tower} tower holds a {type(block).__name__} that is no part of "
                    "`model`",
                    "make the towers of the `model` that the function is given",
                )
            twin.instrument(block, self._instrumented(number, block.forward))

    @contextmanager
    def following(self, current: Pass) -> Iterator[None]:
        """Return a context in which the blocks follow a pass, on this thread alone."""
        self._here.current = current
        try:
            yield
        finally:
            self._here.current = None

    def skippable(self, modules: Iterable[nn.Module]) -> frozenset[int]:
        """Return the numbers of the blocks among ``modules``, none where none can be skipped."""
        skipped = () if self.return_more else tuple(modules)
        return frozenset(n for n, block in enumerate(self._modules) if block in skipped)

    def require_one_call(self, number: int, current: Pass) -> None:
        """Raise ``InputError`` unless a pass called a block exactly once."""
        calls = len(current.entered.get(number, ()))
        if calls != 1:
            raise InputError(
                "blocks",
                f"of the {self._tower} tower has a block {number} that `encode` runs {calls} times",
                "list the modules that it runs once each, first to last",
            )

    def _instrumented(self, number: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return what takes the place of a block's own forward."""

        def run(*arguments: Any, **named: Any) -> Any:
            current = self._here.current
            if current is None:  # called outside a pass, as a part of a description
                return forward(*arguments, **named)
            checkpoint()
            states = arguments[0] if arguments else named[_first_name(named)]
            current.entered.setdefault(number, []).append(states)
            if number in current.replaced:
                states = current.replaced[number]
                if arguments:
                    arguments = (states, *arguments[1:])
                else:
                    named = {**named, _first_name(named): states}
            if number in current.skipped:
                output: Any = (states,) if self._return_tuples else states
            else:
                if states.requires_grad:
                    states.register_hook(_checkpoint_in_backward)
                output = forward(*arguments, **named)
            if number == 0 and 0 not in current.skipped:
                self._return_tuples = isinstance(output, tuple)
                self.return_more = self._return_tuples and len(output) > 1
            return _leave(output, current) if number == len(self._modules) - 1 else output

        run.in_place_of = forward  # type: ignore[attr-defined]
        return run


def _first_name(named: dict[str, Any]) -> str:
    return "hidden_states" if "hidden_states" in named else next(iter(named))


def _leave(output: Any, current: Pass) -> Any:
    """Record what leaves the last block; return it, or what takes its place."""
    current.left.append(output[0] if isinstance(output, tuple) else output)
    if current.replaced_output is None:
        return output
    replaced = current.replaced_output
    return (replaced, *output[1:]) if isinstance(output, tuple) else replaced


def _checkpoint_in_backward(gradient: Tensor) -> None:
    checkpoint()
    if gradient.requires_grad:  # it is differentiated once more
        gradient.register_hook(_checkpoint_in_backward)
