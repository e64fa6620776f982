"""Load an encoder by name, from a folder, or from a module that is already there."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from ..errors import InputError
from .encoder import MEMORY_LIMIT, Defaults, DualEncoder
from .names import shared_name
from .plain import as_image_processor, as_tokenizer
from .registry import class_of_config, family_of_module

#: A folder may carry this file: the layer and reference that ground best for its model.
DEFAULTS_FILE = "attribution.json"

# Weights that turn a cosine into logits, after all that is attributed.
_OF_LOGITS = ("logit_scale", "logit_bias")


def load_encoder(
    model: str | Path | nn.Module = "bundled",
    *,
    processor: Any = None,
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
        For a loaded module: its Hugging Face processor, or any object with a
        ``tokenizer`` and an ``image_processor``, which may be those that
        OpenAI's and OpenCLIP's packages hand out.
    device
        Where to move the model; ``None`` leaves a loaded module where it is and
        puts others on the CPU.
    dtype
        Type to convert the weights to; ``None`` leaves them as they are, except
        that half precision read from disk becomes float32 on a CPU.
    memory_limit
        Bytes of working memory that attributions may take beside the model.

    Returns
    -------
    DualEncoder

    Raises
    ------
    InputError
        When nothing is found under this name, or its family is not known.
    """
    if isinstance(memory_limit, bool) or not isinstance(memory_limit, int) or memory_limit < 1:
        raise InputError(f"`memory_limit` is {memory_limit!r}: pass a number of bytes.")
    if not isinstance(model, str | Path | nn.Module):
        raise InputError(
            f"`model` is a {type(model).__name__}: pass 'bundled', a Hugging Face id, a folder or "
            "a loaded module."
        )
    if isinstance(model, nn.Module):
        encoder = _from_module(model, processor, device, dtype)
    elif str(model) != "bundled":
        encoder = _from_pretrained(str(model), str(model), device, dtype)
    else:
        with as_file(files("fpattr_widget") / "assets" / "model") as folder:
            encoder = _from_pretrained(str(folder), "bundled", device, dtype)
    encoder.memory_limit = memory_limit
    return encoder


def shared_encoder(model: str | Path) -> DualEncoder:
    """Return the encoder of a name, loaded once; a folder again when its files have changed."""
    inside = sorted(Path(model).iterdir()) if Path(model).is_dir() else []
    return _kept(str(model), tuple((path.name, path.stat().st_mtime_ns) for path in inside))


@lru_cache(maxsize=2)
def _kept(model: str, _files: tuple[tuple[str, int], ...]) -> DualEncoder:
    return load_encoder(model)


def _from_module(
    model: nn.Module,
    processor: Any,
    device: str | torch.device | None,
    dtype: torch.dtype | None,
) -> DualEncoder:
    family = family_of_module(model)
    if device is not None or dtype is not None:
        model.to(device=device, dtype=dtype)
    source = getattr(getattr(model, "config", None), "_name_or_path", "")
    return DualEncoder(
        shared_name(source or type(model).__name__),
        model,
        family,
        tokenizer=as_tokenizer(getattr(processor, "tokenizer", None)),
        image_processor=as_image_processor(getattr(processor, "image_processor", None)),
    )


def _from_pretrained(
    source: str, name: str, device: str | torch.device | None, dtype: torch.dtype | None
) -> DualEncoder:
    import transformers
    from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"`model` {name!r} cannot be loaded: it is neither a folder with a config.json nor a "
            f"Hugging Face model that can be reached from here ({_first_sentence(error)})."
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
        raise InputError(f"`model` {name!r} cannot be loaded: {_first_sentence(error)}.") from error
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
        tokenizer=tokenizer,
        image_processor=image_processor,
        defaults=_read_defaults(source),
    )


def _require_trained(missing: Iterable[str], kind: str, config: Any, name: str) -> None:
    """Refuse a model of which the files lack weights, for those would be random numbers."""
    lacking = sorted(weight for weight in missing if weight not in _OF_LOGITS)
    if lacking:
        saved = ", ".join(config.architectures or ["a model of unknown class"])
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise InputError(
            f"`model` {name!r}, saved as {saved}, lacks weights that {kind} needs "
            f"({lacking[0]}{more}), and its embeddings would be random: pass one that was "
            f"trained and saved as {kind}."
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
        return Defaults((int(text), int(image)), str(settings["text_reference"]), nodes)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"`model` has a damaged {DEFAULTS_FILE}: it holds "
            '{"layer": [text, image], "text_reference": "pad"}; mend or delete it.'
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
