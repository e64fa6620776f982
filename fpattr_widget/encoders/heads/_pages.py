"""``PageTower``: an image encoder inside a language model, whose image is tokens beside a prompt.

Its blocks are those of the vision model and then those of the language model. The patches of the
vision model become image tokens, a grid of fewer, larger cells where it merges them; the tokens of
the prompt are special positions. Features are the special positions first and then the cells row
by row, whatever the order in which the model has them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ...errors import InputError
from .._image import WHOLE, ImageTower, PreparedImage, picture_of_pixels
from .._image_files import displayed_size, read_image
from .._inputs import Crop, Inputs, Prepared
from .._reference import PictureReference

_REMEDY = "pass what `process_images` of the model's own processor returned, or a picture"


@dataclass(frozen=True)
class Layout:
    """Where the positions of one stage of a model lie.

    Attributes
    ----------
    grid
        Rows and columns of cells.
    cells
        The cell of each position, row by row, ``(positions,)`` int64; −1 for special ones.
    """

    grid: tuple[int, int]
    cells: Tensor

    @property
    def order(self) -> Tensor:
        """The position of each feature, special ones first, ``(positions,)`` int64."""
        return torch.argsort(self.cells, stable=True)


class PageFormat(ABC):
    """How a model's image processor lays out an image, and what becomes of it.

    Attributes
    ----------
    names
        Of the image tower's inputs beside the prompt's ``input_ids``.
    """

    names: tuple[str, ...] = ("pixel_values",)

    @abstractmethod
    def check(self, inputs: Inputs) -> str | None:
        """Return what is wrong with a processor's output for one image, if anything is."""

    @abstractmethod
    def vision(self, inputs: Inputs) -> Layout:
        """Return the layout of the vision model's positions."""

    @abstractmethod
    def image_tokens(self, inputs: Inputs) -> Layout:
        """Return the layout of the image tokens alone."""

    def pictures(self, inputs: Inputs) -> Tensor:
        """Return the pixels as pictures, ``(pictures, channels, h, w)``."""
        return inputs["pixel_values"]

    def packed(self, pictures: Tensor, inputs: Inputs) -> Tensor:
        """Return pictures as the model takes them; undoes ``pictures``."""
        return pictures

    def boxes(self, inputs: Inputs) -> list[tuple[float, float, float, float]]:
        """Return where on the page each picture lies, (top, left, bottom, right) of 1."""
        return [(0.0, 0.0, 1.0, 1.0)]


@dataclass(frozen=True)
class PreparedPage(PreparedImage):
    """An image with its prompt.

    Attributes
    ----------
    names
        Of the tokens of the prompt that stand at no image token, in the order of the positions.
    """

    names: tuple[str, ...] = ()


class PageTower(ImageTower):
    """An image encoder inside a language model.

    Parameters
    ----------
    model, vision_blocks, language_blocks
        The module that owns both, and the blocks of each.
    encode
        Returns one vector for each position of the language model, ``(B, positions, size)``.
    page
        How images are laid out.
    image_token
        Id of the token in whose place image tokens stand.
    longest
        The most positions that the language model has.
    """

    def __init__(
        self,
        model: nn.Module,
        vision_blocks: Sequence[nn.Module] | nn.ModuleList,
        language_blocks: Sequence[nn.Module] | nn.ModuleList,
        encode: Callable[[Inputs], Tensor],
        *,
        page: PageFormat,
        image_token: int,
        longest: int,
    ):
        def vectors(inputs: Inputs) -> Tensor:
            return encode(inputs)[:, self._language(inputs).order].flatten(1)

        blocks = (*vision_blocks, *language_blocks)
        super().__init__(model, blocks, vectors, patch=None, special=())
        self.page = page
        self.image_token = image_token
        self.longest = longest
        self._vision_blocks = len(vision_blocks)

    # How states are laid out

    def _pack(self, states: Tensor, inputs: Inputs, layer: int) -> Tensor:
        order = self._at(inputs, layer).order
        return states.reshape(-1, len(order), states.shape[-1])[:, order]

    def _unpack(self, features: Tensor, states: Tensor, inputs: Inputs, layer: int) -> Tensor:
        positions = features[:, self._at(inputs, layer).order.argsort()]
        return positions.reshape(-1, *states.shape[1:])

    def _stage(self, layer: int) -> int:
        return int(layer >= self._vision_blocks)

    def _at(self, inputs: Inputs, layer: int) -> Layout:
        """Return the layout of the positions that enter a block."""
        return self._language(inputs) if self._stage(layer) else self.page.vision(inputs)

    def _language(self, inputs: Inputs) -> Layout:
        """Return the layout of the language model's positions: image tokens and prompt."""
        image = self.page.image_tokens(inputs)
        is_image = inputs["input_ids"][0] == self.image_token
        cells = torch.full_like(inputs["input_ids"][0], -1)
        cells[is_image] = image.cells.to(cells)
        return Layout(image.grid, cells)

    def layout(self, inputs: Inputs, layer: int) -> tuple[tuple[int, int], tuple[str, ...]]:
        layout = self._at(inputs, layer)
        count = int((layout.cells < 0).sum())
        return layout.grid, tuple(f"special {number + 1}" for number in range(count))

    def panel(self, prepared: Prepared, layer: int) -> Crop:
        assert isinstance(prepared, PreparedPage)
        layout = self._at(prepared.inputs, layer)
        return Crop(prepared.picture, layout.grid, self._special(prepared, layer))

    def _special(self, prepared: PreparedPage, layer: int) -> tuple[str, ...]:
        """Return the names of the special positions, in the order of the positions."""
        cells = self._at(prepared.inputs, layer).cells
        if not self._stage(layer):
            return tuple(f"overview {number + 1}" for number in range(int((cells < 0).sum())))
        is_image = prepared.inputs["input_ids"][0] == self.image_token
        names, overview = iter(prepared.names), 0
        special: list[str] = []
        for image_token, cell in zip(is_image.tolist(), cells.tolist(), strict=True):
            if image_token and cell < 0:
                overview += 1
                special.append(f"overview {overview}")
            elif not image_token:
                special.append(next(names))
        return tuple(special)

    def panel_needs_a_pass(self) -> bool:
        return False

    # Images

    def take_size(self, side: int) -> None:
        raise InputError(
            "image_size",
            f"is {side}, but the model's processor chooses the size of a page and its prompt",
            "leave it out",
        )

    def prepare(
        self, value: Any, processor: Any, device: torch.device, dtype: torch.dtype
    ) -> PreparedPage:
        """Return an image and its prompt as inputs of the tower.

        Parameters
        ----------
        value
            As of :class:`ImageTower`, or what the model's own processor returned for one image.
        processor
            A :class:`.PageProcessor`, or ``None``.
        device, dtype
            Device and type of the inputs.

        Raises
        ------
        InputError
            When it cannot be read or does not fit the model.
        """
        source, inputs = self._read_image(value, processor, device, dtype)
        if source is None:
            picture = picture_of_pixels(self.unpacked(inputs)[-1], processor)
        else:
            size = displayed_size(source.size, max(source.size))
            picture = source.resize(size, Image.Resampling.LANCZOS)
        ids = inputs["input_ids"][0]
        prompt = ids[ids != self.image_token].tolist()
        names = processor.names(prompt) if processor is not None else map(str, prompt)
        return PreparedPage(inputs, picture, WHOLE, tuple(names))

    def _read_image(
        self, value: Any, processor: Any, device: torch.device, dtype: torch.dtype
    ) -> tuple[Image.Image | None, Inputs]:
        source: Image.Image | None = None
        if isinstance(value, Tensor):
            raise InputError("image", "is pixels without the token ids of a prompt", _REMEDY)
        if hasattr(value, "keys"):
            output = dict(value)
        elif processor is None:
            raise InputError(
                "image",
                "needs preprocessing, but the encoder has no processor",
                "pass `processor=` to load_encoder, or what the model's own processor returned",
            )
        else:
            source = read_image(value)
            output = processor(images=source)
        return source, self._inputs(output, device, dtype)

    def _inputs(self, output: Any, device: torch.device, dtype: torch.dtype) -> Inputs:
        """Return the tower's own of what a processor returned, or raise ``InputError``."""
        names = ("input_ids", *self.page.names)
        missing = [name for name in names if name not in output]
        if missing:
            raise InputError("image", f"is a mapping without {missing[0]!r}", _REMEDY)
        given = {name: _as_tensor(output[name]) for name in names}
        many = [name for name, tensor in given.items() if not tensor.ndim or len(tensor) != 1]
        if many:
            shape = tuple(given[many[0]].shape)
            raise InputError("image", f"holds {many[0]} {shape}, and not of one image", _REMEDY)
        ids = given["input_ids"]
        problem = self.page.check(given)
        if ids.ndim != 2 or ids.is_floating_point():
            problem = f"input_ids {tuple(ids.shape)} of {ids.dtype}"
        if problem is not None:
            raise InputError("image", f"holds {problem}, which the model does not take", _REMEDY)
        pixels = given["pixel_values"]
        if not pixels.is_floating_point():
            raise InputError("image", f"holds pixel_values of {pixels.dtype}", _REMEDY)
        if not bool(torch.isfinite(pixels).all()):
            raise InputError("image", "holds NaN or infinite values", "pass finite pixels")
        if ids.shape[1] > self.longest:
            raise InputError(
                "image",
                f"has {ids.shape[1]} tokens with its prompt, and the model reads at most "
                f"{self.longest}",
                "make it smaller, by the settings of the model's image processor",
            )
        expected, found = (
            len(self.page.image_tokens(given).cells),
            int((ids == self.image_token).sum()),
        )
        if expected != found:
            raise InputError(
                "image",
                f"holds {found} image tokens among its input_ids for {expected} of its pixels",
                _REMEDY,
            )
        return {
            name: tensor.to(device, dtype if tensor.is_floating_point() else None)
            for name, tensor in given.items()
        }

    def unpacked(self, inputs: Inputs) -> Tensor:
        return self.page.pictures(inputs)

    def _packed(self, pictures: Tensor, inputs: Inputs) -> Tensor:
        return self.page.packed(pictures, inputs)

    def removable(self, prepared: Prepared, layer: int) -> np.ndarray:
        cells = self._at(prepared.inputs, layer).cells
        return np.arange(int((cells < 0).sum()), len(cells))

    def masked(
        self, prepared: Prepared, layer: int, kept: Tensor, removal: str | PictureReference
    ) -> Inputs:
        """Return a batch of the image with only the kept cells.

        A cell is removed from every picture of the page that shows it.
        """
        inputs = prepared.inputs
        layout = self._at(inputs, layer)
        rows, columns = layout.grid
        pictures = self.unpacked(inputs)
        if isinstance(removal, str):
            others = self.unpacked(self.reference(prepared, removal))
        else:
            weighted = removal.inputs_for(prepared)
            others = torch.stack([w * self.unpacked(each) for w, each in weighted]).sum(0)
        cells = torch.stack(
            [
                _lines(top, bottom, pictures.shape[-2], rows)[:, None] * columns
                + _lines(left, right, pictures.shape[-1], columns)
                for top, left, bottom, right in self.page.boxes(inputs)
            ]
        ).to(kept.device)  # (pictures, h, w)
        shown = kept[:, int((layout.cells < 0).sum()) :]
        packed = [
            self._packed(torch.where(one[cells][:, None], pictures, others), inputs)
            for one in shown
        ]
        batch = {name: value.expand(len(kept), *value.shape[1:]) for name, value in inputs.items()}
        return {**batch, "pixel_values": torch.cat(packed)}


def _as_tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))


def _lines(start: float, stop: float, length: int, count: int) -> Tensor:
    """Return in which of ``count`` equal lines of the page each pixel's centre lies, ``(length,)``.

    The pixels of a side go from ``start`` to ``stop``, of a page from 0 to 1.
    """
    centres = start + (stop - start) * (torch.arange(length, dtype=torch.float64) + 0.5) / length
    return (centres * count).long().clamp(max=count - 1)
