"""What the bundled model knows, and at which settings its words find their objects best.

``python -m tests.benchmarks.grounding`` prints Markdown, in about 20 minutes on
two cores; ``--only record``, ``layers`` or ``settings`` does a part of it.
All scenes are held out: training never draws them.
"""

import argparse
import time
from collections.abc import Sequence

import fpattr_widget as fp
from fpattr_widget.evaluation.table import Table
from fpattr_widget.methods import Method
from fpattr_widget.scenes import Sprites
from fpattr_widget.scenes.check import recognition, relations, retrieval

# Layers are chosen by other scenes than those that the record is taken from.
_RECORD, _CHOICE = 0, 5


def record(model: str, number: int) -> None:
    """Print the scores at default settings."""
    encoder, sprites = fp.load_encoder(model), Sprites()
    print(f"| held out, {encoder.name} | score | chance |\n|---|---|---|")
    print(f"| 200 captions told apart | {retrieval(encoder, sprites, 200):.3f} | 0.005 |")
    print(
        f"| a lone object among all trained kinds | {recognition(encoder, sprites):.3f} | 0.014 |"
    )
    for name, share in relations(encoder, sprites, 500).items():
        print(f"| {name} | {share:.3f} | 0.500 |")
    dataset = fp.datasets.scenes(number, seed=_RECORD)
    started = time.perf_counter()
    report = fp.evaluate(encoder, dataset)
    seconds = time.perf_counter() - started
    grids = fp.evaluate(
        encoder, fp.datasets.grids("scenes", number // 4), metrics="grid_pointing_game"
    )
    for name in ("pointing_game", "pointing_energy", "completeness_residual"):
        print(_line(report, name))
    print(_line(grids, "grid_pointing_game"))
    print(
        f"\n{number} scenes of two to four objects, {report.summary().count} nouns, in "
        f"{seconds:.0f} s; {number // 4} grids with two objects named.\n"
    )


def _line(report: fp.Report, metric: str) -> str:
    said = report.summary(metric)
    (run,) = report.comparison().to_dataframe().to_dict("records")
    chance = run.get(f"{metric} chance")
    level = "–" if chance is None else f"{chance:.3f}"
    interval = f"{said.mean:.3f} ({said.low:.3f}–{said.high:.3f})"
    return f"| {metric.replace('_', ' ')} | {interval} | {level} |"


def compare(model: str, number: int, methods: Sequence[Method], layers: object) -> None:
    """Print a table of all runs."""
    report = fp.evaluate(
        model, fp.datasets.scenes(number, seed=_CHOICE), methods=list(methods), layers=layers
    )
    table = report.comparison()
    shown = [i for i, name in enumerate(table.columns) if name != "model" and "95 %" not in name]
    rows = sorted((tuple(row[i] for i in shown) for row in table.rows), key=lambda row: -row[3])
    print(Table(tuple(table.columns[i] for i in shown), tuple(rows)).to_markdown(), end="\n\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="bundled")
    parts = ("record", "layers", "settings")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--scenes", type=int, default=1000, help="for the record")
    parser.add_argument("--choice", type=int, default=40, help="scenes for each comparison")
    options = parser.parse_args(arguments)
    if "record" in options.only:
        record(options.model, options.scenes)
    if "layers" in options.only:
        compare(options.model, options.choice, [fp.IntegratedJacobians()], "all")
    if "settings" in options.only:
        methods = [fp.IntegratedJacobians(text_reference=one) for one in ("pad", "exclip")]
        methods += [fp.IntegratedJacobians(steps=steps) for steps in (1, 2, 4, 8, 16)]
        compare(options.model, options.choice, methods, None)


if __name__ == "__main__":
    main()
