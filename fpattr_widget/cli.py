"""The command line.

``fpattr-widget explain photo.jpg "a dog" -o explanation.html`` explains one image,
``fpattr-widget evaluate scenes -o report.html`` judges a model on a data set.
"""

import argparse
import csv
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from . import __version__
from .choices import DATASET_FILES, FIGURE_ENDINGS, REPORT_ENDINGS, MethodName, MetricName
from .errors import InputError

# The rest is imported where it is used, so that help appears without waiting for torch.
if TYPE_CHECKING:
    from . import Dataset, FeaturePairs

_STEP = 8  # rows computed between two updates of the progress bar


def explain(arguments: argparse.Namespace) -> None:
    """Explain an image and write it in the format that the output's ending names."""
    output = _output(arguments.output, tuple(_WRITERS))
    write = _WRITERS[output.suffix.lower()]
    print(f"loading {arguments.model} …", file=sys.stderr)
    from . import attribute, load_encoder
    from .drawing import never_seen, unknown_words
    from .pairs import without_picture

    encoder = load_encoder(arguments.model)
    pairs = attribute(
        encoder,
        arguments.image,
        arguments.caption,
        method=arguments.method,
        layer=arguments.layer,
    )
    if warning := never_seen(unknown_words(pairs.caption, pairs.tokens)):
        print(warning, file=sys.stderr)
    compute(pairs)
    write(output, without_picture(pairs) if arguments.strip_image else pairs, arguments)
    print(f"similarity {pairs.ledger.similarity:.3f}, written to {output}", file=sys.stderr)


def evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate models on a data set; print the tables, and write a report if asked to."""
    if arguments.output:
        _output(arguments.output, REPORT_ENDINGS)
    from . import evaluate as run_evaluation
    from .evaluation import DEFAULT_METRICS

    dataset = _dataset(arguments)
    if arguments.limit is not None:
        dataset = dataset.shuffled(arguments.seed)[: arguments.limit]
    layers = arguments.layer or [None]
    report = run_evaluation(
        arguments.model or ["bundled"],
        dataset,
        methods=arguments.method or ["integrated_jacobians"],
        metrics=arguments.metric or list(DEFAULT_METRICS),
        layers="all" if "all" in layers else layers,
        scores=arguments.scores,
    )
    print(report)
    if arguments.output:
        report.save(arguments.output, examples=arguments.examples)
        print(f"written to {arguments.output}", file=sys.stderr)
    if not report.complete:
        rest = "run the same again to go on" if arguments.scores else "pass --scores to go on later"
        print(f"fpattr-widget: stopped early; {rest}.", file=sys.stderr)
        return 130
    return 0


def _output(name: str, endings: Sequence[str]) -> Path:
    """Return the path of the output; raise before anything is computed if it cannot be written."""
    from .files import checked_ending, writable

    try:
        checked_ending(name, endings)
        writable(name)
    except InputError as error:
        raise error.renamed("--output") from error
    return Path(name)


def _dataset(arguments: argparse.Namespace) -> "Dataset":
    from . import datasets

    name, files = arguments.dataset, arguments.files
    expected = DATASET_FILES[name]
    required = [file for file in expected if not file.startswith("[")]
    if len(files) not in {len(expected), len(required)}:
        remedy = f"pass {' '.join(expected) or 'nothing'}"
        raise InputError(name, f"is followed by {len(files)} names", remedy)
    read: Callable[..., Dataset] = getattr(datasets, name.replace("-", "_"))
    places: list[Path | str] = [Path(file) for file in files]
    if name == "grids" and not places:
        places = ["scenes"]
    options = {"number": arguments.number, "seed": arguments.seed, "boxes": arguments.boxes}
    known = signature(read).parameters
    return read(*places, **{key: value for key, value in options.items() if key in known})


def compute(pairs: "FeaturePairs") -> None:
    """Compute every row, with a progress bar on standard error."""
    from tqdm import tqdm

    from .progress import listening

    count = len(pairs.tokens)
    with (
        tqdm(total=count, desc="attributing", unit="token", file=sys.stderr) as bar,
        listening(lambda: False, bar.set_postfix_str),
    ):
        for start in range(0, count, _STEP):
            tokens = range(start, min(start + _STEP, count))
            pairs.feature_rows(tokens)
            bar.update(len(tokens))


def _write_html(path: Path, pairs: "FeaturePairs", arguments: argparse.Namespace) -> None:
    from . import save_html

    save_html(path, pairs, title=arguments.title)


def _write_figure(path: Path, pairs: "FeaturePairs", _: argparse.Namespace) -> None:
    from .drawing import save_figure

    save_figure(pairs, path)


def _write_pairs(path: Path, pairs: "FeaturePairs", _: argparse.Namespace) -> None:
    pairs.save(path)


def _write_npz(path: Path, pairs: "FeaturePairs", _: argparse.Namespace) -> None:
    import numpy as np

    from .files import write_atomically

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


def _write_csv(path: Path, pairs: "FeaturePairs", _: argparse.Namespace) -> None:
    """Write the columns of ``to_dataframe``, without pandas.

    Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    from .files import no_formula, write_atomically
    from .pairs import table_columns

    values = pairs.feature_rows(range(len(pairs.tokens)))
    columns = table_columns(pairs.tokens, pairs.columns.features, values)
    columns["attribution"] = [f"{value:.9g}" for value in values.flat]
    columns["text"] = list(map(no_formula, columns["text"]))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_atomically(path, buffer.getvalue().encode("utf-8", "replace"))


_WRITERS: dict[str, Callable[[Path, "FeaturePairs", argparse.Namespace], None]] = {
    ".html": _write_html,
    **dict.fromkeys(FIGURE_ENDINGS, _write_figure),
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".fpattr": _write_pairs,
}


def _layer(text: str) -> int | tuple[int, int]:
    numbers = [int(part.replace("−", "-")) for part in text.split(",")]
    if len(numbers) > 2:
        raise ValueError
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fpattr-widget",
        description="Which word met which part of the picture, and what spoke against the match?",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
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
        "--model",
        default="bundled",
        help="bundled, scenes, a Hugging Face id or a folder (default: %(default)s)",
    )
    command.add_argument(
        "--method",
        default="integrated_jacobians",
        choices=get_args(MethodName),
        help="default: %(default)s",
    )
    command.add_argument(
        "--layer",
        type=_layer,
        help="the block whose input is split into features, -1 the last, or TEXT,IMAGE as in "
        "--layer=-1,2 (default: the model's own)",
    )
    command.add_argument("--title", help="of an HTML page (default: the caption)")
    command.add_argument("--strip-image", action="store_true", help="leave the picture out")
    command = commands.add_parser(
        "evaluate",
        help="judge how well a model's words find their objects",
        description="Judge how well a model's words find their objects, over a data set: "
        + ", ".join(" ".join((name, *files)) for name, files in DATASET_FILES.items()) + ".",
    )  # fmt: skip
    command.set_defaults(run=evaluate)
    command.add_argument("dataset", choices=DATASET_FILES)
    command.add_argument("files", nargs="*", help="of the data set, see above")
    command.add_argument(
        "-o",
        "--output",
        help=f"a report's file; its ending says what is written: {', '.join(REPORT_ENDINGS)}",
    )
    command.add_argument(
        "--model",
        action="append",
        help="bundled (the default), scenes, a Hugging Face id or a folder; may be repeated",
    )
    command.add_argument(
        "--method", action="append", choices=get_args(MethodName), help="may be repeated"
    )
    command.add_argument(
        "--metric", action="append", choices=get_args(MetricName), help="may be repeated"
    )
    command.add_argument(
        "--layer",
        action="append",
        type=_layer_or_all,
        help="as for explain, or all, to choose by; may be repeated",
    )
    command.add_argument("--limit", type=int, help="evaluate that many samples, drawn at random")
    command.add_argument(
        "--number", type=int, default=200, help="of scenes or grids to draw (default: %(default)s)"
    )
    command.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    command.add_argument(
        "--boxes",
        choices=("pixels", "fractions"),
        default="pixels",
        help="what a table's boxes are given in (default: %(default)s)",
    )
    command.add_argument("--scores", help="a file to keep all scores in, and to go on from")
    command.add_argument(
        "--examples", type=int, default=6, help="worst examples on a page (default: %(default)s)"
    )
    return parser


def _layer_or_all(text: str) -> str | int | tuple[int, int]:
    return text if text == "all" else _layer(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status.

    Parameters
    ----------
    arguments
        Those after the program's name; by default those of the process.
    """
    chosen = _parser().parse_args(arguments)
    try:
        return chosen.run(chosen) or 0
    except InputError as error:
        print(f"fpattr-widget: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fpattr-widget: stopped, nothing was written.", file=sys.stderr)
        return 130
