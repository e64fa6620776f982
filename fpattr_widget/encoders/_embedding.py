"""Embed many inputs: in batches, with progress, without holding more than a few of them."""

import time
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..errors import InputError, Problem
from ..files import Rows, alone, writable
from ..progress import checkpoint, is_heard, report
from ._embeddings import (
    Embeddings,
    Listing,
    Stored,
    read_store,
    require_same,
    write_store,
)
from ._inputs import Inputs
from ._memory_needed import halved
from ._partial import Partial
from ._readers import readings
from ._sources import Item, Many, key_of
from ._tower import Tower

# The most inputs that are embedded at once.
_MOST = 256
# The same on a CPU, and the working memory there. More at once makes it no faster: what one
# operation has written is out of the cache before the next one reads it.
_MOST_ON_CPU = 32
_MEMORY_ON_CPU = 2**26
# Inputs that are embedded before it is known what a pass takes.
_FIRST = 4
# The most inputs that wait for others of their shape.
_WAITING = 4096
# The part of the working memory that they may take.
_WAITING_SHARE = 4
# Seconds after which what was embedded is written.
_WRITTEN_EVERY = 1.0
# As many inputs or fewer have no progress bar.
_NO_BAR = 64
# Rows of a store that are written at once.
_ROWS = 4096
_SMALLER = "choose a smaller `batch_size` or a smaller `model`"

Refuse = Callable[[Item, InputError], None]


@dataclass(frozen=True)
class Embedder:
    """All that embedding many inputs needs of an encoder.

    Attributes
    ----------
    tower
        The tower.
    inputs_of
        Makes a tower's inputs of a value, or raises ``InputError``.
    finish
        Makes of the tower's outputs ``(B, K)`` what is wanted, in float32.
    pass_through
        Returns a context for passes of the tower.
    require_unchanged
        Raises ``ModelChanged`` if the model is not what it was.
    processor
        Of images; ``None`` where inputs are not read by other processes.
    device
        Of the weights.
    memory_limit
        Bytes of working memory.
    batch_size
        Chosen by the user.
    workers
        Chosen by the user; see :func:`.readings`.
    """

    tower: Tower
    inputs_of: Callable[[Any], Inputs]
    finish: Callable[[Tensor], Tensor]
    pass_through: Callable[[], AbstractContextManager[None]]
    require_unchanged: Callable[[], None]
    processor: Any
    device: torch.device
    memory_limit: int
    batch_size: int | None = None
    workers: int | None = 0

    def embedded(
        self, items: Iterable[Item], refuse: Refuse, count: int | None
    ) -> Generator[tuple[list[Item], Tensor], None, None]:
        """Yield items with their embeddings ``(B, K)``, batch by batch, in any order.

        Parameters
        ----------
        items
            Gone through once.
        refuse
            Called with an item that cannot be used, and why.
        count
            How many there are, if that is known.
        """
        is_known, done = self.batch_size is not None, 0
        batches = _Batches(self.batch_size or _FIRST, self.memory_limit // _WAITING_SHARE)
        with closing(self._prepared(items, refuse)) as arriving:
            for batch in batches.of(arriving):
                while batch:
                    checkpoint()
                    if done:
                        report(f"embedding: {done:,}{'' if count is None else f' of {count:,}'}")
                    now = batch[: batches.size]
                    try:
                        outputs, needed = self._pass(_together([each for _, each in now]))
                    except Exception as error:  # any module may raise anything
                        self.require_unchanged()
                        batches.size = halved(len(now), error, "one pass", _SMALLER)
                        is_known = True
                        continue
                    batch = batch[len(now) :]
                    done += len(now)
                    yield [item for item, _ in now], outputs
                    if not is_known:
                        batches.size, is_known = self._size(needed, now[0][1]), True

    def _size(self, needed: int, inputs: Inputs) -> int:
        """Return how many inputs are embedded at once, given what a pass takes for each."""
        needed += 2 * _bytes_of(inputs)
        on_cpu = self.device.type == "cpu"
        limit = min(self.memory_limit, _MEMORY_ON_CPU) if on_cpu else self.memory_limit
        return max(1, min(limit // needed, _MOST_ON_CPU if on_cpu else _MOST))

    def _pass(self, inputs: Inputs) -> tuple[Tensor, int]:
        with self.pass_through(), torch.no_grad():
            outputs, needed = self.tower.embed_and_count(inputs)
            return self.finish(outputs.float()), needed

    def _prepared(
        self, items: Iterable[Item], refuse: Refuse
    ) -> Generator[tuple[Item, Inputs], None, None]:
        read = readings(self.processor, items, lambda item: item.value, self.workers)
        with closing(read if self.processor is not None else _unread(items)) as arriving:
            for item, value in arriving:
                try:
                    if isinstance(value, InputError):
                        raise value
                    inputs = self.inputs_of(value)
                except InputError as error:
                    refuse(item, error)
                    continue
                yield replace(item, value=None), inputs


def _unread(items: Iterable[Item]) -> Generator[tuple[Item, Any], None, None]:
    for item in items:
        yield item, item.value


class _Batches:
    """Inputs that wait for others of equal shapes.

    Parameters
    ----------
    size
        How many are wanted at once.
    limit
        Bytes that may wait.

    Attributes
    ----------
    size
        May be changed at any time.
    """

    def __init__(self, size: int, limit: int):
        self.size = size
        self._limit = limit
        self._groups: dict[Hashable, list[tuple[Item, Inputs]]] = {}
        self._bytes = self._count = 0

    def of(self, arriving: Iterable[tuple[Item, Inputs]]) -> Iterator[list[tuple[Item, Inputs]]]:
        """Yield inputs of equal shapes together, ``size`` or fewer."""
        for item, inputs in arriving:
            shape: Hashable = tuple(
                (name, each.shape, each.dtype) for name, each in sorted(inputs.items())
            )
            group = self._groups.setdefault(shape, [])
            group.append((item, inputs))
            self._bytes += _bytes_of(inputs)
            self._count += 1
            if len(group) >= self.size:
                yield self._taken(shape)
            elif self._bytes > self._limit or self._count > _WAITING:
                yield self._taken(max(self._groups, key=lambda each: len(self._groups[each])))
        for shape in list(self._groups):
            yield self._taken(shape)

    def _taken(self, shape: Hashable) -> list[tuple[Item, Inputs]]:
        batch = self._groups.pop(shape)
        self._bytes -= sum(_bytes_of(inputs) for _, inputs in batch)
        self._count -= len(batch)
        return batch


def _together(inputs: Sequence[Inputs]) -> Inputs:
    return {name: torch.cat([each[name] for each in inputs]) for name in inputs[0]}


def _bytes_of(inputs: Inputs) -> int:
    return sum(each.numel() * each.element_size() for each in inputs.values())


def embed_in_memory(embedder: Embedder, many: Many) -> list[Tensor]:
    """Return the embeddings of many inputs in their order, ``(K,)`` each.

    Raises
    ------
    InputError
        When one cannot be used; its argument is that of all, with the number of the one.
    """

    def refuse(item: Item, error: InputError) -> None:
        raise error.renamed(many.argument_of(item.number)) from error

    found: dict[int, Tensor] = {}
    with _bar(many) as bar, closing(embedder.embedded(many, refuse, many.count)) as arriving:
        for items, outputs in arriving:
            found.update(zip((item.number for item in items), outputs, strict=True))
            bar.update(len(items))
    embedder.require_unchanged()
    if not found:
        raise many.empty()
    return [found[number] for number in range(len(found))]


def embed_readable(
    embedder: Embedder, many: Many, model: str, fingerprint: dict[str, str]
) -> Embeddings:
    """Return the embeddings of many inputs in memory; what cannot be used is told and left out."""
    listed = _Listed(many)
    found: dict[int, Tensor] = {}
    with (
        _bar(many) as bar,
        closing(embedder.embedded(listed.noted(), listed.refuse, many.count)) as arriving,
    ):
        for items, outputs in arriving:
            found.update(zip((item.number for item in items), outputs, strict=True))
            bar.update(len(items))
    embedder.require_unchanged()
    numbers = sorted(found)
    listed.require_any(numbers)
    vectors = torch.stack([found[number] for number in numbers]).cpu().numpy()
    return Embeddings(
        vectors,
        tuple(listed.names[number] for number in numbers),
        listed.sources(numbers),
        many.tower_name,
        model,
        fingerprint,
        listed.problems(numbers),
    )


def embed_into(
    path: Any, embedder: Embedder, many: Many, model: str, fingerprint: dict[str, str]
) -> Embeddings:
    """Embed many inputs into a store, and return it; see ``DualEncoder.embed_image``."""
    try:
        target = writable(path)
    except InputError as error:
        raise error.renamed("store") from error
    beside = target.with_name(f"{target.name}.partial")
    with alone(beside, "store", name=target.name, writer="another call"):
        partial = None
        try:
            old = _old_store(target, many.tower_name, model, fingerprint)
            about = {"tower": many.tower_name, "fingerprint": fingerprint}
            partial = Partial(beside, about, "store", target.name)
            listed = _Listed(many)
            known = _Known(old, partial)
            _embed_missing(embedder, listed, known, target.parent)
            numbers = [number for number, key in enumerate(listed.keys) if key in known]
            listed.require_any(numbers)
            _write(target, listed, numbers, known, model, fingerprint)
            partial.remove()
        except BaseException:
            with suppress(OSError):
                if not beside.stat().st_size or (partial is not None and not partial.rows):
                    beside.unlink()  # nothing was begun
            raise
    stored = read_store(target, "store").embeddings
    return replace(stored, sources=listed.sources(numbers))


class _Listed:
    """What has been gone through of many inputs, without what they hold.

    Attributes
    ----------
    names
        Of each.
    keys
        Of each that has one, for a store.
    """

    def __init__(self, many: Many):
        self.many = many
        self.names: list[str] = []
        self.keys: list[bytes | None] = []
        self._known: list[Any] = []
        self._refused: dict[bytes | int, str] = {}

    def noted(self) -> Iterator[Item]:
        """Go through all, and note each."""
        for item in self.many:
            self.note(item, None)
            yield item

    def note(self, item: Item, key: bytes | None) -> None:
        """Note an item."""
        self.names.append(item.name)
        self.keys.append(key)
        is_caption = isinstance(item.value, str)
        self._known.append(item.value if item.path is None and is_caption else item.path)

    def refuse(self, item: Item, error: InputError) -> None:
        """Note that an item cannot be used."""
        reason = error.problem
        if item.path is not None:  # the name says enough, and less about where it lies
            reason = reason.replace(item.path, item.name)
        self._refused[self.keys[item.number] or item.number] = reason

    def sources(self, numbers: Sequence[int]) -> Sequence[Any]:
        """Return what those with these numbers can be explained by."""
        return self.many.sources([self._known[number] for number in numbers], numbers)

    def stored_sources(self, numbers: Sequence[int]) -> list[str | None]:
        """Return the paths or captions of those with these numbers."""
        return [self._known[number] for number in numbers]

    def problems(self, numbers: Sequence[int]) -> tuple[Problem, ...]:
        """Return the problems of all but those with these numbers."""
        used = set(numbers)
        left_out = (number for number in range(len(self.names)) if number not in used)
        return tuple(map(self._problem, left_out))

    def require_any(self, numbers: Sequence[int]) -> None:
        """Raise ``InputError`` unless some of them can be used."""
        if not self.names:
            raise self.many.empty()
        if not numbers:
            first = self._problem(0)
            raise InputError(
                self.many.argument,
                f"holds nothing that can be read (the first of {len(self.names)}: {first})",
                "pass some that can",
            )

    def _problem(self, number: int) -> Problem:
        key = self.keys[number]
        reason = self._refused.get(number if key is None else key, "was changed meanwhile")
        name = self.names[number].encode("utf-8", "backslashreplace").decode()
        return Problem(name, "", reason)


class _Known:
    """Vectors by key, out of the store as it was and of the partial one."""

    def __init__(self, old: Stored | None, partial: Partial):
        self.old, self.partial = old, partial
        keys = () if old is None else old.keys
        self._rows = {key: row for row, key in enumerate(keys)}

    def __contains__(self, key: bytes | None) -> bool:
        return key in self._rows or key in self.partial.rows

    def require_width(self, width: int) -> None:
        """Raise ``InputError`` unless vectors are as long as those that are there."""
        widths = {width, self.partial.width or width}
        if self.old is not None:
            widths.add(self.old.embeddings.vectors.shape[1])
        if len(widths) > 1:
            raise InputError(
                "store",
                "would hold embeddings of different lengths, as the model makes one vector for "
                "each token",
                "leave it out",
            )

    @property
    def width(self) -> int:
        """Numbers in each vector."""
        if self.partial.width is not None:
            return self.partial.width
        assert self.old is not None
        return int(self.old.embeddings.vectors.shape[1])

    def pieces(self, keys: Sequence[bytes]) -> Iterator[np.ndarray]:
        """Yield the vectors of keys, some rows at a time."""
        for start in range(0, len(keys), _ROWS):
            block = keys[start : start + _ROWS]
            rows = np.array([self._rows.get(key, -1) for key in block])
            vectors = np.empty((len(block), self.width), np.float32)
            is_new = rows < 0
            if self.old is not None:
                vectors[~is_new] = self.old.embeddings.vectors[rows[~is_new]]
            if is_new.any():
                new = [
                    self.partial.rows[key] for key, new in zip(block, is_new, strict=True) if new
                ]
                vectors[is_new] = self.partial.take(np.array(new))
            yield vectors


class _Kept:
    """Writes embeddings down now and then, and what is left at the end, however that comes."""

    def __init__(self, known: _Known, require_unchanged: Callable[[], None]):
        self._known, self._require_unchanged = known, require_unchanged
        self._keys: list[bytes] = []
        self._vectors: list[np.ndarray] = []
        self._written = time.monotonic()

    def __enter__(self) -> "_Kept":
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def add(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        self._known.require_width(vectors.shape[1])
        self._keys += keys
        self._vectors.append(vectors)
        if time.monotonic() - self._written > _WRITTEN_EVERY:
            self._write()

    def _write(self) -> None:
        if not self._keys:
            return
        try:
            self._require_unchanged()  # before what is wrong gets into a file
        except InputError:
            self._keys, self._vectors = [], []
            raise
        self._known.partial.add(self._keys, np.concatenate(self._vectors))
        self._keys, self._vectors = [], []
        self._written = time.monotonic()


def _embed_missing(embedder: Embedder, listed: _Listed, known: _Known, folder: Path) -> None:
    """Go through all inputs, and embed those that no store holds."""
    many = listed.many
    under_way: set[bytes] = set()

    with _bar(many) as bar, _Kept(known, embedder.require_unchanged) as kept:

        def missing() -> Iterator[Item]:
            for item in many:
                key = key_of(item, folder)
                listed.note(item, key)
                if key is not None and (key in known or key in under_way):
                    checkpoint()
                    bar.update()
                    continue
                if key is not None:
                    under_way.add(key)
                yield item

        with closing(embedder.embedded(missing(), listed.refuse, many.count)) as arriving:
            for items, outputs in arriving:
                bar.update(len(items))
                keyed = [(listed.keys[item.number], row) for row, item in enumerate(items)]
                kept.add(
                    [key for key, _ in keyed if key is not None],
                    outputs.cpu().numpy()[[row for key, row in keyed if key is not None]],
                )


def _old_store(
    path: Path, tower_name: str, model: str, fingerprint: dict[str, str]
) -> Stored | None:
    """Return the store that is there, ``None`` if there is none; raise if it is another's."""
    if not path.exists():
        return None
    stored = read_store(path, "store")
    if stored.embeddings.tower_name != tower_name:
        raise InputError(
            "store",
            f"names {path.name!r}, which holds embeddings of {stored.embeddings.tower_name}s",
            "name another file",
        )
    require_same(stored.embeddings, fingerprint, "store", model)
    return stored


def _write(
    path: Path,
    listed: _Listed,
    numbers: Sequence[int],
    known: _Known,
    model: str,
    fingerprint: dict[str, str],
) -> None:
    """Write the store, unless the one that is there already says the same."""
    keys = [key for number in numbers if (key := listed.keys[number]) is not None]
    names = tuple(listed.names[number] for number in numbers)
    problems = listed.problems(numbers)
    if known.old is not None and not known.partial.rows:
        old = known.old.embeddings
        if (known.old.keys, old.names, old.problems) == (tuple(keys), names, problems):
            return
    sources = listed.stored_sources(numbers)
    listing = Listing(names, sources, keys, listed.many.tower_name, model, fingerprint, problems)
    rows = Rows((len(keys), known.width), np.dtype(np.float32), known.pieces(keys))
    write_store(path, listing, rows)


def _bar(many: Many) -> Any:
    """Return a progress bar; none where somebody else is told, or there is little to do."""
    little = many.count is not None and many.count <= _NO_BAR
    return tqdm(
        total=many.count,
        desc="embedding",
        unit=many.tower_name,
        disable=little or is_heard(),
        delay=1,
        leave=False,
    )
