"""What the README says in numbers, made of what the benchmarks have kept.

``python -m tests.benchmarks.readme`` writes it, and the tables in the README
beside this file, between their markers,
``<!-- record NAME -->`` and ``<!-- end -->``; ``--check`` only says which of them
are not what the records say. Where nothing has been measured, the README says so.
"""

import argparse
import itertools
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import embedding, exclip, heads, methods
from tests.benchmarks.__main__ import of
from tests.benchmarks.records import FOLDER, ROOT, read

README = ROOT / "README.md"
READMES = (README, Path(__file__).with_name("README.md"))
_MARKED = re.compile(r"(<!-- record ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

Numbers = Any


def costs(record: dict[str, Any]) -> str:
    rows = [
        (
            f"{one['size']}, {one['tokens']} tokens",
            f"{1000 * statistics.median(one['forward']):.0f} ms",
            *(f"{of(one, name):.2f}" for name in ("matrix", "first row")),
            f"{1000 * statistics.median(one['one more row']):.0f} ms",
            f"{of(one, 'another caption'):.2f}",
            f"{one['peak']:.1f} GiB",
        )
        for one in record["numbers"]
    ]
    repeats = " and ".join(map(str, sorted({one["repeats"] for one in record["numbers"]})[::-1]))
    head = (
        "model",
        "one forward pass of both towers",
        "the whole map, in forward passes",
        "the first row",
        "one more row",
        "another caption's map",
        "peak memory",
    )
    return f"{_table(head, rows)}\n\n({_machine(record)}; medians of {repeats})"


def against_exclip(record: dict[str, Any]) -> str:
    found = record["numbers"]
    theirs, mine = (exclip.summary(found)[who] for who in ("exclip", "ours"))
    rows = [
        (
            said,
            *(f"{side[name]:.{places}f} {unit}" for side, places in ((theirs, 1), (mine, own))),
            f"**{theirs[name] / mine[name]:.0f}**",
        )
        for said, name, unit, own in (
            ("new process: the model is loaded and explains", "cold with loading", "s", 2),
            ("the first explanation alone, nothing cached", "cold", "s", 2),
            ("a new picture and caption, references cached", "warm", "s", 2),
            ("peak memory", "peak", "GiB", 1),
        )
    ]
    head = (
        f"{found['size']}, {found['tokens']} tokens, last block, right rule, "
        f"{found['nodes']} nodes",
        "`exclip` 1.1",
        "this package",
        "times less",
    )
    processes, repeats = (
        [len(found[who]) for who in ("exclip", "ours")],
        [sum(len(one["explanations"]) - 1 for one in found[who]) for who in ("exclip", "ours")],
    )
    return (
        f"{_table(head, rows)}\n\n({_machine(record)}; medians of {processes[0]} and "
        f"{processes[1]} new processes, {repeats[0]} and {repeats[1]} warm explanations; the maps "
        f"differ by {found['largest difference']:.0e} of the largest value)"
    )


def nodes(record: dict[str, Any]) -> str:
    found = record["numbers"]
    shown = [count for count in (1, 2, 4, 8, 16, 32, 128) if count in found["counts"]]
    places = [found["counts"].index(count) for count in shown]
    rules = {"gauss-legendre": "Gauss–Legendre", "right": "right rule"}
    rows = []
    for tower, block, said in (
        ("text", 2, "last"),
        ("image", 3, "last"),
        ("image", 0, "first"),
    ):
        for rule, name in rules.items():
            values = found["residuals"][f"{rule}, {tower} block {block}"]
            rows.append(
                (f"{tower}, {said} block, {name}", *(f"{values[place]:.0e}" for place in places))
            )
    return _table(("completeness residual at nodes", *map(str, shown)), rows)


def of_methods(record: dict[str, Any]) -> str:
    return methods.table(record["numbers"])


def of_scenes(record: dict[str, Any]) -> str:
    found = record["numbers"]
    kinds, asked = 74, found["asked"]
    left, above = found["relations"].values()
    told = (
        f"Of {found['captions']} captions it finds the picture's own "
        f"{found['captions told apart']:.3f} of the time (by chance "
        f"{1 / found['captions']:.3f}), a lone object's kind among {kinds} "
        f"{found['lone objects']:.3f} ({1 / kinds:.3f}), left from right {left:.3f} and above from "
        f"below {above:.3f} (0.500; {asked} scenes each)."
    )
    keys = ("pointing_game", "pointing_energy", "grid_pointing_game", "grid_pointing_game_pooled")
    model = found["model"]
    rows = [("**the model of scenes** (95 % interval)", *(_said(model[key]) for key in keys))]
    for said, numbers in (
        ("its forerunner, by contrast alone", found["contrast alone"] or {}),
        ("any object, whatever the word", found["any object"]),
        ("negative everywhere", found["negative everywhere"]),
        (
            "a random patch; random signs",
            {key: {"mean": model[key]["chance"]} for key in keys},
        ),
    ):
        rows.append(
            (said, *(f"{numbers[key]['mean']:.3f}" if key in numbers else "–" for key in keys))
        )
    head = (
        f"{found['scenes']:,} scenes, {model['pointing_game']['count']:,} nouns; "
        f"{found['grids']} grids",
        "pointing game",
        "its energy",
        "grid game, by word",
        "FIxLIP's, by picture",
    )
    return f"{told}\n\n{_table(head, rows)}"


def sanity(record: dict[str, Any]) -> str:
    found = record["numbers"]
    first, *later = found["stages"].values()
    ranks, hits = (
        [f"{one[key]['mean']:.2f}" for one in later]
        for key in ("rank_correlation", "pointing_game")
    )
    return (
        "With weights replaced by random ones from the last block down ([Adebayo et al.]"
        "(https://arxiv.org/abs/1810.03292)) its maps fade: their rank correlation with those as "
        f"trained is {ranks[0]} once the projections are random, then {', '.join(ranks[1:-1])}, "
        f"and {ranks[-1]} when all is; the pointing game falls from "
        f"{first['pointing_game']['mean']:.2f} to {hits[0]} and {hits[-1]} "
        f"({first['rank_correlation']['count']} nouns of "
        f"{found['scenes']} other scenes, {found['seeds']} draws)."
    )


def layers(record: dict[str, Any]) -> str:
    pairs = {tuple(one["layers"]): one for one in record["numbers"]["pairs"]}
    best = max(pairs, key=lambda pair: pairs[pair]["pointing_game"]["mean"])
    texts, images = (sorted({pair[side] for pair in pairs}) for side in (0, 1))

    def cell(pair: tuple[int, int]) -> str:
        game, share = (pairs[pair][name]["mean"] for name in ("pointing_game", "pointing_energy"))
        said = f"{game:.2f} / {share:.2f}"
        return f"**{said}**" if pair == best else said

    rows = [
        (
            f"{text} (the last)" if text == texts[-1] else f"{text}",
            *(cell((text, image)) for image in images),
        )
        for text in texts
    ]
    head = ["text block", f"image block {images[0]}", *map(str, images[1:])]
    head[-1] += " (the last, the paper's choice)"
    found = record["numbers"]
    said = f"{found['scenes']} other scenes; by chance {found['chance']:.2f}"
    return f"{_table(head, rows)}\n\n({said})"


def photographs(record: dict[str, Any]) -> str:
    found = record["numbers"]
    pairs, first = (found["captions"][name] for name in ("pairs", "first"))
    told = (
        f"Of {found['photographs']} photographs, the right “a photo of a …” is above "
        f"{_percent(pairs)} of {pairs['count']:,} wrong ones, and above all of them for "
        f"{_percent(first)} (smallest margin {found['captions']['smallest margin']:.2f})."
    )
    games = found["pointing"]
    chance = {metric: {"mean": games["captions"][metric]["chance"]} for metric in _POINTING_COLUMNS}
    rows = [
        (
            said,
            *(
                _said(one[metric]) if "low" in one[metric] else f"{one[metric]['mean']:.3f}"
                for metric in _POINTING_COLUMNS
            ),
        )
        for said, one in (
            ("**in the photograph's caption** (95 % interval)", games["captions"]),
            ("**alone, in “a photo of a …”**", games["nouns"]),
            ("anything at all: the sum of the maps of all nouns", games["any noun"]),
            ("… of all nouns that name nothing in the picture", games["nouns of others"]),
            ("chance: the boxes' area", chance),
        )
    ]
    head = (f"{found['things']} named things", *_POINTING_COLUMNS.values())
    collages = found["collages"]
    collage_rows = [
        (said, *(f"{tell(one[which] if which else one):.2f}" for one in collages.values()))
        for which, title in (("", ""), ("alone", ", each noun alone as the caption"))
        for said, tell in (
            (f"FIxLIP's number, all words pooled{title}", lambda one: one["pooled"]),
            (
                f"words whose own quarter has the most positive mass{title}",
                lambda one: one["own quarter first"]["mean"],
            ),
            (
                f"share of positive mass in the own quarter{title}",
                lambda one: one["own share"]["mean"],
            ),
        )
    ]
    counts = " · ".join(f"{one['collages']}" for one in collages.values())
    collage_head = (
        f"{counts} collages of four photographs",
        *(f"{named} named" for named in collages),
    )
    times = {name: statistics.median(values) for name, values in found["seconds"].items()}
    repeats = len(found["seconds"]["load"])
    cost = (
        f"Loading takes {times['load']:.2f} s, the first map of the first picture "
        f"{times['first picture, first map']:.2f} s and all its maps "
        f"{times['first picture, all maps']:.2f} s, those of the next one "
        f"{times['next picture, first map']:.2f} s and {times['next picture, all maps']:.2f} s "
        f"({_machine(record)}; medians of {repeats})."
    )
    tables = _table(head, rows), _table(collage_head, collage_rows)
    return "\n\n".join((told, *tables, cost))


_POINTING_COLUMNS = {"pointing_game": "pointing game", "pointing_energy": "its energy"}


def photographs_settings(record: dict[str, Any]) -> str:
    found = record["numbers"]
    rows = []
    for name, one in found["settings"].items():
        several = [numbers for named, numbers in one["named"].items() if int(named) > 1]
        means = (
            statistics.mean(values)
            for values in (
                [numbers["pooled"] for numbers in several],
                [numbers["own quarter first"]["mean"] for numbers in several],
                [numbers["own share"]["mean"] for numbers in several],
            )
        )
        residual = statistics.mean(numbers["residual"] for numbers in several)
        rows.append(
            (name, *(f"{mean:.3f}" for mean in means), f"{residual:.0e}", f"{one['cost']:.1f}")
        )
    collages = sum(
        one["collages"] for one in next(iter(found["settings"].values()))["named"].values()
    )
    head = (
        f"two to four things named; {collages} collages of {found['pictures']} other pictures",
        "FIxLIP's number, pooled",
        "own quarter first",
        "share in the own quarter",
        "residual",
        "time, in that of the defaults",
    )
    return f"{_table(head, rows)}\n\n({_machine(record)}; below the last image block with 16 nodes)"


def view(record: dict[str, Any]) -> str:
    found = record["numbers"]
    rows: list[tuple[str, str]] = []

    def median(values: Sequence[float]) -> str:
        return f"{statistics.median(values):.1f} ms"

    if hover := found.get("hover"):
        heat, chips = hover["tokens"], hover["patches"]
        rows += [
            (
                f"hover, {hover['size']}: scripts until the heat map or the chips are painted",
                f"{median(heat['work'])}, {median(chips['work'])}",
            ),
            (
                f"hover, {hover['size']}: from the event to the painted frame",
                f"{median(heat['painted'])}, {median(chips['painted'])}",
            ),
        ]
    if drag := found.get("drag"):
        sides = [drag["picture"], drag["words"]]
        rates = [
            1000 / statistics.mean(b - a for a, b in itertools.pairwise(t))
            for t in (one["times"] for one in sides)
        ]
        lost = sum(one["count"] - one["moves"] for one in sides)
        rows.append(
            (
                f"drag at 120 moves a second, {drag['size']}",
                f"{min(rates):.0f}–{max(rates):.0f} frames a second, "
                f"{lost or 'no'} move{'s' * (lost > 1)} lost",
            )
        )
    if first := found.get("first"):
        what, times = next(iter(first.items()))
        rows.append(
            (
                f"first paint, {what}: from the script being there to caption, picture",
                f"{median(times['caption'])}, {median(times['picture'])}",
            )
        )
    if size := found.get("size"):
        raw, packed = (size["module"][name] / 1000 for name in ("bytes", "gzip"))
        rows.append(
            (
                "script",
                f"{raw:.0f} kB ({packed:.0f} kB gzipped) in each model, compiled once a page",
            )
        )
    for what, one in found.get("many", {}).items():
        if " and " not in what:
            each = one["each"]
            rows.append(
                (
                    f"{what} in one page",
                    f"shown in {one['shown']:.1f} s; each {each['heap']:.2f} MB of heap and "
                    f"{each['buffers']:.2f} MB of array buffers",
                )
            )
    if idle := found.get("idle"):
        asked = {
            name: sum(one[name] for one in idle.values() if isinstance(one, dict))
            for name in ("frames", "timers", "mutations")
        }
        said = ", ".join(f"{count or 'no'} {name}" for name, count in asked.items())
        rows.append((f"while nothing changes, {idle['size']}", said))
    if one := found.get("lab", {}).get("this widget"):
        rows.append(
            (
                "a cell run again in JupyterLab: the page, each time",
                f"{1000 * one['heap']:+.1f} kB of heap, {1000 * one['buffers']:+.1f} kB of "
                f"array buffers, {one['nodes']:+.1f} nodes",
            )
        )
    return f"{_table(('', ''), rows)}\n\n({_machine(record)}; {found['browser']}, medians)"


def reruns(record: dict[str, Any]) -> str:
    found = record["numbers"]
    said = ", ".join(f"{name}: {one['MB each']:+.2f} MB" for name, one in found.items())
    (times,) = {one["more"] for one in found.values()}
    return f"A cell run {times} times more, memory of the kernel for each run – {said}."


def of_contrasts(record: dict[str, Any]) -> str:
    found = record["numbers"]
    pointing = found["pointing"]
    rows = [
        (question, _said(score)) for question, score in pointing.items() if isinstance(score, dict)
    ]
    game = _table(
        (
            f"{found['scenes']} scenes, one object exchanged",
            "strongest patch on it (95 % interval)",
        ),
        [*rows, ("a random patch", f"{pointing['chance']:.3f}")],
    )
    names = {
        "single": "one caption's map",
        "contrast": "a contrast of two captions",
        "another label": "another label on the same picture",
    }
    costs = []
    for size, one in found["costs"].items():
        passed = statistics.median(one["times"]["forward"])
        memory = [one["prompts"][parts]["peak"] for parts in ("1", "80")]
        costs.append(
            (
                size,
                *(f"{statistics.median(one['times'][name]) / passed:.2f}" for name in names),
                " / ".join(f"{peak:.2f}" for peak in memory) + " GiB",
            )
        )
    head = ("in forward passes of both towers", *names.values(), "peak memory, 1 / 80 prompts")
    repeats = {len(one["times"]["forward"]) for one in found["costs"].values()}
    return (
        f"{game}\n\n{_table(head, costs)}\n\n({_machine(record)}; medians of "
        f"{', '.join(map(str, sorted(repeats)))}; new pictures and captions of 14 tokens each "
        "time, the map of all words together)"
    )


def of_llip(record: dict[str, Any]) -> str:
    found = record["numbers"]
    choices, readings, maps = (found[part] for part in ("choices", "readings", "maps"))
    mapped = len(maps["chance"]["values"])
    rows = [
        ("mixing weights of a caption of A and of one of B: how far apart, from 0 to 1",
         _said(choices["two things"]), "–"),
        ("… of two wordings of A", _said(choices["two wordings of one"]), "–"),
        ("A's caption fits better what its own weights read than what B's read",
         _said(readings["own weights read more"]), "0.500"),
        ("what they read fits A's caption better than B's",
         _said(readings["own thing said most"]), "0.500"),
        (f"strongest patch of A's map on A ({mapped} of the scenes)",
         _said(maps["exact map"]), _chance(maps)),
        ("… with the mixing weights held fixed", _said(maps["frozen map"]), _chance(maps)),
        ("… share of positive mass on A, through the mixture token that A's caption reads most",
         _said(maps["share, token of A"]), _chance(maps)),
        ("… through the one that B's reads most", _said(maps["share, token of B"]), _chance(maps)),
    ]  # fmt: skip
    head = (f"{found['pairs']} scenes, two things A and B", "mean (95 % interval)", "by chance")
    questions = {
        "things shown": "things shown against those not shown",
        "one word exchanged": "caption against four with a word exchanged",
        "place": "place against its opposite",
    }
    asked = [
        (name, *(_said(scores[question]) for question in questions))
        for name, scores in found["told apart"].items()
    ]
    by_chance = ("by chance", "0.500", "0.200", "0.500")
    told = _table(("mixture tokens are read", *questions.values()), [*asked, by_chance])
    leads = "; ".join(
        f"{name}: "
        + ", ".join(
            f"{lead['mean']:+.3f} ({lead['low']:+.3f} to {lead['high']:+.3f})"
            for lead in (led[question] for question in questions)
        )
        for name, led in found["led by"].items()
    )
    return (
        f"{_table(head, rows)}\n\n{told}\n\n"
        f"By the caption less the others, column by column (95 % intervals of the difference) – "
        f"{leads}."
    )


def _chance(scores: dict[str, Any]) -> str:
    return f"{scores['chance']['mean']:.3f}"


def of_heads(record: dict[str, Any]) -> str:
    found = record["numbers"]
    rows = []
    for one in found:
        times = {name: statistics.median(values) for name, values in one["times"].items()}
        ratios = (f"{times[name] / times['forward']:.2f}" for name in heads.STEPS)
        peak, size = f"{one['peak']:.1f} GiB", f"{one['kind']} {one['size']}"
        rows.append((size, f"{1000 * times['forward']:.0f} ms", *ratios, one["nodes"], peak))
    head = (
        f"in forward passes of both towers; {found[0]['tokens']} tokens",
        "one such pass",
        *heads.STEPS.values(),
        "nodes",
        "peak memory",
    )
    repeats = {len(one["times"]["forward"]) for one in found}
    return (
        f"{_table(head, rows)}\n\n({_machine(record)}; medians of "
        f"{', '.join(map(str, sorted(repeats)))}; new pictures and captions each time)"
    )


def of_embedding(record: dict[str, Any]) -> str:
    found = record["numbers"]
    rows = []
    for name, step in embedding.STEPS.items():
        times = found["times"][name]
        taken = (f"{statistics.median(times[whose]):.1f} s" for whose in ("bare", "ours"))
        rows.append((step, *taken, f"{embedding.ratio(times):.2f}"))
    head = (
        f"{found['pictures']} pictures, {found['captions']} captions; {found['size']}, "
        f"{found['batch']} at once",
        "the bare model",
        "`embed_image`, `embed_text`",
        "ratio",
    )
    searched = found["search"]
    told = "; ".join(
        f"{one['queries']} {'query' if one['queries'] == 1 else 'queries'} at once "
        f"{one['seconds']:.2f} s, in {one['peak'] / 2**20:.0f} MB"
        for one in searched["found"]
    )
    note = f"; {found['note']}" if found.get("note") else ""
    return (
        f"{_table(head, rows)}\n\nThe {searched['nearest']} nearest of {searched['vectors']:,} "
        f"vectors of {searched['width']} numbers, in a file: {told}.\n\n"
        f"({_machine(record)}; medians of {found['repeats']}{note})"
    )


def of_differences(record: dict[str, Any]) -> str:
    found = record["numbers"]
    signs, accuracy, size, maps = (found[part] for part in ("signs", "accuracy", "size", "maps"))
    models = ("before", "after")
    rows = [
        (told, *(_said(of[model][key]) for model in models), chance)
        for told, of, key, chance in (
            ("kinds of lone things, of 74", accuracy, "kinds of 74", "0.014"),
            ("captions, of 200", accuracy, "captions of 200", "0.005"),
        )
    ]
    rows = [
        *(
            (told, *(_said(signs[model][key]["all"]) for model in models), "0.500")
            for told, key in (
                ("the sentence has the right sign", "sentence"),
                ("… without the words that are new", "sentence in known words"),
                ("what it says of the first picture has", "what the first shows"),
                ("… less what it says of the second has", "first less second"),
                ("the sign turns with the sentence", "order"),
            )
        ),
        *rows,
        ("size: Spearman, by the sentence", *(_said(size[m]["sentence"]) for m in models), "0"),
        ("… by two captions", *(_said(size[m]["first less second"]) for m in models), "0"),
        *(
            (
                told,
                *(_said(maps[model][key]) for model in models),
                f"{maps['after'][key]['chance']:.3f}",
            )
            for told, key in (
                ("words point, first picture", "difference_pointing, picture 1"),
                ("words point, second picture", "difference_pointing, picture 2"),
                ("clauses point, first picture", "clause_pointing, picture 1"),
                ("clauses point, second picture", "clause_pointing, picture 2"),
                ("the first clause's mass in the first picture", "first_clause_energy"),
                ("the second clause's in the second", "second_clause_energy"),
            )
        ),
        (
            "words of two captions point",
            *(_said(maps[model]["two captions"]["difference_pointing"]) for model in models),
            f"{maps['after']['two captions']['difference_pointing']['chance']:.3f}",
        ),
    ]  # fmt: skip
    pairs = signs["after"]["sentence"]["all"]["count"]
    return (
        f"{_table(('', 'before', 'after', 'by chance'), rows)}\n\n({pairs} pairs; with 95 % "
        f"intervals; {_machine(record)})"
    )


def of_paraphrases(record: dict[str, Any]) -> str:
    found = record["numbers"]
    models = ("before", "alignment layers", "text tower")
    sets = [
        (f"AO@{found['k']}, {name}", of, "average overlap", of["chance"]["average overlap"])
        for name, of in found["agreement"].items()
    ]
    sets += [
        (f"JS@{found['k']}, {name}", of, "jaccard", of["chance"]["jaccard"])
        for name, of in found["agreement"].items()
    ]
    questions = [
        (told, found["accuracy"], key, None)
        for told, key in (
            ("the kind of a lone thing", "kinds"),
            ("one word exchanged, four times", "one word exchanged"),
            ("a place or its opposite", "place"),
        )
    ]
    rows = [
        (
            told,
            _said(of["before"][key]),
            *(f"{_said(of[model][key])}; {of[f'{model}, control'][key]['mean']:.3f}"
              for model in models[1:]),
            "" if chance is None else f"{chance:.3f}",
        )
        for told, of, key, chance in (*sets, *questions)
    ]  # fmt: skip
    head = ("", "before", "alignment layers; their control", "text tower; its control", "by chance")
    steps = found["training"]["text tower"]["steps"]
    return (
        f"{_table(head, rows)}\n\n({found['pairs']} pairs of each set, {steps} steps of training; "
        f"with 95 % intervals; {_machine(record)})"
    )


#: How each record is told, and the command that makes it.
TABLES: dict[str, tuple[Callable[[dict[str, Any]], str], str]] = {
    "costs": (costs, "tests.benchmarks --only costs"),
    "exclip": (against_exclip, "tests.benchmarks --only exclip"),
    "nodes": (nodes, "tests.benchmarks --only nodes"),
    "methods": (of_methods, "tests.benchmarks.methods"),
    "view": (view, "tests.benchmarks.view"),
    "contrasts": (of_contrasts, "tests.benchmarks.contrasts"),
    "llip": (of_llip, "tests.benchmarks.llip --control FOLDER"),
    "heads": (of_heads, "tests.benchmarks.heads"),
    "embedding": (of_embedding, "tests.benchmarks.embedding"),
    "paraphrases": (of_paraphrases, "tests.benchmarks.paraphrases --models FOLDER"),
    "differences": (of_differences, "tests.benchmarks.differences FOLDER"),
    "reruns": (reruns, "tests.benchmarks.reruns"),
    "scenes": (of_scenes, "tests.benchmarks.grounding --only record"),
    "sanity": (sanity, "tests.benchmarks.grounding --only sanity"),
    "layers": (layers, "tests.benchmarks.grounding --only layers"),
    "photographs": (photographs, "tests.benchmarks.photographs"),
    "photographs_settings": (photographs_settings, "tests.benchmarks.photographs --choose"),
}


def generated(text: str, folder: Path = FOLDER) -> str:
    """Return a README with its tables as the records in a folder say."""

    def fill(found: re.Match[str]) -> str:
        start, name, _, end = found.groups()
        tell, command = TABLES[name]
        record = read(name, folder)
        told = tell(record) if record else f"(not measured yet: `python -m {command}`)"
        return f"{start}{told}\n{end}"

    return _MARKED.sub(fill, text)


def drifted(text: str, folder: Path = FOLDER) -> list[str]:
    """Return the names of those tables that are not what the records say."""
    names = _MARKED.findall(text), _MARKED.findall(generated(text, folder))
    return [old[1] for old, new in zip(*names, strict=True) if old != new]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("  ", " ") for cells in lines)


def _said(numbers: dict[str, float]) -> str:
    return f"{numbers['mean']:.3f} ({numbers['low']:.3f}–{numbers['high']:.3f})"


def _percent(numbers: dict[str, float]) -> str:
    return f"{100 * numbers['mean']:.1f} %"


def _machine(record: dict[str, Any]) -> str:
    own = record["machine"]
    return (
        f"{own['processor']}, {own['threads']} thread{'s' * (own['threads'] > 1)}, "
        f"torch {own['torch'].partition('+')[0]}, {record['date']}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    parser.add_argument("--readmes", type=Path, nargs="+", default=READMES)
    parser.add_argument("--records", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    texts = {path: path.read_text(encoding="utf-8") for path in options.readmes}
    differ = [name for text in texts.values() for name in drifted(text, options.records)]
    if not options.check:
        for path, text in texts.items():
            path.write_text(generated(text, options.records), encoding="utf-8")
        print(f"written: {', '.join(differ) or 'nothing, all is as the records say'}")
    elif differ:
        sys.exit(
            f"not what the records say: {', '.join(differ)}; run python -m tests.benchmarks.readme"
        )


if __name__ == "__main__":
    main()
