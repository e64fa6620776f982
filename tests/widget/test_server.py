"""The worker: hovered rows first, batches, failures, stopping."""

import subprocess
import sys
import threading

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.widget.server import RowServer

CAPTION = "a dog, a ball, a cat and a kite"
METHOD = fp.IntegratedJacobians(steps=3)


class Page:
    """Collects what a view would receive."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict, list[bytes]]] = []
        self.done = threading.Event()

    def __call__(self, message: dict, buffers: list[bytes]) -> None:
        self.messages.append((message, buffers))
        if message["type"] in ("done", "failure"):
            self.done.set()

    def of_type(self, kind: str) -> list[tuple[dict, list[bytes]]]:
        return [entry for entry in self.messages if entry[0]["type"] == kind]


@pytest.fixture
def pairs(encoder, picture):
    return fp.attribute(encoder, picture, CAPTION, METHOD, 1)


def rows_of(page: Page, width: int) -> dict[int, np.ndarray]:
    rows: dict[int, np.ndarray] = {}
    for message, (buffer,) in page.of_type("rows"):
        values = np.frombuffer(buffer, "<f4").reshape(-1, width)
        assert len(values) == len(message["tokens"])
        rows.update(zip(message["tokens"], values, strict=True))
    return rows


def test_everything_arrives_once_and_is_right(pairs):
    page = Page()
    server = RowServer(pairs, page, epoch=7)
    server.fill()
    assert page.done.wait(30)
    assert server.wait(5)
    rows = rows_of(page, 10)
    assert sorted(rows) == list(range(len(pairs.tokens)))
    for token, row in rows.items():
        np.testing.assert_array_equal(row[1:].reshape(3, 3), pairs.row(token))
        np.testing.assert_array_equal(row[:1], pairs.image_special[token])
    (ledger, _), = page.of_type("ledger")  # fmt: skip
    assert ledger["similarity"] == pairs.ledger.similarity
    assert all(message["epoch"] == 7 for message, _ in page.messages)
    assert page.messages[-1][0]["type"] == "done"


def test_the_hovered_row_comes_before_the_others(pairs):
    page, order = Page(), []
    original = pairs.feature_rows

    def slow(tokens):
        tokens = list(tokens)
        if not pairs.ready[tokens].all():
            order.extend(tokens)
            if len(order) == 1:
                server.ask_rows([9])
        return original(tokens)

    pairs.feature_rows = slow
    server = RowServer(pairs, page, epoch=1)
    server.fill()
    assert page.done.wait(30)
    assert order[:2] == [0, 9]
    assert order[2:] == [i for i in range(1, len(pairs.tokens)) if i != 9]
    # It travels at once, without waiting for a batch to fill.
    batches = [message["tokens"] for message, _ in page.of_type("rows")]
    assert [0, 9] in (batches[0], batches[0] + batches[1])
    assert (batches[0] if 9 in batches[0] else batches[1])[-1] == 9


def test_a_region_is_answered_before_the_rows_are_there(pairs):
    page = Page()
    server = RowServer(pairs, page, epoch=1)
    server.ask_region("r1", [0, 4, 8])
    assert page.done.wait(30)
    (message, (buffer,)), = page.of_type("region")  # fmt: skip
    assert message["id"] == "r1"
    np.testing.assert_allclose(
        np.frombuffer(buffer, "<f4"), pairs.matrix[:, [0, 4, 8]].sum(1), atol=1e-6
    )


def test_the_thread_ends_when_idle_and_starts_again(pairs):
    page = Page()
    server = RowServer(pairs, page, epoch=1)
    server.ask_rows([2])
    assert server.wait(30)
    assert not [t for t in threading.enumerate() if t.name == "fpattr-rows"]
    server.ask_rows([3])
    assert server.wait(30)
    assert sorted(rows_of(page, 10)) == [2, 3]


def test_a_failure_becomes_a_sentence_and_work_can_go_on(pairs):
    page = Page()
    original, broken = pairs.feature_rows, True

    def feature_rows(tokens):
        if broken:
            raise RuntimeError("the disk is full")
        return original(tokens)

    pairs.feature_rows = feature_rows
    server = RowServer(pairs, page, epoch=1)
    server.ask_rows([2])
    assert page.done.wait(30)
    (message, _), = page.of_type("failure")  # fmt: skip
    assert message["message"] == "RuntimeError: the disk is full."
    broken = False
    server.wait(5)
    server.ask_rows([2])
    assert server.wait(30)
    assert list(rows_of(page, 10)) == [2]


def test_running_out_of_memory_says_what_to_do(pairs):
    page = Page()

    def feature_rows(_tokens):
        raise MemoryError

    pairs.feature_rows = feature_rows
    RowServer(pairs, page, epoch=1).ask_rows([2])
    assert page.done.wait(30)
    assert "choose a later `layer`" in page.of_type("failure")[0][0]["message"]


def test_a_program_that_ends_under_a_working_thread_ends_well():
    program = (
        "import time, fpattr_widget as fp; from fpattr_widget.scenes import example\n"
        "scene = example('fruit'); widget = fp.explain(scene.image, scene.caption)\n"
        "while not widget.pairs.ready.any(): time.sleep(0.01)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_stopping_ends_the_thread_after_the_step_under_way(pairs):
    page, entered, leave = Page(), threading.Event(), threading.Event()
    original = pairs.feature_rows

    def feature_rows(tokens):
        entered.set()
        leave.wait(10)
        return original(tokens)

    pairs.feature_rows = feature_rows
    server = RowServer(pairs, page, epoch=1)
    server.ask_rows(list(range(8)))
    assert entered.wait(10)
    server.stop()
    leave.set()
    assert server.wait(10)
    assert sum(pairs.ready) == 1
    server.ask_rows([5])
    assert server.wait(1)
    assert sum(pairs.ready) == 1
