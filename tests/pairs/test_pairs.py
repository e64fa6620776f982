"""Lazy rows, spans, regions, words and the ledger."""

import threading
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.encoders import Feature, Sentence, Side
from fpattr_widget.methods import Product
from fpattr_widget.scenes import example, example_names
from tests.helpers.models import Processor, random_clip, spelling_encoder
from tests.helpers.recorded import ABOUT, recorded

CAPTION = "a dog, two balls and a cat"
METHOD = fp.IntegratedJacobians(steps=4)


def fresh(encoder, picture, caption=CAPTION) -> fp.FeaturePairs:
    return fp.attribute(encoder, picture, caption, METHOD, 1)


@pytest.fixture(scope="module")
def whole(encoder, picture):
    pairs = fresh(encoder, picture)
    pairs.matrix  # noqa: B018 - computes
    return pairs


def test_nothing_is_computed_before_it_is_asked_for(encoder, picture):
    pairs = fresh(encoder, picture)
    assert not pairs.ready.any()
    assert "nodes" not in pairs.provenance()
    pairs.row(2)
    assert pairs.provenance()["nodes"] == "4 nodes"
    assert pairs.ready.tolist() == [i == 2 for i in range(len(pairs.tokens))]


def test_rows_are_computed_once_and_come_in_the_order_asked_for(
    encoder, picture, whole, monkeypatch
):
    pairs = fresh(encoder, picture)
    pairs.row(2)
    measured, computed = pairs._measured(), []
    rows = measured.rows
    monkeypatch.setattr(measured, "rows", lambda weights: computed.append(weights) or rows(weights))
    found = pairs.feature_rows([4, 2, 1])
    assert [weights.argmax(1).tolist() for weights in computed] == [[1, 4]]
    np.testing.assert_allclose(found, whole.feature_rows(range(10))[[4, 2, 1]], atol=1e-6)


def test_pictures_are_shared_where_they_are_the_same_and_hold_nothing_else(whole):
    tall, wide = Image.new("RGB", (2, 8)), Image.new("RGB", (8, 2))
    tall.info["comment"] = "secret"
    first, again, other = (whole.over(one) for one in (tall, tall.copy(), wide))
    assert first.columns.panels[0].picture is again.columns.panels[0].picture
    assert (first.picture.size, other.picture.size) == (tall.size, wide.size)
    assert first.picture.info == {}


@settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_spans_and_regions_are_sums(encoder, picture, whole, data):
    pairs = fresh(encoder, picture)
    tokens = data.draw(st.lists(st.integers(0, len(pairs.tokens) - 1), min_size=1, unique=True))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=9, max_size=9))).reshape(3, 3)
    scale = np.abs(whole.matrix).max()
    np.testing.assert_allclose(
        pairs.of_tokens(tokens),
        whole.matrix[tokens].sum(0).reshape(3, 3),
        atol=2e-6 * scale,
    )
    np.testing.assert_allclose(
        pairs.of_region(mask), whole.matrix[:, mask.ravel()].sum(1), atol=2e-6 * scale
    )


def test_a_column_counts_special_positions_too_and_each_feature_once(encoder, picture):
    whole = fresh(encoder, picture)
    everything = whole.feature_rows(range(len(whole.tokens)))
    expected = everything[:, [0, 3]].sum(1)
    for pairs in (whole, fresh(encoder, picture)):
        np.testing.assert_allclose(pairs.of_columns([3, 0, 3]), expected, rtol=0, atol=1e-6)


def test_regions_are_the_same_before_and_after_the_rows(encoder, picture, whole):
    mask = np.eye(3, dtype=bool)
    np.testing.assert_allclose(
        fresh(encoder, picture).of_region(mask), whole.of_region(mask), atol=1e-6
    )


def test_a_complete_matrix_keeps_no_graph(encoder, picture):
    method = fp.IntegratedJacobians(steps=4)
    pairs = fp.attribute(encoder, picture, "a dog and a cat", method, layer=0)
    pairs.row(1)
    integral = pairs._measured()._second.nodes
    assert integral._graphs
    row = pairs.matrix[3]
    assert integral._graphs is None
    again = fp.attribute(encoder, picture, "a dog and a cat", method, layer=0)
    np.testing.assert_allclose(again.row(3).ravel(), row, atol=1e-6)


def test_words_sum_their_tokens(whole):
    merged = whole.words()
    assert [t.text for t in merged.tokens] == [
        "BOS", "a", "dog", ",", "two", "balls", "and", "a", "cat", "EOS",
    ]  # fmt: skip
    np.testing.assert_allclose(merged.matrix.sum(0), whole.matrix.sum(0), atol=1e-6)


def test_several_tokens_of_one_word_are_summed(picture):
    """A model whose tokenizer cuts words into letters."""
    pairs = fresh(spelling_encoder(), picture, "a good dog")
    assert [t.word for t in pairs.tokens] == [None, 0, 1, 1, 1, 1, 2, 2, 2, None]
    merged = pairs.words()
    assert [t.text for t in merged.tokens] == ["BOS", "a", "good", "dog", "EOS"]
    np.testing.assert_allclose(merged.matrix[2], pairs.matrix[2:6].sum(0), atol=1e-6)
    np.testing.assert_allclose(merged.ledger.pairs, pairs.ledger.pairs, atol=1e-6)


def test_ledger_adds_up_to_the_cosine(encoder, picture, whole):
    ledger = whole.ledger
    assert ledger.similarity == pytest.approx(encoder.similarity(picture, CAPTION), abs=1e-6)
    parts = ledger.pairs + ledger.caption_only + ledger.image_only + ledger.baseline
    assert parts + ledger.residual == pytest.approx(ledger.similarity, abs=1e-12)
    total = whole.matrix.sum() + whole.image_special.sum()
    assert ledger.pairs == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize("name", example_names())
def test_ledger_closes_on_every_example_at_default_settings(scenes_encoder, name):
    scene = example(name)
    ledger = fp.attribute(scenes_encoder, scene.image, scene.caption).ledger
    terms = (ledger.pairs, ledger.caption_only, ledger.image_only, ledger.baseline)
    assert abs(ledger.residual) < 0.01 * max(map(abs, terms))


def test_threads_share_one_encoder(encoder, picture, whole):
    """Rows asked for by several threads, each with pairs of its own, are all right."""
    results: dict[int, np.ndarray] = {}

    def work(token: int) -> None:
        results[token] = fresh(encoder, picture).row(token)

    threads = [threading.Thread(target=work, args=(token,)) for token in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for token, row in results.items():
        np.testing.assert_allclose(row, whole.row(token), atol=1e-6)


def test_dataframe_and_xarray_hold_the_same_numbers(whole):
    frame = whole.to_dataframe()
    assert len(frame) == len(whole.tokens) * 10
    patches = frame[(frame.token == 2) & (frame.feature == "patch")]
    np.testing.assert_array_equal(
        patches.sort_values(["row", "column"]).attribution, whole.matrix[2]
    )
    array = whole.to_xarray()
    np.testing.assert_array_equal(array.sel(token=2).values, whole.row(2))


@pytest.mark.parametrize("tokens", [[], [99], [-99]])
def test_wrong_tokens_are_named(whole, tokens):
    with pytest.raises(fp.InputError, match="`tokens`"):
        whole.of_tokens(tokens)


@pytest.mark.parametrize("mask", [np.ones((2, 2), bool), np.ones((3, 3)), "x"])
def test_wrong_masks_are_named(whole, mask):
    with pytest.raises(fp.InputError, match="`mask`"):
        whole.of_region(mask)


def test_little_memory_changes_nothing_but_the_number_of_passes(encoder, picture):
    """Nodes one at a time, and graphs recorded anew for each call."""
    method = fp.IntegratedJacobians(steps=4)
    whole = fp.attribute(encoder, picture, "a dog and a cat", method, layer=0)
    tight = fp.load_encoder(random_clip(), processor=Processor(24), memory_limit=1)
    pairs = fp.attribute(tight, picture, "a dog and a cat", method, layer=0)
    np.testing.assert_allclose(pairs.row(2), whole.row(2), atol=1e-6)
    assert pairs._measured()._second.nodes._graphs is None
    mask = np.eye(3, dtype=bool)
    np.testing.assert_allclose(pairs.of_region(mask), whole.of_region(mask), atol=1e-6)
    np.testing.assert_allclose(pairs.matrix, whole.matrix, atol=1e-6)
    closed = fp.attribute(tight, picture, "a dog and a cat", method)
    np.testing.assert_allclose(
        closed.matrix, fp.attribute(encoder, picture, "a dog and a cat", method).matrix, atol=1e-6
    )


def test_a_span_costs_one_backward_pass_and_a_region_one_forward_pass(
    encoder, picture, monkeypatch
):
    from fpattr_widget.methods._automatic import PathIntegral

    passes: list[tuple[str, int]] = []
    for name in ("joint", "along"):
        original = getattr(PathIntegral, name)

        def counted(self, vectors, name=name, original=original):
            passes.append((name, len(vectors)))
            return original(self, vectors)

        monkeypatch.setattr(PathIntegral, name, counted)
    pairs = fp.attribute(encoder, picture, "a dog and a cat", layer=0)
    pairs.ledger  # noqa: B018 - measures both towers
    passes.clear()
    pairs.of_tokens([1, 2, 5, 6])
    assert passes == [("joint", 1), ("along", 1)]  # text forward, image backward
    passes.clear()
    pairs.of_region(np.ones((3, 3), bool))
    assert passes == [("joint", 1), ("along", 1)]  # image forward, text backward
    passes.clear()
    pairs.row(2)
    assert passes == [("joint", 1), ("along", 1)]
    passes.clear()
    pairs.row(2)
    assert passes == []


def test_words_are_found_by_their_text(encoder, picture):
    pairs = fp.attribute(encoder, picture, "a red dog next to The dog ball", layer=-1)
    numbers = {token.text: number for number, token in enumerate(pairs.tokens)}
    for asked, tokens in (
        ("red", ["red"]),
        ("RED", ["red"]),
        ("red dog", ["red", "dog"]),
        ("The", ["The"]),
        ("EOS", ["EOS"]),
    ):
        wanted = [numbers[name] if name != "dog" else 3 for name in tokens]
        np.testing.assert_array_equal(pairs.row(asked), pairs.of_tokens(wanted))
        np.testing.assert_array_equal(pairs.of_tokens(asked), pairs.of_tokens(wanted))
    joint = pairs.of_tokens(["ball", numbers["red"]])
    np.testing.assert_allclose(joint, pairs.row("ball") + pairs.row("red"), atol=1e-6)
    spans = pairs.of_spans(["ball", ["red", "next to"]])
    np.testing.assert_array_equal(spans[0], pairs.row("ball"))
    np.testing.assert_array_equal(pairs.words().row("ball"), pairs.row("ball"))
    for asked, sentence in (
        ("dog", "`tokens` names 'dog', which the caption has 2 times: pass token numbers, [3] or"),
        ("cat", "`tokens` names 'cat', which is not in the caption: pass one of 'a', 'red', 'dog'"),
        ("re", "which is not in the caption"),
        ("dog red", "which is not in the caption"),
        ("", "which is not in the caption"),
    ):
        with pytest.raises(fp.InputError) as caught:
            pairs.row(asked)
        assert sentence in str(caught.value)


def test_the_tokens_of_a_word_are_summed(picture):
    pairs = fp.attribute(spelling_encoder(), picture, "a dog", layer=-1)
    letters = [number for number, token in enumerate(pairs.tokens) if token.text in tuple("dog")]
    assert len(letters) == 3
    np.testing.assert_allclose(
        pairs.row("dog"), sum(pairs.row(number) for number in letters), atol=1e-6
    )
    with pytest.raises(fp.InputError, match="pass one of 'a', 'dog'"):
        pairs.row("g")


@dataclass(frozen=True)
class Tones:
    """A panel of a kind that the package does not know."""

    count: int
    kind: ClassVar[str] = "tones"

    @property
    def features(self) -> tuple[Feature, ...]:
        return tuple(Feature("tone", False, (0, number)) for number in range(self.count))


def test_a_side_may_be_of_any_kind(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    interactions = recorded(values, fp.Ledger(1.0, 66.0, 0.0, 0.0, 0.0, -65.0))
    tokens = [
        fp.Token("to", 0, 0, 2, False), fp.Token("ne", 0, 2, 4, False),
        fp.Token("up", 1, 5, 7, False), fp.Token("EOS", None, None, None, True),
    ]  # fmt: skip
    pairs = fp.FeaturePairs(
        interactions,
        rows=Side((Sentence("tone up", tuple(tokens)),)),
        columns=Side((Tones(3),)),
        about=ABOUT,
    )
    np.testing.assert_array_equal(pairs.feature_rows(["tone"]), values[:2])
    np.testing.assert_array_equal(pairs.words().feature_rows([0]), values[:2].sum(0)[None])
    assert pairs.to_dataframe()["feature"].unique().tolist() == ["tone"]
    np.testing.assert_array_equal(pairs.matrix, values)
    assert "'tone up', 4 tokens × tones, 3 features" in repr(pairs)
    with pytest.raises(fp.InputError, match="`pairs` have a tones where a crop is needed"):
        pairs.row("up")
    with pytest.raises(fp.InputError, match=r"`pairs` cannot be saved .*a tones has no form"):
        pairs.save(tmp_path / "x.fpattr")
    assert not list(tmp_path.iterdir())
    turned = fp.FeaturePairs(
        recorded(values.T, pairs.ledger), rows=pairs.columns, columns=pairs.rows, about=ABOUT
    )
    np.testing.assert_array_equal(turned.feature_rows([1]), values[:, 1][None])


@pytest.mark.parametrize("step", ["rows", "first_order", "ledger", "standard_error", "release"])
def test_an_interrupt_at_any_step_leaves_the_rest_to_the_next_call(
    encoder, picture, monkeypatch, tmp_path, step
):
    method = fp.Banzhaf(samples=16)
    expected = fp.attribute(encoder, picture, "a dog", method).matrix
    pairs = fp.attribute(encoder, picture, "a dog", method)
    monkeypatch.setattr(Product, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        pairs.save(tmp_path / "x.fpattr")
    assert not list(tmp_path.iterdir())
    assert not pairs.complete
    monkeypatch.undo()
    pairs.save(tmp_path / "x.fpattr")
    assert pairs.complete
    loaded = fp.load_pairs(tmp_path / "x.fpattr")
    np.testing.assert_array_equal(loaded.matrix, expected)
    np.testing.assert_array_equal(loaded.standard_error, pairs.standard_error)
    assert loaded.ledger == pairs.ledger


def interrupt(*_arguments):
    raise KeyboardInterrupt
