"""The worker: hovered rows first, batches, failures, stopping."""

import re
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.widget import _kernel as kernel
from fpattr_widget.widget._server import RowServer
from tests.helpers.families import llip
from tests.helpers.models import random_encoder
from tests.helpers.shown import kind_of

CAPTION = "a dog, a ball, a cat and a kite"
METHOD = fp.IntegratedJacobians(steps=3)


class Page:
    """Collects what a view would receive."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict, list[bytes]]] = []
        self.done = threading.Event()

    def __call__(self, message: dict, buffers: list[bytes]) -> None:
        self.messages.append((message, buffers))
        if message["type"] in ("done", "failure", "interrupted"):
            self.done.set()

    def kinds(self) -> list[str]:
        return [kind_of(message) for message, _ in self.messages]

    def forget(self) -> None:
        self.messages.clear()
        self.done.clear()

    def of_type(self, kind: str) -> list[tuple[dict, list[bytes]]]:
        return [entry for entry in self.messages if kind_of(entry[0]) == kind]


@pytest.fixture
def pairs(encoder, picture):
    return fp.attribute(encoder, picture, CAPTION, METHOD, 1)


def rows_of(page: Page, width: int) -> dict[int, np.ndarray]:
    rows: dict[int, np.ndarray] = {}
    for message, (buffer,) in page.of_type("rows"):
        values = np.frombuffer(buffer, "<f4").reshape(-1, width)
        assert len(values) == len(message["features"])
        rows.update(zip(message["features"], values, strict=True))
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
    batches = [message["features"] for message, _ in page.of_type("rows")]
    assert [0, 9] in (batches[0], batches[0] + batches[1])
    assert (batches[0] if 9 in batches[0] else batches[1])[-1] == 9


def test_a_region_is_answered_before_the_rows_are_there(pairs):
    page = Page()
    server = RowServer(pairs, page, epoch=1)
    server.ask_region(7, [1, 5, 9])
    assert page.done.wait(30)
    (message, (buffer,)), = page.of_type("region")  # fmt: skip
    assert message["id"] == 7
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


@pytest.mark.slow
def test_a_program_that_ends_under_a_working_thread_ends_well():
    """It is not forked: torch aborts an interpreter that ends under a running thread."""
    program = (
        "import time, fpattr_widget as fp; from fpattr_widget.scenes import example\n"
        "scene = example('fruit')\n"
        "widget = fp.explain(scene.image, scene.caption, model='scenes')\n"
        "while not widget.pairs.ready.any(): time.sleep(0.01)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Gate:
    """Holds a step of the worker until it is opened."""

    def __init__(self, pairs: fp.FeaturePairs):
        self.entered, self.opened = threading.Event(), threading.Event()
        self._compute = pairs.feature_rows
        pairs.feature_rows = self

    def __call__(self, tokens):
        self.entered.set()
        assert self.opened.wait(30)
        return self._compute(tokens)


def test_stopping_ends_the_thread_in_the_middle_of_a_step(pairs):
    page, gate = Page(), Gate(pairs)
    server = RowServer(pairs, page, epoch=1)
    server.ask_rows(list(range(8)))
    assert gate.entered.wait(10)
    server.stop()
    gate.opened.set()
    assert server.wait(10)
    server.ask_rows([5])
    assert server.wait(1)
    assert not pairs.ready.any()
    assert page.messages == []


def test_an_interrupt_keeps_what_is_there_and_drops_the_rest(pairs):
    pairs.row(3)
    page, gate = Page(), Gate(pairs)
    server = RowServer(pairs, page, epoch=1)
    server.fill()
    assert gate.entered.wait(10)
    kernel.interrupt()
    gate.opened.set()
    assert page.done.wait(10)
    assert server.wait(10)
    assert page.kinds() == ["ledger", "interrupted"]  # in the middle of a step
    assert np.flatnonzero(pairs.ready).tolist() == [3]
    page.forget()
    server.ask_rows([5])  # nothing more than this comes unasked
    assert server.wait(10)
    assert page.kinds() == ["rows"]
    assert np.flatnonzero(pairs.ready).tolist() == [3, 5]
    page.forget()
    server.fill()
    assert page.done.wait(30)
    assert sorted(rows_of(page, 10)) == list(range(len(pairs.tokens)))
    assert page.kinds()[-1] == "done"


def test_what_is_asked_after_an_interrupt_comes_though_the_step_was_under_way(pairs):
    page, gate = Page(), Gate(pairs)
    server = RowServer(pairs, page, epoch=1)
    server.fill()
    assert gate.entered.wait(10)
    kernel.interrupt()
    server.ask_rows([6])
    gate.opened.set()
    assert server.wait(10)
    assert page.kinds() == ["ledger", "rows", "interrupted", "rows"]
    assert sorted(rows_of(page, 10)) == [0, 6]


def test_an_interrupt_of_an_idle_worker_says_nothing(pairs):
    page = Page()
    server = RowServer(pairs, page, epoch=1)
    kernel.interrupt()
    server.ask_rows([3])
    assert server.wait(10)
    assert page.kinds() == ["rows", "done"]


def test_without_threads_who_asks_computes(pairs, monkeypatch):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    page = Page()
    server = RowServer(pairs, page, epoch=1)
    server.fill()
    assert page.kinds()[-1] == "done"
    assert sorted(rows_of(page, 10)) == list(range(len(pairs.tokens)))
    server.ask_region(1, [1])
    assert len(page.of_type("region")) == 1


def test_rows_that_are_there_do_not_make_the_next_step_a_long_one(pairs):
    """They come at once, and say nothing about how long the others take."""
    pairs.feature_rows(range(8))
    computed = []
    original = pairs.feature_rows

    def feature_rows(tokens):
        missing = [token for token in tokens if not pairs.ready[token]]
        if missing:
            computed.append(missing)
        return original(tokens)

    pairs.feature_rows = feature_rows
    page = Page()
    RowServer(pairs, page, epoch=1).fill()
    assert page.done.wait(30)
    assert computed[0] == [8]


def test_pairs_that_are_stopped_for_good_release_what_they_recorded(encoder, picture):
    pairs = fp.attribute(encoder, picture, CAPTION, METHOD, 0)
    pairs.row(1)
    integral = pairs._interactions._second.nodes
    assert integral._graphs
    page, gate = Page(), Gate(pairs)
    server = RowServer(pairs, page, epoch=1)
    server.ask_rows([2])
    assert gate.entered.wait(10)
    server.stop(release=True)
    gate.opened.set()
    assert server.wait(10)
    assert not integral._graphs
    assert page.messages == []


def spoil(model: torch.nn.Module, how: str) -> None:
    if how == "removed":
        model.to("meta")
        return
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(float("nan"))


def contents(model: torch.nn.Module) -> list[tuple[dict, str, torch.Tensor]]:
    return [
        (held, name, type(value)(value.detach().clone()))
        if isinstance(value, torch.nn.Parameter)
        else (held, name, value.clone())
        for module in model.modules()
        for held in (module._parameters, module._buffers)
        for name, value in held.items()
        if value is not None
    ]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "measured", "partly there"])
@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize(
    ("how", "says"),
    [("removed", "has no weights any more.* load it again"), ("NaN", "usable|not finite")],
)
def test_spoilt_weights_are_told_and_repaired_ones_are_explained(picture, how, says, layer, when):
    encoder = random_encoder()
    pairs = fp.attribute(encoder, picture, CAPTION, METHOD, layer)
    page = Page()
    server = RowServer(pairs, page, epoch=1)
    if when != "before":
        pairs.ledger  # noqa: B018 - measures
    if when == "partly there":
        pairs.row(3)
    sound = contents(encoder.model)
    spoil(encoder.model, how)
    server.fill()
    assert page.done.wait(30)
    assert server.wait(10)
    (failure, _), = page.of_type("failure")  # fmt: skip
    if when != "before":  # numbers would not belong to those that are there
        says = "has changed since this explanation began"
    assert re.search(says, failure["message"])
    assert failure["message"].endswith(".")
    assert "\n" not in failure["message"]
    assert sum(pairs.ready) == (when == "partly there")
    for held, name, value in sound:
        held[name] = value
    page.forget()
    if when != "before":  # what was begun is refused for good, what is begun anew is not
        server.fill()
        assert page.done.wait(30)
        assert server.wait(10)
        assert page.kinds()[-1] == "failure"
        page.forget()
        server = RowServer(fp.attribute(encoder, picture, CAPTION, METHOD, layer), page, epoch=2)
    server.fill()
    assert page.done.wait(30)
    assert page.kinds()[-1] == "done"
    expected = fp.attribute(random_encoder(), picture, CAPTION, METHOD, layer).matrix
    rows = rows_of(page, 10)
    for token, row in enumerate(expected):
        np.testing.assert_allclose(rows[token][1:], row, atol=1e-6)


def test_a_long_reason_is_cut_and_stays_on_one_line(pairs):
    page = Page()

    def feature_rows(_tokens):
        raise RuntimeError("first\n  second " + 1000 * "x")

    pairs.feature_rows = feature_rows
    RowServer(pairs, page, epoch=1).ask_rows([2])
    assert page.done.wait(30)
    message = page.of_type("failure")[0][0]["message"]
    assert message.startswith("RuntimeError: first second xxx")
    assert len(message) < 400


@pytest.mark.slow
def test_widgets_that_share_a_model_do_not_mix(picture):
    """Two fill while rows and regions are asked for; a third asks from its own thread."""
    encoder = random_encoder()
    other = Image.fromarray(255 - np.asarray(picture))
    work = [(picture, CAPTION, 0), (other, "a kite", 0), (picture, "a cat on a ball", 1)]
    shown = [fp.attribute(encoder, image, caption, METHOD, n) for image, caption, n in work]
    pages = [Page() for _ in shown]
    servers = [
        RowServer(*both, epoch=i + 1) for i, both in enumerate(zip(shown, pages, strict=True))
    ]

    def ask(server: RowServer, count: int) -> None:
        server.fill()
        for number in range(40):
            server.ask_rows([number % count])
            server.ask_region(number, [1 + number % 9])
            time.sleep(0.002)

    threads = [
        threading.Thread(target=ask, args=(server, len(pairs.tokens)))
        for server, pairs in zip(servers, shown, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for server, page, (image, caption, layer) in zip(servers, pages, work, strict=True):
        assert server.wait(60)
        alone = fp.attribute(random_encoder(), image, caption, METHOD, layer)
        expected = alone.feature_rows(range(len(alone.tokens)))
        rows = rows_of(page, 10)
        assert sorted(rows) == list(range(len(alone.tokens)))
        for token, row in rows.items():
            np.testing.assert_allclose(row, expected[token], atol=1e-6)
        regions = page.of_type("region")
        assert regions
        for message, (buffer,) in regions:
            column = expected[:, 1 + message["id"] % 9]
            np.testing.assert_allclose(np.frombuffer(buffer, "<f4"), column, atol=1e-6)
        assert {message["epoch"] for message, _ in page.messages} == {server.epoch}
        assert not page.of_type("failure")


def test_progress_is_told_now_and_then_if_it_is_long(pairs, monkeypatch):
    clock, told = [100.0], []
    watch = SimpleNamespace(monotonic=lambda: clock[0])
    monkeypatch.setattr("fpattr_widget.widget._server.time", watch)
    server = RowServer(pairs, lambda message, _: told.append(message["message"]), epoch=1)
    for clock[0] in (100.0, 100.1, 100.2):
        server._report(str(clock[0]))
    assert told == ["100.0", "100.2"]
    server._rows_timed = 1
    for server._seconds in (0.01, 10.0):
        clock[0] += 1
        server._report_rows(pairs.ready)
    assert told[2:] == [
        "0 of 13 rows are there · about 2 min left · a later layer (−1 is the last) is cheaper"
    ]
    clock[0] += 1
    server.stop()
    server._report("nobody listens")
    assert len(told) == 3


def test_rows_of_a_part_are_those_that_were_requested_then_its_others(picture):
    encoder = llip.llip_encoder(torch.float32)
    pairs = fp.attribute(encoder, picture, llip.CAPTION, METHOD, 1)
    page, count = Page(), len(pairs.tokens)
    server = RowServer(pairs, page, epoch=1)
    for part, first in (("match", [2]), ("mixture 2", [])):
        page.forget()
        server.ask_rows(first, part)
        assert page.done.wait(30)
        order = [row for message, _ in page.of_type("rows") for row in message["features"]]
        assert order == [*first, *(row for row in range(count) if row not in first)]
        assert {message["part"] for message, _ in page.of_type("rows")} == {part}
        rows = rows_of(page, len(pairs.columns.features))
        expected = pairs.part(part).feature_rows(range(count))
        np.testing.assert_array_equal([rows[row] for row in range(count)], expected)
    page.forget()
    server.ask_region(7, [4, 6], "match")
    assert page.done.wait(30)
    (message, (buffer,)), = page.of_type("region")  # fmt: skip
    assert (message["part"], message["id"]) == ("match", 7)
    sums = pairs.match.of_columns([4, 6])
    np.testing.assert_allclose(np.frombuffer(buffer, "<f4"), sums, atol=1e-6)

    page.forget()
    server.ask_rows([1], "mixture 4")  # there are three
    server.fill()
    assert page.done.wait(30)
    assert {message["part"] for message, _ in page.of_type("rows")} == {""}
    (ledger, _), = page.of_type("ledger")  # fmt: skip
    (read,) = ledger["read_outs"]
    assert ledger["ledger"]["match"] == pairs.ledger.match
    np.testing.assert_allclose(read["contributions"], pairs.read_out.contributions, atol=1e-7)
    assert server.wait(5)
