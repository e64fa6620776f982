"""The model for photographs: how it is made, and what the one that ships knows."""

import copy
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import fpattr_widget as fp
from fpattr_widget.assets import photograph, photograph_names
from fpattr_widget.training.photographs import _captions, _folder, _image_tower
from fpattr_widget.training.photographs._captions import CaptionWriter
from fpattr_widget.training.photographs._lexicon import Lexicon, WordNet, plural
from fpattr_widget.training.photographs._text_tower import WIDTH, TextTower, learning_rate, train

MODEL = Path(str(files("fpattr_widget") / "assets" / "photographs"))

# As in WordNet's files: offset, file, kind, lemmas, pointers, definition.
NOUNS = """  1 This software and database is being provided to you
00000001 03 n 02 animal 0 beast 0 000 | a living organism
00000002 05 n 02 dog 0 Canis_familiaris 0 001 @ 00000001 n 0000 | a member of the genus Canis
00000003 05 n 01 terrier 0 001 @ 00000002 n 0000 | a small dog
00000004 05 n 02 golden_retriever 0 golden 0 001 @ 00000002 n 0000 | a retriever with golden coat
00000005 05 n 01 lapdog 0 001 @ 00000003 n 0000 | a terrier that sits on laps
00000006 05 n 01 Toto 0 001 @i 00000003 n 0000 | a terrier in a story
00000007 06 n 01 crane 0 000 | a machine that lifts
00000008 05 n 01 crane 0 001 @ 00000001 n 0000 | a large bird
00000009 18 n 02 dog 0 fellow 0 000 | informal term for a man
00000010 14 n 01 board 0 000 | a committee
00000011 06 n 02 dining_table 0 board 0 000 | a table for meals
"""
SENSES = """animal%1:03:00:: 00000001 1 60
beast%1:03:00:: 00000001 1 3
dog%1:05:00:: 00000002 1 40
dog%1:18:00:: 00000009 2 1
canis_familiaris%1:05:00:: 00000002 1 0
terrier%1:05:00:: 00000003 1 5
golden_retriever%1:05:00:: 00000004 1 2
golden%1:05:00:: 00000004 1 0
lapdog%1:05:00:: 00000005 1 1
toto%1:05:00:: 00000006 1 1
crane%1:06:00:: 00000007 1 2
crane%1:05:00:: 00000008 2 1
board%1:14:00:: 00000010 1 30
dining_table%1:06:00:: 00000011 1 4
board%1:06:00:: 00000011 2 1
run%2:38:00:: 00000001 1 90
"""
LEMMAS = ["terrier", "golden retriever, golden", "crane", "crane", "dining table, board"]
DEFINITIONS = [
    "a small dog",
    "retriever with a golden coat",
    "a machine that lifts",
    "a large bird",
    "a table for meals",
]


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    # What everyday words mean is looked up among ImageNet's names, which are not here.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{Lexicon.__module__}.EVERYDAY", {"puppy": ("dog",)})
        made = Lexicon(WordNet(NOUNS, SENSES), LEMMAS, DEFINITIONS)
        made.phrases  # noqa: B018  (is computed once)
    return made


def names(lexicon: Lexicon) -> dict[str, tuple[int, ...]]:
    return {" ".join(phrase.words): phrase.classes for phrase in lexicon.phrases}


def test_names_are_those_of_classes_and_of_what_is_above_and_below_them(lexicon):
    assert names(lexicon) == {
        "animal": (0, 1, 3),
        "animals": (0, 1, 3),
        "beast": (0, 1, 3),
        "beasts": (0, 1, 3),
        "board": (4,),  # a lemma of a class, however seldom it means that
        "boards": (4,),
        "crane": (2, 3),  # the machine and the bird
        "cranes": (2, 3),
        "dining table": (4,),
        "dining tables": (4,),
        "dog": (0, 1),
        "dogs": (0, 1),
        "golden": (1,),
        "goldens": (1,),
        "golden retriever": (1,),
        "golden retrievers": (1,),
        "lapdog": (0,),  # but no dog of a story, and no fellow
        "puppies": (0, 1),
        "puppy": (0, 1),
        "terrier": (0,),
        "terriers": (0,),
    }


@pytest.mark.parametrize(
    ("one", "several"),
    [
        ("golden retriever", "golden retrievers"),
        ("wolf", "wolves"),
        ("fly", "flies"),
        ("donkey", "donkeys"),
        ("box", "boxes"),
        ("church", "churches"),
        ("fireman", "firemen"),
        ("caiman", "caimans"),
        ("goldfish", None),
        ("jeans", None),
        ("sunglasses", None),
        ("kitchenware", None),
        ("bus", "buses"),
        ("glass", "glasses"),
    ],
)
def test_plurals(one, several):
    assert plural(one) == several


def test_a_name_means_its_classes(lexicon):
    classes = torch.nn.functional.normalize(torch.randn(5, 7, dtype=torch.float64), dim=1)
    vectors = lexicon.vectors(classes, -0.25)
    at = {" ".join(phrase.words): i for i, phrase in enumerate(lexicon.phrases)}
    mean = (classes[0] + classes[1] + classes[3]) / 3
    expected = [*(mean / mean.norm()).tolist(), -0.25 * float(mean.norm())]
    np.testing.assert_allclose(vectors[at["beast"]], expected)
    np.testing.assert_allclose(vectors[at["terriers"]], [*classes[0].tolist(), -0.25])


LOOSE = ["retrievers", "table", "tables"]


@pytest.fixture(scope="module")
def writer(lexicon) -> CaptionWriter:
    generator = torch.Generator().manual_seed(3)
    vectors = torch.randn(len(lexicon.phrases), WIDTH - 1, generator=generator)
    writer = CaptionWriter(lexicon, vectors)
    # Loose words may by chance stand beside one another as in a name: "golden", "retriever".
    assert [writer.vocabulary[one] for one in writer._loose] == ["dining", "retriever", *LOOSE]
    writer._loose = [1]
    return writer


def read_things(words: list[str], known: dict[str, int]) -> list[tuple[int, int]]:
    """Return the phrases of a caption and where they begin, the longest first."""
    found, place = [], 0
    while place < len(words):
        for length in (2, 1):
            phrase = " ".join(words[place : place + length])
            if phrase in known:
                found.append((known[phrase], place))
                place += length - 1
                break
        place += 1
    return found


@settings(max_examples=5)
@given(seed=st.integers(0, 10_000))
def test_a_caption_means_the_sum_of_what_it_names(writer, seed):
    """Read again from its words, each thing by how much of its word there is."""
    batch = writer.batch(np.random.default_rng(seed), 32)
    known = {" ".join(phrase.words): i for i, phrase in enumerate(writer.phrases)}
    for ids, mask, strength, meaning in zip(
        batch.ids, batch.mask, batch.strength, batch.meanings, strict=True
    ):
        length = int(mask.sum())
        assert (mask[:length] == 1).all()
        words = [writer.vocabulary[one] for one in ids[:length]]
        assert (words[0], words[-1]) == ("[CLS]", "[SEP]")
        assert strength[0] == strength[length - 1] == 1
        expected = torch.zeros_like(meaning)
        for phrase, place in read_things(words, known):
            expected += strength[place] * writer.vectors[phrase]
        torch.testing.assert_close(meaning, expected, atol=1e-5, rtol=0)


def test_batches_have_captions_of_about_one_length(writer):
    batches = writer.batches(np.random.default_rng(0), 16)
    lengths = [next(batches).mask.sum(1) for _ in range(8)]
    spreads = [int(one.max() - one.min()) for one in lengths]
    assert np.mean(spreads) < 4
    assert sorted(int(one.sum()) for one in lengths) != [int(one.sum()) for one in lengths]


@pytest.fixture(scope="module")
def network():
    """A classifier of random weights, as the trained one is read; of small pictures."""
    patch = pytest.MonkeyPatch()
    patch.setattr(_image_tower, "IMAGE_SIZE", 96)
    torch.manual_seed(0)
    network = EfficientNet.from_name("efficientnet-lite0", image_size=96)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.8, 1.4)
            torch.nn.init.normal_(module.bias, 0.3, 0.3)
    yield network.eval()
    patch.undo()


@pytest.fixture(scope="module")
def space(network):
    classifier = _image_tower.read_classifier(network)
    kinds = [range(40), range(30, 90), range(400, 403)]
    return _image_tower.shared_space(classifier, kinds, WIDTH - 1)


def test_the_image_tower_is_the_classifier(network, space):
    tower = _image_tower.image_tower(network, space, WIDTH)
    assert _image_tower.largest_difference(tower, network, space) < 5e-5
    gate = tower.encoder.blocks[3].squeeze_excite
    torch.nn.init.constant_(gate.expand.bias, 2.0)
    assert _image_tower.largest_difference(tower, network, space) > 1e-4


def test_cells_are_moved_by_the_padding_of_one_convolution(network, space):
    moved = copy.deepcopy(network)
    block = _image_tower.centre_cells(moved)
    assert moved._blocks[block]._depthwise_conv.stride[0] == 2
    tower = _image_tower.image_tower(moved, space, WIDTH, centred=[block])
    assert _image_tower.largest_difference(tower, moved, space) < 5e-5
    assert _image_tower.largest_difference(tower, network, space) > 1e-4


def test_a_class_that_is_seen_adds_its_kinds(space):
    assert space.kinds.any(1).nonzero().flatten().tolist() == [*range(90)]  # three are no kind
    cells = torch.randn(3, WIDTH - 1, generator=torch.Generator().manual_seed(1)) * 4
    found = space.with_kinds(cells)
    for cell, result in zip(cells, found, strict=True):
        expected = cell.clone()
        for vector, kind in zip(space.classes, space.kinds, strict=True):
            response = float(vector @ cell[:-1] + space.content * cell[-1])
            expected[:-1] += min(max(response - 1.5, 0), 6) * kind
        torch.testing.assert_close(result, expected, atol=1e-4, rtol=0)
    # The kind responds to its members, and not to others.
    member, other = space.classes[[5, 500]] * 6
    toward = torch.nn.functional.normalize(space.classes[:40].mean(0), dim=0)
    gains = [
        float((space.with_kinds(torch.cat([one, torch.zeros(1)]))[:-1] - one) @ toward)
        for one in (member, other)
    ]
    assert gains[0] > 0.3
    assert abs(gains[1]) < 0.1 * gains[0]


def test_training_resumes_and_the_folder_is_an_ordinary_one(network, space, writer, tmp_path):
    torch.manual_seed(0)
    text = TextTower(writer, 0.4)
    state = tmp_path / "state.pt"
    first = train(text, writer, state, steps=6, batch=8, seed=0, save_every=3)
    assert [line["step"] for line in first] == [3, 6]
    again = TextTower(writer, 0.4)
    assert train(again, writer, state, steps=6, batch=8, seed=0, save_every=3) == first
    for name, weights in text.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weights)

    folder = tmp_path / "model"
    folder.mkdir()
    tower = _image_tower.image_tower(network, space, WIDTH)
    _folder.save(folder, tower, text, writer.vocabulary, {"steps": 6}, "a card\n")
    encoder = fp.load_encoder(folder)
    assert encoder.logits.scale == pytest.approx(1 / _folder.TEMPERATURE, rel=1e-3)
    picture = photograph("cat").image
    pairs = fp.attribute(encoder, picture, "A golden-retriever, zorgle and a Crâne!")
    assert [token.text for token in pairs.tokens] == [
        "CLS", "A", "golden", "retriever", "zorgle", "and", "a", "Crâne", "SEP",
    ]  # fmt: skip
    assert [i for i, token in enumerate(pairs.tokens) if token.unknown] == [4]
    assert pairs.grid == (9, 9)
    assert abs(pairs.ledger.residual) < 0.01
    assert json.loads((folder / "training.json").read_text()) == {"steps": 6}


def test_the_learning_rate_rises_and_falls_twice():
    rates = np.array([learning_rate(step, 1300) for step in range(1300)])
    assert (rates.argmax(), rates.max()) == (80, 1)
    assert (800 + rates[800:].argmax(), rates[800:].max()) == (850, 0.5)
    assert rates[[0, 799, 800, 1299]] == pytest.approx([0.04, 0, 0.02, 0], abs=1e-3)
    assert (np.diff(rates[80:800]) < 0).all()
    assert (np.diff(rates[850:]) < 0).all()


def test_a_text_tower_learns_what_captions_mean(writer):
    """A few hundred captions bring the loss far below that of a tower that says nothing."""
    torch.manual_seed(0)
    text = TextTower(writer, 0.4)
    batches = writer.batches(np.random.default_rng(1), 32)
    optimizer = torch.optim.AdamW(text.parameters(), 2e-3)
    nothing = np.mean([float(next(batches).meanings.square().sum(1).mean()) for _ in range(8)])
    for _ in range(25):
        optimizer.zero_grad()
        loss = text.loss(next(batches))
        loss.backward()
        optimizer.step()
    last = next(batches)
    with torch.no_grad():
        missed = (text(last)[:, :-1] - last.meanings).square().sum(1).mean()
    assert float(missed) < 0.6 * nothing


# The one that ships


@pytest.fixture(scope="module")
def shipped() -> fp.DualEncoder:
    return fp.load_encoder()


def test_it_is_small_and_says_what_made_it():
    assert sum(file.stat().st_size for file in MODEL.iterdir()) < 16_000_000
    training = json.loads((MODEL / "training.json").read_text())
    assert training["image_tower_difference"] < 1e-5
    assert training["words"] >= 4000
    assert len(training["sources"]) == 4
    card = (MODEL / "README.md").read_text()
    for source in training["sources"]:
        assert f"`{source['name']}` ({source['registry']}) | {source['version']}" in card
        assert source["licence"] in card


def test_its_words(shipped):
    vocabulary = shipped.tokenizer.get_vocab()
    assert len(vocabulary) >= 4000
    known = "dog dogs puppy bird vehicle fruit furniture tool building animal sofa tv bicycle cow"
    assert not [word for word in known.split() if word not in vocabulary]
    unknown = "smiling laughing raccoon beautiful paris seven"
    assert not [word for word in unknown.split() if word in vocabulary]


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("cat", "a photo of a cat", "a photo of a dog"),
        ("german-shepherd", "a photo of a dog", "a photo of a cat"),
        ("bridge", "a bridge by night", "an espresso"),
        ("castle", "a building", "a vehicle"),
    ],
)
def test_a_right_caption_is_above_zero_and_a_wrong_one_below(shipped, name, right, wrong):
    picture = photograph(name).image
    assert shipped.similarity(picture, right) > 0.1
    assert shipped.similarity(picture, wrong) < 0.02


@pytest.mark.parametrize(("grey", "value"), [(0, -1.0), (127, -0.5 / 127.5), (255, 1.0)])
def test_its_pictures_reach_from_minus_one_to_one(shipped, grey, value):
    """As (x - 127) / 128 in the classifier's own code, within a half of a grey level."""
    prepared = shipped.prepare(Image.new("RGB", (40, 30), (grey, grey, grey)), "image")
    pixels = prepared.inputs["pixel_values"]
    assert pixels.shape == (1, 3, 288, 288)
    np.testing.assert_allclose(pixels, value, atol=1e-5)


def test_what_names_nothing_is_near_zero(shipped):
    pictures = shipped.embed_image([photograph(name).image for name in photograph_names()[:6]])
    captions = ["smiling laughing zorgle", "a photo of the", "next to", "in front of it", "七"]
    assert np.abs(pictures @ shipped.embed_text(captions).T).max() < 0.05


def test_grey_and_padding_are_neither_for_nor_against(shipped):
    for name, caption in (("coffee", "a cup and a spoon"), ("cat", "a dog")):
        ledger = fp.attribute(shipped, photograph(name).image, caption).ledger
        assert max(abs(ledger.caption_only), abs(ledger.image_only), abs(ledger.baseline)) < 0.01
        assert abs(ledger.residual) < 0.01


def test_words_carry_what_they_name(shipped):
    pairs = fp.attribute(shipped, photograph("coffee").image, "a photo of a cup next to a hammer")
    sums = {token.text: row.sum() for token, row in zip(pairs.tokens, pairs.matrix, strict=True)}
    assert sums.pop("cup") > 0.1
    assert sums.pop("hammer") < 0
    assert max(map(abs, sums.values())) < 0.02


def test_a_chart_has_little_to_explain(shipped):
    chart = Image.new("RGB", (640, 480), "white")
    draw = ImageDraw.Draw(chart)
    for bar in range(8):
        draw.rectangle((40 + 70 * bar, 400 - 40 * bar, 90 + 70 * bar, 440), fill=(40, 90, 160))
    pairs = fp.attribute(shipped, chart, "a photo of a cat")
    assert np.isfinite(pairs.matrix).all()
    assert abs(pairs.ledger.pairs) < 0.15


def test_its_settings_are_those_of_the_recipe(shipped):
    assert shipped.logits.scale == pytest.approx(1 / _folder.TEMPERATURE, rel=1e-3)
    assert json.loads((MODEL / "attribution.json").read_text()) == _folder.DEFAULTS
    assert _captions.LONGEST_CAPTION >= 32
