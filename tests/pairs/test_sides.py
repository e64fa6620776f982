"""Any two sides against their definition: full Jacobians of every input, multiplied out."""

import gc
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.encoders import Fold, Side, Split, Sum, ordered
from fpattr_widget.methods import SideInputs, measure
from fpattr_widget.methods._automatic import PathIntegral
from tests.helpers.families import align, siglip
from tests.helpers.models import random_encoder
from tests.helpers.sentence_pieces import siglip_tokenizer

STEPS = 3
METHOD = fp.IntegratedJacobians(steps=STEPS)
NODES, WEIGHTS = ((np.polynomial.legendre.leggauss(STEPS)[0] + 1) / 2,
                  np.polynomial.legendre.leggauss(STEPS)[1] / 2)  # fmt: skip
CAPTIONS = "a dog", "a red ball"
TERMS = "similarity", "pairs", "rows_only", "columns_only", "baseline", "residual"


def drawn_picture(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize((40, 30), Image.Resampling.BICUBIC)


PICTURES = drawn_picture(3), drawn_picture(4)


@dataclass(frozen=True)
class Truth:
    """One input by its definition: contributions ``(n, K)``, and where its path ends and begins."""

    contributions: np.ndarray
    embedding: np.ndarray
    reference: np.ndarray


class Small:
    """A small random model with every input of the tests prepared, and its truths."""

    def __init__(self, encoder: fp.DualEncoder):
        self.encoder = encoder
        self.layers = encoder.resolve_layers(-1)
        self.inputs = [encoder.prepare(caption, "text") for caption in CAPTIONS]
        self.inputs += [encoder.prepare(picture, "image") for picture in PICTURES]
        self.truth = cache(self._truth)

    def _truth(self, number: int) -> Truth:
        prepared = self.inputs[number]
        layer = self.layers[prepared.tower_name == "image"]
        split: Split = self.encoder.part(prepared, layer).split()
        change = split.states - split.reference

        def embed(states):
            return split.embed(states[None])[0]

        with split.differentiable():
            jacobian = sum(
                weight * torch.autograd.functional.jacobian(embed, split.reference + node * change)
                for node, weight in zip(NODES, WEIGHTS, strict=True)
            )
        vectors = torch.einsum("knd,nd->nk", jacobian, change)
        ends = [embed(states).detach().numpy() for states in (split.states, split.reference)]
        return Truth(vectors.detach().numpy(), *ends)

    def side(self, chosen: dict[int, float]) -> tuple[SideInputs, Truth, list[Truth]]:
        """Return a side, the truth of its sum, and those of its weighted inputs."""
        scaled = []
        for number, weight in chosen.items():
            one = self.truth(number)
            factor = weight / np.linalg.norm(one.embedding)
            scaled.append(Truth(*(factor * array for array in vars(one).values())))
        whole = Truth(
            np.concatenate([one.contributions for one in scaled]),
            sum(one.embedding for one in scaled),
            sum(one.reference for one in scaled),
        )
        inputs = tuple(self.inputs[number] for number in chosen)
        return SideInputs(inputs, tuple(chosen.values())), whole, scaled


@pytest.fixture(scope="module", params=["CLIP", "SigLIP", "ALIGN"])
def small(request, tmp_path_factory):
    if request.param == "CLIP":
        return Small(random_encoder())
    if request.param == "SigLIP":
        return Small(siglip.random_encoder(siglip_tokenizer(tmp_path_factory.mktemp("siglip"))))
    return Small(align.random_encoder())


SIDES = st.dictionaries(
    st.integers(0, 3), st.floats(-2, 2).filter(lambda weight: abs(weight) > 1e-3), min_size=1
)


def exact(product) -> np.ndarray:
    """Return the pairs of a product in double precision."""
    rows = product._first.joint(np.eye(product.shape[0]))
    return product._second.along(rows) * product._scale


@settings(max_examples=12)
@given(rows=SIDES, columns=SIDES)
def test_pairs_of_sums_are_sums_of_pairs_of_full_jacobians(small, rows, columns):
    first, a, a_parts = small.side(rows)
    second, b, b_parts = small.side(columns)
    product = measure(small.encoder, METHOD, (first, second), small.layers, "difference")
    expected = a.contributions @ b.contributions.T
    size = np.abs(expected).max()
    np.testing.assert_allclose(exact(product), expected, rtol=0, atol=1e-9 * size)
    np.testing.assert_allclose(
        product.rows(np.eye(len(expected))), expected, rtol=0, atol=1e-6 * size
    )
    np.testing.assert_allclose(
        product.columns(np.eye(expected.shape[1])), expected.T, rtol=0, atol=1e-6 * size
    )
    ledger = product.ledger()
    of_parts = [
        expected_terms(one, other) for one in a_parts for other in b_parts
    ]  # fmt: skip
    room = 1e-9 * max(1, *(abs(number) for term in of_parts for number in term))
    found = [getattr(ledger, name) for name in TERMS]
    np.testing.assert_allclose(found, np.sum(of_parts, 0), rtol=0, atol=room)
    np.testing.assert_allclose(found, expected_terms(a, b), rtol=0, atol=room)
    if len(of_parts) > 1:
        terms = [[getattr(term, name) for name in TERMS] for term in ledger.terms]
        np.testing.assert_allclose(terms, of_parts, rtol=0, atol=room)
    assert ledger.unit_scale == 1


def expected_terms(a: Truth, b: Truth) -> list[float]:
    similarity = a.embedding @ b.embedding
    baseline = a.reference @ b.reference
    rows_only = a.embedding @ b.reference - baseline
    columns_only = a.reference @ b.embedding - baseline
    pairs = a.contributions.sum(0) @ b.contributions.sum(0)
    residual = similarity - pairs - rows_only - columns_only - baseline
    return [similarity, pairs, rows_only, columns_only, baseline, residual]


def test_units_are_the_models_own(small):
    encoder = small.encoder
    scale = encoder.logits.scale
    text, picture = encoder.embed_text(CAPTIONS), encoder.embed_image(PICTURES)
    one, two = map(fp.Text, CAPTIONS)

    def score(*sides, unit=None):
        return fp.attribute(encoder, *sides, METHOD, unit=unit).ledger.similarity

    cosines = text @ picture[0]
    assert score(PICTURES[0], one - 2 * two) == pytest.approx(cosines[0] - 2 * cosines[1], abs=1e-5)
    assert score(PICTURES[0], one - two, unit="logit") == pytest.approx(
        scale * (cosines[0] - cosines[1]), rel=1e-4
    )
    change = text[0] - text[1]
    length = np.linalg.norm(change)
    ledger = fp.attribute(encoder, PICTURES[0], one - two, METHOD, unit="cosine").ledger
    assert ledger.similarity == pytest.approx(change @ picture[0] / length, abs=1e-5)
    assert ledger.unit_scale == pytest.approx(1 / length, rel=1e-5)
    # A small weight is no sum that cancels.
    assert score(PICTURES[0], 1e-4 * one, unit="cosine") == pytest.approx(cosines[0], abs=1e-5)
    middle, both = picture.sum(0), fp.mean(list(map(fp.Picture, PICTURES)))
    assert score(both, one) == pytest.approx(text[0] @ middle / 2, abs=1e-5)
    assert score(both, one, unit="cosine") == pytest.approx(
        text[0] @ middle / np.linalg.norm(middle), abs=1e-5
    )
    assert score(one, two) == pytest.approx(text[0] @ text[1], abs=1e-5)
    assert score(one, one) == pytest.approx(1, abs=1e-6)
    for weight in (1, 0.9995):
        with pytest.raises(
            fp.InputError, match="`unit` is 'cosine', but the inputs of one side cancel"
        ):
            score(PICTURES[0], one - weight * fp.Text(CAPTIONS[0]), unit="cosine")


def test_log_odds_are_the_models_own(small):
    encoder, labels = small.encoder, ["a dog", "a red ball", "a kite"]
    found = fp.classify(PICTURES[0], labels, model=encoder).classification
    image = encoder.prepare(PICTURES[0], "image").inputs
    own = []
    with torch.no_grad():
        for label in labels:
            inputs = {**encoder.prepare(label, "text").inputs, **image}
            own.append(float(encoder.model(**inputs).logits_per_image))
    by_label = dict(zip(found.labels, found.logits, strict=True))
    np.testing.assert_allclose([by_label[label] for label in labels], own, rtol=1e-4, atol=1e-4)
    assert sorted(own, reverse=True) == pytest.approx(found.logits.tolist(), rel=1e-4, abs=1e-4)
    if encoder.logits.bias is None:
        powers = np.exp(np.array(sorted(own, reverse=True)) - max(own))
        np.testing.assert_allclose(found.probabilities, powers / powers.sum(), atol=1e-3)
    else:
        sigmoid = 1 / (1 + np.exp(-np.array(sorted(own, reverse=True))))
        np.testing.assert_allclose(found.probabilities, sigmoid, atol=1e-3)
    odds = found.contrast("a red ball", "a kite").ledger.similarity
    assert odds == pytest.approx(own[1] - own[2], rel=1e-3, abs=1e-4)
    rest = found.contrast("a kite", "the rest").ledger.similarity
    assert rest == pytest.approx(own[2] - (own[0] + own[1]) / 2, rel=1e-3, abs=1e-4)


def test_swapping_sides_of_a_kind_transposes(small):
    for one, two in (map(fp.Text, CAPTIONS), map(fp.Picture, PICTURES)):
        pairs = fp.attribute(small.encoder, one, two, METHOD)
        turned = fp.attribute(small.encoder, two, one, METHOD)
        np.testing.assert_allclose(pairs.matrix, turned.matrix.T, atol=1e-6)
        assert pairs.ledger.rows_only == pytest.approx(turned.ledger.columns_only, abs=1e-9)
        assert pairs.ledger.similarity == pytest.approx(turned.ledger.similarity, abs=1e-12)


def test_a_difference_with_itself_cancels(small):
    one = fp.Text(CAPTIONS[1])
    for other in (fp.Picture(PICTURES[0]), fp.Text(CAPTIONS[0])):
        pairs = fp.attribute(small.encoder, one - fp.Text(CAPTIONS[1]), other, METHOD)
        side = pairs.rows if pairs.rows.is_sum else pairs.columns
        values = pairs.feature_rows(range(len(pairs.rows.features)))
        values = values if pairs.rows.is_sum else values.T
        half = len(values) // 2
        assert np.abs(values).max() > 0
        np.testing.assert_array_equal(values[:half], -values[half:])
        assert pairs.ledger.similarity == pytest.approx(0, abs=1e-12)
        assert [round(term.similarity, 9) for term in pairs.ledger.terms] == pytest.approx(
            [pairs.ledger.terms[0].similarity, -pairs.ledger.terms[0].similarity]
        )
        for fold in side.folds:
            together = values[list(fold.features)].sum(0, dtype=float)
            np.testing.assert_allclose(together, 0, atol=1e-15)
        assert sorted(n for fold in side.folds for n in fold.features) == list(range(2 * half))


def test_a_mirrored_difference_changes_its_sign(small):
    one, two = map(fp.Text, CAPTIONS)
    pairs = fp.attribute(small.encoder, PICTURES[0], one - two, METHOD)
    mirrored = fp.attribute(small.encoder, PICTURES[0], two - one, METHOD)
    first = len(pairs.rows.panels[0].features)
    np.testing.assert_allclose(mirrored.matrix, -np.roll(pairs.matrix, -first, axis=0), atol=1e-7)
    assert mirrored.ledger.similarity == pytest.approx(-pairs.ledger.similarity, abs=1e-12)


def test_two_sentences_as_xsbert_defines_them(small):
    """A = (a − r_a)ᵀ J_aᵀ J_b (b − r_b), over every dimension, by the right Riemann sum.

    xsbert's exact models subtract the reference's embedding, which changes no Jacobian: their
    attributions of the cosine are ours over the norms of the shifted embeddings.
    """
    steps = 3
    parts = []
    for number in (0, 1):
        split = small.encoder.part(small.inputs[number], small.layers[0]).split()
        change = split.states - split.reference
        with split.differentiable():
            jacobians = [
                torch.autograd.functional.jacobian(
                    lambda states, split=split: split.embed(states[None])[0],
                    split.reference + (1 - step / steps) * change,
                )
                for step in range(steps)
            ]
        shifted = split.embedding - split.embed(split.reference[None])[0]
        parts.append((torch.stack(jacobians).mean(0), change, shifted.detach()))
    (first, da, shifted_a), (second, db, shifted_b) = parts
    full = torch.einsum("kid,id,kje,je->idje", first, da, second, db)
    expected = full.sum((1, 3)) / (shifted_a.norm() * shifted_b.norm())
    method = fp.IntegratedJacobians(steps=steps, rule="right")
    sides = SideInputs((small.inputs[0],)), SideInputs((small.inputs[1],))
    product = measure(small.encoder, method, sides, small.layers)
    norms = [float(np.linalg.norm(small.truth(number).embedding)) for number in (0, 1)]
    ours = exact(product) * np.prod(norms) / float(shifted_a.norm() * shifted_b.norm())
    np.testing.assert_allclose(ours, expected.detach(), rtol=0, atol=1e-9)


QUICK = {
    "gradient_times_input": fp.GradientTimesInput(),
    "occlusion": fp.Occlusion(),
    "banzhaf": fp.Banzhaf(samples=2**9),  # which is exact
    "patch_token_similarity": fp.PatchTokenSimilarity(),
}


@pytest.mark.parametrize("name", QUICK)
def test_every_method_takes_sums(encoder, name):
    method = QUICK[name]
    one, two = map(fp.Text, CAPTIONS)
    single = [fp.attribute(encoder, PICTURES[0], text, method) for text in (one, two)]
    pairs = fp.attribute(encoder, PICTURES[0], one - 0.5 * two, method)
    expected = np.concatenate([single[0].matrix, -0.5 * single[1].matrix])
    np.testing.assert_allclose(pairs.matrix, expected, atol=1e-6)
    ledgers = [one.ledger for one in single]
    assert pairs.ledger.pairs == pytest.approx(ledgers[0].pairs - 0.5 * ledgers[1].pairs, abs=1e-6)
    texts = fp.attribute(encoder, one, two, method)
    similarity = float(np.prod(encoder.embed_text(CAPTIONS), 0).sum())
    assert texts.ledger.similarity == pytest.approx(similarity, abs=1e-5)


def test_standard_errors_of_sums_are_those_of_independent_draws(encoder):
    """The spread of 40 estimates, against the errors that each estimate names."""
    both = fp.Text("a dog left of a red ball") - fp.Text("a cat on the green cup")
    estimates, errors = [], []
    for seed in range(40):
        method = fp.Banzhaf(samples=48, seed=seed)
        pairs = fp.attribute(encoder, PICTURES[0], both, method)
        estimates.append(pairs.of_rows(range(len(pairs.rows.features))))
        groups = (tuple(range(len(pairs.rows.features))),), pairs.columns.words
        errors.append(pairs._measured().standard_error(*groups)[0])
    spread = np.std(estimates, axis=0, ddof=1)
    named = np.sqrt(np.mean(np.square(errors), axis=0))
    sampled = spread > 0
    assert np.median(named[sampled] / spread[sampled]) == pytest.approx(1, abs=0.2)


def test_one_input_on_one_side_twice_is_measured_once(encoder, monkeypatch):
    measured = []
    original = fp.IntegratedJacobians.measure

    def counted(self, part):
        measured.append(part.prepared.tower_name)
        return original(self, part)

    monkeypatch.setattr(fp.IntegratedJacobians, "measure", counted)
    encoder.refresh()
    method = fp.IntegratedJacobians(steps=5)
    text, picture = fp.Text(CAPTIONS[0]), fp.Picture(PICTURES[0])
    fp.attribute(encoder, text + text, text, method).matrix  # noqa: B018
    assert measured == ["text"]
    fp.attribute(encoder, picture, text - fp.Text(CAPTIONS[1]), method).matrix  # noqa: B018
    assert measured == ["text", "text", "image"]


def test_a_hundred_captions_keep_vectors_and_no_graphs(encoder):
    before = [one for one in gc.get_objects() if isinstance(one, PathIntegral)]
    texts = [fp.Text(f"a dog and {word}") for word in ("a ball", "a cat", "a kite", "a cup") * 25]
    pairs = fp.attribute(encoder, PICTURES[0], fp.mean(texts), METHOD, layer=0)
    whole = pairs.of_rows(range(len(pairs.rows.features)))
    single = [
        fp.attribute(encoder, PICTURES[0], text, METHOD, layer=0).matrix.sum(0)
        for text in texts[:4]
    ]
    visible = list(pairs.columns.visible)
    np.testing.assert_allclose(whole[visible], np.mean(single, 0), atol=1e-6)
    gc.collect()
    after = [one for one in gc.get_objects() if isinstance(one, PathIntegral)]
    assert len([one for one in after if all(one is not old for old in before)]) <= 3
    assert pairs.ledger.terms == ()


@pytest.mark.parametrize(
    ("captions", "names"),
    [
        (("a dog", "a cat"), ["BOS", "a", "dog / cat", "EOS"]),
        (
            ("the dog left of the cat", "the cat left of the dog"),
            ["BOS", "the", "dog / cat", "left", "of", "the", "cat / dog", "EOS"],
        ),
        (("a red dog", "a dog"), ["BOS", "a", "red", "dog", "EOS"]),
        (("a dog", "a red dog"), ["BOS", "a", "red", "dog", "EOS"]),
        (("the dog runs", "the big cat runs"), ["BOS", "the", "dog / big", "cat", "runs", "EOS"]),
        (("A dog", "a cat", "a cow", "a cup"), ["BOS", "A", "dog / cat / cow / …", "EOS"]),
        (("dog", "cat"), ["BOS", "dog / cat", "EOS"]),
        (("a dog", "some completely other words"), []),
    ],
)
def test_captions_that_share_their_wording_are_folded(encoder, captions, names):
    panels = tuple(encoder.panel(encoder.prepare(text, "text"), 0) for text in captions)
    side = Side(panels)
    assert [fold.name for fold in side.folds] == names
    if names:
        features = sorted(n for fold in side.folds for n in fold.features)
        assert features == list(range(len(side.features)))


def test_words_and_regions_are_found_by_part(encoder):
    pairs = fp.attribute(
        encoder,
        fp.Picture(PICTURES[0]) - fp.Picture(PICTURES[1]),
        fp.Text("a dog") - fp.Text("a cat"),
        METHOD,
    )
    assert pairs.rows.folds[2] == Fold("dog / cat", (2, 6))
    assert pairs.rows.find("cat") == [6]
    assert pairs.rows.find("a", part=1) == [5]
    with pytest.raises(fp.InputError, match="`tokens` names 'a', which 2 captions have"):
        pairs.rows.find("a")
    mask = np.zeros((3, 3), bool)
    mask[1, 2] = True
    first = len(pairs.columns.panels[0].features)
    assert pairs.columns.region(mask, part=1) == [first + 1 + 5]
    whole = pairs.feature_rows(range(8))
    np.testing.assert_allclose(
        pairs.of_columns(pairs.columns.region(mask, part=1)), whole[:, first + 6], atol=1e-6
    )
    np.testing.assert_allclose(pairs.of_rows(["cat", 0]), whole[[0, 6]].sum(0), atol=1e-6)
    with pytest.raises(fp.InputError, match="`part` is None, and 2 of these panels are pictures"):
        pairs.columns.region(mask)
    with pytest.raises(fp.InputError, match="`part` is 2: pass a number from 0 to 1"):
        pairs.rows.find("a", part=2)
    words = pairs.words()
    assert words.matrix.shape == (8, 18)
    both = fp.attribute(encoder, fp.Text("a dog"), fp.Text("the red ball"), METHOD)
    assert both.words().matrix.shape == (4, 5)


def dog():
    return fp.Text("a dog")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fp.mean([]), "`inputs` is an empty list"),
        (lambda: Sum([]), "`inputs` is an empty sum"),
        (lambda: fp.mean(["a dog"]), "`inputs` holds 'a dog': pass Text or Picture objects"),
        (lambda: dog() * float("nan"), "`weight` is nan: multiply by a finite number"),
        (lambda: dog() / 0, "`weight` is inf"),
        (lambda: "2" * dog(), "`weight` is '2': multiply by a number"),
        (lambda: fp.mean([dog()] * 1000), "`inputs` is a sum of 1000 inputs: pass at most 128"),
        (lambda: fp.Text(dog()), "`caption` is a sum already"),
        (lambda: fp.Picture(dog()), "`image` is a sum already"),
    ],
)
def test_sums_that_cannot_be_are_refused(make, message):
    with pytest.raises(fp.InputError, match=message):
        make()


@pytest.mark.parametrize(
    "make", [lambda: dog() + "a cat", lambda: dog() - 1, lambda: dog() * dog()]
)
def test_what_is_no_input_cannot_be_added(make):
    with pytest.raises(TypeError):
        make()


def test_sides_that_cannot_be_explained_are_refused(encoder):
    long = fp.Text("a " * 60)
    for sides, options, message in (
        ((PICTURES[0], dog() - long), {}, r"`caption` \(part 2 of 2\) has 62 tokens"),
        ((fp.Picture("no.png") + fp.Picture(PICTURES[0]), "a dog"), {}, r"\(part 1 of 2\)"),
        ((PICTURES[0], [dog(), dog()]), {}, "`caption` is a list of inputs: add them"),
        ((PICTURES[0], dog()), {"unit": "percent"}, "`unit` is 'percent': pass one of 'cosine'"),
        ((PICTURES[0], dog()), {"layer": {"sound": 1}}, "`layer` names the tower 'sound'"),
    ):
        with pytest.raises(fp.InputError, match=message):
            fp.attribute(encoder, *sides, **options)


def test_sides_of_two_models_are_refused(encoder):
    other = random_encoder(1)
    prepared = other.prepare(PICTURES[0], "image")
    fp.attribute(other, prepared, dog())
    with pytest.raises(fp.InputError, match="`image` was prepared for another model: pass images"):
        fp.attribute(encoder, prepared, dog())
    with pytest.raises(fp.InputError, match=r"`caption` \(part 2 of 2\) was prepared for another"):
        fp.attribute(encoder, PICTURES[0], dog() - fp.Text(other.prepare("a cat", "text")))
    with pytest.raises(fp.InputError, match="`image` was prepared for another tower"):
        fp.attribute(encoder, encoder.prepare("a cat", "text"), dog())


def test_layers_may_be_named_by_tower(encoder):
    pairs = fp.attribute(encoder, dog(), fp.Text("a cat"), layer={"text": 0})
    assert pairs.about.layers == "text block 0"
    both = fp.attribute(encoder, PICTURES[0], dog(), layer={"image": 1})
    assert both.about.layers == "text block 2 · image block 1"


def test_a_model_without_logits_is_refused():
    encoder = random_encoder(2)
    assert encoder.logits is not None
    del encoder.model.logit_scale
    for refused in (
        lambda: fp.attribute(encoder, PICTURES[0], dog(), unit="logit"),
        lambda: fp.classify(PICTURES[0], ["a dog", "a cat"], model=encoder),
    ):
        with pytest.raises(fp.InputError, match="no scale that makes logits"):
            refused()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": []}, "`labels` is an empty list"),
        ({"labels": "dog"}, "`labels` is one string"),
        ({"labels": ["dog"]}, "`labels` has one label"),
        ({"labels": ["dog", "dog"]}, "`labels` holds 'dog' twice"),
        ({"labels": ["dog", 3]}, "`labels` holds 3"),
        (
            {"labels": ["dog", "cat"], "template": "a photo"},
            "`template` is 'a photo', which has no",
        ),
        ({"labels": ["dog", "cat"], "template": []}, "`template` is an empty list"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(encoder, arguments, message):
    with pytest.raises(fp.InputError, match=message):
        fp.classify(PICTURES[0], model=encoder, **arguments)


def test_an_ensemble_of_prompts_has_the_logit_of_its_mean(encoder):
    templates = ["a {}", "the red {}", "a {} and a {}"]
    view = fp.classify(PICTURES[0], ["dog", "cat", "cup"], template=templates, model=encoder)
    found = view.classification
    assert view.pairs.ledger.similarity == pytest.approx(
        found.logits[0] - found.logits[1], rel=1e-4, abs=1e-5
    )
    assert len(view.pairs.rows.panels) == 6
    frame = found.to_dataframe()
    assert frame["probability"].sum() == pytest.approx(1)
    with pytest.raises(fp.InputError, match="`label` is 'cow': pass one of the labels"):
        found.contrast("cow")
    with pytest.raises(fp.InputError, match="`other` is 'cat' too"):
        found.contrast("cat", "cat")


def test_the_rest_of_many_labels_are_the_most_probable(encoder):
    labels = [f"{word} {number}" for word in ("dog", "cat", "cup") for number in range(50)]
    found = fp.classify(PICTURES[0], labels, model=encoder).classification
    side = found.contrast(found.labels[1], "the rest").rows
    captions = [panel.caption for panel in side.panels]
    assert captions == [found.labels[1], found.labels[0], *found.labels[2:128]]
    assert side.weights == (1, *[pytest.approx(-1 / 127)] * 127)


def test_many_labels_are_embedded_in_few_passes(encoder, monkeypatch):
    sizes = []
    tower = encoder.towers["text"]
    original = tower.embed_and_count

    def counted(inputs):
        sizes.append(len(inputs["input_ids"]))
        return original(inputs)

    monkeypatch.setattr(tower, "embed_and_count", counted)
    captions = [f"a {color} {thing}" for color in ("red", "green", "blue", "black")
                for thing in ("dog", "cat", "ball", "kite", "cup")] * 5  # fmt: skip
    together = encoder.embed_text(captions)
    assert sum(sizes) == 100
    assert len(sizes) == 4
    monkeypatch.undo()
    alone = np.concatenate([encoder.embed_text([caption]) for caption in captions[:20]])
    np.testing.assert_allclose(together[:20], alone, atol=1e-6)


def test_terms_keep_what_the_user_passed():
    both = fp.Text("a") - 2 * fp.Picture("b.png")
    written = [(term.tower_name, term.value, term.weight) for term in both.terms]
    assert written == [("text", "a", 1), ("image", "b.png", -2)]
    assert repr(both) == "Text('a') - 2 * Picture('b.png')"
    assert [term.weight for term in (-(both / 2)).terms] == [-0.5, 1]
    assert [term.weight for term in fp.mean([both, dog()]).terms] == [0.5, -1, 0.5]


def test_captions_are_rows_and_otherwise_the_first_side_is():
    text, picture = dog(), fp.Picture("a.png")
    texts, pictures, mixed = text - text, picture + picture, text + picture
    for rows, columns in ((text, picture), (texts, pictures)):
        assert ordered(rows, columns) == ordered(columns, rows) == (rows, columns)
    for one, other in ((text, texts), (picture, pictures), (picture, mixed), (mixed, text)):
        assert ordered(one, other) == (one, other)
        assert ordered(other, one) == (other, one)
