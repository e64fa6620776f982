"""Long work tells what it does and how long it takes, and stops when it is to."""

import re
import threading
import warnings
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import fpattr_widget as fp
from fpattr_widget.encoders._memory_budget import MemoryBudget
from fpattr_widget.methods import integrated_jacobians as ij
from fpattr_widget.methods._path import Path, percent
from fpattr_widget.methods._quadrature import Quadrature
from fpattr_widget.progress import Stopped, about, checkpoint, listening, report
from fpattr_widget.widget._server import RowServer
from tests.helpers.families import align
from tests.helpers.models import encoder_of, random_clip


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "about 1 s"),
        (7.6, "about 8 s"),
        (34, "about 30 s"),
        (101, "about 2 min"),
        (5300, "about 88 min"),
        (7300, "about 2 h"),
    ],
)
def test_a_length_of_time_in_round_numbers(seconds, words):
    assert about(seconds) == words


def test_what_a_thread_does_is_told_to_its_own_listener_alone():
    told: list[str] = []

    def elsewhere():
        report("elsewhere")
        checkpoint()  # would raise here

    with listening(lambda: True, told.append):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        report("here")
        with pytest.raises(Stopped):
            checkpoint()
    report("nobody listens")
    checkpoint()
    assert told == ["here"]


def test_the_search_for_nodes_is_told_with_its_cost(picture, monkeypatch):
    encoder = encoder_of(random_clip())
    told: list[str] = []
    monkeypatch.setattr(ij, "LONG", 0.0)
    with listening(lambda: False, told.append):
        fp.attribute(encoder, picture, "a dog", layer=(-1, 0)).ledger  # noqa: B018
    dots = "\N{NO-BREAK SPACE}…"
    text = [line for line in told if line.startswith("finding how many nodes the text needs: ")]
    image = [line for line in told if line.startswith("finding how many nodes the image needs: ")]
    assert not any("about" in line for line in text)  # in closed form, which takes no time
    assert image[0].startswith(f"finding how many nodes the image needs: 1{dots} · about ")
    assert all(line.endswith(" s · a later layer (−1 is the last) is cheaper") for line in image)


def test_masks_are_counted(picture):
    told: list[str] = []
    encoder = encoder_of(random_clip())
    encoder.memory_limit = 1
    with listening(lambda: False, told.append):
        fp.attribute(encoder, picture, "a dog", fp.Banzhaf(samples=16)).ledger  # noqa: B018
    assert "0 of 16 masks" in told
    assert "15 of 16 masks" in told


def test_a_slow_view_tells_how_long_its_rows_take(picture, monkeypatch):
    monkeypatch.setattr("fpattr_widget.widget._server.LONG", 0.0)
    monkeypatch.setattr("fpattr_widget.widget._server._REPORT_SECONDS", 0.0)
    pairs = fp.attribute(encoder_of(random_clip()), picture, "a dog left of a ball", layer=0)
    told: list[dict] = []
    server = RowServer(pairs, lambda message, _: told.append(message), epoch=3)
    server.fill()
    assert server.wait(60)
    said = [message["message"] for message in told if message["type"] == "progress"]
    assert {message["epoch"] for message in told} == {3}
    assert any(line.startswith("finding how many nodes") for line in said)
    rows = [line for line in said if "rows are there" in line]
    assert rows[0].startswith("1 of 8 rows are there · about 1 s left")
    assert rows[0].endswith("a later layer (−1 is the last) is cheaper")


def test_a_later_layer_is_named_where_there_is_one(encoder, picture):
    def named(layer):
        return fp.attribute(encoder, picture, "a dog", layer=layer).cheaper_alternative

    assert [named(layer) for layer in (0, (0, -1), (-1, 0))] == [
        "a later layer (−1 is the last)"
    ] * 3
    assert named(-1) == ""


@pytest.mark.slow
def test_an_evaluation_tells_what_it_will_take(monkeypatch, capsys):
    monkeypatch.setattr("fpattr_widget.evaluation._run._ANNOUNCED_FROM", 0.0)
    samples = fp.datasets.examples()[:2]
    fp.evaluate("scenes", samples, layers=1, metrics="completeness")
    said = "".join(capsys.readouterr())
    assert re.search(r"this takes about \d+ s · a later layer \(−1 is the last\) is cheaper", said)


# Where "auto" ends


def reached_by(residual, tolerance=5e-3):
    tried: list[int] = []

    def counted(count):
        tried.append(count)
        return residual(count)

    return ij._fewest_nodes(counted, tolerance), tried


def test_a_tower_with_kinks_ends_the_search_early():
    """Its residual falls like one over the nodes: 1,000 would be needed."""
    found, tried = reached_by(lambda count: 5 / count)
    assert found == 64
    assert sum(tried) == 127


def test_a_slow_start_does_not_end_the_search():
    """As in deep towers, where the first nodes tell nothing and the later ones all."""
    found, _ = reached_by(lambda count: 1.5 if count < 32 else float(np.exp(-(count - 32) / 4)))
    assert found == 54


def test_what_is_just_within_reach_is_reached():
    found, tried = reached_by(lambda count: 1.2 / count)
    assert 240 <= found <= 256
    assert sum(tried) <= 768  # the smallest would be found after two thousand


def test_a_search_is_bounded_wherever_it_ends():
    for enough in range(1, 300):
        found, tried = reached_by(lambda count, enough=enough: 0.0 if count >= enough else 1.0)
        assert sum(tried) <= 768
        if enough <= 64:  # later ones end early: there is no gain before
            assert found == enough


def test_a_search_that_gains_nothing_takes_the_best():
    found, _ = reached_by(lambda count: 0.3 if count == 8 else 0.4)
    assert found == 8


class Kinks(nn.Module):
    def forward(self, states):
        return (8 * states).relu().clamp(max=6) / 8


def test_it_is_told_what_was_reached(picture):
    model = random_clip()
    for block in model.vision_model.encoder.layers:
        block.mlp.activation_fn = Kinks()
    encoder = encoder_of(model)
    method = fp.IntegratedJacobians(tolerance=1e-5)
    with pytest.warns(UserWarning, match=r"reached a residual of .* with \d+ nodes.*pass `steps=`"):
        side = method.measure(encoder.part(encoder.prepare(picture, "image"), 0))
    assert side.steps <= 64


def searched(encoder, picture, layer, is_to_stop=lambda _: False):
    """Return the contributions that ``auto`` finds for a picture, and what it reports."""
    told: list[str] = []
    image = encoder.prepare(picture, "image")
    with listening(lambda: is_to_stop(told), told.append):
        return fp.IntegratedJacobians().measure(encoder.part(image, layer)), told


@pytest.mark.parametrize("layer", [-2, -4])
def test_a_relu6_tower_costs_a_bounded_number_of_nodes(picture, layer, monkeypatch):
    """Its derivative jumps along the path, so that the residual falls no faster than one over n."""
    monkeypatch.setattr(ij, "LONG", np.inf)  # however busy the machine is
    encoder = align.random_encoder(torch.float32, activation="relu6")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found, told = searched(encoder, picture, layer)
    pattern = r"needs: (\d+)\N{NO-BREAK SPACE}…(?: \((\d+) leaves? (.*)\N{NO-BREAK SPACE}%\))?$"
    tried = [re.search(pattern, line).groups() for line in told]
    assert tried[0] == ("1", None, None)
    assert sum(int(count) for count, _, _ in tried) <= 768
    for (before, _, _), (_, named, left) in pairwise(tried):
        method = fp.IntegratedJacobians(steps=int(before))
        residual = method.measure(encoder.part(encoder.prepare(picture, "image"), layer)).residual
        assert (named, float(left)) == (before, pytest.approx(100 * residual, rel=0.06))
    assert found.steps >= 16
    if layer == -2:
        assert found.residual <= 5e-3
        assert found.describe() == f"{found.steps} nodes"
    else:
        assert found.residual > 5e-3


def test_what_a_bounded_search_leaves_goes_with_the_numbers(picture, tmp_path):
    encoder = align.random_encoder(torch.float32, activation="relu6")
    pairs = fp.attribute(encoder, picture, "a dog", layer=(-1, -4))
    with pytest.warns(UserWarning, match="reached a residual of 1.2e-02 with 64 nodes"):
        pairs.compute_all()
    pairs.save(tmp_path / "pairs.fpattr")
    assert pairs.provenance()["nodes"].endswith("64 nodes, residual 1.2\N{NO-BREAK SPACE}%")
    assert fp.load_pairs(tmp_path / "pairs.fpattr").provenance() == pairs.provenance()
    ledger = pairs.ledger
    assert ledger.residual != 0
    terms = ledger.pairs, ledger.rows_only, ledger.columns_only, ledger.baseline, ledger.residual
    assert sum(terms) == pytest.approx(ledger.similarity)
    asked = fp.attribute(encoder, picture, "a dog", fp.IntegratedJacobians(steps=64), (-1, -4))
    asked.ledger  # noqa: B018
    assert "residual" not in asked.provenance()["nodes"]  # where no tolerance was asked for


def test_a_search_in_a_relu6_tower_can_be_stopped(picture):
    encoder = align.random_encoder(torch.float32, activation="relu6")
    passes: list[int] = []

    def is_to_stop(told: list[str]) -> bool:
        stop = any("needs: 8" in line for line in told)
        passes.extend([1] * stop)
        return stop

    with pytest.raises(Stopped):
        searched(encoder, picture, -4, is_to_stop)
    assert len(passes) == 1  # at the first checkpoint
    assert searched(encoder, picture, -1)[0].steps == 1


def test_the_cost_that_is_announced_is_that_of_the_nodes_before(picture, monkeypatch):
    """A forward pass tells little: deep towers' derivatives cost ten passes and more."""
    clock = [0.0]
    monkeypatch.setattr(ij, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(Path, "seconds_of_a_pass", lambda _: 0.001)
    residual = Path.residual

    def slow(path: Path, rule: Quadrature) -> float:
        clock[0] += 2.0 * len(rule)
        return residual(path, rule)

    monkeypatch.setattr(Path, "residual", slow)
    _, told = searched(align.random_encoder(torch.float32, activation="relu6"), picture, -2)
    assert "about" not in told[0]
    assert "· about 30 s ·" in told[2]  # four nodes, and half as many again as eight, of 2 s
    assert "· about 3 min ·" in told[5]


@pytest.mark.parametrize(
    ("share", "words"), [(2.44, "244 %"), (0.126, "13 %"), (0.026, "2.6 %"), (0.0054, "0.54 %")]
)
def test_what_is_left_in_percent(share, words):
    assert percent(share) == words.replace(" ", "\N{NO-BREAK SPACE}")


# Memory


class Owner:
    def __init__(self) -> None:
        self.released = 0

    def release(self) -> None:
        self.released += 1


def test_what_was_used_longest_ago_is_released_first():
    kept, owners = MemoryBudget(), [Owner() for _ in range(4)]
    for owner in owners[:3]:
        kept.add(owner, 4, limit=12)
    kept.add(owners[0], 4, limit=12)  # used again
    assert [owner.released for owner in owners] == [0, 0, 0, 0]
    kept.add(owners[3], 5, limit=12)
    assert [owner.released for owner in owners] == [0, 1, 1, 0]
    del owners[0]
    kept.add(Owner(), 7, limit=12)
    assert owners[-1].released == 0


def test_all_that_is_kept_of_an_encoder_is_within_its_limit(picture):
    """Graphs of both towers, of several pairs: half of the limit is for them together."""
    encoder = encoder_of(random_clip())
    method = fp.IntegratedJacobians(steps=8)
    alone = fp.attribute(encoder, picture, "a dog", method, 0)
    alone.row(1)
    sizes = [size for _, size in encoder.memory_budget._sizes.values()]
    assert len(sizes) == 2
    encoder.memory_limit = 2 * sum(sizes) + 1000
    alive = [
        fp.attribute(encoder, picture.rotate(90 * turn), "a dog", method, 0) for turn in range(4)
    ]
    for pairs in alive:
        pairs.row(1)
    graphs = {  # the caption's are shared by all pairs
        id(graph): graph.size
        for pairs in alive
        for side in (pairs._interactions._first, pairs._interactions._second)
        for graph in side.nodes._graphs or ()
    }
    assert graphs
    assert sum(graphs.values()) <= encoder.memory_limit / 2


def test_a_small_model_leaves_other_threads_theirs(picture):
    usual = torch.get_num_threads()
    torch.set_num_threads(2)
    inside: list[int] = []
    outside: list[int] = []
    model = random_clip()
    ready, done = threading.Event(), threading.Event()

    def hook(*_):
        inside.append(torch.get_num_threads())
        ready.set()
        done.wait(10)

    def other():
        ready.wait(10)
        outside.append(torch.get_num_threads())
        done.set()

    try:
        encoder = encoder_of(model)
        model.vision_model.register_forward_hook(hook)
        thread = threading.Thread(target=other)
        thread.start()
        encoder.embed_image([picture])
        thread.join()
        assert inside == [1]
        assert outside == [2]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(usual)
