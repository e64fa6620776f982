"""Four threads on one module: its user's two, a view that fills, and an evaluation.

``FPATTR_STRESS_SECONDS`` says how long they all run, one second unless told.
"""

import copy
import os
import time
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from fpattr_widget.evaluation import Dataset
from tests.helpers.models import CAPTIONS, clip, encoder_of
from tests.helpers.planted import cell, phrase, picture, sample
from tests.helpers.threads import (
    FEW_NODES,
    PATIENCE,
    Explaining,
    Worker,
    alone,
    assert_same_map,
    noise,
    restless,
    stacks,
)

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("FPATTR_STRESS_SECONDS", "1"))
MOST_SECONDS = 2.0  # that a thread may have to wait for the others
LEARNING_RATE = 1e-7  # so small that no number changes by as much as DRIFT
DRIFT = 1e-2

Work = Any


def inputs_of(encoder: fp.DualEncoder) -> dict[str, torch.Tensor]:
    seen = [encoder.prepare(noise(seed), "image").inputs["pixel_values"] for seed in (1, 2)]
    ids = encoder.prepare("a dog, a ball", "text").inputs["input_ids"]
    return {"input_ids": ids.expand(2, -1).contiguous(), "pixel_values": torch.cat(seen)}


def embeddings(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    image = model.get_image_features(inputs["pixel_values"]).pooler_output
    return torch.cat([image, model.get_text_features(inputs["input_ids"]).pooler_output])


class Forward:
    """The user's forward passes."""

    def __init__(self, model: torch.nn.Module, inputs: dict[str, torch.Tensor], *, exact: bool):
        self._model, self._inputs, self._exact = model, inputs, exact
        self._expected = alone(self._run)

    def __call__(self, _number: int = 0) -> None:
        found = self._run()
        if self._exact:
            assert torch.equal(found, self._expected)
        else:
            torch.testing.assert_close(found, self._expected, rtol=DRIFT, atol=DRIFT)

    def _run(self) -> torch.Tensor:
        with torch.no_grad():
            return embeddings(self._model, self._inputs)


class Training:
    """The user's training: gradients alone, or steps."""

    def __init__(self, model: torch.nn.Module, inputs: dict[str, torch.Tensor], *, steps: bool):
        self._model, self.inputs = model, inputs
        self._optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE) if steps else None
        copied = copy.deepcopy(model)
        self._expected = alone(lambda: self._gradients(copied))

    def __call__(self, _number: int = 0) -> None:
        found = self._gradients(self._model)
        if self._optimizer:
            self._optimizer.step()
            return
        assert found.keys() == self._expected.keys()
        for name, gradient in found.items():
            assert torch.equal(gradient, self._expected[name]), name

    def _gradients(self, model: torch.nn.Module) -> dict[str, torch.Tensor]:
        model.zero_grad()
        image, text = embeddings(model, self.inputs).chunk(2)
        (image @ text.T).log_softmax(-1).diagonal().sum().backward()
        return {name: w.grad for name, w in model.named_parameters() if w.grad is not None}


class View:
    """A view of a new picture that fills by itself, at a middle layer."""

    def __init__(self, encoder: fp.DualEncoder, tolerance: float):
        self._encoder, self._tolerance = encoder, tolerance
        model = copy.deepcopy(encoder.model).eval()
        self._truth = [
            fp.attribute(encoder_of(model), noise(seed), caption, layer=1).matrix
            for seed, caption in enumerate(CAPTIONS)
        ]

    def __call__(self, number: int = 0) -> None:
        seed = number % len(CAPTIONS)
        widget = fp.explain(noise(seed), CAPTIONS[seed], model=self._encoder, layer=1)
        try:
            server = widget._server
            assert server is not None
            assert server.wait(60), stacks()
            if not widget.pairs.ready.all():
                # It was refused, while the weights were changing.
                failure = server.failure or "ended without a report"
                raise fp.InputError("view", failure, "look at its worker")
            assert_same_map(widget.pairs.matrix, self._truth[seed], self._tolerance)
        finally:
            widget.close()


class Evaluating:
    """An evaluation of a few scenes at the first layer."""

    def __init__(self, encoder: fp.DualEncoder, tolerance: float):
        self._encoder, self._tolerance = encoder, tolerance
        boxes = phrase("dog", "dog", cell(0, 0, 2, 2)), phrase("red ball", "ball", cell(2, 2))
        self._dataset = Dataset(
            "drawn", [sample(f"s{seed}", *boxes, image=picture(seed)) for seed in range(2)]
        )
        self._expected = self._numbers(encoder_of(copy.deepcopy(encoder.model)))

    def __call__(self, _number: int = 0) -> None:
        found = self._numbers(self._encoder)
        assert found.shape == self._expected.shape
        np.testing.assert_allclose(found, self._expected, atol=self._tolerance)

    def _numbers(self, encoder: fp.DualEncoder) -> np.ndarray:
        report = fp.evaluate(
            encoder,
            self._dataset,
            methods=FEW_NODES,
            metrics=["pointing_energy", "completeness"],
            layers=0,
            progress=False,
        )
        for one in report.skipped:
            raise fp.InputError("sample", one.reason, "look at the records")
        return np.array([row[9] for row in report.scores().rows], float)


def work_on(name: str, encoder: fp.DualEncoder, *, steps: bool) -> Work:
    """Return what one of the four threads does with a module."""
    model, inputs = encoder.model, inputs_of(encoder)
    # The weights that are trained move away from those of the comparison.
    tolerance = DRIFT if steps else 1e-5
    if name == "forward":
        return Forward(model, inputs, exact=not steps)
    if name == "training":
        return Training(model, inputs, steps=steps)
    return (View if name == "view" else Evaluating)(encoder, tolerance)


def run_together(
    works: dict[str, Work],
    seconds: float,
    allowed: tuple[type[Exception], ...] = (),
    *,
    rounds: int = 2,
) -> dict[str, Worker]:
    """Let each work on a thread of its own for a while, and for a number of rounds at least."""
    workers = {name: Worker(work, allowed) for name, work in works.items()}
    everyone = workers.values()
    start = time.monotonic()
    with ExitStack() as stack:
        for worker in everyone:
            stack.enter_context(worker)
        while not any(worker.error for worker in everyone):
            time.sleep(0.02)
            passed = time.monotonic() - start
            if passed > seconds and all(worker.rounds >= rounds for worker in everyone):
                break
            if passed > seconds + PATIENCE:
                pytest.fail(f"one of four threads waits for ever:\n{stacks()}")
    return workers


@pytest.mark.parametrize("steps", [False, True], ids=["gradients", "steps"])
def test_four_threads_on_one_module_are_right_and_never_wait(steps):
    model = clip().train()
    before = copy.deepcopy(model)
    encoder = encoder_of(model)
    names = "forward", "training", "view", "evaluation"
    works = {name: work_on(name, encoder, steps=steps) for name in names}
    apart = {name: work_on(name, encoder_of(copy.deepcopy(model)), steps=steps) for name in names}
    usual = run_together(apart, SECONDS / 4, rounds=1)  # a module each: what four threads take here
    # While the weights change all the time, an explanation may be refused.
    workers = run_together(works, SECONDS, allowed=(fp.InputError,) if steps else ())
    for name, worker in workers.items():
        assert max(worker.seconds) < 3 * max(usual[name].seconds) + MOST_SECONDS, name
        for refusal in worker.refusals:
            assert "changed since" in refusal
    assert not workers["forward"].refusals
    assert not workers["training"].refusals
    if steps:
        count, inputs = workers["training"].rounds, works["training"].inputs
        assert same_weights(model, alone(lambda: trained(before, inputs, count)))
    else:
        assert same_weights(model, before)
    alone(Explaining(encoder))


def trained(model: torch.nn.Module, inputs: dict[str, torch.Tensor], count: int) -> torch.nn.Module:
    """Return the model after so many steps in peace."""
    work = Training(model, inputs, steps=True)
    for _ in range(count):
        work()
    return model


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    values = other.state_dict()
    return all(torch.equal(value, values[name]) for name, value in one.state_dict().items())


def test_an_evaluation_and_new_pictures_do_not_wait_for_each_other():
    """For ever, each holding the lock that the other needs."""
    encoder = encoder_of(clip())
    evaluating = Evaluating(encoder, 1e-5)

    def new_picture(number: int) -> None:
        pairs = fp.attribute(encoder, noise(1000 + number), "a dog and a ball", layer=0)
        assert pairs.matrix.any()

    evaluation, pictures = Worker(evaluating), Worker(new_picture)
    with restless(), pictures, evaluation:
        for _ in evaluation.busy(4):
            time.sleep(0.01)
        for _ in pictures.busy(2):
            time.sleep(0.01)
