"""A module that is explained stays its user's, whatever they do with it at the same time."""

import copy
import gc
import io
import linecache
import pickle
import random
import signal
import sys
import threading
import time
import weakref
from collections import Counter
from pathlib import Path

import psutil
import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

import fpattr_widget as fp
from tests.helpers.models import bert_and_vit, clip, encoder_of
from tests.helpers.threads import (
    Explaining,
    Worker,
    alone,
    assert_same_map,
    differences,
    noise,
    restless,
    state_of,
    switches,
)

pytestmark = pytest.mark.slow

FAST = fp.IntegratedJacobians(steps=2)
METHODS = {"auto": fp.IntegratedJacobians(), "banzhaf": fp.Banzhaf()}
PACKAGE = str(Path(fp.__file__).parent)


@pytest.fixture(autouse=True)
def _restless():
    with restless():
        yield


def inputs_of(encoder: fp.DualEncoder, count: int = 2) -> dict[str, torch.Tensor]:
    """Return what a user would pass to the module itself."""
    text = encoder.prepare("a dog, a ball", "text").inputs
    images = [encoder.prepare(noise(seed), "image").inputs["pixel_values"] for seed in range(count)]
    return {
        "input_ids": text["input_ids"].expand(count, -1).contiguous(),
        "pixel_values": torch.cat(images),
    }


def embeddings(model: nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    output = model(**inputs)
    return torch.cat([output.image_embeds, output.text_embeds])


def gradients(model: nn.Module, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Make the gradients of one step of contrastive training."""
    model.zero_grad()
    image, text = embeddings(model, inputs).chunk(2)
    (torch.einsum("ik,jk->ij", image, text).softmax(-1)[0, 0] + (image * text).sum()).backward()
    return [weight.grad for weight in model.parameters() if weight.grad is not None]


# What the user computes


@pytest.mark.parametrize("method", ["auto", "banzhaf"])
@pytest.mark.parametrize("mode", ["evaluation", "training"])
@pytest.mark.parametrize("make", [clip, bert_and_vit])
def test_forward_passes_beside_us_are_those_without_us(make, mode, method):
    """Bit for bit, with dropout too: its random numbers are the user's."""
    model = make(dropout=0.3)
    encoder = encoder_of(model)
    inputs = inputs_of(encoder)
    explaining = Explaining(encoder, method=METHODS[method])
    model.train(mode == "training")

    def own() -> torch.Tensor:
        torch.manual_seed(3)
        with torch.no_grad():
            return embeddings(model, inputs)

    expected = own()
    assert torch.equal(own(), expected)
    with Worker(explaining) as worker:
        for _ in worker.busy(3):
            assert torch.equal(own(), expected)


@pytest.mark.parametrize("make", [clip, bert_and_vit])
def test_training_steps_beside_us_have_the_gradients_that_they_have_alone(make):
    model = make()
    encoder = encoder_of(model)
    inputs = inputs_of(encoder)
    explaining = Explaining(encoder)
    model.train()
    expected = gradients(model, inputs)
    names = [name for name, weight in model.named_parameters() if weight.grad is not None]
    with Worker(explaining) as worker:
        for _ in worker.busy(3):
            found = gradients(model, inputs)
            assert [n for n, weight in model.named_parameters() if weight.grad is not None] == names
            for one, other in zip(found, expected, strict=True):
                assert torch.equal(one, other)


def test_forward_mode_of_the_user_works_beside_us():
    model = clip()
    model.set_attn_implementation("eager")  # flash attention has no forward mode
    encoder = encoder_of(model)
    explaining = Explaining(encoder)
    pixels = inputs_of(encoder)["pixel_values"]
    tangent = torch.ones_like(pixels)

    def image(values: torch.Tensor) -> torch.Tensor:
        return model.get_image_features(values).pooler_output

    def at_once() -> list[torch.Tensor]:
        with torch.no_grad():
            return list(torch.func.jvp(image, (pixels,), (tangent,)))

    def by_hand() -> list[torch.Tensor]:
        with torch.no_grad(), forward_ad.dual_level():
            dual = forward_ad.make_dual(torch.linspace(0, 1, 9), torch.ones(9))
            for _ in range(20):
                dual = dual.sin() + 0.5 * dual
            return list(forward_ad.unpack_dual(dual))

    expected = at_once(), by_hand()
    with Worker(explaining) as worker:
        for _ in worker.busy(3):
            for found, right in zip((at_once(), by_hand()), expected, strict=True):
                assert all(map(torch.equal, found, right))


# What the user sees


@pytest.mark.parametrize("layer", [-1, 1])
def test_nothing_of_the_module_is_ever_seen_changed(layer):
    model = clip(dropout=0.2)
    encoder = encoder_of(model)
    explaining = Explaining(encoder, layer)
    model.train()
    model.vision_model.embeddings.patch_embedding.weight.requires_grad_(False)
    model.text_model.register_forward_hook(lambda *_: None)
    before = state_of(model)
    with Worker(explaining) as worker:
        for _ in worker.busy(4):
            assert not differences(before, state_of(model))
    assert encoder.model is model


def test_no_switch_of_the_process_is_ever_touched(monkeypatch):
    model = clip()
    encoder = encoder_of(model)
    works = [Explaining(encoder, layer) for layer in (-1, 1)]
    set_by = []
    for name in ("set_num_threads", "set_num_interop_threads", "set_default_dtype"):
        monkeypatch.setattr(torch, name, lambda *_, name=name: set_by.append(name))
    before = switches()
    for explaining in works:
        with Worker(explaining) as worker:
            for _ in worker.busy(3):
                assert not differences(before, switches())
    assert not set_by


class Counting(nn.Module):
    """Notes in attributes and in a buffer how often it ran, as observers do."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner
        self.calls = 0
        self.last: torch.Tensor | None = None
        self.log: list[int] = []
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.seen += 1
        output = self.inner(states)
        self.last = output
        self.log.append(len(output))
        return output


def test_what_a_module_notes_of_its_passes_is_of_the_users_passes_alone():
    model = clip()
    block = model.vision_model.encoder.layers[2]
    block.mlp = counting = Counting(block.mlp)
    encoder = encoder_of(model)
    with torch.no_grad():
        embeddings(model, inputs_of(encoder))
    last = counting.last
    for layer in (1, -1):
        assert fp.attribute(encoder, noise(0), "a dog", FAST, layer).matrix.any()
    assert (counting.calls, len(counting.log)) == (1, 1)
    assert counting.last is last
    assert int(counting.seen) == 1


# Errors and interrupts


def test_an_error_in_the_middle_of_a_pass_leaves_nothing_behind():
    """A hook of the user's that fails now and then."""
    model = clip(dropout=0.2)
    model.train()
    fails = False

    def hook(*_: object) -> None:
        if fails:
            raise RuntimeError("a broken part")

    model.vision_model.encoder.layers[2].register_forward_hook(hook)
    encoder = encoder_of(model)
    explaining = Explaining(encoder)
    before = state_of(model)
    with Worker(explaining, allowed=(RuntimeError,)) as worker:
        for number in worker.busy(8):
            fails = number % 2 == 0
            assert not differences(before, state_of(model))
            time.sleep(0.01)
    assert "a broken part" in worker.refusals
    fails = False
    alone(lambda: [explaining(number) for number in range(4)])
    assert not differences(before, state_of(model))


class Interruption:
    """Raises a ``KeyboardInterrupt`` when a line of the package is run for the n-th time."""

    def __init__(self, line: tuple[str, int] | None = None, occurrence: int = 0):
        self.lines: Counter[tuple[str, int]] = Counter()
        self._line, self._left = line, occurrence

    def __enter__(self) -> "Interruption":
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _enter(self, frame, _event, _argument):
        return self._step if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _step(self, frame, event, _argument):
        line = frame.f_code.co_filename, frame.f_lineno
        # A ``with`` is run once more when its block is left: no signal is raised there, between
        # the block and the end of its context.
        if event == "line" and not linecache.getline(*line).lstrip().startswith("with "):
            self.lines[line] += 1
            if line == self._line and self.lines[line] == self._left:
                raise KeyboardInterrupt
        return self._step


def explain_something(encoder: fp.DualEncoder, seed: int) -> None:
    """Load, and explain with a kept encoder what it does not know."""
    fp.load_encoder(encoder.model)
    pairs = fp.attribute(encoder, noise(100 + seed), "a dog", FAST, (1, 2))
    assert pairs.matrix.any()
    assert pairs.ledger.similarity


@pytest.mark.parametrize("part", range(3))
def test_an_interrupt_at_any_line_leaves_nothing_behind(part):
    model = clip(dropout=0.3)
    encoder = encoder_of(model)
    explaining = Explaining(encoder, method=FAST)
    model.train()
    before, weights = state_of(model), copy.deepcopy(model.state_dict())
    with Interruption() as usual:
        explain_something(encoder, 0)
    generator = random.Random(part)
    lines = sorted(usual.lines)
    assert len(lines) > 100
    stopped = 0
    for number, line in enumerate(generator.sample(lines, 10)):
        occurrence = generator.randint(1, min(usual.lines[line], 6))
        try:
            with Interruption(line, occurrence):
                explain_something(encoder, number)
        except KeyboardInterrupt:
            stopped += 1
        place = f"{Path(line[0]).name}:{line[1]}, time {occurrence}"
        assert not differences(before, state_of(model)), place
        if number % 5 == 0:
            alone(explaining)  # on another thread: no lock is left behind either
    assert stopped > 5
    alone(lambda: [explaining(number) for number in range(4)])
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


# A signal may fall into a callback of the garbage collector, which can raise nothing.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_moment_leaves_nothing_behind():
    """By a signal, wherever the main thread may be, torch's own Python included."""
    model = clip(dropout=0.3)
    encoder = encoder_of(model)
    explaining = Explaining(encoder, method=FAST)
    model.train()
    before = state_of(model)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    started = time.process_time()
    explain_something(encoder, 0)
    usual = time.process_time() - started
    generator = random.Random(7)
    handler = signal.signal(signal.SIGVTALRM, interrupt)
    stopped = 0
    try:
        for number in range(12):
            try:
                # Of the time that the process computes, whatever else runs.
                signal.setitimer(signal.ITIMER_VIRTUAL, generator.uniform(0.02, 0.9) * usual)
                explain_something(encoder, number + 1)
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            except KeyboardInterrupt:
                stopped += 1
            assert not differences(before, state_of(model))
            if number % 5 == 0:
                alone(explaining)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, handler)
    assert stopped > 4
    alone(lambda: [explaining(number) for number in range(4)])


# Moving, copying, saving


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.float16, 0.3)])
def test_the_module_can_be_converted_beside_us(dtype, tolerance):
    """Each map is of the weights in one of both types, or is refused in a sentence."""
    model = clip()
    encoder = encoder_of(model)
    inputs = inputs_of(encoder)
    explaining = Explaining(encoder, tolerance=tolerance)
    weights = copy.deepcopy(model.state_dict())
    kinds = torch.float32, dtype
    images = {kind: inputs["pixel_values"].to(kind) for kind in kinds}
    with torch.no_grad():
        expected = {
            kind: embeddings(copy.deepcopy(model).to(kind), {**inputs, "pixel_values": image})
            for kind, image in images.items()
        }
    with Worker(explaining, allowed=(fp.InputError,)) as worker:
        for number in worker.busy(6):
            kind = kinds[(number + 1) % 2]
            model.half() if kind == torch.float16 else model.to(kind)
            assert {weight.dtype for weight in model.parameters()} == {kind}
            with torch.no_grad():
                found = embeddings(model, {**inputs, "pixel_values": images[kind]})
            assert torch.equal(found, expected[kind])
            time.sleep(0.05 * (number % 5 == 0))
            if kind != torch.float32:
                model.float().load_state_dict(weights)
    for refusal in worker.refusals:
        assert "changed" in refusal
    model.float().load_state_dict(weights)
    alone(explaining)


def test_the_module_can_be_copied_and_saved_beside_us():
    model = clip()
    encoder = encoder_of(model)
    inputs = inputs_of(encoder)
    with torch.no_grad():
        expected = embeddings(model, inputs)
    explaining = Explaining(encoder)
    keys, weights = list(model.state_dict()), copy.deepcopy(model.state_dict())
    held = {name: frozenset(module.__dict__) for name, module in model.named_modules()}

    def assert_whole(other: nn.Module) -> None:
        for name, module in other.named_modules():
            assert held[name] == frozenset(module.__dict__)
            assert not any(hooks for n, hooks in vars(module).items() if n.endswith("_hooks"))
        assert [weight.requires_grad for weight in other.parameters()] == learning
        with torch.no_grad():
            assert torch.equal(embeddings(other, inputs), expected)

    learning = [weight.requires_grad for weight in model.parameters()]
    with Worker(explaining) as worker:
        for _ in worker.busy(4):
            assert_whole(copy.deepcopy(model))
            pickled = pickle.dumps(model)
            assert b"fpattr" not in pickled
            assert_whole(pickle.loads(pickled))
            file = io.BytesIO()
            torch.save(model.state_dict(), file)
            file.seek(0)
            loaded = torch.load(file)
            assert list(loaded) == keys
            assert all(torch.equal(loaded[name], weights[name]) for name in keys)


def test_a_module_that_nobody_needs_any_more_is_let_go_of():
    model = clip()
    encoder = encoder_of(model)
    Explaining(encoder)()
    gone = weakref.ref(model), weakref.ref(model.vision_model.encoder.layers[1])
    del model, encoder
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_the_weights_are_not_held_twice():
    """Nor for a moment: neither to load, nor to explain."""
    model = clip(layers=2)
    embedding = model.text_model.embeddings.token_embedding
    large = torch.full((2**21 + 2**19, 24), 0.01)
    large[: len(embedding.weight)] = embedding.weight.detach()
    embedding.weight = nn.Parameter(large)
    embedding.num_embeddings = len(large)
    model.config.text_config.vocab_size = len(large)
    size = large.numel() * 4
    del large
    assert size > 200 * 2**20
    Explaining(encoder_of(clip(layers=2)), method=FAST)()  # what any first explanation takes
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    peak, done = before, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    encoder = encoder_of(model)
    loaded = peak
    for layer in (-1, 0):
        assert fp.attribute(encoder, noise(0), "a dog", FAST, layer).matrix.any()
    done.set()
    watcher.join()
    assert loaded - before < 20 * 2**20
    assert peak - before < 40 * 2**20
    assert encoder.model is model


def test_maps_beside_other_use_are_those_in_peace():
    """The user trains, another of their threads runs the module; the view's numbers are right."""
    model = clip()
    encoder = encoder_of(model)
    inputs = inputs_of(encoder)
    pairs = fp.attribute(encoder, noise(8), "a dog, a ball", layer=1)
    expected = fp.attribute(
        encoder_of(copy.deepcopy(model)), noise(8), "a dog, a ball", layer=1
    ).matrix
    model.train()
    with Worker(lambda _: gradients(model, inputs)) as training:
        found = [pairs.of_tokens([token]) for token in range(len(pairs.tokens))]
        for _ in training.busy(1):
            pass
    assert_same_map(torch.tensor(found).flatten(1).numpy(), expected, 1e-5)
