"""Runners: wherever samples are measured, and in whatever order, the report is the same."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from fpattr_widget.errors import ModelChanged
from fpattr_widget.evaluation import Dataset
from fpattr_widget.evaluation._evaluate import _report
from fpattr_widget.evaluation._measure import measure
from fpattr_widget.evaluation._measurements import Measurements
from fpattr_widget.evaluation._plan import Evaluation, plan
from fpattr_widget.evaluation._run import run
from fpattr_widget.evaluation._score import Record, Score
from fpattr_widget.evaluation._task import Task
from fpattr_widget.evaluation.metrics import PointingGame
from fpattr_widget.evaluation.runners import RUNNERS
from tests.helpers.elsewhere import Elsewhere
from tests.helpers.models import random_encoder
from tests.helpers.planted import sample, tiny
from tests.helpers.scores import assert_same_scores


def planned(model, dataset, runner="local", **options) -> Evaluation:
    asked = {"methods": "occlusion", "metrics": "completeness", "layers": None, "scores": None}
    return plan(model, dataset, runner=runner, **asked | options)


class Backwards(RUNNERS["local"]):
    """Measures the last sample first."""

    def run(self, task, samples):
        yield from super().run(task, samples[::-1])


@pytest.fixture
def runners(monkeypatch):
    """Register runners by name, as a line of ``RUNNERS`` does."""

    def register(**more):
        for name, runner in more.items():
            monkeypatch.setitem(RUNNERS, name, runner)

    return register


@pytest.mark.slow
def test_another_process_measures_the_same(runners):
    """The task is pickled, loads its encoder there by name, and is asked for every metric kind."""
    runners(elsewhere=Elsewhere)
    asked = {
        "methods": ["occlusion", fp.GradientTimesInput()],
        "metrics": ["pointing_game", "completeness", "agreement"],
    }
    samples = fp.datasets.examples()[:2]
    dataset = Dataset("examples", [*samples, sample("no file", image="/none/of/it.png")])
    here, there = (
        _report(planned("scenes", dataset, runner, **asked), progress=False)
        for runner in ("local", "elsewhere")
    )
    assert there.complete
    assert there.runs == here.runs
    assert there.metrics == here.metrics
    assert there.skipped == here.skipped
    for row, expected in zip(there.scores().rows, here.scores().rows, strict=True):
        assert row[:-2] == expected[:-2]
        assert row[-1] == expected[-1]
        assert row[-2] == pytest.approx(expected[-2], abs=1e-6)
    assert len(here.scores().rows) >= 2 * 2 * 3


def test_the_order_of_arrival_shows_nowhere(encoder, runners, tmp_path):
    runners(backwards=Backwards)
    dataset = Dataset("mixed", [sample("none", caption="a dog"), *tiny(3)])
    asked = {"metrics": ["pointing_energy", "completeness", "pointing_game"]}
    reports = [
        _report(
            planned(encoder, dataset, name, scores=tmp_path / f"{name}.jsonl", **asked),
            progress=False,
        )
        for name in ("local", "backwards")
    ]
    forwards, backwards = reports
    arrived = [
        [line.split('"')[3] for line in path.read_text().splitlines()[1:]]
        for path in sorted(tmp_path.iterdir())
    ]
    assert arrived[0] == arrived[1][::-1]  # backwards.jsonl, local.jsonl
    assert repr(forwards) == repr(backwards)
    assert forwards.metrics == backwards.metrics
    assert_same_scores(forwards.scores().rows, backwards.scores().rows)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_names_that_one_sample_alone_has_stand_in_the_order_of_the_samples(encoder, order):
    evaluation = planned(encoder, tiny(2))
    for number in order:
        score = Score(f"agreement with {number}", 0.5, sample=f"s{number}")
        evaluation.records.add(Record(score.sample, (score,)))
    assert Measurements(evaluation).metrics == ("agreement with 0", "agreement with 1")


def test_an_interrupt_closes_the_runner_and_keeps_what_has_arrived(encoder, runners):
    closed, kept_alive = [], []

    class Interrupted(RUNNERS["local"]):
        def run(self, task, samples):
            kept_alive.append(self._noting(task, samples))
            return kept_alive[0]

        def _noting(self, task, samples):
            try:
                yield from super().run(task, samples)
            finally:
                closed.append(len(samples))

    runners(interrupted=Interrupted)
    evaluation = planned(encoder, tiny(3), "interrupted")
    add = evaluation.records.add

    def add_and_interrupt(record):
        add(record)
        if record.sample == "s1":
            raise KeyboardInterrupt

    evaluation.records.add = add_and_interrupt
    run(evaluation, progress=False)
    assert [record.sample for record in evaluation.records] == ["s0", "s1"]
    assert closed == [3]


def test_a_model_that_changes_while_it_is_measured_is_no_fault_of_a_sample(runners):
    encoder = random_encoder()

    class Changing(RUNNERS["local"]):
        def run(self, task, samples):
            for record in super().run(task, samples):
                yield record
                with torch.no_grad():
                    encoder.model.text_projection.weight.mul_(2)

    runners(changing=Changing)
    evaluation = planned(encoder, tiny(3), "changing")
    with pytest.raises(ModelChanged):
        run(evaluation, progress=False)
    assert [record.sample for record in evaluation.records] == ["s0"]


def test_a_model_that_changes_within_a_sample_is_no_reason_to_skip_it():
    encoder = random_encoder()

    class Training(PointingGame):
        def measure(self, explained):
            explained.pairs.row(1)
            with torch.no_grad():
                encoder.model.text_projection.weight.mul_(2)
            return super().measure(explained)

    task = planned(encoder, tiny(1), methods="gradient_times_input", metrics=Training()).task
    with pytest.raises(ModelChanged):
        measure(tiny(1)[0], task.setups, task.metrics)


# Tasks as pickles


def test_a_task_loads_each_of_its_encoders_once(bundled_task):
    again = pickle.loads(pickle.dumps(bundled_task))
    assert [setup.name for setup in again.setups] == [setup.name for setup in bundled_task.setups]
    assert again.metrics == bundled_task.metrics
    assert len(again.setups) == 2
    assert len(again.encoders) == 1
    assert again.encoders[0] is not bundled_task.encoders[0]
    image, caption = np.zeros((8, 8, 3), np.uint8), "a dog"
    expected = bundled_task.encoders[0].similarity(image, caption)
    assert again.encoders[0].similarity(image, caption) == pytest.approx(expected, abs=1e-6)


@pytest.fixture
def bundled_task() -> Task:
    encoder = fp.load_encoder("scenes")
    methods = ["occlusion", "gradient_times_input"]
    return planned(encoder, tiny(1), methods=methods, metrics="pointing_game").task


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda encoder: encoder.model.logit_scale.data.add_(1), "set of weights"),
        (
            lambda encoder: setattr(encoder.processors["image"], "do_normalize", False),
            "image processor",
        ),
        (
            lambda encoder: setattr(
                encoder, "defaults", dataclasses.replace(encoder.defaults, layer=(0, 0))
            ),
            "default layer",
        ),
    ],
)
def test_an_encoder_that_is_not_as_loaded_is_refused_elsewhere(bundled_task, change, part):
    change(bundled_task.encoders[0])
    pickled = pickle.dumps(bundled_task)
    with pytest.raises(fp.InputError, match=f"`model` 'scenes' .* another {part}"):
        pickle.loads(pickled)


def test_a_module_of_this_process_cannot_be_sent(encoder):
    with pytest.raises(fp.InputError, match="`model` 'CLIPModel' is a module of this process"):
        pickle.dumps(planned(encoder, tiny(1)).task)


def test_a_recipe_keeps_what_was_asked_for_and_shows_no_path(tmp_path, monkeypatch):
    bundled = fp.load_encoder("scenes")
    folder = tmp_path / "secret" / "model"
    for part in (bundled.model, *bundled.processors.values()):
        part.save_pretrained(folder)
    monkeypatch.chdir(folder.parent)
    encoder = fp.load_encoder("model", dtype=torch.float64, memory_limit=2**20)
    monkeypatch.chdir(tmp_path)
    recipe = pickle.loads(pickle.dumps(encoder.recipe))
    assert "secret" not in repr(recipe)
    again = recipe.load()
    assert (again.dtype, again.memory_limit, again.name) == (torch.float64, 2**20, encoder.name)
