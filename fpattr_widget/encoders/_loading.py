"""Load an encoder by name, from a folder, or from a module that is already there."""

import copy
import json
import os
import re
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import as_file
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from ..assets import MODEL_FOLDER
from ..errors import InputError
from ._adapters import ProcessorLike, processors_of
from ._cache import LRUCache
from ._encoder import MEMORY_LIMIT, Defaults, DualEncoder
from ._names import looks_like_path, shared_name
from ._registry import class_of_config, family_of_module, unwrapped

#: A folder may carry this file: the layer and reference that ground best for its model.
DEFAULTS_FILE = "attribution.json"

#: What is loaded, or is an encoder already.
ModelLike = str | os.PathLike[str] | nn.Module | DualEncoder

_URL = re.compile(r"[a-z][a-z0-9+.\-]+:/", re.IGNORECASE)

# Weights that turn a cosine into logits, after all that is attributed.
_OF_LOGITS = ("logit_scale", "logit_bias")


def load_encoder(
    model: str | os.PathLike[str] | nn.Module = "bundled",
    *,
    processor: ProcessorLike = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    memory_limit: int = MEMORY_LIMIT,
) -> DualEncoder:
    """Load a dual encoder.

    Parameters
    ----------
    model
        ``"bundled"``, a Hugging Face model id, a local folder, or a loaded
        module. Weights are read from safetensors; code that comes with a model
        is never run.
    processor
        For a loaded module: its Hugging Face processor; any object with a
        ``tokenizer`` and an ``image_processor``, or a dict of these; or the
        two as a tuple, in either order. They may be those that OpenAI's and
        OpenCLIP's packages hand out:
        ``processor=(open_clip.get_tokenizer(name), preprocess)``.
    device
        Where the model is to be; ``None`` leaves a loaded module where it is
        and puts others on the CPU. Where a loaded module has to be moved or
        converted, a copy is, which does not follow it any more.
    dtype
        Type of the weights; ``None`` leaves them as they are, except that half
        precision read from disk becomes float32 on a CPU.
    memory_limit
        Bytes of working memory that attributions may take beside the model.

    Returns
    -------
    DualEncoder

    Raises
    ------
    InputError
        When nothing is found under this name, its family is not known, its
        weights are integers, or an argument cannot be used here.
    """
    if isinstance(memory_limit, bool) or not isinstance(memory_limit, int) or memory_limit < 1:
        raise InputError("memory_limit", f"is {memory_limit!r}", "pass a number of bytes")
    if not isinstance(model, str | os.PathLike | nn.Module):
        raise InputError(
            "model",
            f"is a {type(model).__name__}",
            "pass 'bundled', a Hugging Face id, a folder, a loaded module or an encoder",
        )
    _require_device(device)
    _require_floats(dtype)
    if isinstance(model, nn.Module):
        _require_derivatives(model)
        return _from_module(model, processor, device, dtype, memory_limit)
    if processor is not None:
        raise InputError(
            "processor",
            f"is for a loaded module, and `model` is the name {str(model)!r}, which has its own",
            "leave it out, or load the module and pass both",
        )
    if str(model) != "bundled":
        encoder = _from_pretrained(str(model), str(model), device, dtype, memory_limit)
    else:
        with as_file(MODEL_FOLDER) as folder:
            encoder = _from_pretrained(str(folder), "bundled", device, dtype, memory_limit)
    source = os.path.abspath(model) if os.path.isdir(model) else str(model)
    place = None if device is None else str(device)
    encoder.recipe = EncoderRecipe(source, place, dtype, memory_limit)
    return encoder


@dataclass(frozen=True)
class EncoderRecipe:
    """What loads an encoder again, in another process for example; can be pickled.

    Attributes
    ----------
    model
        ``"bundled"``, a Hugging Face model id, or a folder's absolute path,
        which its ``repr`` leaves out.
    device, dtype, memory_limit
        As they were passed to :func:`load_encoder`.
    """

    model: str = field(repr=False)
    device: str | None
    dtype: torch.dtype | None
    memory_limit: int

    def load(self) -> DualEncoder:
        """Load the encoder; see :func:`load_encoder` for the errors."""
        return load_encoder(
            self.model, device=self.device, dtype=self.dtype, memory_limit=self.memory_limit
        )


def encoder_of(model: ModelLike = "bundled", processor: ProcessorLike = None) -> DualEncoder:
    """Return the encoder that a model is, or that is made of it.

    Parameters
    ----------
    model
        ``"bundled"``, a Hugging Face model id, a local folder, a loaded
        module, or an encoder, which is returned as it is. What is loaded by
        name is kept for the next call.
    processor
        See :func:`load_encoder`; for a loaded module.

    Returns
    -------
    DualEncoder

    Raises
    ------
    InputError
        As :func:`load_encoder` does, and when an encoder comes with a processor.
    """
    if isinstance(model, DualEncoder):
        if processor is not None:
            raise InputError(
                "processor",
                "is for a loaded module, and `model` is an encoder, which has its own",
                "leave it out",
            )
        return model
    if isinstance(model, str | os.PathLike) and processor is None:
        return shared_encoder(model)
    return load_encoder(model, processor=processor)


def shared_encoder(model: str | os.PathLike[str]) -> DualEncoder:
    """Return the encoder of a name, loaded once; a folder again when its files have changed."""
    return _KEPT.get(_as_it_is(model), lambda: load_encoder(model))


def is_loaded(model: str | os.PathLike[str]) -> bool:
    """Tell whether :func:`shared_encoder` would return at once."""
    return _as_it_is(model) in _KEPT


def _as_it_is(model: str | os.PathLike[str]) -> Hashable:
    """Return a model's name, with what tells its folder from the same after a change."""
    inside = sorted(Path(model).iterdir()) if Path(model).is_dir() else []
    return str(model), tuple((path.name, path.stat().st_mtime_ns) for path in inside)


_KEPT: LRUCache[DualEncoder] = LRUCache(2)


def _from_module(
    model: nn.Module,
    processor: Any,
    device: str | torch.device | None,
    dtype: torch.dtype | None,
    memory_limit: int,
) -> DualEncoder:
    model = unwrapped(model)
    family = family_of_module(model)
    model = _converted(model, device, dtype)
    source = getattr(getattr(model, "config", None), "_name_or_path", "")
    return DualEncoder(
        shared_name(source or type(model).__name__),
        model,
        family,
        processors=processors_of(processor),
        memory_limit=memory_limit,
    )


def _from_pretrained(
    source: str,
    name: str,
    device: str | torch.device | None,
    dtype: torch.dtype | None,
    memory_limit: int,
) -> DualEncoder:
    import transformers
    from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer

    _require_place(source, name)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(
            "model",
            f"{name!r} cannot be loaded, for it is neither a folder with a config.json nor a "
            f"Hugging Face model that can be reached from here ({_first_sentence(error)})",
            "check the name, or pass a loaded module",
        ) from error
    kind = getattr(transformers, class_of_config(config, name))
    try:
        with _without_chatter(local=Path(source).is_dir()):
            module, report = kind.from_pretrained(
                source,
                config=config,
                dtype=dtype or "auto",
                use_safetensors=True,
                output_loading_info=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            image_processor = AutoImageProcessor.from_pretrained(
                source, backend="pil", trust_remote_code=False
            )
    except (ImportError, OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(
            "model",
            f"{name!r} cannot be loaded ({_first_sentence(error)})",
            "mend what it names, or pass a loaded module",
        ) from error
    _require_trained(report["missing_keys"], kind.__name__, config, name)
    module.eval()
    place = torch.device(device or "cpu")
    half = module.dtype in (torch.float16, torch.bfloat16)
    module.to(
        device=place,
        dtype=torch.float32 if half and dtype is None and place.type == "cpu" else None,
    )
    return DualEncoder(
        shared_name(name),
        module,
        family_of_module(module),
        processors={"text": tokenizer, "image": image_processor},
        defaults=_read_defaults(source),
        memory_limit=memory_limit,
    )


def _require_place(source: str, name: str) -> None:
    """Refuse what names neither a folder with a model in it nor an id of Hugging Face."""
    if _URL.match(source):
        raise InputError(
            "model",
            f"{name!r} is an address",
            "pass a Hugging Face id alone, such as 'openai/clip-vit-base-patch32', or a folder "
            "that was downloaded",
        )
    if not source.strip():
        raise InputError("model", "is empty", "pass a Hugging Face id or a folder")
    if os.path.isdir(source):
        if not os.path.isfile(os.path.join(source, "config.json")):
            raise InputError(
                "model",
                f"{name!r} cannot be loaded",
                "the folder holds no config.json; pass one that save_pretrained wrote",
            )
    elif os.path.isfile(source):
        raise InputError(
            "model",
            f"{name!r} cannot be loaded",
            "it is a file; pass the folder that save_pretrained wrote",
        )
    elif looks_like_path(source):
        raise InputError("model", f"{name!r} cannot be loaded", f"there is no folder {source}")


def _require_device(device: str | torch.device | None) -> None:
    """Refuse a device that is not here, before anything is loaded."""
    if device is None:
        return
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError, ValueError):
        raise InputError("device", f"is {device!r}", "pass 'cpu', 'cuda' or 'mps'") from None
    try:
        if kind == "meta":
            raise RuntimeError("it holds no numbers")
        torch.empty(1, device=device)
    except (AssertionError, RuntimeError, ImportError) as error:
        raise InputError(
            "device",
            f"is {str(device)!r}, which torch cannot use here ({_first_sentence(error)})",
            "pass 'cpu', or leave it out",
        ) from error


def _require_floats(dtype: torch.dtype | None) -> None:
    usual = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
    if dtype is not None and dtype not in usual:
        raise InputError(
            "dtype", f"is {dtype!r}", "pass torch.float32, torch.bfloat16, torch.float16 or None"
        )


def _converted(
    model: nn.Module, device: str | torch.device | None, dtype: torch.dtype | None
) -> nn.Module:
    """Return a module in a place and of a type: itself, or a copy if it is not there yet."""
    weights = list(model.parameters())
    wanted = None if device is None else torch.device(device)
    there = wanted is None or all(
        weight.device.type == wanted.type and wanted.index in (None, weight.device.index)
        for weight in weights
    )
    if there and (dtype is None or all(weight.dtype == dtype for weight in weights)):
        return model
    return copy.deepcopy(model).to(device=device, dtype=dtype)


def _require_derivatives(model: nn.Module) -> None:
    """Refuse a module whose weights are integers: there is no derivative through them."""
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        own = [kept for kept in module.parameters(recurse=False) if not kept.is_floating_point()]
        # torch's quantised layers have a method of this name, others integers beside scales.
        packed = callable(weight) and not isinstance(weight, torch.Tensor | nn.Module)
        if own or packed or hasattr(module, "qweight"):
            place = f" (first in {name!r})" if name else ""
            raise InputError(
                "model",
                "is quantised",
                f"its weights are integers{place}, which have no derivatives; load it in float32, "
                "bfloat16 or float16",
            )


def _require_trained(missing: Iterable[str], kind: str, config: Any, name: str) -> None:
    """Refuse a model of which the files lack weights, for those would be random numbers."""
    lacking = sorted(weight for weight in missing if weight not in _OF_LOGITS)
    if lacking:
        saved = ", ".join(config.architectures or ["a model of unknown class"])
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise InputError(
            "model",
            f"{name!r}, saved as {saved}, lacks weights that {kind} needs ({lacking[0]}{more}), "
            "and its embeddings would be random",
            f"pass one that was trained and saved as {kind}",
        )


def _read_defaults(source: str) -> Defaults:
    path = Path(source) / DEFAULTS_FILE
    if not path.is_file():
        return Defaults()
    try:
        settings = json.loads(path.read_text("utf-8"))
        text, image = settings["layer"]
        nodes = settings.get("nodes")
        if nodes is not None:
            nodes = int(nodes[0]), int(nodes[1])
        references = {"text": str(settings["text_reference"])}
        return Defaults((int(text), int(image)), references, nodes)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            "model",
            f"has a damaged {DEFAULTS_FILE}",
            'delete it, or let it hold {"layer": [text, image], "text_reference": "pad"}',
        ) from error


def _first_sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines() or ["no reason given"]
    return lines[0].split(". ")[0].rstrip(".")[:300]


@contextmanager
def _without_chatter(local: bool) -> Iterator[None]:
    """Silence notices that are no news to the user; a download keeps its progress bar."""
    import logging as levels

    from transformers.utils import logging

    notices = logging.get_logger("transformers")
    level, bars = notices.level, logging.is_progress_bar_enabled()
    notices.setLevel(levels.ERROR)
    if local:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        notices.setLevel(level)
        if bars:
            logging.enable_progress_bar()
