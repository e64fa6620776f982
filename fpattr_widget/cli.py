"""The command line: ``fpattr-widget explain photo.jpg "a dog" -o explanation.html``."""

import argparse
import csv
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from . import FeaturePairs, InputError, attribute, load_encoder, save_html
from .methods import METHODS
from .sharing.atomic import write_atomically
from .sharing.figure import save_figure
from .sharing.strip import without_picture

_STEP = 8  # rows between two looks at the progress


def explain(arguments: argparse.Namespace) -> None:
    """Explain an image and write it in the form that the output's ending names."""
    output = Path(arguments.output)
    write = _WRITERS.get(output.suffix.lower())
    if write is None:
        raise InputError(f"`--output` ends in {output.suffix!r}: pass {', '.join(_WRITERS)}.")
    if not output.parent.is_dir():
        raise InputError(f"`--output` is in {output.parent.name!r}, which is no folder: make it.")
    print(f"loading {arguments.model} …", file=sys.stderr)
    encoder = load_encoder(arguments.model)
    pairs = attribute(
        encoder,
        arguments.image,
        arguments.caption,
        method=arguments.method,
        layer=arguments.layer,
    )
    compute(pairs)
    write(output, without_picture(pairs) if arguments.strip_image else pairs, arguments)
    print(f"similarity {pairs.ledger.similarity:.3f}, written to {output}", file=sys.stderr)


def compute(pairs: FeaturePairs) -> None:
    """Compute every row, telling on standard error how far it is."""
    count = len(pairs.tokens)
    with tqdm(total=count, desc="attributing", unit="token", file=sys.stderr) as bar:
        for start in range(0, count, _STEP):
            tokens = range(start, min(start + _STEP, count))
            pairs.feature_rows(tokens)
            bar.update(len(tokens))


def _write_html(path: Path, pairs: FeaturePairs, arguments: argparse.Namespace) -> None:
    save_html(path, pairs, title=arguments.title)


def _write_figure(path: Path, pairs: FeaturePairs, _: argparse.Namespace) -> None:
    save_figure(pairs, path)


def _write_pairs(path: Path, pairs: FeaturePairs, _: argparse.Namespace) -> None:
    pairs.save(path)


def _write_npz(path: Path, pairs: FeaturePairs, _: argparse.Namespace) -> None:
    arrays: dict[str, Any] = {
        "matrix": pairs.matrix,
        "image_special": pairs.image_special,
        "grid": np.array(pairs.grid),
        "tokens": np.array([token.text for token in pairs.tokens]),
        **{f"ledger_{name}": np.float64(value) for name, value in asdict(pairs.ledger).items()},
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def _write_csv(path: Path, pairs: FeaturePairs, _: argparse.Namespace) -> None:
    """Write the columns of ``to_dataframe``, for which pandas need not be there."""
    rows, columns = pairs.grid
    features: list[tuple[str, int, int]] = [(name, -1, -1) for name in pairs.image_special_names]
    features += [("patch", row, column) for row, column in np.ndindex(rows, columns)]
    buffer = io.StringIO(newline="")
    table = csv.writer(buffer)
    table.writerow(["token", "text", "feature", "row", "column", "attribution"])
    values = pairs.feature_rows(range(len(pairs.tokens)))
    for index, token in enumerate(pairs.tokens):
        for feature, value in zip(features, values[index], strict=True):
            table.writerow([index, token.text, *feature, f"{value:.9g}"])
    write_atomically(path, buffer.getvalue().encode("utf-8", "replace"))


_WRITERS: dict[str, Callable[[Path, FeaturePairs, argparse.Namespace], None]] = {
    ".html": _write_html,
    ".png": _write_figure,
    ".svg": _write_figure,
    ".pdf": _write_figure,
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".fpattr": _write_pairs,
}


def _layer(text: str) -> int | tuple[int, int]:
    numbers = [int(part) for part in text.split(",")]
    if len(numbers) > 2:
        raise ValueError
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fpattr-widget",
        description="Which word met which part of the picture, and what spoke against the match?",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("explain", help="explain an image and a caption in a file")
    command.set_defaults(run=explain)
    command.add_argument("image", help="a file")
    command.add_argument("caption")
    command.add_argument(
        "-o",
        "--output",
        default="explanation.html",
        help=f"its ending says what is written: {', '.join(_WRITERS)} (default: %(default)s)",
    )
    command.add_argument(
        "--model", default="bundled", help="a Hugging Face id, a folder, or %(default)s"
    )
    command.add_argument(
        "--method", default="integrated_jacobians", choices=METHODS, help="default: %(default)s"
    )
    command.add_argument(
        "--layer",
        type=_layer,
        help="the block whose input is split into features, −1 the last, or TEXT,IMAGE "
        "(default: the model's own)",
    )
    command.add_argument("--title", help="of an HTML page (default: the caption)")
    command.add_argument("--strip-image", action="store_true", help="leave the picture out")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status.

    Parameters
    ----------
    arguments
        Those after the program's name; the process's own unless given.
    """
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except InputError as error:
        print(f"fpattr-widget: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fpattr-widget: stopped, nothing was written.", file=sys.stderr)
        return 130
    return 0
