"""ColPali, ColQwen2, ColModernVBERT and BLIP-2's retrieval: the best of an image's vectors."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import fpattr_widget as fp
from fpattr_widget.encoders import LateInteractionHead, cosines, frozen_routing
from fpattr_widget.encoders import _memory_needed as memory
from fpattr_widget.encoders.heads._pages import PageTower
from fpattr_widget.methods import HowRead, SideInputs, measure
from fpattr_widget.methods._quadrature import Quadrature
from tests.helpers import family_checks as checks
from tests.helpers.families import late_interaction as late

pytestmark = pytest.mark.slow

STEPS = 3
METHOD = fp.IntegratedJacobians(steps=STEPS)
QUERIES = [late.CAPTION, "a dog left of the image"]
PAGES = ("ColPali", "ColQwen2", "ColModernVBERT")


@pytest.fixture(scope="module")
def page() -> Image.Image:
    """Return a picture of proportions that no model keeps, 50 × 30 pixels."""
    return checks.tiles(10, 6, side=5)


class ByHand:
    """A model run by its own class on what its own processor makes, cut at two blocks by hooks."""

    def __init__(self, name: str, page: Image.Image):
        self.name = name
        made = late.retriever(name)
        late.precise(made.model)
        self.model, processor = made.model, made.processor
        self.encoder = fp.load_encoder(self.model, processor=processor)
        if name == "BLIP-2":
            both = processor(images=page, text=late.CAPTION, return_tensors="pt")
            self.inputs = [late.of_type(both, torch.float64)] * 2
            filler = processor.tokenizer.pad_token_id
        else:
            asked = processor.process_queries(text=[late.CAPTION])
            seen = processor.process_images(images=[page])
            self.inputs = [late.of_type(each, torch.float64) for each in (asked, seen)]
            filler = processor.tokenizer.pad_token_id
        words = processor.tokenizer(late.CAPTION, add_special_tokens=False)["input_ids"]
        ids = self.inputs[0]["input_ids"].clone()
        ids[torch.isin(ids, torch.tensor(words))] = filler
        # All zero, a picture would be dropped as padding.
        pixels = torch.full_like(self.inputs[1]["pixel_values"], 1e-300)
        self.references = [
            {**self.inputs[0], "input_ids": ids},
            {**self.inputs[1], "pixel_values": pixels},
        ]

    def vectors(self, side: int, inputs: Any) -> Tensor:
        """Return the text's (0) or the image's (1) vectors, ``(n, size)``."""
        output = self.model(**inputs)
        if self.name != "BLIP-2":
            return output.embeddings[0]
        return output.image_embeds[0] if side else output.text_embeds

    def blocks(self, side: int) -> list[Any]:
        model = self.model
        if self.name == "BLIP-2":
            lists = model.vision_model.encoder.layers, model.qformer.encoder.layer
            return list(lists[0] if side else lists[1])
        vlm = model.vlm
        text = vlm.text_model if self.name == "ColModernVBERT" else vlm.language_model
        if not side:
            return list(text.layers)
        seen = {"ColPali": "vision_tower.encoder.layers", "ColQwen2": "visual.blocks"}
        vision = vlm.get_submodule(seen.get(self.name, "vision_model.encoder.layers"))
        return [*vision, *text.layers]

    def states(self, side: int, inputs: Any, layer: int) -> Tensor:
        entered: list[Tensor] = []
        block = self.blocks(side)[layer]
        with block.register_forward_pre_hook(lambda _, given: entered.append(given[0])):
            self.vectors(side, inputs)
        return entered[-1 if self.name == "BLIP-2" and not side else 0].detach()

    def contributions(
        self, side: int, layer: int, chosen: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return all Jacobians multiplied out, ``(positions, K)``, of chosen vectors."""
        block, inputs = self.blocks(side)[layer], self.inputs[side]
        end, start = (
            self.states(side, each[side], layer) for each in (self.inputs, self.references)
        )
        rule = Quadrature.of("gauss-legendre", STEPS)

        def rest(states: Tensor) -> Tensor:
            def replace(_: Any, given: tuple[Any, ...]) -> Any:
                return (states, *given[1:]) if given[0].shape == states.shape else given

            with block.register_forward_pre_hook(replace):
                return chosen(self.vectors(side, inputs)).flatten()

        integrated = sum(
            weight
            * torch.autograd.functional.jacobian(rest, start + node * (end - start), vectorize=True)
            for node, weight in zip(rule.nodes, rule.weights, strict=True)
        )
        return (integrated * (end - start)).sum(-1).flatten(1).T

    def ends(self) -> list[list[Tensor]]:
        """Return vectors of both sides, of the input and of the reference."""
        with torch.no_grad():
            return [
                [self.vectors(side, each[side]) for each in (self.inputs, self.references)]
                for side in (0, 1)
            ]

    def order(self, layer: int) -> list[int]:
        """Return the position of each feature of the image: special ones, then row by row."""
        if self.name == "BLIP-2" or (self.name == "ColPali" and layer < 2):
            return list(range(10 if self.name == "BLIP-2" else 9))
        if layer < 2:  # the squares of two by two patches that ColQwen2 merges
            assert self.name == "ColQwen2"
            places = np.arange(96).reshape(4, 6, 2, 2).transpose(0, 2, 1, 3)
            return places.ravel().tolist()
        ids = self.inputs[1]["input_ids"][0]
        token = self.model.config.vlm_config.image_token_id
        prompt, image = (torch.nonzero(mask).flatten() for mask in (ids != token, ids == token))
        if self.name != "ColModernVBERT":
            return [*prompt.tolist(), *image.tolist()]
        tiles = image[:24].reshape(2, 3, 2, 2).permute(0, 2, 1, 3).flatten()
        return [*sorted([*prompt.tolist(), *image[24:].tolist()]), *tiles.tolist()]


@pytest.fixture(scope="module", params=late.MAKERS)
def hand(request: pytest.FixtureRequest, page: Image.Image) -> ByHand:
    return ByHand(request.param, page)


def test_scores_are_the_classes_own(hand, page):
    found = hand.encoder.similarities(page, QUERIES)
    made = late.Retriever(hand.model, late.MAKERS[hand.name][1]())
    if hand.name == "BLIP-2":
        both = made.processor(images=page, text=QUERIES, padding=True, return_tensors="pt")
        with torch.no_grad():
            own = hand.model(**late.of_type(both, torch.float64)).logits_per_image[0]
        np.testing.assert_allclose(found, own, atol=1e-6)
        return
    counts = [hand.encoder.prepare(query, "text").inputs["input_ids"].shape[1] for query in QUERIES]
    assert counts[0] != counts[1]
    own = made.scores(page, QUERIES, torch.float64)
    np.testing.assert_allclose(found * counts, own, rtol=1e-6)
    tokens = hand.encoder.prepare(QUERIES[1], "text").tokens
    words = [(token.text, token.start) for token in tokens if not token.special]
    assert words == [(w, QUERIES[1].index(w)) for w in ("a", "dog", "left", "of", "the", "image")]
    # Passing what the processor returned is passing the picture and the words.
    asked = made.processor.process_queries(text=[QUERIES[0]])
    seen = made.processor.process_images(images=[page])
    assert hand.encoder.similarity(seen, asked) == pytest.approx(found[0], abs=1e-6)


@pytest.mark.parametrize("later", [True, False], ids=["last", "early"])
def test_pairs_are_all_jacobians_multiplied_out(hand, page, later):
    # The first language block of ColModernVBERT, in place of tiles that are a batch by then.
    first = 2 if hand.name == "ColModernVBERT" else 1
    layers = (1, len(hand.blocks(1)) - 1) if later else (0, first)
    sides = tuple(
        SideInputs((hand.encoder.prepare(value, kind),))
        for value, kind in ((late.CAPTION, "text"), (page, "image"))
    )
    found = measure(hand.encoder, METHOD, sides, layers, how=HowRead("frozen"))
    (query, query_reference), (document, document_reference) = hand.ends()
    winners = (query @ document.T).argmax(1)
    text = hand.contributions(0, layers[0], lambda vectors: vectors)
    image = hand.contributions(1, layers[1], lambda vectors: vectors[winners])
    expected = (text @ image.T)[:, hand.order(layers[1])] / len(query)
    # Rotations are rounded to float32 by ColQwen2's vision model and by ModernBERT.
    rounded = hand.name == "ColModernVBERT" or (hand.name == "ColQwen2" and not later)
    # Not `rows`, which are float32.
    some = np.eye(len(expected))[[0, 3, -1]]
    some[1] += np.linspace(-1, 1, len(expected))
    rows = found._scale * found._second.along(found._first.joint(some))
    checks.assert_near(
        torch.from_numpy(rows), torch.from_numpy(some) @ expected, 1e-5 if rounded else 1e-9
    )
    about = fp.attribute(hand.encoder, page, late.CAPTION, METHOD, layers).about
    score = "best of the queries" if hand.name == "BLIP-2" else "mean over the query's tokens"
    assert about.method == f"integrated Jacobians, frozen winners, {score}"
    # The ledger's corners are the score's own, and what differs from fixed winners is told.
    ledger, count = found.ledger(), len(query)
    queries, documents = (query, query_reference), (document, document_reference)
    best = [[float((q @ d.T).amax(1).sum()) / count for d in documents] for q in queries]
    fixed = [[float((q * d[winners]).sum()) / count for d in documents] for q in queries]
    corners = best[0][0], best[0][1], best[1][0], best[1][1]
    near = {"abs": 1e-6 if rounded else 1e-9}
    assert ledger.similarity == pytest.approx(corners[0], **near)
    assert ledger.baseline == pytest.approx(corners[3], **near)
    assert ledger.caption_only == pytest.approx(corners[1] - corners[3], **near)
    assert ledger.image_only == pytest.approx(corners[2] - corners[3], **near)
    left_out = _mixed(best) - _mixed(fixed)
    assert ledger.left_out == pytest.approx(left_out, **near)
    assert abs(left_out) > 1e-4
    assert ledger.left_out_name == "change of winners"
    assert ledger.pairs == pytest.approx(float(expected.sum()), **near)


def _mixed(corners: list[list[float]]) -> float:
    return corners[0][0] - corners[0][1] - corners[1][0] + corners[1][1]


def test_read_out_is_the_matrix_of_products(hand, page):
    read_out = hand.encoder.read_out(page, late.CAPTION)
    (query, _), (document, _) = hand.ends()
    products = (query @ document.T)[:, hand.order(len(hand.blocks(1)) - 1)[: len(document)]]
    winners = products.argmax(1)
    if hand.name == "BLIP-2":
        products = query @ document.T
        assert read_out.routes == ("text",)
        assert read_out.winners == (f"query {int(products.argmax()) + 1}",)
        assert read_out.places[-1] == "query 5"
        first, best = 0, products.amax(1)
        assert read_out.nowhere is None
    else:
        best = products.amax(1)
        panel = hand.encoder.panel(hand.encoder.prepare(page, "image"), len(hand.blocks(1)) - 1)
        first = len(panel.special)
        named = [panel.features[winner] for winner in winners.tolist()]
        assert [name.split(" (")[0] for name in read_out.winners] == [f.label for f in named]
        assert read_out.grid == panel.grid
        np.testing.assert_array_equal(read_out.nowhere, (winners < first).double())
        (total,) = read_out.compared.values()
        assert total == pytest.approx(float(best.sum()), rel=1e-5)
        assert f"{len(query)} tokens" in next(iter(read_out.compared))
    np.testing.assert_allclose(read_out.products, products[:, first:], atol=1e-6)
    sums = read_out.weights.sum(1) + (0 if read_out.nowhere is None else read_out.nowhere)
    np.testing.assert_array_equal(sums, 1)
    assert read_out.similarity == pytest.approx(float(best.mean()), abs=1e-6)
    parts = read_out.contributions.sum() + read_out.constant
    assert parts == pytest.approx(read_out.similarity, abs=1e-6)


def test_padding_asks_for_nothing_and_never_wins():
    generator = torch.Generator().manual_seed(0)
    head = LateInteractionHead(3)
    vectors = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    text, image = nn.functional.normalize(vectors.abs(), dim=-1)
    image = -image  # so that zero would win
    padded_text, padded_image = (
        nn.functional.pad(each, (0, 0, 0, 2)).flatten() for each in (text, image)
    )
    expected = float((text @ image.T).amax(1).mean())
    others = padded_text[None].expand(3, -1), padded_image[None, None].expand(2, 1, -1)
    scores = cosines(head, others[1], others[0])
    torch.testing.assert_close(scores, torch.full((2, 3), expected, dtype=torch.float64))
    read = frozen_routing(head, padded_image, padded_text)(padded_image[None])[0]
    torch.testing.assert_close(float(read @ padded_text) / len(text), expected)
    read_out = head.read_out(padded_image, padded_text)
    assert read_out.similarity == pytest.approx(expected)
    assert read_out.contributions.sum() == pytest.approx(expected)


@pytest.mark.parametrize("name", PAGES)
def test_features_are_cells_of_the_page(name):
    """What is painted into a cell changes that cell's features most, in both models."""
    encoder = late.encoder(name)
    grey = Image.new("RGB", (96, 64), (110, 120, 130))
    plain = encoder.prepare(grey, "image")
    for layer in (0, 2):
        rows, columns = encoder.panel(plain, layer).grid
        special = len(encoder.panel(plain, layer).special)
        for row, column in ((0, columns - 1), (rows - 1, 1)):
            painted = grey.copy()
            box = [
                round(at) for at in (
                    96 * column / columns, 64 * row / rows,
                    96 * (column + 1) / columns, 64 * (row + 1) / rows,
                )
            ]  # fmt: skip
            painted.paste((250, 10, 10), tuple(box))
            seen = encoder.prepare(painted, "image")
            states = [encoder.towers["image"].features(x.inputs, layer) for x in (plain, seen)]
            changes = (states[0] - states[1]).norm(dim=1)[special:]
            assert int(changes.argmax()) == row * columns + column, (layer, row, column)
            # Removing the cell alone gives back the rest of the grey page, and no more.
            kept = torch.ones(1, special + rows * columns, dtype=torch.bool)
            kept[0, special + row * columns + column] = False
            tower = encoder.towers["image"]
            masked = tower.masked(seen, layer, kept, "zeros")
            shown = tower.unpacked(masked), tower.unpacked(seen.inputs)
            gone = (shown[0] != shown[1]).any(1)
            assert 0 < float(gone.double().mean()) < 2 / (rows * columns)
    references = tower.reference(seen, "blurred"), tower.reference(seen, "zeros")
    assert all(bool(torch.isfinite(tower.embed(inputs)).all()) for inputs in references)
    pictures = tower.unpacked(seen.inputs)
    again = tower._packed(pictures, seen.inputs)
    torch.testing.assert_close(again, seen.inputs["pixel_values"])


@pytest.mark.parametrize("name", late.MAKERS)
def test_loads_from_a_folder(name, tmp_path, page):
    made = late.retriever(name, torch.float32)
    checks.assert_loads_from_folder(made.model, made.processor, tmp_path, page, late.CAPTION)


def test_a_page_of_a_thousand_tokens_takes_the_memory_it_may(monkeypatch):
    torch.manual_seed(0)
    model = checks.far_from_linear(late.colpali(64, 2, longest=1100), torch.float32)
    processor = late.colpali_processor(64, 2)
    nodes: list[int] = []
    unpack = PageTower._unpack

    def noted(tower: PageTower, features: Tensor, *given: Any) -> Tensor:
        if features.requires_grad:
            nodes.append(len(features))
        return unpack(tower, features, *given)

    monkeypatch.setattr(PageTower, "_unpack", noted)
    caption = " ".join(("a red ball left of the dog .",) * 3)
    rows = []
    for limit in (2**22, 2**30):
        nodes.clear()
        encoder = fp.load_encoder(model, processor=processor, memory_limit=limit)
        pairs = fp.attribute(
            encoder, checks.tiles(4, 4), caption, fp.IntegratedJacobians(steps=2), layer=(1, -1)
        )
        assert len(pairs.tokens) >= 38
        assert pairs.grid == (32, 32)
        rows.append(pairs.feature_rows([5]))
        assert int(np.sum(pairs._ready)) == 1  # no row that nobody asked for
        assert (max(nodes) == 1) == (limit == 2**22)
    np.testing.assert_allclose(*rows, atol=1e-6 * np.abs(rows[0]).max())
    products = encoder.read_out(checks.tiles(4, 4), caption).products
    assert products.shape == (len(pairs.tokens), 1024)


def test_what_cannot_be_used_is_told_in_one_sentence(page):
    made = late.retriever("ColPali", torch.float32)
    model, processor = made.model, made.processor
    encoder = fp.load_encoder(model, processor=processor)
    seen = dict(processor.process_images(images=[page]))
    pixels, ids = seen["pixel_values"], seen["input_ids"]

    def told(argument: str, words: str, image: Any = page, caption: Any = "a dog", **how: Any):
        with pytest.raises(fp.InputError, match=words) as caught:
            fp.attribute(encoder, image, caption, **how)
        assert caught.value.argument == argument
        assert "\n" not in str(caught.value)

    for reading in ("exact", "match", "routing"):
        told("reading", "reads an image by its winners, a choice that has", reading=reading)
    told("norms", "over fixed lengths", norms="moving")
    told("caption", "has 74 tokens and the model reads at most 64", caption="a dog " * 30)
    told("caption", "pass a string or token ids", caption=processor.process_queries(text=QUERIES))
    told("image", "pixels without the token ids", image=pixels)
    told("image", "without 'input_ids'", image={"pixel_values": pixels})
    told("image", "not of one image", image=processor.process_images(images=[page, page]))
    narrow, short = {"pixel_values": pixels[..., :16]}, {"input_ids": ids[:, 1:]}
    told("image", r"pixel_values \(1, 3, 24, 16\)", image={**seen, **narrow})
    told("image", "8 image tokens among its input_ids for 9", image={**seen, **short})
    told("image", "of torch.int64", image={**seen, "pixel_values": pixels.long()})
    told("image", "NaN", image={**seen, "pixel_values": pixels * np.nan})
    longer = torch.cat([ids, ids.new_full((1, 60), 3)], 1)
    told("image", "75 tokens with its prompt", image={**seen, "input_ids": longer})
    bare = fp.load_encoder(model)
    with pytest.raises(fp.InputError, match="has no processor"):
        bare.prepare(page, "image")
    assert bare.similarity(seen, processor.process_queries(text=["a dog"])) == pytest.approx(
        encoder.similarity(page, "a dog"), abs=1e-6
    )
    with pytest.raises(fp.InputError, match="does not write the model's prompts"):
        fp.load_encoder(
            model, processor=SimpleNamespace(tokenizer=processor.tokenizer, image_processor=None)
        )
    with pytest.raises(fp.InputError, match="chooses the size of a page"):
        fp.load_encoder(model, processor=processor, image_size=48)
    assert fp.load_encoder(model, processor=encoder).similarity(page, "a dog") == pytest.approx(
        encoder.similarity(page, "a dog"), abs=1e-6
    )


def test_strange_layouts_of_pages_are_told():
    qwen, modern = (late.retriever(name, torch.float32) for name in PAGES[1:])
    wide, tall = checks.tiles(12, 8, side=8), checks.tiles(8, 12, side=8)
    for made, name, changes in (
        (qwen, "image_grid_thw", lambda grid: grid[:, :2]),
        (qwen, "image_grid_thw", lambda grid: grid + 1),
        (modern, "pixel_attention_mask", lambda mask: mask * (torch.arange(16) < 12)),
        (modern, "pixel_values", lambda pixels: pixels[..., :8]),
    ):
        encoder = fp.load_encoder(made.model, processor=made.processor)
        seen = dict(made.processor.process_images(images=[wide]))
        with pytest.raises(fp.InputError, match="which the model does not take"):
            encoder.prepare({**seen, name: changes(seen[name])}, "image")
        with pytest.raises(fp.InputError, match="patches"):
            fp.attribute(encoder, wide, "a dog", reference=tall).matrix  # noqa: B018
    # One tile more than rows of tiles can hold.
    seen = dict(modern.processor.process_images(images=[wide]))
    ids, pixels, mask = (
        seen[name] for name in ("input_ids", "pixel_values", "pixel_attention_mask")
    )
    more = torch.cat([ids, ids[:, 3:9]], 1)
    with pytest.raises(fp.InputError, match="tiles in rows of"):
        encoder.prepare(
            {
                "input_ids": more,
                "pixel_values": torch.cat([pixels, pixels[:, :1]], 1),
                "pixel_attention_mask": torch.cat([mask, mask[:, :1]], 1),
            },
            "image",
        )
    # A picture that needs no tiles is one.
    small = late.colmodernvbert_processor(longest=16)
    small.image_processor.do_image_splitting = False
    encoder = fp.load_encoder(modern.model, processor=small)
    pairs = fp.attribute(encoder, wide, "a dog", METHOD)
    assert pairs.grid == (2, 2)
    assert abs(pairs.ledger.residual) < 1e-2


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    from transformers import ColPaliConfig

    ColPaliConfig().save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text("utf-8"))["model_type"] == "colpali"
    monkeypatch.setattr(memory, "available_memory", lambda device: 8 * 10**9)
    page = checks.tiles(2, 2)
    with pytest.raises(fp.InputError, match=r"needs 11\.6 GB of memory for its 2\.9 billion") as no:
        fp.attribute(tmp_path, page, "a dog")
    assert "dtype=torch.bfloat16" in str(no.value)
    assert "8.0 GB are free" in str(no.value)
    # With half of it there is room: the next thing missing are the weights themselves.
    with pytest.raises(fp.InputError, match="cannot be loaded"):
        fp.load_encoder(tmp_path, dtype=torch.bfloat16)
    # Files that are small in any type are not counted, and others are.
    monkeypatch.setattr(memory, "available_memory", lambda device: 10**6)
    with pytest.raises(fp.InputError, match=r"needs 0\.0 GB"):
        fp.load_encoder("bundled")
    monkeypatch.undo()
    counted: list[Any] = []
    monkeypatch.setattr(memory, "_number_of_weights", lambda *given: counted.append(given))
    fp.load_encoder("bundled")
    assert not counted


def test_available_memory_is_the_least_of_machine_and_container(tmp_path, monkeypatch):
    names = "memory.max", "memory.current", "memory.stat"
    files = tuple(str(tmp_path / name) for name in names)
    cpu = torch.device("cpu")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_LIMITS", (files,))
    physical = memory.available_memory(cpu)
    assert physical is not None
    assert physical > 10**8
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    4000 kB\n")
    assert memory.available_memory(cpu) == 4000 * 1024
    for name, text in zip(
        names, ("3000000\n", "2500000\n", "anon 1\ninactive_file 700\n"), strict=True
    ):
        (tmp_path / name).write_text(text)
    assert memory.available_memory(cpu) == 500_700
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_memory(cpu) == 4000 * 1024
    assert memory.available_memory(torch.device("mps")) is None
