"""Load an encoder by name, from a folder, or from a loaded module."""

import copy
import inspect
import json
import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import as_file
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from ..assets import MODEL_FOLDERS
from ..errors import InputError
from ._adapters import ProcessorLike, processors_of
from ._cache import LRUCache
from ._checkpoint import is_checkpoint, read_folder, read_layout, read_weights
from ._differentiable import HALF
from ._encoder import MEMORY_LIMIT, Defaults, DualEncoder
from ._family import Family
from ._image import ImageTower
from ._image_size import require_image_size
from ._memory_needed import require_memory
from ._names import looks_like_path, shared_name
from ._registry import family_of_config, family_of_module, module_of_weights, unwrapped

#: A model's folder may contain this file, with the layer and reference that suit it best.
DEFAULTS_FILE = "attribution.json"

#: Everything that users may pass as ``model``.
ModelLike = str | os.PathLike[str] | nn.Module | DualEncoder

_URL = re.compile(r"[a-z][a-z0-9+.\-]+:/", re.IGNORECASE)

# Weights that scale cosines to logits, which no attribution needs.
_LOGIT_WEIGHTS = ("logit_scale", "logit_bias")


def load_encoder(
    model: str | os.PathLike[str] | nn.Module = "bundled",
    *,
    processor: ProcessorLike = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    memory_limit: int = MEMORY_LIMIT,
    image_size: int | None = None,
    weight_scale: float | None = None,
) -> DualEncoder:
    """Load a dual encoder.

    Parameters
    ----------
    model
        ``"bundled"``, which knows photographs; ``"scenes"``, which knows drawn
        scenes; ``"llip"``, a Llip of drawn scenes; a Hugging Face model id, a local folder, a
        loaded module, or a checkpoint of a Llip or of a FLAIR (``"llip_b16_k32.pt"``,
        ``"flair-merged30m.pt"``).
        Weights are read from safetensors, or as tensors alone from a checkpoint; a model's own
        code is never run.
    processor
        For a loaded module or a checkpoint: its Hugging Face processor; any object with a
        ``tokenizer`` and an ``image_processor``, or a dict of these; or the
        two as a tuple, in either order. Those of OpenAI's and
        OpenCLIP's packages work as well:
        ``processor=(open_clip.get_tokenizer(name), preprocess)``.
    device
        Device of the model; ``None`` leaves a loaded module where it is
        and puts others on the CPU. If a loaded module has to be moved or
        converted, a copy is used, which does not follow later changes.
    dtype
        Type of the weights; ``None`` leaves them as they are, except that half
        precision read from disk becomes float32 on a CPU.
    memory_limit
        Bytes of working memory that attributions may use beside the model.
    image_size
        Side in pixels of the square pictures that the image tower is given, for finer or
        coarser maps: a multiple of the patch, or of the stride of a convolutional tower.
        Learnt positions are interpolated as by ``interpolate_pos_encoding=True`` in
        transformers, and a copy of the image processor is set to this size. ``None`` for the
        model's own.
    weight_scale
        For a Llip alone: what the products of keys and query are divided by before they route
        what is read of an image. It is part of no checkpoint, and has to be given with one: 5
        in the published ViT-B/32, B/16, H/14 and G/14, and 1 in L/14. ``"llip"`` has its own,
        for which ``None`` stands. Infinity reads all mixture tokens alike.

    Returns
    -------
    DualEncoder

    Raises
    ------
    InputError
        When there is no model of this name, its family is not known, its
        weights are integers or incomplete, a Llip has no ``weight_scale``, its image tower
        takes no pictures of ``image_size``, or an argument cannot be used here.
    """
    if isinstance(memory_limit, bool) or not isinstance(memory_limit, int) or memory_limit < 1:
        raise InputError("memory_limit", f"is {memory_limit!r}", "pass a number of bytes")
    if not isinstance(model, str | os.PathLike | nn.Module):
        raise InputError(
            "model",
            f"is a {type(model).__name__}",
            "pass 'bundled', 'scenes', 'llip', a Hugging Face id, a folder, a loaded module or an "
            "encoder",
        )
    _require_device(device)
    _require_floats(dtype)
    require_image_size(image_size)
    head_settings = _head_settings(weight_scale)
    if isinstance(model, nn.Module):
        _require_derivatives(model)
        return _from_module(
            model, processor, device, dtype, memory_limit, image_size, head_settings
        )
    if is_checkpoint(model):
        encoder = _from_checkpoint(
            str(model), processor, device, dtype, memory_limit, image_size, head_settings
        )
        if processor is None:  # one need not be picklable
            encoder.recipe = EncoderRecipe(
                os.path.abspath(model),
                None if device is None else str(device),
                dtype,
                memory_limit,
                image_size,
                weight_scale,
            )
        return encoder
    if processor is not None:
        raise InputError(
            "processor",
            f"is for a loaded module, and `model` is the name {str(model)!r}, which has its own",
            "leave it out, or load the module and pass both",
        )
    name = str(model)
    settings = device, dtype, memory_limit, image_size, head_settings
    if bundled := MODEL_FOLDERS.get(name):
        source = name
        with as_file(bundled) as folder:
            encoder = _from_source(str(folder), name, *settings)
    else:
        source = os.path.abspath(model) if os.path.isdir(model) else name
        encoder = _from_source(name, name, *settings)
    device_name = None if device is None else str(device)
    encoder.recipe = EncoderRecipe(
        source, device_name, dtype, memory_limit, image_size, weight_scale
    )
    return encoder


@dataclass(frozen=True)
class EncoderRecipe:
    """A picklable description of how to load an encoder, in another process for example.

    Attributes
    ----------
    model
        The name of a bundled model, a Hugging Face model id, or a folder's absolute path;
        not part of the ``repr``.
    device, dtype, memory_limit, image_size, weight_scale
        See :func:`load_encoder`.
    """

    model: str = field(repr=False)
    device: str | None
    dtype: torch.dtype | None
    memory_limit: int
    image_size: int | None = None
    weight_scale: float | None = None

    def load(self) -> DualEncoder:
        """Load the encoder; raises as :func:`load_encoder` does."""
        return load_encoder(
            self.model,
            device=self.device,
            dtype=self.dtype,
            memory_limit=self.memory_limit,
            image_size=self.image_size,
            weight_scale=self.weight_scale,
        )


def encoder_of(model: ModelLike = "bundled", processor: ProcessorLike = None) -> DualEncoder:
    """Return the encoder of a model, loading it if necessary.

    Parameters
    ----------
    model
        ``"bundled"`` or ``"scenes"``, a Hugging Face model id, a local folder, a
        loaded module, or an encoder, which is returned as it is. Encoders that are loaded by
        name are cached.
    processor
        For a loaded module; see :func:`load_encoder`.

    Returns
    -------
    DualEncoder

    Raises
    ------
    InputError
        As in :func:`load_encoder`, and when a processor is passed with an encoder.
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
    """Return a cached encoder; load it first, or again if files in its folder have changed."""
    return _LOADED.get(_cache_key(model), lambda: load_encoder(model))


def is_loaded(model: str | os.PathLike[str]) -> bool:
    """Return whether :func:`shared_encoder` would return without loading."""
    return _cache_key(model) in _LOADED


def _cache_key(model: str | os.PathLike[str]) -> Hashable:
    """Return a model's name, with the times at which files in its folder were changed."""
    files = sorted(Path(model).iterdir()) if Path(model).is_dir() else []
    return str(model), tuple((path.name, path.stat().st_mtime_ns) for path in files)


_LOADED: LRUCache[DualEncoder] = LRUCache(2)


def _from_module(
    model: nn.Module,
    processor: Any,
    device: str | torch.device | None,
    dtype: torch.dtype | None,
    memory_limit: int,
    image_size: int | None,
    head_settings: Mapping[str, Any],
) -> DualEncoder:
    model = unwrapped(model)
    family = family_of_module(model)
    _require_settings(family, head_settings, type(model).__name__)
    model = _converted(model, device, dtype)
    source = getattr(getattr(model, "config", None), "_name_or_path", "")
    return DualEncoder(
        shared_name(source or type(model).__name__),
        model,
        family,
        processors=_processors(family, processor),
        memory_limit=memory_limit,
        image_size=image_size,
        head_settings=head_settings,
    )


def _processors(family: Family, processor: Any) -> Mapping[str, Any]:
    """Return the processors of a family's towers."""
    if family.processors is None or processor is None:
        return processors_of(processor)
    return family.processors(processor)


def _from_checkpoint(
    path: str,
    processor: Any,
    device: str | torch.device | None,
    dtype: torch.dtype | None,
    memory_limit: int,
    image_size: int | None,
    head_settings: Mapping[str, Any],
) -> DualEncoder:
    name = os.path.basename(path)
    module = module_of_weights(read_weights(path, name), name)
    family = family_of_module(module)
    _require_settings(family, head_settings, name)
    encoder = DualEncoder(
        name,
        _placed(module, device, dtype),
        family,
        processors=processors_of(processor),
        memory_limit=memory_limit,
        image_size=image_size,
        head_settings=head_settings,
    )
    if encoder.processors.get("image") is None:
        encoder.processors["image"] = _clip_image_processor(encoder)
    return encoder


def _placed(
    module: nn.Module, device: str | torch.device | None, dtype: torch.dtype | None
) -> nn.Module:
    """Put a module that was read from a file where it is wanted, in half precision on no CPU."""
    target = torch.device(device or "cpu")
    half = any(weight.dtype in HALF for weight in module.parameters())
    widened = torch.float32 if half and target.type == "cpu" else None
    return module.eval().to(device=target, dtype=dtype or widened)


def _from_source(
    source: str,
    name: str,
    device: str | torch.device | None,
    dtype: torch.dtype | None,
    memory_limit: int,
    image_size: int | None,
    head_settings: Mapping[str, Any],
) -> DualEncoder:
    """Load from a folder in a published layout, from another folder, or by a Hugging Face id."""
    layout = read_layout(source)
    if layout is None:
        if head_settings:
            raise _needs_no_scale(name)
        return _from_pretrained(source, name, device, dtype, memory_limit, image_size)
    module: Any = module_of_weights(read_folder(source, name), name, layout.head_size)
    module.weight_scale = layout.weight_scale
    tokenizer, image_processor = _read_processors(source, name)
    return DualEncoder(
        shared_name(name),
        _placed(module, device, dtype),
        family_of_module(module),
        processors={"text": tokenizer, "image": image_processor},
        defaults=_read_defaults(source),
        memory_limit=memory_limit,
        image_size=image_size,
        head_settings=head_settings,
    )


def _read_processors(source: str, name: str) -> tuple[Any, Any]:
    from transformers import AutoImageProcessor, AutoTokenizer

    try:
        with _errors_logged_only(local=True):
            return (
                AutoTokenizer.from_pretrained(source, trust_remote_code=False),
                AutoImageProcessor.from_pretrained(source, backend="pil", trust_remote_code=False),
            )
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        raise InputError(
            "model",
            f"{name!r} cannot be loaded ({_first_sentence(error)})",
            "correct this, or pass a loaded module",
        ) from error


def _clip_image_processor(encoder: DualEncoder) -> Any:
    """Return CLIP's preprocessing, which a checkpoint does not name, for an encoder's size."""
    from transformers import CLIPImageProcessorPil

    tower = encoder.towers["image"]
    assert isinstance(tower, ImageTower)
    assert tower.size is not None
    height, width = tower.size
    crop = {"height": height, "width": width}
    return CLIPImageProcessorPil(size={"shortest_edge": min(tower.size)}, crop_size=crop)


def _head_settings(weight_scale: float | None) -> dict[str, float]:
    """Return the settings of a head that were given, or raise where one is out of its range."""
    if weight_scale is None:
        return {}
    is_number = isinstance(weight_scale, int | float) and not isinstance(weight_scale, bool)
    if not is_number or not weight_scale > 0:
        raise InputError("weight_scale", f"is {weight_scale!r}", "pass a positive number")
    return {"weight_scale": float(weight_scale)}


def _require_settings(family: Family, head_settings: Mapping[str, Any], name: str) -> None:
    """Raise unless the head of a family takes the settings that were given."""
    takes = inspect.signature(family.head).parameters if family.head is not None else ()
    if not set(head_settings) <= set(takes):
        raise _needs_no_scale(name)


def _needs_no_scale(name: str) -> InputError:
    return InputError(
        "weight_scale", f"is given, but {name!r} has no scale of its routing", "leave it out"
    )


def _from_pretrained(
    source: str,
    name: str,
    device: str | torch.device | None,
    dtype: torch.dtype | None,
    memory_limit: int,
    image_size: int | None,
) -> DualEncoder:
    import transformers
    from transformers import AutoConfig, AutoImageProcessor, AutoProcessor, AutoTokenizer

    _require_source(source, name)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(
            "model",
            f"{name!r} cannot be loaded, for it is neither a folder with a config.json nor a "
            f"Hugging Face model that can be reached from here ({_first_sentence(error)})",
            "check the name, or pass a loaded module",
        ) from error
    family, class_name = family_of_config(config, name)
    model_class = getattr(transformers, class_name)
    target = torch.device(device or "cpu")
    require_memory(model_class, config, source, name, dtype, target)
    try:
        with _errors_logged_only(local=Path(source).is_dir()):
            module, report = model_class.from_pretrained(
                source,
                config=config,
                dtype=dtype or "auto",
                use_safetensors=True,
                output_loading_info=True,
            )
            options: dict[str, Any] = {"backend": "pil", "trust_remote_code": False}
            if family.processors is not None:
                own = AutoProcessor.from_pretrained(source, **options)
                processors = family.processors(own)
            else:
                processors = {
                    "text": AutoTokenizer.from_pretrained(source, trust_remote_code=False),
                    "image": AutoImageProcessor.from_pretrained(source, **options),
                }
    except (ImportError, OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(
            "model",
            f"{name!r} cannot be loaded ({_first_sentence(error)})",
            "correct this, or pass a loaded module",
        ) from error
    _require_trained(report["missing_keys"], model_class.__name__, config, name)
    module.eval()
    half = module.dtype in (torch.float16, torch.bfloat16)
    module.to(
        device=target,
        dtype=torch.float32 if half and dtype is None and target.type == "cpu" else None,
    )
    return DualEncoder(
        shared_name(name),
        module,
        family_of_module(module),
        processors=processors,
        defaults=_read_defaults(source),
        memory_limit=memory_limit,
        image_size=image_size,
    )


def _require_source(source: str, name: str) -> None:
    """Raise unless a name is that of a folder with a model, or may be a Hugging Face id."""
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
                f"{name!r} cannot be loaded, for the folder holds no config.json",
                "pass one that save_pretrained wrote",
            )
    elif os.path.isfile(source):
        raise InputError(
            "model",
            f"{name!r} cannot be loaded, for it is a file",
            "pass the folder that save_pretrained wrote",
        )
    elif looks_like_path(source):
        raise InputError(
            "model",
            f"{name!r} cannot be loaded, for there is no folder {source}",
            "check the path",
        )


def _require_device(device: str | torch.device | None) -> None:
    """Raise if torch cannot use a device here, before anything is loaded."""
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
    floats = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
    if dtype is not None and dtype not in floats:
        raise InputError(
            "dtype", f"is {dtype!r}", "pass torch.float32, torch.bfloat16, torch.float16 or None"
        )


def _converted(
    model: nn.Module, device: str | torch.device | None, dtype: torch.dtype | None
) -> nn.Module:
    """Return a module on a device and of a type: itself, or a copy if it has to be converted."""
    weights = list(model.parameters())
    target = None if device is None else torch.device(device)
    is_there = target is None or all(
        weight.device.type == target.type and target.index in (None, weight.device.index)
        for weight in weights
    )
    if is_there and (dtype is None or all(weight.dtype == dtype for weight in weights)):
        return model
    return copy.deepcopy(model).to(device=device, dtype=dtype)


def _require_derivatives(model: nn.Module) -> None:
    """Raise if a module's weights are integers, which have no derivatives."""
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        parameters = module.parameters(recurse=False)
        integers = any(not parameter.is_floating_point() for parameter in parameters)
        # In torch's quantised layers ``weight`` is a method; others have ``qweight`` and scales.
        packed = callable(weight) and not isinstance(weight, torch.Tensor | nn.Module)
        if integers or packed or hasattr(module, "qweight"):
            place = f" (first in {name!r})" if name else ""
            raise InputError(
                "model",
                f"is quantised, and its integer weights{place} have no derivatives",
                "load it in float32, bfloat16 or float16",
            )


def _require_trained(missing: Iterable[str], model_class: str, config: Any, name: str) -> None:
    """Raise if a model's files lack weights, which would be random numbers."""
    lacking = sorted(weight for weight in missing if weight not in _LOGIT_WEIGHTS)
    if lacking:
        saved = ", ".join(config.architectures or ["a model of unknown class"])
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise InputError(
            "model",
            f"{name!r}, saved as {saved}, lacks weights that {model_class} needs "
            f"({lacking[0]}{more}), and its embeddings would be random",
            f"pass one that was trained and saved as {model_class}",
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
def _errors_logged_only(local: bool) -> Iterator[None]:
    """Suppress transformers' log messages below errors while loading.

    Progress bars are hidden as well if the files are ``local``.
    """
    from logging import ERROR

    from transformers.utils import logging

    logger = logging.get_logger("transformers")
    level, bars = logger.level, logging.is_progress_bar_enabled()
    logger.setLevel(ERROR)
    if local:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logger.setLevel(level)
        if bars:
            logging.enable_progress_bar()
