"""``Head``: what makes a score of two towers' outputs where that is no product of the two."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..choices import Reading
from ..errors import InputError
from ._inputs import Panel
from ._read_out import ReadOut

_READINGS: tuple[Reading, ...] = ("exact", "match", "routing", "frozen")


@runtime_checkable
class Head(Protocol):
    """Makes an image's embedding for a text, and the text's own; their cosine is the score.

    With ``u`` and ``h`` the outputs of the image tower and of the text tower, the score is
    ``cos(mix(u, h), embed(h))``. Only ``mix`` knows both: a text routes what is read of an
    image. All are differentiable twice, and may not change what they are given, which is in
    float32 or better, whatever the weights are in.

    A head may have more, which is asked for by name:

    - ``read_out(image, text)`` returns the :class:`ReadOut` of one pair, ``(K_image,)`` and
      ``(K_text,)``; where routes or places are features of the inputs, ``names_features`` is
      true, and it takes the panels of the text and of the image as a third argument;
    - ``frozen_through(image, text, place)`` returns what ``frozen`` does, through one place
      alone: with what biases add, all places add up to that. ``places`` are their names, as in
      the read-out; where they are patches, ``grid`` has their rows and columns;
    - ``left_out_name`` is what freezing leaves out, where that is no ``"change of routing"``,
      and ``routing_name`` what is frozen, where that is no ``"routing"``;
    - ``score_name`` says what the score is, where its being a cosine says too little;
    - ``readings`` are those of a score that are allowed, its default first. Where the routing is
      a choice, constant between the places where it changes, they are ``("frozen",)``.
    """

    def mix(self, image: Tensor, text: Tensor) -> Tensor:
        """Return the images' embeddings for texts.

        Parameters
        ----------
        image
            Outputs of the image tower, ``(..., K_image)``.
        text
            Outputs of the text tower, ``(..., K_text)``. Leading dimensions are broadcast:
            ``(n, 1, K_image)`` and ``(1, m, K_text)`` ask for all pairs.

        Returns
        -------
        torch.Tensor
            ``(..., C)``, not normalised.
        """
        ...

    def embed(self, text: Tensor) -> Tensor:
        """Return the texts' embeddings, ``(..., K_text)`` to ``(..., C)``, not normalised."""
        ...

    def frozen(self, image: Tensor, text: Tensor) -> Callable[[Tensor], Tensor]:
        """Return ``mix`` with the routing of one pair, whatever the image.

        Parameters
        ----------
        image, text
            Outputs of the towers for the pair, ``(K_image,)`` and ``(K_text,)``.

        Returns
        -------
        callable
            Reads the embedding of an image, ``(..., K_image)`` to ``(..., C)``, and returns
            ``mix(image, text)`` for the pair's own.
        """
        ...


def readings_of(head: Head | None) -> tuple[Reading, ...]:
    """Return the readings that a score allows, its default first; see :class:`Head`."""
    readings: tuple[Reading, ...] = getattr(head, "readings", _READINGS)
    return readings


def routing_name(head: Head | None) -> str:
    """Return what the routing of a head is called; see :class:`Head`."""
    name: str = getattr(head, "routing_name", "routing")
    return name


def score_name(head: Head | None) -> str:
    """Return what a head's score is in words, nothing where it is the cosine; see :class:`Head`."""
    return str(getattr(head, "score_name", ""))


def check_head(head: Any) -> Head:
    """Return a head, or raise ``InputError`` where one of its functions is missing."""
    if not isinstance(head, Head) or isinstance(head, type):
        raise InputError(
            "head",
            f"of the family makes a {type(head).__name__}, which lacks a function of a head",
            "return an object with `mix`, `embed` and `frozen`, see encoders.Head",
        )
    return head


def has_read_out(head: Head) -> bool:
    """Return whether a head says what it read of an image for a text."""
    return callable(getattr(head, "read_out", None))


def read_out_of(
    head: Any, image: Tensor, text: Tensor, panels: tuple[Panel, Panel] | None = None
) -> ReadOut:
    """Return what a head read of an image for a text.

    Parameters
    ----------
    head
        Has a ``read_out``; see :class:`Head`.
    image, text
        Outputs of the towers, ``(K_image,)`` and ``(K_text,)``.
    panels
        How text and image are shown, with the features that enter the last blocks, by which
        routes and places may be named.

    Raises
    ------
    InputError
        When the head returns something else.
    """
    with torch.no_grad():
        named = (panels,) if getattr(head, "names_features", False) else ()
        read_out = head.read_out(image, text, *named)
    if not isinstance(read_out, ReadOut):
        raise InputError(
            "head",
            f"returned a {type(read_out).__name__} from `read_out`",
            "return an encoders.ReadOut",
        )
    return read_out


def places_of(head: Any) -> tuple[tuple[str, ...], int]:
    """Return the names of a head's places, and their number.

    There are none unless it can read through one alone; those that are patches have no names.
    """
    if not callable(getattr(head, "frozen_through", None)):
        return (), 0
    names = tuple(getattr(head, "places", ()))
    rows, columns = getattr(head, "grid", None) or (0, 0)
    return names, len(names) or rows * columns


def left_out_when_frozen(head: Head) -> str:
    """Return what a head's frozen routing leaves out, in words.

    A head whose choice has another name holds it as ``left_out_name``.
    """
    return str(getattr(head, "left_out_name", "change of routing"))


def both_embeddings(
    head: Head, image: Tensor, text: Tensor, routed_by: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the embeddings that a head makes of two towers' outputs.

    Parameters
    ----------
    head
        The head.
    image, text
        ``(..., K_image)`` and ``(..., K_text)``, in float32 or better.
    routed_by
        Outputs of the text tower that choose what is read of the image; ``None`` for ``text``.

    Returns
    -------
    (torch.Tensor, torch.Tensor)
        ``mix`` and ``embed``, both ``(..., C)``.

    Raises
    ------
    InputError
        When the head returns something else.
    """
    mixed = head.mix(image, text if routed_by is None else routed_by)
    embedded = head.embed(text)
    expected = torch.broadcast_shapes(image.shape[:-1], text.shape[:-1])
    _require(mixed, "mix", expected)
    _require(embedded, "embed", text.shape[:-1], mixed.shape[-1])
    return mixed, embedded


def cosines(head: Head, image: Tensor, text: Tensor) -> Tensor:
    """Return the scores of outputs of both towers, ``(..., K_image)``, ``(..., K_text)`` to (...).

    A zero embedding gives zero.

    Raises
    ------
    InputError
        When the head's embeddings are no numbers.
    """
    mixed, embedded = both_embeddings(head, image, text)
    values = (_unit(mixed) * _unit(embedded)).sum(-1)
    if not bool(torch.isfinite(values).all()):
        raise InputError(
            "head",
            "gives scores that are no numbers (NaN or infinite)",
            "check the model's weights, or load it with dtype=torch.float32",
        )
    return values


def frozen_routing(head: Head, image: Tensor, text: Tensor) -> Callable[[Tensor], Tensor]:
    """Return ``head.frozen`` of a pair; see :class:`Head`.

    Raises
    ------
    InputError
        When what it returns for the pair's own image is not what ``mix`` returns.
    """
    with torch.no_grad():
        read = head.frozen(image, text)
        expected, found = head.mix(image, text), read(image)
    if found.shape != expected.shape or not torch.allclose(found, expected, rtol=1e-3, atol=1e-6):
        raise InputError(
            "head",
            "has a `frozen` that does not give the pair's own embedding",
            "let `frozen(image, text)(image)` return what `mix(image, text)` returns",
        )
    return read


def frozen_through(
    head: Any, image: Tensor, text: Tensor, place: int
) -> Callable[[Tensor], Tensor]:
    """Return ``head.frozen_through`` of a pair; see :class:`Head`.

    Raises
    ------
    InputError
        When what it returns is no part of an embedding.
    """
    with torch.no_grad():
        read: Callable[[Tensor], Tensor] = head.frozen_through(image, text, place)
        _require(read(image), "frozen_through", torch.Size(), head.mix(image, text).shape[-1])
    return read


def _unit(vectors: Tensor) -> Tensor:
    return nn.functional.normalize(vectors, dim=-1)


def _require(value: Any, name: str, leading: torch.Size, last: int | None = None) -> None:
    """Raise ``InputError`` unless a head's function returned vectors for each of its inputs."""
    shape = tuple(value.shape) if isinstance(value, Tensor) else None
    if shape and shape[:-1] == tuple(leading) and last in (None, shape[-1]):
        return
    what = f"a {type(value).__name__}" if shape is None else f"a tensor {shape}"
    length = "C" if last is None else last
    wanted = ", ".join(map(str, (*leading, length)))
    raise InputError("head", f"returned {what} from `{name}`", f"return a tensor ({wanted})")
