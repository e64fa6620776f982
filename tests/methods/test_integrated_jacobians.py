"""Cost, memory, precision and concurrency: what must hold beside the numbers themselves."""

import threading
import weakref

import numpy as np
import psutil
import pytest
import torch
from torch import nn
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.modeling_clip import CLIPMLP

import fpattr_widget as fp
from fpattr_widget.encoders._encoder import Defaults
from fpattr_widget.methods import _automatic as path
from fpattr_widget.methods import _closed_form as closed_form
from fpattr_widget.methods._automatic import PathIntegral
from fpattr_widget.methods._quadrature import Quadrature
from tests.helpers.family_checks import assert_closed_form_is_differentiation
from tests.helpers.models import Processor, random_clip, random_encoder

CAPTION = "a dog left of a red ball"


def near(values, expected, tolerance):
    assert np.abs(values - expected).max() <= tolerance * np.abs(expected).max()


# The closed form


def test_the_closed_form_is_differentiation(picture):
    assert_closed_form_is_differentiation(
        lambda dtype: random_encoder(dtype=dtype), picture, CAPTION
    )


def test_a_description_that_does_not_hold_is_not_used(picture):
    encoder, other = random_encoder(), random_encoder()
    # A hook that changes what the last block gives, unknown to its description.
    block = other.model.vision_model.encoder.layers[-1]
    block.mlp.register_forward_hook(lambda _module, _inputs, output: output * 1.5)
    hook = encoder.model.vision_model.encoder.layers[-1].register_forward_hook(
        lambda _module, _inputs, output: output.tanh()
    )
    nodes = fp.IntegratedJacobians(steps=3)
    image = encoder.prepare(picture, "image")
    measured = nodes.measure(encoder.part(image, 2))
    assert measured.describe() == "3 nodes"
    split = encoder.part(image, 2).split("zeros")
    plain = PathIntegral(split, Quadrature.of("gauss-legendre", 3), 2**28)
    np.testing.assert_allclose(measured.joint(np.eye(10)), plain.joint(np.eye(10)), atol=1e-12)
    hook.remove()
    assert nodes.measure(encoder.part(image, 2)).describe() == "3 nodes, closed form"
    # What is part of the block's own modules is part of the closed form.
    assert nodes.measure(other.part(image, 2)).describe() == "3 nodes, closed form"


# Nodes


@pytest.mark.slow
@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("rule", ["gauss-legendre", "right"])
@pytest.mark.parametrize("tolerance", [0.3, 0.03, 0.01])
def test_auto_takes_the_fewest_nodes(encoder, picture, layer, rule, tolerance):
    image = encoder.prepare(picture, "image")
    found = fp.IntegratedJacobians(rule=rule, tolerance=tolerance).measure(
        encoder.part(image, layer)
    )
    residuals = [
        fp.IntegratedJacobians(steps=count, rule=rule).measure(encoder.part(image, layer)).residual
        for count in range(1, found.steps + 1)
    ]
    assert found.residual == pytest.approx(residuals[-1], rel=1e-9)
    assert residuals[-1] <= tolerance
    assert all(residual > tolerance for residual in residuals[:-1])


def test_auto_takes_the_encoders_own_count_where_that_suffices(picture):
    encoder = random_encoder()
    image, text = encoder.prepare(picture, "image"), encoder.prepare(CAPTION, "text")
    method = fp.IntegratedJacobians(tolerance=0.01)
    fewest = method.measure(encoder.part(image, 1)).steps
    assert 1 < fewest < 40
    encoder.defaults = Defaults(layer=(0, 1), nodes=(40, fewest + 3))
    assert method.measure(encoder.part(image, 1)).steps == fewest + 3
    assert method.measure(encoder.part(text, 0)).steps == 40
    # Too few, at another layer, or for another rule: the fewest that suffice.
    other = method.measure(encoder.part(image, 0))
    encoder.defaults = Defaults(layer=(0, 1), nodes=(40, fewest - 1))
    assert method.measure(encoder.part(image, 1)).steps == fewest
    right = fp.IntegratedJacobians(rule="right", tolerance=0.3)
    expected = right.measure(encoder.part(image, 1)).steps
    encoder.defaults = Defaults(layer=(0, 1), nodes=(40, 60))
    assert method.measure(encoder.part(image, 0)).steps == other.steps < 60
    encoder.defaults = Defaults(layer=(0, 1))
    assert method.measure(encoder.part(image, 0)).steps == other.steps
    assert right.measure(encoder.part(image, 1)).steps == expected


# What is computed again, and what is not


@pytest.fixture
def counted(monkeypatch):
    """Return an encoder, and how often each tower has run from its first block on."""
    passes = {"text": 0, "image": 0}
    towers: dict[nn.Module, str] = {}
    forward = CLIPMLP.forward

    def counted(module, states):
        if module in towers:
            passes[towers[module]] += 1
        return forward(module, states)

    monkeypatch.setattr(CLIPMLP, "forward", counted)
    encoder = random_encoder()
    for tower in (encoder.towers["text"], encoder.towers["image"]):
        towers[tower.blocks[0].mlp] = tower.name
    return encoder, passes


def test_passes_are_not_repeated(counted, picture):
    encoder, passes = counted
    matrix = fp.attribute(encoder, picture, CAPTION).matrix
    assert passes == {"text": 2, "image": 2}  # the input and the reference
    fp.attribute(encoder, picture, "a cat left of a red ball").ledger  # noqa: B018
    assert passes == {"text": 3, "image": 2}  # the text alone; its reference is the same
    fp.attribute(encoder, picture.rotate(90), CAPTION).ledger  # noqa: B018
    assert passes == {"text": 3, "image": 3}  # the image alone
    again = fp.attribute(encoder, encoder.prepare(picture, "image"), CAPTION)
    np.testing.assert_array_equal(again.matrix, matrix)
    assert passes == {"text": 3, "image": 3}


def test_another_caption_finds_the_image_measured(picture):
    encoder = random_encoder()

    def measured(caption, **settings):
        return fp.attribute(encoder, picture, caption, layer=0, **settings)._measured()._second

    one = measured(CAPTION)
    assert measured("a cat") is one
    assert measured("a cat", method=fp.IntegratedJacobians(steps=3)) is not one
    encoder.memory_limit //= 2
    assert measured("a cat") is not one


def test_a_change_of_the_model_is_seen(picture):
    encoder = random_encoder()
    before = fp.attribute(encoder, picture, CAPTION).matrix
    weight = encoder.model.vision_model.encoder.layers[0].mlp.fc1.weight
    with torch.no_grad():
        weight.mul_(1.5)
    trained = fp.attribute(encoder, picture, CAPTION).matrix
    assert not np.allclose(trained, before)
    near(trained, fp.attribute(fp.load_encoder(encoder.model, processor=Processor(24)),
                               picture, CAPTION).matrix, 1e-6)  # fmt: skip
    with torch.no_grad():
        weight.div_(1.5)
    near(fp.attribute(encoder, picture, CAPTION).matrix, before, 1e-6)
    steering = encoder.model.vision_model.encoder.layers[0].register_forward_hook(
        lambda _module, _inputs, output: output.tanh()
    )
    assert not np.allclose(fp.attribute(encoder, picture, CAPTION).matrix, before)
    steering.remove()
    near(fp.attribute(encoder, picture, CAPTION).matrix, before, 1e-6)


# Memory


def test_graphs_are_kept_within_the_limit_only(encoder, picture):
    split = encoder.part(encoder.prepare(picture, "image"), 0).split("zeros")
    rule = Quadrature.of("gauss-legendre", 6)
    direction = torch.randn(1, 12, dtype=torch.float64)
    roomy = PathIntegral(split, rule, 2**30)
    expected = roomy.along(direction)
    sizes = [graph.size for graph in roomy._graphs]
    assert len(sizes) == 1  # all nodes together: many more would fit
    (graph,) = roomy._graphs
    roomy.along(direction)
    assert roomy._graphs[0] is graph  # which answers every direction
    # Each of three blocks keeps at least its queries, keys, values and both
    # layers of its MLP: 3 · 32 + 2 · 48 numbers a position.
    assert sizes[0] > 6 * 3 * 10 * (3 * 32 + 2 * 48) * 8
    # Half of the limit is for what is kept.
    for limit, kept in ((2.2 * sum(sizes), True), (1.8 * sum(sizes), False)):
        integral = PathIntegral(split, rule, int(limit))
        np.testing.assert_allclose(integral.along(direction), expected, atol=1e-12)
        assert (integral._graphs is not None) == kept
        if kept:
            assert len(integral._graphs) > 1  # the first node alone, to see how large it is
            tangents = np.eye(len(split.states))
            pushed = integral.joint(tangents)
            torch.testing.assert_close(pushed, PathIntegral(split, rule, 2**30).joint(tangents))
            # What pushing adds has no room beside them.
            assert sum(graph.size for graph in integral._graphs) <= limit / 2


@pytest.mark.slow
def test_graphs_are_given_back():
    """A graph that held its own output would stay for good; each of these takes 33 MB."""
    vision = {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 5,
        "num_attention_heads": 4,
        "image_size": 112,
        "patch_size": 8,
    }
    encoder = fp.load_encoder(CLIPModel(CLIPConfig(vision_config=vision)), memory_limit=2**24)
    image = encoder.prepare(torch.randn(1, 3, 112, 112), "image")
    split = encoder.part(image, 0).split("zeros")
    integral = PathIntegral(split, Quadrature.of("gauss-legendre", 4), encoder.memory_limit)
    direction = torch.randn(1, 512)
    integral.along(direction)
    before = psutil.Process().memory_info().rss
    for _ in range(8):
        integral.along(direction)
    assert integral._graphs is None
    assert psutil.Process().memory_info().rss - before < 100 * 2**20


class Starving:
    """Fails like a full GPU while more than ``most`` inputs run together."""

    def __init__(self, most: int):
        self.most, self.failures = most, 0

    def __call__(self, _module, inputs):
        states = inputs[0]
        while torch._C._functorch.is_functorch_wrapped_tensor(states):
            states = torch._C._functorch.get_unwrapped(states)
        if len(states) > self.most:
            self.failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")


@pytest.mark.parametrize("most", [1, 3])
def test_less_memory_means_smaller_chunks(encoder, picture, most):
    method = fp.IntegratedJacobians(steps=8)
    expected = fp.attribute(encoder, picture, CAPTION, method, 1)
    starved = random_encoder()
    pairs = fp.attribute(starved, picture, CAPTION, method, 1)
    pairs.image_special_names  # noqa: B018
    starving = Starving(most)
    for tower in (starved.model.vision_model, starved.model.text_model):
        tower.encoder.layers[2].register_forward_pre_hook(starving)
    near(pairs.matrix, expected.matrix, 1e-6)
    mask = np.eye(3, dtype=bool)
    other = fp.attribute(starved, picture, CAPTION, method, 1)
    near(other.of_region(mask), expected.of_region(mask), 1e-6)
    assert starving.failures


def test_graphs_are_not_kept_where_they_do_not_fit(encoder, picture, monkeypatch):
    """The limit allows them, the memory does not: three nodes at a time, whatever their chunks."""
    split = encoder.part(encoder.prepare(picture, "image"), 0).split("zeros")
    rule = Quadrature.of("gauss-legendre", 8)
    direction = torch.randn(1, 12, dtype=torch.float64)
    expected = PathIntegral(split, rule, 2**30).along(direction)
    alive: weakref.WeakSet[path._Graph] = weakref.WeakSet()
    record = path._Graph.record

    def starving(split, states, change):
        if sum(graph.nodes for graph in alive) + len(states) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        graph = record(split, states, change)
        alive.add(graph)
        return graph

    monkeypatch.setattr(path._Graph, "record", starving)
    found = PathIntegral(split, rule, 2**30).along(direction)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_closed_form_takes_smaller_portions_too(encoder, picture, monkeypatch):
    method = fp.IntegratedJacobians(steps=3)
    expected = fp.attribute(encoder, picture, CAPTION, method).matrix
    tried: list[int] = []
    for name in ("_tangents", "_products"):
        function = getattr(closed_form._Attention, name)

        def starving(self, vectors, *others, original=function):
            tried.append(len(vectors))
            if len(vectors) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
            return original(self, vectors, *others)

        monkeypatch.setattr(closed_form._Attention, name, starving)
    pairs = fp.attribute(random_encoder(), picture, CAPTION, method)
    near(pairs.matrix, expected, 1e-6)
    assert max(tried) == len(pairs.tokens)
    assert min(tried) == 1


def test_no_memory_at_all_is_told(picture):
    encoder = random_encoder()
    pairs = fp.attribute(encoder, picture, CAPTION, fp.IntegratedJacobians(steps=2), 1)
    starving = Starving(most=10)
    encoder.model.vision_model.encoder.layers[2].register_forward_pre_hook(starving)
    pairs.ledger  # noqa: B018
    pairs._measured().release()  # graphs that need no further pass
    starving.most = 0
    with pytest.raises(fp.InputError, match=r"not enough memory .* choose a later `layer`"):
        pairs.row(1)
    starving.most = 10
    assert np.isfinite(pairs.row(1)).all()


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "1 GB"])
def test_a_wrong_memory_limit_is_named(limit):
    with pytest.raises(fp.InputError, match="`memory_limit` is"):
        fp.load_encoder(random_clip(), memory_limit=limit)


def test_directions_together_give_what_each_gives_alone(encoder, picture, monkeypatch):
    """As on a GPU."""
    split = encoder.part(encoder.prepare(picture, "image"), 0).split("zeros")
    rule = Quadrature.of("gauss-legendre", 4)
    directions = torch.randn(7, 12, dtype=torch.float64)
    alone = PathIntegral(split, rule, 2**30).along(directions)
    monkeypatch.setattr(path, "_BATCH_SIZES", {"cpu": 5})
    together = PathIntegral(split, rule, 2**30).along(directions)
    np.testing.assert_allclose(together, alone, atol=1e-12)


# Precision


@pytest.mark.slow
@pytest.mark.parametrize("layer", [0, 1, -1])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_close_to_single(picture, layer, dtype):
    unit = torch.finfo(dtype).eps / 2  # by which each number is rounded
    method = fp.IntegratedJacobians(steps=16)  # "auto" takes fewer for half precision
    single, half = (
        fp.attribute(random_encoder(dtype=one), picture, CAPTION, method, layer)
        for one in (torch.float32, dtype)
    )
    assert half.matrix.dtype == np.float32
    near(half.matrix, single.matrix, 12 * unit)
    mask = np.eye(3, dtype=bool)
    apart = half.of_region(mask) - single.of_region(mask)
    assert np.abs(apart).max() <= 12 * unit * np.abs(single.matrix).max()
    assert half.ledger.similarity == pytest.approx(single.ledger.similarity, abs=2 * unit)


@pytest.mark.slow
def test_small_states_do_not_overflow_half_precision(picture):
    """The word embeddings of the model of scenes are small, their inverse deviation is large."""
    half = fp.attribute(fp.load_encoder("scenes", dtype=torch.float16), picture, "a dog and a ball")
    single = fp.attribute(fp.load_encoder("scenes"), picture, "a dog and a ball")
    near(half.matrix, single.matrix, 0.01)


def test_integrals_are_summed_in_single_precision(picture):
    """A thousand steps, each of which half precision would lose against their sum."""
    method = fp.IntegratedJacobians(steps=1000, rule="right")
    single = random_encoder(dtype=torch.float32)
    half = random_encoder(dtype=torch.bfloat16)
    sides = [
        method.measure(encoder.part(encoder.prepare(picture, "image"), 2)).total
        for encoder in (single, half)
    ]
    assert sides[1].dtype == torch.float32
    assert float((sides[1] - sides[0]).norm() / sides[0].norm()) < 0.03


# Threads


def test_threads_share_one_encoder(picture):
    encoder = random_encoder()
    work = [
        (turned, caption, layer)
        for turned in (picture, picture.rotate(180))
        for caption in (CAPTION, "a cat")
        for layer in (-1, 0)
    ]
    method = fp.IntegratedJacobians(steps=3)
    expected = [fp.attribute(random_encoder(), *job[:2], method, job[2]).matrix for job in work]
    found: list[np.ndarray | None] = [None] * len(work)
    gate = threading.Barrier(len(work))

    def run(index: int) -> None:
        image, caption, layer = work[index]
        gate.wait()
        found[index] = fp.attribute(encoder, image, caption, method, layer).matrix

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(found, expected, strict=True):
        near(one, other, 1e-6)
