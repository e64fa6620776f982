"""Scores that a head makes: their pairs are mixed second derivatives, multiplied out here."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import fpattr_widget as fp
from fpattr_widget.encoders import Split
from fpattr_widget.methods import HowRead, SideInputs, measure
from fpattr_widget.methods._mixed_partials import MixedPartials
from fpattr_widget.methods._product import Product
from fpattr_widget.methods._quadrature import Quadrature
from tests.helpers.families import flair, llip

pytestmark = pytest.mark.slow

SCALE, STEPS = 0.5, 3  # two nodes would weigh the same
METHOD = fp.IntegratedJacobians(steps=STEPS)


def interactions(encoder: fp.DualEncoder, image: Any, layers: tuple[int, int], **how: Any) -> Any:
    sides = (
        SideInputs((encoder.prepare(llip.CAPTION, "text"),)),
        SideInputs((encoder.prepare(image, "image"),)),
    )
    return measure(encoder, METHOD, sides, layers, how=HowRead(**how))


class ByHand:
    """A Llip's score of a text's and an image's states at two layers, module by module."""

    def __init__(self, encoder: fp.DualEncoder, image: Any, layers: tuple[int, int]):
        self.model, self.layers = encoder.model, layers
        prepared = encoder.prepare(llip.CAPTION, "text"), encoder.prepare(image, "image")
        self.splits: list[Split] = [
            encoder.part(one, layer).split() for one, layer in zip(prepared, layers, strict=True)
        ]
        self.end = encoder.towers["text"].end(prepared[0].inputs)

    def text_state(self, states: Tensor) -> Tensor:
        """Return the state ``(1, width)`` at the end of a text."""
        model, count = self.model, len(states)
        states = states[:, None]
        for block in model.transformer.resblocks[self.layers[0] :]:
            states = block(states, model.attn_mask[:count, :count])
        return model.ln_final(states[self.end])

    def image_states(self, states: Tensor) -> Tensor:
        """Return all states ``(positions, width)`` of an image."""
        model, states = self.model, states[:, None]
        for block in model.visual.transformer.resblocks[self.layers[1] :]:
            states = block(states)
        return model.visual.ln_post(states[:, 0])

    def text(self, states: Tensor) -> tuple[Tensor, Tensor]:
        model, state = self.model, self.text_state(states)
        query = model.Q_norm(state @ model.q_proj).unflatten(-1, (model.num_heads, -1))
        return query, state @ model.text_projection

    def image(self, states: Tensor) -> tuple[Tensor, Tensor]:
        model = self.model
        tokens = self.image_states(states)[: len(model.k_proj)]
        keys, values = (
            norm(torch.stack([u @ weight for u, weight in zip(tokens, weights, strict=True)]))
            for weights, norm in ((model.k_proj, model.K_norm), (model.v_proj, model.V_norm))
        )
        heads = model.num_heads, -1
        return tuple(x.unflatten(-1, heads).transpose(0, 1)[None] for x in (keys, values))

    def embeddings(self, image: Tensor, router: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        query, _ = self.text(router)
        _, embedding = self.text(text)
        return llip.by_hand(self.model, SCALE, self.image(image), (query, embedding))

    def frozen(
        self, image: Tensor, text: Tensor, place: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """The routing of the inputs themselves, whatever the states; through one place or all."""
        text_split, image_split = self.splits
        keys, _ = self.image(image_split.states)
        query, _ = self.text(text_split.states)
        weights = (torch.einsum("hnd,hd->hn", keys[0], query[0]) / SCALE).softmax(-1).detach()
        _, values = self.image(image)
        read = weights[..., None] * values[0]
        mixed = (read.sum(1) if place is None else read[:, place]).flatten()
        return mixed @ self.model.pred.out_proj, self.text(text)[1][0]

    def multiplied_out(self, score: Callable[[Tensor, Tensor, Tensor], Tensor]) -> list[Tensor]:
        """Return the parts of ``A`` by where the text routes and where it meets, by nested grad."""
        rule = Quadrature.of("gauss-legendre", STEPS)
        nodes = list(zip(rule.nodes, rule.weights, strict=True))
        text, image = self.splits
        by_text, by_image = (each.states - each.reference for each in self.splits)
        parts = [torch.zeros(len(by_text), len(by_image), dtype=torch.float64) for _ in range(2)]
        for (beta, w_beta), (alpha, w_alpha) in product(nodes, nodes):
            at_image = (image.reference + alpha * by_image).detach().requires_grad_()
            at = (text.reference + beta * by_text).detach()
            router, meets = at.clone().requires_grad_(), at.clone().requires_grad_()
            with sdpa_kernel(SDPBackend.MATH):
                value = score(at_image, router, meets)
                first = torch.autograd.grad(
                    value, (router, meets), create_graph=True, materialize_grads=True
                )
                for part, gradient in zip(parts, first, strict=True):
                    changes = (gradient * by_text).sum(-1)
                    if not changes.requires_grad:
                        continue
                    (mixed,) = torch.autograd.grad(
                        changes,
                        at_image,
                        torch.eye(len(changes), dtype=changes.dtype),
                        retain_graph=True,
                        is_grads_batched=True,
                        materialize_grads=True,
                    )
                    part += w_beta * w_alpha * (mixed * by_image).sum(-1)
        return parts


class FlairByHand(ByHand):
    """A FLAIR's score, with torch's own attention to the patches."""

    def embeddings(self, image: Tensor, router: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        mixed, _, embedding = self.attended(image, router, text)
        return mixed, embedding

    def attended(self, image: Tensor, router: Tensor, text: Tensor) -> tuple[Tensor, ...]:
        ends = self.text_state(router)[0], self.text_state(text)[0]
        return flair.by_torch(self.model, self.image_states(image)[1:], *ends)

    def frozen(
        self, image: Tensor, text: Tensor, place: int | None = None
    ) -> tuple[Tensor, Tensor]:
        model, (text_split, image_split) = self.model, self.splits
        block = model.visual_proj
        _, weights, _ = self.attended(image_split.states, text_split.states, text_split.states)
        size = len(block.ln_v.weight)
        patches = block.ln_v(model.image_post(self.image_states(image)[1:]))
        values = patches @ block.attn.in_proj_weight[-size:].T + block.attn.in_proj_bias[-size:]
        of_heads = values.unflatten(-1, (len(weights), -1)).transpose(0, 1)
        read = weights.detach()[:, :-1, None] * of_heads
        if place is None:
            mixed = block.attn.out_proj(read.sum(1).flatten())
        else:
            mixed = read[:, place].flatten() @ block.attn.out_proj.weight.T
        return mixed, model.text_post(self.text_state(text)[0])


def near(found: Tensor, expected: Tensor, tolerance: float = 1e-9) -> None:
    gap = float((found - expected).abs().max() / expected.abs().max())
    assert gap <= tolerance, f"off by {gap:.1e} of the largest value"


@pytest.mark.parametrize(
    ("load", "by_hand", "splits"),  # of blocks (text, image)
    [
        (partial(llip.llip_encoder, weight_scale=SCALE), ByHand, ((1, 2), (0, 0))),
        (
            partial(llip.llip_encoder, weight_scale=SCALE, use_norm=True),
            ByHand,
            ((0, 1), (1, 0)),
        ),
        (flair.flair_encoder, FlairByHand, ((1, 2), (0, 0), (1, 0))),
    ],
    ids=["Llip", "Llip with norms", "FLAIR"],
)
def test_pairs_are_the_score_s_mixed_second_derivatives(load, by_hand, splits, picture):
    encoder = load()
    for layers in splits:
        hand = by_hand(encoder, picture, layers)
        text, image = (split.states for split in hand.splits)
        mixed, embedded = hand.embeddings(image, text, text)
        mixed, embedded = mixed.detach(), embedded.detach()
        length = mixed.norm() * embedded.norm()
        assert encoder.similarity(picture, llip.CAPTION) == pytest.approx(
            float(mixed @ embedded / length), abs=1e-6
        )

        def fixed(*states: Tensor, hand=hand, length=length) -> Tensor:
            mixed, embedded = hand.embeddings(*states)
            return mixed @ embedded / length

        def moving(*states: Tensor, hand=hand) -> Tensor:
            return nn.functional.cosine_similarity(*hand.embeddings(*states), dim=0)

        for norms, score in (("fixed", fixed), ("moving", moving)):
            routing, match = hand.multiplied_out(score)
            found = interactions(encoder, picture, layers, norms=norms)
            assert isinstance(found, MixedPartials)
            rows, columns = (np.eye(count) for count in found.shape)
            near(found.row_sums(rows), routing + match)
            near(found.column_sums(columns).T, routing + match)
            for name, part in (("routing", routing), ("match", match)):
                near(found.part(name).row_sums(rows), part)
                near(found.part(name).column_sums(columns).T, part)
                assert float(part.abs().max()) > 1e-4  # neither is nothing
            ledger = found.ledger()
            assert ledger.pairs == pytest.approx(float((routing + match).sum()), abs=1e-10)
            # Three nodes are too few to close it, and what is left is named.
            corners = corner_values(score, hand)
            assert ledger.baseline == pytest.approx(corners[3], abs=1e-10)
            assert ledger.rows_only == pytest.approx(corners[1] - corners[3], abs=1e-10)
            assert ledger.columns_only == pytest.approx(corners[2] - corners[3], abs=1e-10)
            assert ledger.residual == pytest.approx(
                corners[0] - corners[1] - corners[2] + corners[3] - ledger.pairs, abs=1e-10
            )
            sums = {"match": float(match.sum()), "routing": float(routing.sum())}
            assert (ledger.left_out, ledger.left_out_name) == (0, "")
            for name, other in (("match", "routing"), ("routing", "match")):
                of_part = found.part(name).ledger()
                assert of_part.pairs == pytest.approx(sums[name], abs=1e-10)
                assert of_part.left_out == pytest.approx(sums[other], abs=1e-10)
                assert of_part.left_out_name == other
                assert of_part.residual == ledger.residual
                for one in (ledger, of_part):
                    assert getattr(one, name) == pytest.approx(sums[name], abs=1e-10)
        frozen = interactions(encoder, picture, layers, reading="frozen")
        assert isinstance(frozen, Product)

        def held(image: Tensor, _router: Tensor, text: Tensor, hand=hand, length=length) -> Tensor:
            mixed, embedded = hand.frozen(image, text)
            return mixed @ embedded / length

        _, expected = hand.multiplied_out(held)
        near(in_double(frozen), expected)
        # All that goes through one place adds up to it; each place has its own term.
        (read_out,) = frozen.read_outs()
        through = [frozen.through(place) for place in range(len(read_out.mean_weights))]
        near(sum(map(in_double, through)), in_double(frozen), 1e-12)
        for place in (0, 2):

            def alone(
                image: Tensor, _: Tensor, text: Tensor, hand=hand, length=length, place=place
            ) -> Tensor:
                mixed, embedded = hand.frozen(image, text, place)
                return mixed @ embedded / length

            near(in_double(through[place]), hand.multiplied_out(alone)[1])
            of_place = through[place].ledger()
            assert of_place.similarity == pytest.approx(
                read_out.contributions_of_places[place], abs=1e-12
            )
            assert of_place.baseline == pytest.approx(corner_values(alone, hand)[3], abs=1e-12)
        # In the corners of the score itself, beside which the product leaves out a named part.
        ledger, true, own = frozen.ledger(), corner_values(fixed, hand), corner_values(held, hand)
        assert ledger.similarity == pytest.approx(true[0], abs=1e-10)
        assert ledger.baseline == pytest.approx(true[3], abs=1e-10)
        assert ledger.rows_only == pytest.approx(true[1] - true[3], abs=1e-10)
        assert ledger.columns_only == pytest.approx(true[2] - true[3], abs=1e-10)
        left_out = mixed_term(true) - mixed_term(own)
        assert ledger.left_out == pytest.approx(left_out, abs=1e-10)
        assert abs(left_out) > 1e-4
        assert ledger.left_out_name == "change of routing"
        assert ledger.pairs == pytest.approx(float(expected.sum()), abs=1e-10)
        assert ledger.residual == pytest.approx(mixed_term(own) - ledger.pairs, abs=1e-10)
        assert (ledger.match, ledger.routing) == (None, None)


def mixed_term(corners: list[float]) -> float:
    """Return what both inputs do together."""
    return corners[0] - corners[1] - corners[2] + corners[3]


def corner_values(score: Callable[..., Tensor], hand: ByHand) -> list[float]:
    """Return the score of both inputs, of the text alone, of the image alone, and of neither."""
    text, image = hand.splits
    with torch.no_grad():
        return [
            float(score(x, y, y))
            for x, y in (
                (image.states, text.states),
                (image.reference, text.states),
                (image.states, text.reference),
                (image.reference, text.reference),
            )
        ]


def in_double(found: Product) -> Tensor:
    """Return all pairs of a product, before they are rounded to float32."""
    joint = found._first.joint(np.eye(found.shape[0]))
    return torch.from_numpy(found._second.along(joint)) * found._scale


@pytest.mark.parametrize(("tokens", "weight_scale"), [(1, SCALE), (3, float("inf"))])
def test_without_a_choice_it_is_a_plain_dual_encoder(tokens, weight_scale, picture):
    encoder = llip.llip_encoder(tokens=tokens, weight_scale=weight_scale)

    def towers(model: Any) -> tuple[fp.TextTower, fp.ImageTower]:
        from fpattr_widget.encoders.families.openai_clip import (
            resblock_image_tower,
            resblock_text_tower,
        )

        def mean(output: Any) -> Tensor:
            return output[1].mean(2).flatten(1) @ model.pred.out_proj

        names = tuple(map(str, range(tokens)))
        return (
            resblock_text_tower(model, model, embedding=lambda output: output[1], pooled="argmax"),
            resblock_image_tower(model, embedding=mean, special=names),
        )

    plain = fp.DualEncoder(
        "plain",
        encoder.model,
        fp.Family("plain", lambda _: True, towers),
        processors=encoder.processors,
    )
    assert plain.head is None
    assert plain.similarity(picture, llip.CAPTION) == pytest.approx(
        encoder.similarity(picture, llip.CAPTION), abs=1e-6
    )
    for layers in ((1, 2), (0, 1)):
        expected, found = (interactions(one, picture, layers) for one in (plain, encoder))
        assert isinstance(expected, Product)
        near(found.row_sums(np.eye(found.shape[0])), in_double(expected), 1e-12)
        near(found.part("match").row_sums(np.eye(found.shape[0])), in_double(expected), 1e-12)
        assert float(found.part("routing").row_sums(np.eye(found.shape[0])).abs().max()) < 1e-15
        ours, theirs = found.ledger(), expected.ledger()
        for name in ("similarity", "pairs", "rows_only", "columns_only", "baseline", "residual"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=1e-13)
        for one, other in zip(found.first_order(), expected.first_order(), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-7)


@pytest.fixture(scope="module")
def encoder() -> fp.DualEncoder:
    return llip.llip_encoder(weight_scale=SCALE)


def test_enough_nodes_are_taken_for_the_score_to_close(encoder, picture):
    for norms in ("fixed", "moving"):
        pairs = fp.attribute(encoder, picture, llip.CAPTION, norms=norms)
        ledger, rows = pairs.ledger, pairs.feature_rows(range(len(pairs.tokens)))
        largest = max(abs(ledger.similarity), abs(ledger.baseline + ledger.rows_only))
        assert abs(ledger.residual) < 1e-2 * largest
        assert rows.sum(dtype=np.float64) == pytest.approx(ledger.pairs, abs=1e-6)
        first = pairs.first_order()
        assert first[0].sum() == pytest.approx(ledger.rows_only, abs=1e-2 * largest)
        assert first[1].sum() == pytest.approx(ledger.columns_only, abs=1e-2 * largest)
        parts = pairs.match, pairs.routing
        added = sum(part.feature_rows(range(len(pairs.tokens))) for part in parts)
        np.testing.assert_allclose(added, rows, atol=1e-6)
        assert sum(part.ledger.pairs for part in parts) == pytest.approx(ledger.pairs, abs=1e-9)
        assert [part.about.method.split(", ")[-1] for part in parts] == ["match", "routing"]
        # Those of each tower alone would not have sufficed.
        nodes = fp.attribute(encoder, picture, llip.CAPTION, reading="frozen")
        nodes.ledger  # noqa: B018 - measures it
        assert nodes.provenance()["nodes"] != pairs.provenance()["nodes"]
    # Lengths at each node, or those at the input: the same score, other corners.
    fixed, moving = (
        fp.attribute(encoder, picture, llip.CAPTION, norms=norms).ledger
        for norms in ("fixed", "moving")
    )
    assert fixed.similarity == pytest.approx(moving.similarity, abs=1e-12)
    assert abs(fixed.baseline - moving.baseline) > 1e-4
    assert pairs.about.method == "integrated Jacobians, moving norms"


def test_nodes_are_added_where_the_score_needs_them(encoder, picture):
    for counts in ((1, 12), (12, 1)):
        found = interactions(encoder, picture, (1, 2))
        found = found.with_nodes(*(Quadrature.of("gauss-legendre", one) for one in counts), 5e-3)
        assert found.counts == counts
        assert found.finer_counts(256) == tuple(2 if one == 1 else one for one in counts)
        # Where that side may have no more, the other gets them, until neither may.
        assert found.finer_counts(12) == tuple(2 if one == 1 else one for one in counts)
        assert found.finer_counts(1) == counts


def test_many_columns_are_made_of_the_rows(encoder, picture):
    found = interactions(encoder, picture, (1, 2))
    weights = np.random.default_rng(0).normal(size=(found.shape[0] + 1, found.shape[1]))
    expected = torch.cat([found.column_sums(weights[:5]), found.column_sums(weights[5:])])
    near(found.column_sums(weights), expected, 1e-12)


def test_a_head_sees_as_many_nodes_as_memory_allows(encoder, picture):
    whole = interactions(encoder, picture, (0, 0))
    small = interactions(encoder, picture, (0, 0))
    small._limit = 1  # one node of a tower with all of the other's
    for count, name in zip(whole.shape, ("row_sums", "column_sums"), strict=True):
        expected = getattr(whole, name)(np.eye(count))
        near(getattr(small, name)(np.eye(count)), expected, 1e-13)


def test_sums_are_those_of_their_pairs(encoder, picture):
    other = np.asarray(picture)[::-1].copy()
    pictures, texts = (picture, other), ("a dog", "a red ball")
    weights = np.outer((1.0, -2.0), (0.5, 0.5))  # texts by pictures
    first = 0.5 * (fp.Picture(pictures[0]) + fp.Picture(pictures[1]))
    second = fp.Text(texts[0]) - 2 * fp.Text(texts[1])
    pairs = fp.attribute(encoder, first, second, METHOD)
    single = [[fp.attribute(encoder, image, text, METHOD) for image in pictures] for text in texts]
    weighted = [
        list(zip(row, ones, strict=True)) for row, ones in zip(weights, single, strict=True)
    ]
    blocks = np.block(
        [[w * one.feature_rows(range(len(one.tokens))) for w, one in row] for row in weighted]
    )
    count = len(pairs.rows.features)
    np.testing.assert_allclose(pairs.feature_rows(range(count)), blocks, atol=1e-7)
    whole = range(len(pairs.columns.features))
    again = fp.attribute(encoder, first, second, METHOD)
    np.testing.assert_allclose(again.of_columns(whole), blocks.sum(1), atol=1e-6)
    ledger = pairs.ledger
    for name in ("similarity", "pairs", "rows_only", "columns_only", "baseline", "residual"):
        terms = [w * getattr(one.ledger, name) for row in weighted for w, one in row]
        assert [getattr(term, name) for term in ledger.terms] == pytest.approx(terms, abs=1e-12)
        assert getattr(ledger, name) == pytest.approx(sum(terms), abs=1e-12)
    rows, columns = pairs.first_order()
    for place, found in enumerate((rows, columns)):
        of_pairs = [w * one.first_order()[place].sum() for row in weighted for w, one in row]
        assert found.sum() == pytest.approx(sum(of_pairs), abs=1e-6)
    for name in ("match", "routing"):
        of_pairs = [w * getattr(one.ledger, name) for row in weighted for w, one in row]
        assert getattr(ledger, name) == pytest.approx(sum(of_pairs), abs=1e-12)
    frozen = fp.attribute(encoder, first, second, METHOD, reading="frozen").ledger
    assert frozen.pairs + frozen.left_out + frozen.residual == pytest.approx(
        ledger.pairs + ledger.residual, abs=1e-6
    )
    assert frozen.left_out == pytest.approx(sum(term.left_out for term in frozen.terms))
    assert (frozen.left_out_name, frozen.match) == ("change of routing", None)
    assert abs(frozen.left_out) > 1e-4
    logits = fp.attribute(encoder, first, second, METHOD, unit="logit").ledger
    scale = encoder.logits.scale
    assert logits.unit_scale == pytest.approx(scale)
    assert logits.similarity == pytest.approx(scale * ledger.similarity)
    assert logits.pairs == pytest.approx(scale * ledger.pairs)


def test_occlusion_is_the_second_difference_of_the_score(encoder, picture):
    method = fp.Occlusion(tokens="reference")
    pairs = fp.attribute(encoder, picture, llip.CAPTION, method)
    text, image = encoder.prepare(llip.CAPTION, "text"), encoder.prepare(picture, "image")
    pixels, ids = image.inputs["pixel_values"], text.inputs["input_ids"]
    token, patch = 3, 4  # of a grid of 3 × 3, that in the middle
    hidden = pixels.clone()
    hidden[..., 8:16, 8:16] = 0
    other = ids.clone()
    other[0, token] = text.filler
    expected = sum(
        sign * encoder.similarity(seen, read)
        for sign, seen, read in (
            (1, pixels, ids), (-1, hidden, ids), (-1, pixels, other), (1, hidden, other)
        )
    )  # fmt: skip
    assert pairs.matrix[token, patch] == pytest.approx(expected, abs=1e-6)
    assert abs(expected) > 1e-4
    ledger = pairs.ledger
    assert ledger.similarity == pytest.approx(encoder.similarity(picture, llip.CAPTION), abs=1e-6)
    nothing = torch.zeros_like(pixels)
    assert ledger.rows_only + ledger.baseline == pytest.approx(
        encoder.similarity(nothing, ids), abs=1e-6
    )
    rows, columns = pairs.first_order()
    assert rows[token] == pytest.approx(
        encoder.similarity(nothing, ids) - encoder.similarity(nothing, other), abs=1e-6
    )
    assert columns[: len(pairs.image_special_names)] == pytest.approx(0)
    assert ledger.pairs == pytest.approx(float(pairs.matrix.sum()), abs=1e-6)


def test_every_method_explains_it_with_frozen_routing(encoder, picture):
    removed = fp.attribute(encoder, picture, llip.CAPTION, fp.Occlusion(tokens="reference")).ledger
    for method in (
        fp.Banzhaf(tokens="reference", samples=32),
        fp.Occlusion(tokens="reference"),
        fp.PatchTokenSimilarity(),
    ):
        pairs = fp.attribute(encoder, picture, llip.CAPTION, method, reading="frozen")
        ledger = pairs.ledger
        assert ledger.similarity == pytest.approx(
            encoder.similarity(picture, llip.CAPTION), abs=1e-6
        )
        assert np.abs(pairs.matrix).max() > 0
        if isinstance(method, fp.PatchTokenSimilarity):  # has no references
            assert (ledger.baseline, ledger.left_out) == (0, 0)
            continue
        for name in ("rows_only", "columns_only", "baseline"):
            assert getattr(ledger, name) == pytest.approx(getattr(removed, name), abs=1e-6)
        assert abs(ledger.left_out) > 1e-4


TEXT, IMAGE = fp.Text("a dog"), np.zeros((24, 24, 3), np.uint8)


@pytest.mark.parametrize(
    ("sides", "options", "message"),
    [
        (
            (TEXT, TEXT),
            {},
            "`inputs` are two sides of one kind, or mixed, but 'Llip with",
        ),
        ((fp.Picture(IMAGE), fp.Picture(IMAGE)), {}, "`inputs` are two sides of one kind"),
        ((fp.Picture(IMAGE) + TEXT, TEXT), {}, "`inputs` are two sides of one kind, or mixed"),
        ((IMAGE, TEXT - TEXT), {"unit": "cosine"}, "a sum has no embedding of its own"),
        (
            (IMAGE, "a"),
            {"method": fp.Banzhaf(tokens="reference")},
            r"`method` is Banzhaf interactions, p = 0.5, which explains products of two",
        ),
        ((IMAGE, "a"), {"method": "patch_token_similarity"}, "`method` is patch–token similarity"),
        ((IMAGE, "a"), {"reading": "half"}, "`reading` is 'half': pass 'exact' or 'match'"),
        ((IMAGE, "a"), {"norms": "none"}, "`norms` is 'none': pass 'fixed' or 'moving'"),
        ((IMAGE, "a"), {"reading": "frozen", "norms": "moving"}, "`norms` is 'moving', and with"),
        (
            (IMAGE, "a"),
            {"method": fp.Occlusion(tokens="reference"), "reading": "match"},
            "`reading` is 'match', which concerns derivatives, and occlusion takes none",
        ),
        (
            (IMAGE, "a"),
            {"method": fp.Occlusion(tokens="reference"), "norms": "moving"},
            "`norms` is 'moving', which concerns derivatives",
        ),
    ],
)
def test_what_cannot_be_explained_is_told(encoder, sides, options, message):
    with pytest.raises(fp.InputError, match=message):
        fp.attribute(encoder, *sides, **options)


def test_an_ordinary_model_has_no_parts():
    encoder = fp.load_encoder("scenes")
    for options in ({"reading": "match"}, {"norms": "moving"}):
        with pytest.raises(fp.InputError, match="'scenes' scores by a product of two embeddings"):
            fp.attribute(encoder, np.zeros((64, 64, 3), np.uint8), "a dog", **options)
    pairs = fp.attribute(encoder, np.zeros((64, 64, 3), np.uint8), "a dog")
    with pytest.raises(fp.InputError, match="`pairs` have no part 'match'"):
        pairs.match  # noqa: B018
    with pytest.raises(fp.InputError, match="`model` 'scenes' has no head that says what it reads"):
        encoder.read_out(np.zeros((64, 64, 3), np.uint8), "a dog")


def test_samples_are_refused_for_sums(encoder):
    method = fp.Banzhaf(tokens="reference", samples=8)
    pairs = fp.attribute(encoder, IMAGE, TEXT - fp.Text("a red cat"), method, reading="frozen")
    with pytest.raises(fp.InputError, match="`method` draws samples"):
        pairs.ledger  # noqa: B018


def test_two_threads_may_ask_for_both_parts_at_once(picture, monkeypatch):
    encoder = llip.llip_encoder(torch.float64)
    pairs = fp.attribute(encoder, picture, llip.CAPTION, fp.IntegratedJacobians(steps=2), 1)
    both, part = pairs._measured(), pairs.match._measured()
    expected = both.ledger()
    both._sums.clear()
    barrier, original = threading.Barrier(2), MixedPartials._sum_of_pairs

    def together(self):
        barrier.wait(10)
        return original(self)

    monkeypatch.setattr(MixedPartials, "_sum_of_pairs", together)
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda measured: measured.ledger(), [both, part]))
    assert [one.match for one in found] == pytest.approx([expected.match] * 2, rel=1e-12)
    assert [one.routing for one in found] == pytest.approx([expected.routing] * 2, rel=1e-12)
    assert both.ledger().pairs == pytest.approx(expected.pairs, rel=1e-12)
