"""The command line.

``fpattr-widget explain photo.jpg "a dog" -o explanation.html`` explains an image and a caption,
``fpattr-widget contrast photo.jpg "a dog" "a cat"`` why the one caption rather than the other,
``fpattr-widget evaluate scenes -o report.html`` judges a model on a data set,
``fpattr-widget rank photos "a dog" -o ranking.html`` ranks the pictures of a folder by a caption,
``fpattr-widget agree pairs.csv photos -o agreement.html`` compares the rankings of two wordings.
"""

import argparse
import csv
import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from . import __version__
from .checks import as_folder
from .choices import (
    DATASET_FILES,
    FIGURE_ENDINGS,
    RANKING_ENDINGS,
    REPORT_ENDINGS,
    MethodName,
    MetricName,
    Norms,
    Reading,
    Unit,
)
from .errors import InputError

# The rest is imported where it is used, so that help appears without waiting for torch.
if TYPE_CHECKING:
    from . import Dataset, FeaturePairs
    from .encoders import Sum

_STEP = 8  # rows computed between two updates of the progress bar
_NAMED = 5  # files that were left out


def explain(arguments: argparse.Namespace) -> None:
    """Explain two sides and write them in the format that the output's ending names."""
    output = _output(arguments.output, tuple(_WRITERS))
    write = _WRITERS[output.suffix.lower()]
    first, second = arguments.sides(arguments)
    print(f"loading {arguments.model} …", file=sys.stderr)
    from . import attribute, load_encoder
    from .pairs import without_pictures

    pairs = attribute(
        load_encoder(arguments.model, weight_scale=arguments.weight_scale),
        first,
        second,
        method=arguments.method,
        layer=arguments.layer,
        unit=arguments.unit,
        reference=arguments.reference,
        reading=arguments.reading,
        norms=arguments.norms,
    )
    _warn_of_unknown_words(pairs)
    compute(pairs)
    write(output, without_pictures(pairs) if arguments.strip_image else pairs, arguments)
    print(f"{_score_in_words(pairs)}, written to {output}", file=sys.stderr)


def _score_in_words(pairs: "FeaturePairs") -> str:
    """Return the score, and of one that a head makes what both parts add and what is left out."""
    ledger = pairs.ledger
    words = [f"{pairs.unit_label} {ledger.similarity:.3f}"]
    if ledger.match is not None and ledger.routing is not None:
        words += [f"match {ledger.match:.3f}", f"routing {ledger.routing:.3f}"]
    elif ledger.left_out_name:
        words.append(f"{ledger.left_out_name} {ledger.left_out:.3f}")
    return ", ".join(words)


def _two_sides(arguments: argparse.Namespace) -> "tuple[Sum, Sum]":
    """Return an input, and another one with what is added to it and taken away from it."""
    first, second = _kinds(arguments, ("picture", "text"))
    total = second(arguments.second)
    for sign, value in arguments.others:
        total = total + sign * second(value)
    return first(arguments.first), total


def _contrasted_sides(arguments: argparse.Namespace) -> "tuple[Sum, Sum]":
    """Return an input, and the difference of two others."""
    values = arguments.first, arguments.second, arguments.other
    first, *others = map(os.path.isfile, values)
    of_picture = first and not any(others)
    of_caption = not first and all(others)
    if not (of_picture or of_caption or arguments.texts or arguments.pictures):
        raise InputError(
            "contrast",
            f"cannot tell captions from images (files: {first + sum(others)} of 3)",
            "pass an image and two captions, or a caption and two images, or say that all "
            "are --texts or --pictures",
        )
    one, rest = _kinds(arguments, ("text", "picture") if of_caption else ("picture", "text"))
    return one(values[0]), rest(values[1]) - rest(values[2])


def _kinds(
    arguments: argparse.Namespace, otherwise: tuple[str, str]
) -> "tuple[Callable[[str], Sum], Callable[[str], Sum]]":
    """Return what makes inputs of the first side, and of the second."""
    from . import Picture, Text

    makers: dict[str, Callable[[str], Sum]] = {"picture": Picture, "text": Text}
    if arguments.texts or arguments.pictures:
        otherwise = ("text", "text") if arguments.texts else ("picture", "picture")
    first, second = otherwise
    return makers[first], makers[second]


def _warn_of_unknown_words(pairs: "FeaturePairs") -> None:
    from .drawing import never_seen, unknown_words
    from .encoders import Sentence

    panels = (*pairs.rows.panels, *pairs.columns.panels)
    words = [
        word
        for panel in panels
        if isinstance(panel, Sentence)
        for word in unknown_words(panel.caption, panel.tokens)
    ]
    if warning := never_seen(list(dict.fromkeys(words))):
        print(warning, file=sys.stderr)


def rank(arguments: argparse.Namespace) -> None:
    """Rank pictures by a caption, or by a picture; print the first, and write all if asked to."""
    if arguments.output:
        _output(arguments.output, RANKING_ENDINGS)
    as_folder(arguments.images, "images")  # before a model is loaded
    print(f"loading {arguments.model} …", file=sys.stderr)
    from . import load_encoder
    from . import rank as rank_pictures

    ranking = rank_pictures(
        arguments.images,
        arguments.query,
        model=load_encoder(arguments.model, weight_scale=arguments.weight_scale),
        method=arguments.method,
        layer=arguments.layer,
        top=arguments.top,
        store=arguments.store,
    )
    _warn_of_unknown_words(ranking.pairs(ranking[0]))
    for problem in ranking.problems[:_NAMED]:
        print(f"left out: {problem}", file=sys.stderr)
    if len(ranking.problems) > _NAMED:
        print(f"left out: {len(ranking.problems) - _NAMED} more", file=sys.stderr)
    print(ranking)
    if arguments.output:
        ranking.save(arguments.output, explained=arguments.explained)
        print(f"written to {arguments.output}", file=sys.stderr)


def evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate models on a data set; print the tables, and write a report if asked to."""
    if arguments.output:
        _output(arguments.output, REPORT_ENDINGS)
    from . import evaluate as run_evaluation
    from . import load_encoder

    dataset = _dataset(arguments)
    if arguments.limit is not None:
        dataset = dataset.shuffled(arguments.seed)[: arguments.limit]
    layers = arguments.layer or [None]
    models = arguments.model or ["bundled"]
    if arguments.weight_scale is not None:
        models = [load_encoder(name, weight_scale=arguments.weight_scale) for name in models]
    report = run_evaluation(
        models,
        dataset,
        methods=arguments.method or ["integrated_jacobians"],
        metrics=arguments.metric,
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


def agree(arguments: argparse.Namespace) -> None:
    """Compare the rankings of queries and of their paraphrases; write a file if asked to."""
    if arguments.output:
        _output(arguments.output, REPORT_ENDINGS)
    from . import datasets, load_encoder, ranking_agreement

    folder = Path(arguments.images)
    pairs = datasets.paraphrase_table(arguments.pairs, folder)
    scale = arguments.weight_scale
    agreement = ranking_agreement(
        [load_encoder(name, weight_scale=scale) for name in arguments.model or ["bundled"]],
        pairs,
        images=folder,
        k=arguments.k,
        store=arguments.store,
    )
    print(agreement)
    if arguments.output:
        agreement.save(arguments.output, examples=arguments.examples)
        print(f"written to {arguments.output}", file=sys.stderr)


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
    places: list[Path | str | int] = [Path(file) for file in files]
    if name == "grids" and not places:
        places = ["scenes"]
    if name == "differences":
        places = [arguments.number]
    options = {"number": arguments.number, "seed": arguments.seed, "boxes": arguments.boxes}
    known = signature(read).parameters
    return read(*places, **{key: value for key, value in options.items() if key in known})


def compute(pairs: "FeaturePairs") -> None:
    """Compute every row, with a progress bar on standard error."""
    from tqdm import tqdm

    from .progress import listening

    count = len(pairs.rows.features)
    with (
        tqdm(total=count, desc="attributing", unit="row", file=sys.stderr) as bar,
        listening(lambda: False, bar.set_postfix_str),
    ):
        for start in range(0, count, _STEP):
            rows = range(start, min(start + _STEP, count))
            pairs.feature_rows(rows)
            bar.update(len(rows))


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
    from .pairs import is_caption_and_picture, visible_features

    arrays: dict[str, Any] = {"matrix": pairs.matrix, "unit": np.array(pairs.unit_label)}
    if is_caption_and_picture(pairs.rows, pairs.columns):
        arrays["image_special"] = pairs.image_special
        arrays["grid"] = np.array(pairs.grid)
        arrays["tokens"] = np.array([token.text for token in pairs.tokens])
    else:
        for side, name in ((pairs.rows, "row"), (pairs.columns, "column")):
            known = visible_features(side, name)
            arrays.update({key: np.array(values) for key, values in known.items()})
    ledger = pairs.ledger
    arrays["ledger_left_out_name"] = np.array(ledger.left_out_name)
    for name in {field.name for field in fields(ledger)} - {"terms", "left_out_name"}:
        if (value := getattr(ledger, name)) is not None:
            arrays[f"ledger_{name}"] = np.float64(value)
    if ledger.terms:
        shape = len(pairs.rows.panels), len(pairs.columns.panels)
        for field in fields(ledger.terms[0]):
            of_terms = [getattr(term, field.name) for term in ledger.terms]
            arrays[f"terms_{field.name}"] = np.array(of_terms).reshape(shape)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def _write_csv(path: Path, pairs: "FeaturePairs", _: argparse.Namespace) -> None:
    """Write the columns of ``to_dataframe``, without pandas.

    Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    from .files import no_formula, write_atomically
    from .pairs import table_columns

    values = pairs.feature_rows(range(len(pairs.rows.features)))
    columns = table_columns(pairs.rows, pairs.columns, values)
    columns["attribution"] = [f"{value:.9g}" for value in values.flat]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for line in zip(*columns.values(), strict=True):
        *features, number = line
        writer.writerow([*map(no_formula, features), number])
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
    command = commands.add_parser(
        "explain", help="explain an image and a caption, or any other two inputs, in a file"
    )
    command.set_defaults(run=explain, sides=_two_sides, others=[])
    command.add_argument("first", metavar="image", help="a file")
    command.add_argument("second", metavar="caption")
    for name, sign, verb in (("--plus", 1, "add"), ("--minus", -1, "take away")):
        command.add_argument(
            name,
            dest="others",
            action="append",
            type=partial(_signed, sign),
            metavar="CAPTION",
            help=f"{verb} another caption's embedding; may be repeated",
        )
    _add_options(command)
    command = commands.add_parser(
        "contrast",
        help="explain why an image fits one caption rather than another, or a caption one image",
    )
    command.set_defaults(run=explain, sides=_contrasted_sides)
    command.add_argument("first", help="an image's file, or a caption")
    command.add_argument("second", help="what speaks for: a caption, or an image's file")
    command.add_argument("other", help="what speaks against, of the same kind")
    _add_options(command)
    command = commands.add_parser(
        "rank", help="rank the pictures of a folder by how well they fit a caption"
    )
    command.set_defaults(run=rank)
    command.add_argument("images", help="a folder, in which pictures are looked for at any depth")
    command.add_argument("query", help="a caption, or a picture's file")
    command.add_argument(
        "-o",
        "--output",
        help=f"its ending says what is written: {', '.join(RANKING_ENDINGS)}",
    )
    _add_model(command)
    command.add_argument(
        "--store",
        metavar="FILE.npz",
        help="keeps the pictures' embeddings: the next query, or what was interrupted, is quick",
    )
    command.add_argument("--top", type=int, help="how many are kept, the best (default: all)")
    command.add_argument(
        "--explained",
        type=int,
        default=5,
        help="how many open as linked views on a page (default: %(default)s)",
    )
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
    _add_models(command)
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
        "--number",
        type=int,
        default=200,
        help="of scenes, grids or differences to draw (default: %(default)s)",
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
    command = commands.add_parser(
        "agree", help="compare the rankings of pictures by two wordings of each query"
    )
    command.set_defaults(run=agree)
    command.add_argument(
        "pairs", metavar="PAIRS.csv", help="with columns query and paraphrase, and image if known"
    )
    command.add_argument("images", metavar="FOLDER", help="with the pictures that are ranked")
    command.add_argument(
        "-o",
        "--output",
        help=f"a file; its ending says what is written: {', '.join(REPORT_ENDINGS)}",
    )
    _add_models(command)
    command.add_argument(
        "--store", metavar="FOLDER", help="a folder that keeps embeddings, and to go on from"
    )
    command.add_argument(
        "-k", type=int, default=10, help="pictures that are compared (default: %(default)s)"
    )
    command.add_argument(
        "--examples",
        type=int,
        default=3,
        help="pairs that disagree most on a page (default: %(default)s)",
    )
    return parser


def _add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of commands that explain two sides."""
    kinds = command.add_mutually_exclusive_group()
    kinds.add_argument("--texts", action="store_true", help="all inputs are captions")
    kinds.add_argument("--pictures", action="store_true", help="all inputs are images' files")
    command.add_argument(
        "-o",
        "--output",
        default="explanation.html",
        help=f"its ending says what is written: {', '.join(_WRITERS)} (default: %(default)s)",
    )
    _add_model(command)
    command.add_argument(
        "--unit",
        choices=get_args(Unit),
        help="what the score is counted in (default: difference for sums, else cosine)",
    )
    command.add_argument(
        "--reference",
        metavar="IMAGE",
        help="what images are compared with: a file, zeros or blurred (default: the method's own)",
    )
    command.add_argument(
        "--reading",
        choices=get_args(Reading),
        help="of a model that reads an image by the caption: its score as it is, one of its two "
        "parts, or with what is read held fixed (default: the model's own, mostly exact)",
    )
    command.add_argument(
        "--norms",
        default="fixed",
        choices=get_args(Norms),
        help="of such a model: both embeddings' lengths, those of the inputs or each node's own "
        "(default: %(default)s)",
    )
    command.add_argument("--title", help="of an HTML page (default: what is explained)")
    command.add_argument("--strip-image", action="store_true", help="leave all pictures out")


def _add_model(command: argparse.ArgumentParser) -> None:
    """Add the options that say which model explains, and how."""
    command.add_argument(
        "--model",
        default="bundled",
        help="bundled, scenes, llip, a Hugging Face id, a folder or a checkpoint "
        "(default: %(default)s)",
    )
    _add_weight_scale(command)
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


def _add_models(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        action="append",
        help="bundled (the default), scenes, llip, a Hugging Face id or a folder; may be repeated",
    )
    _add_weight_scale(command)


def _add_weight_scale(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--weight-scale",
        type=float,
        metavar="NUMBER",
        help="of a Llip, which needs it: 5 for ViT-B/32, B/16, H/14 and G/14, 1 for L/14",
    )


def _signed(sign: int, value: str) -> tuple[int, str]:
    return sign, value


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
