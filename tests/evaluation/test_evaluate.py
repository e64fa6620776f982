"""From a model and a data set to numbers: each sample once, and each refusal in a sentence."""

import dataclasses
import gc
import itertools
import json

import numpy as np
import pytest
import torch
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation import Dataset
from fpattr_widget.evaluation import _plan as plan
from fpattr_widget.evaluation._fingerprint import reading_of
from fpattr_widget.evaluation._records import PART_NAMES
from fpattr_widget.evaluation._score import Score
from fpattr_widget.evaluation._setup import Setup
from fpattr_widget.evaluation.metrics import Agreement, InsertionDeletion, PointingGame
from tests.helpers.models import Processor, random_clip, random_encoder
from tests.helpers.planted import CAPTION, cell, phrase, picture, sample, tiny
from tests.helpers.scores import assert_same_scores

pytestmark = pytest.mark.slow

DOG, BALL = phrase("dog", "dog", cell(0, 0, 2, 2)), phrase("red ball", "ball", cell(2, 2))


class Named(fp.Occlusion):
    """A method that tells nothing of its settings."""

    def __init__(self, secret: int):
        super().__init__()
        object.__setattr__(self, "secret", secret)

    def __repr__(self) -> str:
        return f"Named({self.secret})"


class Refusing(PointingGame):
    """A metric that fails once it has looked."""

    def measure(self, explained):
        assert explained.maps.any()
        raise fp.InputError("metric", "gives no number", "leave it out")


def evaluate(model, dataset=None, **options) -> fp.Report:
    options = {"methods": fp.Occlusion(), "progress": False, **options}
    return fp.evaluate(model, tiny() if dataset is None else dataset, **options)


def numbers(report: fp.Report) -> list[tuple]:
    return list(report.scores().rows)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scores.jsonl"


# What is measured


def test_every_phrase_has_the_number_that_its_own_pairs_give(encoder):
    report = evaluate(encoder, metrics=["pointing_game", "pointing_energy", "completeness"])
    assert report.metrics == ("pointing_game", "pointing_energy", "completeness_residual")
    found = {(row[0], row[2], row[8]): row[9:11] for row in numbers(report)}
    assert len(found) == len(numbers(report)) == 4 * (2 + 2 + 1)
    for number in range(4):
        pairs = fp.attribute(encoder, picture(number), CAPTION, fp.Occlusion())
        name = f"s{number}"
        for words, tokens, inside in (
            ("dog", [2], np.s_[:2, :2]),
            ("red ball", [5, 6], np.s_[2:, 2:]),
        ):
            heat = pairs.matrix[tokens].sum(0).reshape(3, 3)
            hit = heat[inside].max() == heat.max()
            mass = np.clip(heat, 0, None)
            share = heat[inside].size / 9
            assert found[name, words, "pointing_game"] == (float(hit), share)
            expected = mass[inside].sum() / mass.sum()
            assert found[name, words, "pointing_energy"] == pytest.approx((expected, share))
        residual, chance = found[name, None, "completeness_residual"]
        assert residual == pytest.approx(abs(pairs.ledger.residual), abs=1e-6)
        assert chance is None


def test_every_image_is_opened_once_whatever_is_measured(encoder):
    opened = []
    report = evaluate(
        {"here": encoder, "there": encoder},
        tiny(3, opened),
        methods=["occlusion", "gradient_times_input"],
        metrics=["pointing_game", "insertion_deletion", "faithfulness", "agreement"],
        layers=[0, 1],
    )
    assert opened == ["s0", "s1", "s2"]
    assert report.complete
    assert len(report.runs) == 6  # occlusion reads at the input, whatever the layer
    assert [str(run) for run in report.runs[:3]] == [
        "here · occlusion",
        "here · gradient × input · text block 0 · image block 0",
        "here · gradient × input · text block 1 · image block 1",
    ]


def test_all_layers_are_all_pairs_of_blocks():
    small = random_encoder(layers=2)
    report = evaluate(small, tiny(1), methods=["gradient_times_input", "occlusion"], layers="all")
    layers = [run.layers for run in report.runs]
    assert layers == [*itertools.product(range(2), range(2)), None]
    energies = [report.summary("pointing_energy", run).mean for run in report.runs]
    assert len(set(energies)) > 2
    heat = fp.attribute(small, picture(0), CAPTION, "gradient_times_input", (0, 1)).row(2)
    (first, *_) = [
        row[9]
        for row in numbers(report)
        if row[6:9] == (0, 1, "pointing_energy") and row[2] == "dog"
    ]
    mass = np.clip(heat, 0, None)
    assert first == pytest.approx(mass[:2, :2].sum() / mass.sum())


def test_a_layer_of_each_tower_and_lists_of_layers(encoder):
    method = fp.GradientTimesInput()
    for layers, expected in (
        (None, [(2, 2)]),
        (-1, [(2, 2)]),
        ((0, 2), [(0, 2)]),
        ([0, (1, 2), -3], [(0, 0), (1, 2)]),
    ):
        report = evaluate(encoder, tiny(1), methods=method, layers=layers)
        assert [run.layers for run in report.runs] == expected


def test_several_models_by_list_and_by_dict(encoder):
    other = random_encoder(1)
    other.name = "other"
    by_list = evaluate([encoder, other])
    assert [run.model for run in by_list.runs] == [encoder.name, "other"]
    by_dict = evaluate({"a": other, "b": encoder, "c": random_clip_model()})
    assert [run.model for run in by_dict.runs] == ["a", "b", "c"]
    for metric in by_list.metrics:
        assert by_list.summary(metric, 0) == by_dict.summary(metric, 1)
        assert by_list.summary(metric, 1) == by_dict.summary(metric, 0)


def random_clip_model() -> fp.DualEncoder:
    return random_encoder(2)


def test_methods_alike_are_told_apart_by_their_settings(encoder):
    methods = [fp.GradientTimesInput(), fp.Banzhaf(samples=32), fp.Banzhaf(samples=16), "occlusion"]
    report = evaluate(encoder, tiny(1), methods=methods, layers=[0, 1])
    assert len(report.runs) == len(set(map(str, report.runs))) == 5
    said = [run.method for run in report.runs]
    assert said[0] == said[1] == "gradient × input"
    assert "samples=32" in said[2]
    assert "samples=16" in said[3]
    assert said[4] == "occlusion"


def test_agreement_has_a_column_for_each_other_run(encoder):
    methods = [fp.Occlusion(), fp.GradientTimesInput()]
    report = evaluate(encoder, tiny(2), methods=methods, metrics=["pointing_game", Agreement()])
    names = [f"agreement with {run}" for run in report.runs]
    assert set(report.metrics) == {"pointing_game", *names}
    here, there = report.summary(names[1], 0), report.summary(names[0], 1)
    assert here.mean == pytest.approx(there.mean)  # each with the other
    assert -1 < here.mean < 1
    for run, name in enumerate(names):
        with pytest.raises(fp.InputError, match="`metric`"):
            report.summary(name, run)  # none agrees with itself
    table = report.comparison()
    own = [row[table.columns.index(name)] for name, row in zip(names, table.rows, strict=True)]
    assert own == [None, None]


def test_samples_without_phrases_are_good_for_metrics_of_samples(encoder):
    plain = Dataset("plain", [sample("one"), sample("two", image=picture(1))])
    report = evaluate(encoder, plain, metrics="faithfulness")
    assert report.metrics == (
        "faithfulness_correlation",
        "faithfulness_r2",
        "faithfulness_pairs_r2",
    )
    assert report.summary().count == 2
    assert "faithfulness" in repr(report)
    with pytest.raises(fp.InputError, match="`metric`"):
        report.classes()


# Interrupts and files


class Interrupts:
    """Raises an interrupt the first time that it is asked for its image."""

    def __init__(self, image: Image.Image):
        self.image = image
        self.asked = 0

    def __call__(self) -> Image.Image:
        self.asked += 1
        if self.asked == 1:
            raise KeyboardInterrupt
        return self.image


@pytest.mark.parametrize("keeps_a_file", [False, True])
def test_an_interrupt_loses_nothing_and_resume_goes_on(encoder, path, keeps_a_file):
    opened, interrupts = [], Interrupts(picture(2))
    dataset = tiny(4, opened, s2=interrupts)
    partial = evaluate(encoder, dataset, scores=path if keeps_a_file else None)
    assert not partial.complete
    assert opened == ["s0", "s1"]
    assert "2 of 4 samples" in repr(partial)
    assert "resume()" in repr(partial)
    assert partial.summary().count == 4
    whole = partial.resume(progress=False)
    assert whole.complete
    assert opened == ["s0", "s1", "s3"]
    assert interrupts.asked == 2
    assert_same_scores(numbers(whole), numbers(evaluate(encoder)))
    # The first report still tells of what it told.
    assert not partial.complete
    assert "2 of 4 samples" in repr(partial)
    assert partial.summary().count == 4
    assert partial.skipped == ()


def test_an_interrupt_before_anything_is_there_is_passed_on(encoder):
    with pytest.raises(KeyboardInterrupt):
        evaluate(encoder, tiny(2, s0=Interrupts(picture())))


def test_the_same_call_goes_on_from_a_file(encoder, path):
    opened = []
    first = evaluate(encoder, tiny(4, opened, s2=Interrupts(picture(2))), scores=path)
    assert not first.complete
    # As in another process: the same model and samples, made anew.
    again = evaluate(random_encoder(), tiny(4, opened), scores=path)
    assert opened == ["s0", "s1", "s2", "s3"]
    assert again.complete
    third = evaluate(random_encoder(), tiny(4, opened), scores=str(path))
    assert len(opened) == 4
    assert numbers(again) == numbers(third)
    assert_same_scores(numbers(third), numbers(evaluate(encoder)))


def test_a_torn_line_is_measured_anew(encoder, path):
    opened = []
    evaluate(encoder, tiny(3, opened), scores=path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    again = evaluate(encoder, tiny(3, opened), scores=path)
    assert opened == ["s0", "s1", "s2", "s2"]
    *untouched, torn = whole.splitlines()
    assert path.read_bytes().splitlines()[:-1] == untouched
    assert json.loads(path.read_bytes().splitlines()[-1]).keys() == json.loads(torn).keys()
    assert_same_scores(numbers(again), numbers(evaluate(encoder, tiny(3))))


def exclip_encoder() -> fp.DualEncoder:
    other = random_encoder()
    other.defaults = dataclasses.replace(other.defaults, references={"text": "exclip"})
    return other


def encoder_of_other_nodes() -> fp.DualEncoder:
    other = random_encoder()
    other.defaults = dataclasses.replace(other.defaults, nodes=(3, 3))
    return other


def encoder_with(**settings: object) -> fp.DualEncoder:
    other = random_encoder()
    for name, value in settings.items():
        assert getattr(other.processors["image"], name) != value
        setattr(other.processors["image"], name, value)
    return other


def encoder_of_other_words() -> fp.DualEncoder:
    other = random_encoder()
    other.processors["text"].add_tokens(["dromedary"])
    return other


def fewer_phrases() -> Dataset:
    return Dataset("tiny", [sample(one.name, DOG, image=picture()) for one in tiny()])


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"model": lambda: random_encoder(1)}, "models"),
        ({"model": exclip_encoder}, "defaults"),
        ({"model": encoder_of_other_nodes}, "defaults"),
        ({"model": lambda: encoder_with(image_mean=[0.4, 0.5, 0.5])}, "image_processors"),
        ({"model": lambda: encoder_with(do_center_crop=False)}, "image_processors"),
        ({"model": encoder_of_other_words}, "tokenizers"),
        ({"dataset": lambda: tiny(3)}, "dataset"),
        ({"dataset": fewer_phrases}, "dataset"),
        ({"metrics": lambda: "pointing_game"}, "metrics"),
        ({"metrics": lambda: InsertionDeletion(steps=3)}, "metrics"),
        ({"methods": lambda: fp.IntegratedJacobians(steps=2)}, "methods"),
        ({"layers": lambda: 0}, "methods"),
    ],
)
def test_a_file_of_another_evaluation_is_refused_and_left(encoder, path, changed, part):
    asked = {"methods": fp.IntegratedJacobians(steps=1), "metrics": InsertionDeletion(steps=2)}
    evaluate(encoder, tiny(), scores=path, **asked)
    before = path.read_bytes()
    asked |= {"model": encoder, "dataset": tiny()}
    asked |= {name: make() for name, make in changed.items()}
    with pytest.raises(fp.InputError, match=f"^`scores` .*, .* another {PART_NAMES[part]}:"):
        evaluate(scores=path, **asked)
    assert path.read_bytes() == before


@pytest.mark.parametrize("keeps_a_file", [False, True])
def test_a_processor_that_changes_before_resume_is_told(path, keeps_a_file):
    encoder = random_encoder()
    partial = evaluate(
        encoder, tiny(3, s1=Interrupts(picture(2))), scores=path if keeps_a_file else None
    )
    assert not partial.complete
    size = encoder.processors["image"].size
    encoder.processors["image"].size = {"shortest_edge": 30}
    with pytest.raises(fp.InputError, match="`model` has another image processor than when"):
        partial.resume(progress=False)
    encoder.processors["image"].size = size
    assert partial.resume(progress=False).complete


def test_no_graph_is_alive_when_the_next_setup_or_sample_begins(monkeypatch, request):
    """Each holds as much as the memory limit allows."""

    def recorded() -> int:
        found = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]
        return sum(one.grad_fn is not None for one in found)

    encoder, seen = random_encoder(), []
    explain = Setup.explain
    gc.collect()
    gc.freeze()  # objects of before are not looked through
    request.addfinalizer(gc.unfreeze)
    before = recorded()

    def counted_first(setup, prepared):
        seen.append(recorded() - before)
        return explain(setup, prepared)

    monkeypatch.setattr(Setup, "explain", counted_first)
    options = {"methods": fp.IntegratedJacobians(steps=2), "layers": [0, 1]}
    for metrics in ("pointing_game", ["pointing_game", "agreement"]):
        evaluate(encoder, tiny(2), metrics=metrics, **options)
        seen.append(recorded() - before)
    assert seen == [0] * 10
    with pytest.raises(fp.InputError, match="gives no number"):
        evaluate(encoder, tiny(1), metrics=[Refusing(), "agreement"], **options)
    assert recorded() == before
    # They are there while they are of use.
    pairs = fp.attribute(encoder, picture(), CAPTION, layer=0)
    pairs.row(1)
    assert recorded() > before


def test_defaults_stand_in_files_as_in_the_first_version():
    """Else files of scores that were begun with it could not be resumed."""
    encoder = random_encoder()
    assert reading_of(encoder)["defaults"] == (
        "Defaults(layer=(-1, -1), text_reference='pad', nodes=None)"
    )
    references = {"text": "exclip", "image": "blurred"}
    encoder.defaults = type(encoder.defaults)((0, 2), references, (15, 14))
    said = reading_of(encoder)["defaults"]
    assert said.startswith("Defaults(layer=(0, 2), text_reference='exclip', nodes=(15, 14)")
    assert "blurred" in said
    assert "head" not in said
    encoder.head_settings["weight_scale"] = 5.0
    assert reading_of(encoder)["defaults"] != said


def test_a_model_trained_further_is_another_one(path):
    encoder = random_encoder()
    evaluate(encoder, tiny(1), scores=path)
    encoder.model.logit_scale.data += 1
    with pytest.raises(fp.InputError, match="`scores`"):
        evaluate(encoder, tiny(1), scores=path)


# What cannot be used


def test_samples_that_cannot_be_used_are_left_out_and_told(encoder, path):
    long = " ".join(["a dog and"] * 10)
    samples = [
        *tiny(2),
        sample("no file", DOG, image="/none/of/it.png"),
        sample("no image", DOG, image=b"<script>alert(1)</script>"),
        sample("too long", phrase("dog", "dog", cell(0, 0)), caption=long),
        sample("empty", caption="  "),
    ]
    report = evaluate(encoder, Dataset("mixed", samples), scores=path)
    assert report.complete
    reasons = {one.sample: one.reason for one in report.skipped}
    assert list(reasons) == ["no file", "no image", "too long", "empty"]
    assert reasons["no file"].startswith("`image` names no file")
    assert reasons["no image"].startswith("`image` cannot be read")
    assert reasons["too long"].startswith("`caption` has 32 tokens")
    assert reasons["empty"].startswith("`caption` is empty")
    assert "6 of 6 samples of mixed, 4 of them left out" in repr(report)
    assert_same_scores(numbers(report), numbers(evaluate(encoder, tiny(2))))
    again = evaluate(encoder, Dataset("mixed", samples), scores=path)
    assert again.skipped == report.skipped


def test_what_could_not_be_used_is_tried_again(encoder, path, tmp_path):
    """The drive was not there; now it is."""
    file = tmp_path / "late.png"
    late = Dataset("late", [*tiny(1), sample("late", DOG, image=str(file))])
    report = evaluate(encoder, late, scores=path)
    assert [one.sample for one in report.skipped] == ["late"]
    picture(7).save(file)
    for again in (report.resume(progress=False), evaluate(encoder, late, scores=path)):
        assert not again.skipped
        assert {row[0] for row in numbers(again)} == {"s0", "late"}


def test_metrics_stand_in_the_order_asked_for_whatever_the_first_sample_lacks(encoder):
    data = Dataset("mixed", [sample("none", caption="a dog"), *tiny(2)])
    asked = ["pointing_energy", "completeness", "pointing_game"]
    report = evaluate(encoder, data, metrics=asked)
    assert report.metrics == ("pointing_energy", "completeness_residual", "pointing_game")
    assert evaluate(encoder, data).metrics[0] == "pointing_game"


def test_methods_named_twice_are_one(encoder):
    report = evaluate(encoder, tiny(1), methods=["occlusion", fp.Occlusion()])
    assert [run.method for run in report.runs] == ["occlusion"]


def test_only_shares_end_at_zero_and_one(encoder):
    data = tiny(3)
    report = evaluate(
        encoder, data, metrics=["pointing_game", "insertion_deletion", "faithfulness"]
    )
    found = report._measured
    assert found.shares == {"pointing_game"}
    for name, free in (("deletion_gap", True), ("faithfulness_r2", True), ("pointing_game", False)):
        wide = [Score(name, value, sample=f"s{i}") for i, value in enumerate((0.02, 0, 0.0))]
        assert (found.estimate(wide).low < 0) == free


def test_weights_are_read_once_for_each_model_and_only_for_a_file(encoder, path, monkeypatch):
    read = []
    original = plan.weights_of
    monkeypatch.setattr(plan, "weights_of", lambda one: read.append(one) or original(one))
    options = {"methods": fp.GradientTimesInput(), "layers": "all"}
    evaluate(encoder, tiny(1), **options)
    assert not read
    evaluate(encoder, tiny(1), scores=path, **options)
    assert read == [encoder]


def test_when_no_sample_can_be_used_it_is_told_why(encoder):
    nothing = Dataset("nothing", [sample(str(i), DOG, image=f"/none/{i}.png") for i in range(3)])
    with pytest.raises(fp.InputError, match=r"`dataset` has no sample .* names no file"):
        evaluate(encoder, nothing)


def test_where_boxes_lie_must_be_known(encoder):
    """Eight pixels are too few to tell what the processor leaves of them."""
    few = Dataset("few", [*tiny(1), sample("few", DOG, image=picture(size=(8, 8)))])
    report = evaluate(encoder, few)
    assert [one.sample for one in report.skipped] == ["few"]
    assert "boxes" in report.skipped[0].reason
    # Who asks for nothing about boxes need not know.
    assert not evaluate(encoder, few, metrics="completeness").skipped


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"dataset": Dataset("empty", [])}, "dataset"),
        ({"dataset": [sample()]}, "dataset"),
        ({"dataset": "tiny.csv"}, "dataset"),
        ({"methods": "magic"}, "methods"),
        ({"methods": ["occlusion", "magic"]}, "methods"),
        ({"methods": fp.Occlusion}, "methods"),
        ({"methods": 7}, "methods"),
        ({"methods": []}, "methods"),
        ({"metrics": "accuracy"}, "metrics"),
        ({"metrics": Agreement}, "metrics"),
        ({"metrics": [None]}, "metrics"),
        ({"metrics": []}, "metrics"),
        ({"metrics": "agreement"}, "metrics"),
        ({"layers": "last"}, "layers"),
        ({"layers": []}, "layers"),
        ({"layers": 3}, "layers"),
        ({"layers": (0, 1, 2)}, "layers"),
        ({"layers": [0, "x"]}, "layers"),
        ({"metrics": ["pointing_game", PointingGame()]}, "metrics"),
        ({"metrics": [InsertionDeletion(4), InsertionDeletion(8)]}, "metrics"),
        ({"methods": [Named(1), Named(2)]}, "methods"),
        ({"model": []}, "model"),
        ({"model": {}}, "model"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_measured(encoder, options, argument):
    opened = []
    asked = {"model": encoder, "dataset": tiny(1, opened), "methods": fp.GradientTimesInput()}
    with pytest.raises(fp.InputError, match=rf"`{argument}`"):
        evaluate(**{**asked, **options})
    assert not opened


def test_the_same_name_twice_is_refused(encoder):
    with pytest.raises(fp.InputError, match=r"`model` names 'CLIPModel' twice: pass a dict"):
        evaluate([encoder, random_encoder(1)])


def test_a_model_alone_needs_its_processor():
    report = evaluate({"mine": fp.load_encoder(random_clip(), processor=Processor(24))}, tiny(1))
    assert report.runs[0].model == "mine"
    report = evaluate({"bare": random_clip()}, Dataset("ids", [with_ids()]), metrics="completeness")
    assert report.summary().count == 1


def with_ids():
    """Return a sample that needs no processor: a tensor and token ids."""
    whole = random_encoder()
    pixels = whole.prepare(picture(), "image").inputs["pixel_values"]
    ids = whole.prepare(CAPTION, "text").inputs["input_ids"].tolist()
    return sample("ids", image=pixels, caption=ids)


def test_an_image_whose_file_is_gone_is_skipped_and_told(encoder):
    def gone():
        raise FileNotFoundError("no such file")

    report = evaluate(encoder, tiny(3, s1=gone))
    assert [one.sample for one in report.skipped] == ["s1"]
    assert "cannot be read" in report.skipped[0].reason
    assert report.complete
