"""Reports on planted scores: what stands in tables, drawings and lists of examples."""

import io
import math
from html.parser import HTMLParser
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation import Dataset, Report
from fpattr_widget.evaluation._estimate import estimate
from fpattr_widget.evaluation._outlines import outlined
from fpattr_widget.evaluation._plan import plan
from fpattr_widget.evaluation._score import Record, Score
from tests.helpers.models import random_encoder
from tests.helpers.planted import cell, phrase, picture, sample

EVIL = "<script>alert('$x$ & _y_')</script> $a^$ \\$b$"
GAME, ENERGY, DELETION, RESIDUAL = (
    "pointing_game", "pointing_energy", "deletion", "completeness_residual",
)  # fmt: skip
WORDS = ("dog", "red ball", "red", "and")
ALL = ("pointing_game", "pointing_energy", "insertion_deletion", "completeness")


def dataset(labels, *, caption: str = "a dog and a red ball", name: str = "planted") -> Dataset:
    """Return a sample for each list of labels, with a phrase for each label in it."""
    samples = []
    for number, own in enumerate(labels):
        phrases = [
            phrase(words, label, cell(0, 0), caption=caption)
            for words, label in zip(WORDS, own, strict=False)
        ]
        samples.append(sample(f"s{number}", *phrases, caption=caption, image=picture(number)))
    return Dataset(name, samples)


def planted(encoder, data: Dataset, scores, *, methods="occlusion", metrics=ALL) -> Report:
    """Return the report on scores ``{(run, metric): rows of values for each sample}``.

    A value that is no list is one of the whole sample. Pointing games have the
    chance of one ninth.
    """
    evaluation = plan(
        encoder, data, methods=methods, metrics=list(metrics), layers=None, scores=None
    )
    for number, one in enumerate(data):
        found = []
        for (run, metric), rows in scores.items():
            if number >= len(rows) or rows[number] is None:
                continue
            values = rows[number]
            chance = 1 / 9 if metric in (GAME, ENERGY) else None
            if isinstance(values, list):
                found += [
                    Score(metric, value, chance, i, run, one.name) for i, value in enumerate(values)
                ]
            else:
                found.append(Score(metric, values, run=run, sample=one.name))
        if found:
            evaluation.records.add(Record(one.name, tuple(found)))
    return Report(evaluation, never)


def never(progress: bool) -> Report:
    raise AssertionError("a report must not run anything")


LABELS = [["dog", "ball"], ["dog", "ball"], ["dog", "cat", "cat"], ["dog", "ball"]]
SCORES = {
    (0, GAME): [[1, 0], [1, 0], [1, 1, 0], [1, 0]],
    (0, ENERGY): [[0.9, 0.2], [0.8, 0.1], [0.7, 0.6, 0.3], [0.9, 0.05]],
    (0, DELETION): [[0.1, 0.5], [0.1, 0.6], [0.1, 0.2, 0.2], [0.1, 0.7]],
    (0, RESIDUAL): [0.01, 0.02, 0.03, 0.04],
}


@pytest.fixture(scope="module")
def report(encoder):
    return planted(encoder, dataset(LABELS), SCORES)


def columns(table) -> dict[str, list]:
    return {name: [row[i] for row in table.rows] for i, name in enumerate(table.columns)}


# Tables


def test_a_summary_is_the_estimate_over_all(report):
    hits = [1, 0, 1, 0, 1, 1, 0, 1, 0]
    assert report.summary() == report.summary(GAME, report.runs[0])
    assert report.summary() == estimate(hits, [0, 0, 1, 1, 2, 2, 2, 3, 3])
    assert report.summary(RESIDUAL) == estimate([0.01, 0.02, 0.03, 0.04], range(4))
    assert report.summary(RESIDUAL).mean == pytest.approx(0.025)


def test_classes_stand_in_order_of_their_gaps(report):
    found = columns(report.classes())
    assert found["class"] == ["ball", "cat", "dog"]
    assert found["phrases"] == [3, 2, 4]
    assert found[GAME] == [0, 0.5, 1]
    assert found["gap"] == pytest.approx([5 / 9, 5 / 9 - 0.5, 5 / 9 - 1])
    assert found["chance"] == pytest.approx([1 / 9] * 3)
    # Wilson's intervals of none of three and four of four; of one sample, nothing is known.
    assert found["low"][0] == 0
    assert found["high"][0] == pytest.approx(0.5615, abs=1e-4)
    assert math.isnan(found["low"][1])
    assert (found["low"][2], found["high"][2]) == (pytest.approx(0.5101, abs=1e-4), 1)
    assert found["clear"] == [False, False, False]
    assert "0.556" in report.classes().caption


def test_of_numbers_that_are_good_when_small_the_large_are_gaps(report):
    found = columns(report.classes(DELETION))
    assert found["class"] == ["ball", "cat", "dog"]
    assert found[DELETION] == pytest.approx([0.6, 0.2, 0.1])
    mean = np.mean([0.1, 0.5, 0.1, 0.6, 0.1, 0.2, 0.2, 0.1, 0.7])
    assert found["gap"] == pytest.approx([0.6 - mean, 0.2 - mean, 0.1 - mean])
    assert found["clear"] == [True, False, False]
    assert found["low"][0] > mean
    assert found["chance"] == [None] * 3


def test_a_gap_is_clear_where_the_interval_excludes_the_mean(encoder):
    """Twenty of one class that all miss, twenty that all hit, and a rare one that misses."""
    labels = [["dog", "ball"]] * 20 + [["cat"]] * 2
    hits = [[1, 0]] * 20 + [[0]] * 2
    found = columns(planted(encoder, dataset(labels), {(0, GAME): hits}).classes())
    assert found["class"] == ["ball", "cat", "dog"]
    assert found["phrases"] == [20, 2, 20]
    assert found["clear"] == [True, False, False]  # of two nothing is clear; better is no gap


def test_most_keeps_the_widest_gaps(report):
    assert report.classes(most=2).rows == report.classes().rows[:2]
    assert report.classes(most=99).rows == report.classes().rows


def test_classes_with_equal_gaps_stand_by_name(encoder):
    labels = [["pear", "fig", "apple"]]
    found = planted(encoder, dataset(labels), {(0, GAME): [[0.5, 0.5, 0.5]]})
    assert columns(found.classes())["class"] == ["apple", "fig", "pear"]


def test_runs_stand_beside_each_other(encoder):
    scores = {
        **SCORES,
        (1, GAME): [[0, 0], [0, 0], [0, 0, 1], [0, 0]],
        (1, ENERGY): [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5, 0.5], [0.5, 0.5]],
    }
    methods = [fp.Occlusion(), fp.GradientTimesInput()]
    report = planted(encoder, dataset(LABELS), scores, methods=methods)
    table = columns(report.comparison())
    assert table["method"] == ["occlusion", "gradient × input"]
    assert table["text block"] == [None, 2]
    assert table[GAME] == pytest.approx([5 / 9, 1 / 9])
    assert table[f"{GAME} chance"] == pytest.approx([1 / 9] * 2)
    assert table[f"{ENERGY} 95 %"][1] == "0.500–0.500"
    assert table[RESIDUAL] == [pytest.approx(0.025), None]  # not measured in the second run
    assert f"{RESIDUAL} chance" not in table
    low, high = report.summary(GAME, 1).low, report.summary(GAME, 1).high
    assert table[f"{GAME} 95 %"][1] == f"{low:.3f}–{high:.3f}"
    assert columns(report.classes(run=1))["gap"] == pytest.approx([1 / 9, 1 / 9, 1 / 9 - 0.5])
    assert report.classes(run=-1).rows == report.classes(run=report.runs[1]).rows
    with pytest.raises(fp.InputError, match=f"`metric` is '{RESIDUAL}', which .* no value"):
        report.summary(RESIDUAL, 1)


def test_every_score_has_a_line(report):
    frame = report.to_dataframe()
    assert list(frame.columns) == [
        "sample", "caption", "phrase", "label", "model", "method", "text_block", "image_block",
        "metric", "value", "chance", "foil",
    ]  # fmt: skip
    assert len(frame) == 9 * 3 + 4
    means = frame.groupby("metric")["value"].mean()
    for metric in report.metrics:
        assert means[metric] == pytest.approx(report.summary(metric).mean)
    ball = frame[(frame["metric"] == GAME) & (frame["label"] == "ball")]
    assert ball["phrase"].tolist() == ["red ball"] * 3
    assert ball["sample"].tolist() == ["s0", "s1", "s3"]
    assert ball["chance"].tolist() == pytest.approx([1 / 9] * 3)
    assert frame[frame["metric"] == RESIDUAL]["phrase"].isna().all()


@pytest.mark.parametrize(
    ("ask", "argument"),
    [
        (lambda one: one.summary("accuracy"), "metric"),
        (lambda one: one.classes(RESIDUAL), "metric"),
        (lambda one: one.classes(run=1), "run"),
        (lambda one: one.summary(run="occlusion"), "run"),
        (lambda one: one.worst(label="bird"), "label"),
        (lambda one: one.worst(metric=RESIDUAL), "metric"),
        (lambda one: one.plot("accuracy"), "metric"),
        (lambda one: one.plot_comparison("accuracy"), "metric"),
        (lambda one: one.browse(run=7), "run"),
    ],
)
def test_what_was_not_measured_is_named(report, ask, argument):
    with pytest.raises(fp.InputError, match=f"`{argument}`"):
        ask(report)


# Changes


def test_changes_compare_phrases_with_themselves(encoder):
    """All energies rise by a tenth, however much they differ."""
    risen = [[value + 0.1 for value in row] for row in SCORES[0, ENERGY]]
    after = planted(encoder, dataset(LABELS), {(0, ENERGY): risen})
    before = planted(encoder, dataset(LABELS), SCORES)
    found = columns(after.change(before))
    assert found["class"][-1] == "all classes"
    assert sorted(found["class"][:-1]) == ["ball", "cat", "dog"]
    assert found["phrases"][-1] == 9
    assert found["change"] == pytest.approx([0.1] * 4)
    known = [label != "cat" for label in found["class"]]  # of one sample, no interval
    for side in ("low", "high"):
        assert np.array(found[side])[known] == pytest.approx([0.1] * 3)
    assert found["before"][-1] == pytest.approx(before.summary(ENERGY).mean)
    assert found["after"][-1] == pytest.approx(after.summary(ENERGY).mean)


def test_changes_stand_in_order_whatever_their_sign(encoder):
    before = planted(encoder, dataset(LABELS), SCORES)
    hits = [[0, 0], [0, 0], [1, 1, 1], [0, 0]]
    after = planted(encoder, dataset(LABELS), {(0, GAME): hits})
    found = columns(after.change(before))
    assert found["class"] == ["dog", "cat", "ball", "all classes"]
    assert found["change"] == pytest.approx([-0.75, 0.5, 0, -2 / 9])
    assert (found["before"][0], found["after"][0]) == (1, 0.25)
    back = columns(before.change(after, GAME))
    assert back["change"] == pytest.approx([0.75, -0.5, 0, 2 / 9])
    assert back["low"][0] == pytest.approx(-found["high"][0])


def test_one_of_ten_that_is_better_may_be_chance(encoder):
    data = dataset([["dog"]] * 10)
    before = planted(encoder, data, {(0, GAME): [[0]] * 10})
    after = planted(encoder, data, {(0, GAME): [[1]] + [[0]] * 9})
    found = columns(after.change(before))
    assert found["change"] == pytest.approx([0.1, 0.1])
    assert found["low"][0] < 0 < found["high"][0]
    same = columns(before.change(before))
    assert (same["low"][0], same["change"][0], same["high"][0]) == (0, 0, 0)


def test_only_what_both_have_measured_is_compared(encoder):
    before = planted(encoder, dataset(LABELS), {(0, GAME): [[1, 0], [1, 0]]})
    after = planted(encoder, dataset(LABELS), {(0, GAME): [None, [1, 1], [0, 0, 0]]})
    found = columns(after.change(before))
    assert found["phrases"] == [1, 1, 2]
    assert found["class"] == ["ball", "dog", "all classes"]
    nothing = planted(encoder, dataset(LABELS), {(0, ENERGY): [[1, 0]]})
    with pytest.raises(fp.InputError, match="`before` has no pointing_game"):
        after.change(nothing)


# Examples


def test_the_worst_come_first(report):
    energies = [one.value for one in report.worst(99, ENERGY)]
    assert energies == sorted(energies)
    assert len(energies) == 9
    found = report.worst(3)
    # Four miss; of those, energies tell which is the worst.
    assert [(one.sample.name, one.label) for one in found] == [
        ("s3", "ball"), ("s1", "ball"), ("s0", "ball"),
    ]  # fmt: skip
    assert [one.words for one in found] == ["red ball"] * 3
    assert {(one.metric, one.value) for one in found} == {(GAME, 0)}
    assert [one.value for one in report.worst(3, DELETION)] == [0.7, 0.6, 0.5]


def test_the_worst_of_one_class(report):
    found = report.worst(metric=ENERGY, label="dog")
    assert [one.value for one in found] == [0.7, 0.8, 0.9, 0.9]
    assert {one.label for one in found} == {"dog"}
    assert report.worst(0) == ()


def test_a_scored_phrase_opens_with_its_words_pinned(report):
    (phrase,) = report.worst(1)
    pairs = phrase.pairs()
    assert not pairs.ready.any()
    assert pairs.caption == phrase.sample.caption
    assert pairs.about.method == "occlusion"
    view = phrase.widget()
    assert view.selected_tokens == [5, 6]
    view.close()


def test_phrases_of_another_run_are_explained_by_it(encoder):
    methods = [fp.Occlusion(), fp.GradientTimesInput()]
    scores = {(0, GAME): [[1, 1]], (1, GAME): [[1, 0]]}
    report = planted(encoder, dataset(LABELS[:1]), scores, methods=methods)
    assert report.worst(1)[0].value == 1
    (phrase,) = report.worst(1, run=1)
    assert (phrase.value, phrase.pairs().about.method) == (0, "gradient × input")


def test_browsing_makes_a_view_when_its_title_is_opened(report):
    accordion = report.browse(3, ENERGY)
    assert accordion.titles[0] == "“red ball” in “a dog and a red ball”: pointing_energy 0.05"
    assert len(accordion.titles) == len(accordion.children) == 3
    assert accordion.selected_index is None
    assert not any(place.children for place in accordion.children)
    accordion.selected_index = 1
    assert [len(place.children) for place in accordion.children] == [0, 1, 0]
    (view,) = accordion.children[1].children
    assert view.selected_tokens == [5, 6]
    accordion.selected_index = None
    accordion.selected_index = 1
    assert accordion.children[1].children == (view,)
    assert report.browse(2, label="cat").titles[0].startswith("“red ball”") is False
    view.close()


# Drawings


def drawn(figure) -> str:
    """Return all text in a figure as a reader sees it."""
    page = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(page, format="svg")
    texts = ElementTree.fromstring(page.getvalue()).iter("{http://www.w3.org/2000/svg}text")
    return "\n".join("".join(text.itertext()) for text in texts)


def test_classes_are_drawn_with_the_widest_gap_on_top(report):
    figure = report.plot()
    (axes,) = figure.axes
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == ["ball  (3)", "cat  (2)", "dog  (4)"]
    places = list(axes.get_yticks())
    assert places == sorted(places, reverse=True)
    points = {
        line.get_ydata()[0]: line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"
    }
    assert [points[place] for place in places] == [0, 0.5, 1]
    said = drawn(figure)
    assert "pointing game" in said
    assert "mean 0.56" in said
    assert [tick.get_text() for tick in report.plot(most=1).axes[0].get_yticklabels()] == [
        "ball  (3)"
    ]


def marked(figure) -> list[float]:
    """Return the means that are drawn in the colour that stands out."""
    lines = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    colours = [line.get_color() for line in lines]
    return [line.get_xdata()[0] for line in lines if colours.count(line.get_color()) == 1]


def test_the_best_run_is_marked(encoder):
    methods = [fp.Occlusion(), fp.GradientTimesInput(), fp.Banzhaf()]
    scores = {
        (run, metric): [[0.1 * (run + 1)] * 2] for metric in (GAME, DELETION) for run in range(3)
    }
    report = planted(encoder, dataset(LABELS[:1]), scores, methods=methods)
    assert marked(report.plot_comparison(GAME)) == pytest.approx([0.3])
    assert marked(report.plot_comparison(DELETION)) == pytest.approx([0.1])
    said = drawn(report.plot_comparison())
    assert all(str(run) in said for run in report.runs)


def test_runs_without_the_number_are_not_drawn(encoder):
    methods = [fp.Occlusion(), fp.GradientTimesInput()]
    report = planted(encoder, dataset(LABELS), SCORES, methods=methods)
    assert len(report.plot_comparison().axes[0].get_yticks()) == 1


# Text of others


class Tags(HTMLParser):
    def __init__(self, page: str):
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def evil():
    """Return a report in which everything that others name is an attack."""
    encoder = random_encoder()
    encoder.name = EVIL
    data = dataset([[EVIL, "dog"], [EVIL]], name=EVIL, caption=f"a dog {EVIL} and a red ball")
    evaluation = plan(
        encoder, data, methods=["occlusion", "gradient_times_input"],
        metrics=["pointing_game", "agreement"], layers=None, scores=None,
    )  # fmt: skip
    other = f"agreement with {evaluation.task.setups[1].name}"
    found = (
        Score(GAME, 0.0, 0.1, phrase=0, sample="s0"),
        Score(other, 0.5, 0.0, sample="s0"),
    )
    evaluation.records.add(Record("s0", found))
    evaluation.records.add(Record("s1", (), f"`image` is {EVIL}"))
    return Report(evaluation, never)


def test_html_shows_text_of_others_and_runs_nothing(evil):
    read = Tags(evil._repr_html_())
    assert read.tags == {"p", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert f"of {EVIL}, 1 of them left out (`image` is {EVIL})" in read.text
    assert f"agreement with {EVIL} · gradient × input" in read.text
    assert read.text.count(EVIL) >= 6
    assert EVIL in repr(evil)


def test_markdown_shows_text_of_others_and_runs_nothing(evil, tmp_path):
    evil.save(tmp_path / "report.md")
    said = (tmp_path / "report.md").read_text()
    assert "alert" in said
    bare = [place for place, character in enumerate(said) if character == "<"]
    assert bare
    assert all(said[place - 1] == "\\" for place in bare)


def test_drawings_show_text_of_others_as_it_is(evil):
    assert f"{EVIL}  (1)" in drawn(evil.plot())
    assert f"{EVIL} · occlusion" in drawn(evil.plot_comparison(GAME))
    assert f"agreement with {EVIL} · gradient × input".replace("_", " ") in drawn(
        evil.plot_comparison(evil.metrics[1])
    )


def test_browsing_text_of_others(evil):
    (title,) = evil.browse(1).titles
    assert EVIL in title


def test_an_empty_class_name_is_drawn(encoder):
    report = planted(encoder, dataset([["", " "]]), {(0, GAME): [[1, 0]]})
    assert "(1)" in drawn(report.plot())


def test_other_captions_under_the_same_names_are_not_compared(encoder):
    report = planted(encoder, dataset(LABELS), SCORES)
    assert all(one != one[::-1] for one in LABELS)
    other = planted(encoder, dataset([list(reversed(one)) for one in LABELS]), SCORES)
    with pytest.raises(fp.InputError, match="same samples"):
        report.change(other)


def test_counts_below_zero_are_refused(report, tmp_path):
    for argument, ask in {
        "number": lambda: report.worst(-1),
        "most": lambda: report.classes(most=-1),
        "examples": lambda: report.save(tmp_path / "it.html", examples=-1),
    }.items():
        with pytest.raises(fp.InputError, match=f"`{argument}` is -1"):
            ask()
    assert not list(tmp_path.iterdir())


def test_a_notebook_shows_drawings_without_pyplot(report):
    for figure in (report.plot(), report.plot_comparison()):
        assert figure._repr_png_().startswith(b"\x89PNG")


# What a page shows of the worst examples


def test_the_boxes_of_an_example_are_outlined_in_its_view_alone(encoder):
    report = planted(encoder, dataset(LABELS[:1]), SCORES)
    (phrase,) = report.worst(1)
    plain, view = phrase.pairs(), phrase.widget()
    before, after = (np.asarray(one.picture, int) for one in (plain, view.pairs))
    assert before.shape == after.shape
    changed = (before != after).any(-1)
    height, width = changed.shape
    box = np.zeros_like(changed)
    box[: round(height / 3) + 1, : round(width / 3) + 1] = True
    assert changed.any()
    assert not changed[~box].any()
    inner = np.zeros_like(changed)
    inner[3 : height // 3 - 3, 3 : width // 3 - 3] = True
    assert not changed[inner].any()
    corner = np.flatnonzero(box.any(0))[-1]
    assert changed[: round(height / 3) - 1, corner - 1 : corner + 1].any(1).all()
    np.testing.assert_array_equal(view.pairs.matrix, plain.matrix)
    assert view.pairs.ledger == plain.ledger
    view.close()


def test_an_outline_is_seen_on_any_ground_and_any_size():
    for ground in ((0, 0, 0), (255, 255, 255), (250, 0, 0)):
        for size in ((600, 450), (24, 24)):
            plain = Image.new("RGB", size, ground)
            drawn = np.asarray(outlined(plain, [(0.1, 0.2, 0.9, 0.8), (0, 0, 1, 1)]), int)
            assert np.abs(drawn - np.array(ground)).max() > 200
            assert plain.getcolors() == [(size[0] * size[1], ground)]
    assert outlined(Image.new("RGB", (3, 2)), [(0.1, 0.2, 0.9, 0.8)]).size == (3, 2)
    drawn = np.asarray(outlined(Image.new("RGB", (600, 450), "white"), [(0.5, 0.5, 1, 1)]))
    dark = np.argwhere(drawn[:, :, 0] == 0)
    assert tuple(dark.min(0)) == pytest.approx((225, 300), abs=4)
    assert tuple(dark.max(0)) == pytest.approx((449, 599), abs=4)


def test_the_numbers_of_one_run_stand_below_each_other(encoder, tmp_path):
    """In one line they would be wider than any page."""
    one = planted(encoder, dataset(LABELS), SCORES)
    one.save(tmp_path / "one.html", examples=0)
    first = (tmp_path / "one.html").read_text().split("<table>")[1].split("</table>")[0]
    columns, row = one.comparison().columns, one.comparison().rows[0]
    assert first.count("<tr>") == len(columns) + 1
    for column, value in zip(columns, row, strict=True):
        line = next(part for part in first.split("<tr>") if f">{column}</td>" in part)
        assert line.count("<td") == 2
        assert not isinstance(value, float) or f"{value:.3f}" in line
    two = planted(encoder, dataset(LABELS), SCORES, methods=["occlusion", "banzhaf"])
    two.save(tmp_path / "two.html", examples=0)
    assert two.comparison()._repr_html_() in (tmp_path / "two.html").read_text()
