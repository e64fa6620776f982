"""Any step can be stopped within one forward pass of the model, measuring included."""

import subprocess
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.view import PROTOCOL
from fpattr_widget.widget import _kernel as kernel
from tests.helpers import forking
from tests.helpers.models import Slow, encoder_of, slow_clip
from tests.helpers.threads import PATIENCE, noise, stacks

pytestmark = pytest.mark.slow

LAYERS = 4
CAPTION = "a dog, a ball, a cat and a kite"
#: Each takes many seconds to measure: one input at a time, many times over.
METHODS = {
    "integrated Jacobians": (fp.IntegratedJacobians(steps=64), 0),
    "auto": (fp.IntegratedJacobians(tolerance=1e-7), 0),
    "occlusion": (fp.Occlusion(), None),
    "Banzhaf": (fp.Banzhaf(), None),
}


@pytest.fixture
def encoder() -> Iterator[fp.DualEncoder]:
    encoder = encoder_of(slow_clip(LAYERS))
    encoder.memory_limit = 1
    seconds = Slow.seconds
    yield encoder
    Slow.seconds = 0
    for worker in workers():
        worker.join(PATIENCE)
    Slow.seconds = seconds


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("fpattr")]


def measuring(encoder: fp.DualEncoder, name: str) -> fp.PairsWidget:
    """Return a view whose worker is in the middle of measuring."""
    method, layer = METHODS[name]
    assert not workers()
    passes = Slow.passes
    view = fp.explain(noise(0), CAPTION, model=encoder, method=method, layer=layer)
    end = time.monotonic() + PATIENCE
    while Slow.passes < passes + 6 * LAYERS:  # beyond what only reads the states
        assert time.monotonic() < end, stacks()
        time.sleep(0.005)
    assert workers()
    assert not view.pairs.ready.any()
    return view


def assert_stopped_at_once(passes: int) -> None:
    """The worker is gone within one pass of a tower, by ``Slow.passes`` when it was asked to."""
    for worker in workers():
        worker.join(5)
        assert not worker.is_alive(), stacks()
    assert Slow.passes - passes <= LAYERS
    passes = Slow.passes
    time.sleep(3 * Slow.seconds)
    assert Slow.passes == passes


@pytest.mark.parametrize("name", METHODS)
def test_closing_a_view_stops_its_measuring(encoder, name):
    view = measuring(encoder, name)
    passes = Slow.passes
    view.close()
    assert_stopped_at_once(passes)
    assert not view.pairs.ready.any()


@pytest.mark.parametrize("name", METHODS)
def test_an_interrupt_stops_measuring(encoder, name):
    view = measuring(encoder, name)
    passes = Slow.passes
    kernel.interrupt()
    assert_stopped_at_once(passes)
    assert not view.pairs.ready.any()
    view.close()


def test_what_was_stopped_can_be_asked_for_again(encoder):
    view = measuring(encoder, "integrated Jacobians")
    passes = Slow.passes
    kernel.interrupt()
    assert_stopped_at_once(passes)
    Slow.seconds = 0
    encoder.memory_limit = 2**30
    method, layer = METHODS["integrated Jacobians"]
    expected = fp.attribute(encoder_of(slow_clip(LAYERS)), noise(0), CAPTION, method, layer).matrix
    view._handle_custom_msg({"type": "hello", "epoch": view.epoch, "protocol": PROTOCOL}, [])
    assert view._server.wait(PATIENCE)
    assert view.pairs.ready.all()
    np.testing.assert_allclose(view.pairs.matrix, expected, atol=1e-5 * np.abs(expected).max())
    view.close()


def test_another_subject_stops_the_measuring_of_the_last(encoder):
    view = measuring(encoder, "integrated Jacobians")
    passes = Slow.passes
    view.show(fp.attribute(encoder, noise(1), "a cup", fp.IntegratedJacobians(steps=1), -1))
    end = time.monotonic() + PATIENCE
    while not view.pairs.ready.all():
        assert time.monotonic() < end, stacks()
        time.sleep(0.005)
    # Far fewer than 64 nodes of both towers take.
    assert Slow.passes - passes < 40 * LAYERS
    view.close()


def test_stopping_one_view_stops_no_other(encoder):
    """They share a model, and measure the same picture."""
    Slow.seconds = 0.002
    method = fp.IntegratedJacobians(steps=8)
    stopped, other = (
        fp.explain(noise(0), caption, model=encoder, method=method, layer=0)
        for caption in (CAPTION, "a cup")
    )
    time.sleep(0.05)
    stopped.close()
    assert other._server.wait(PATIENCE), stacks()
    assert other.pairs.ready.all()
    expected = fp.attribute(encoder_of(slow_clip(LAYERS)), noise(0), "a cup", method, 0).matrix
    np.testing.assert_allclose(other.pairs.matrix, expected, atol=1e-5 * np.abs(expected).max())
    other.close()


PROGRAM = """
import atexit, time
ended = 0.0
atexit.register(lambda: print(time.monotonic() - ended))  # the last of all

import fpattr_widget as fp
from tests.helpers.threads import noise
from tests.helpers.models import Slow, encoder_of, slow_clip

encoder = encoder_of(slow_clip())
encoder.memory_limit = 1
method = fp.IntegratedJacobians(steps=64)
view = fp.explain(noise(0), "a dog, a ball", model=encoder, method=method, layer=0)
while Slow.passes < 24:
    time.sleep(0.005)
assert not view.pairs.ready.any()
ended = time.monotonic()
"""


def test_a_program_that_ends_while_a_view_is_measuring_ends_at_once():
    done = subprocess.run(forking.program(PROGRAM), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert float(done.stdout) < 2
