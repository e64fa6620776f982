"""Rankings: their order, what explains them, and what they are saved as."""

import base64
import csv
import io
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.encoders._embeddings import fingerprint_of
from fpattr_widget.retrieval import _ranked
from fpattr_widget.retrieval._ranking_view import MOST_SHOWN, read_source
from tests.helpers.families import llip

QUERY = "a red dog"
NAMES = ("<b>b</b>.png", "=1+1.png", "a.png", "c.png", "deep/er/d.png")
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with five pictures, one of them further down, and what is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(5)
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        noise = random.integers(0, 255, (6, 8, 3), np.uint8)
        Image.fromarray(noise).resize((80, 60), Image.Resampling.BICUBIC).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("a dog")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def ranking(encoder, folder) -> fp.Ranking:
    return fp.rank(folder, QUERY, model=encoder, layer=1)


def similarities(encoder: fp.DualEncoder, folder: Path, caption: str = QUERY) -> np.ndarray:
    """Return the cosines of the five pictures, multiplied out, ``(5,)``."""
    (text,) = encoder.embed_text([caption]).astype(np.float64)
    pictures = [encoder.embed_image([folder / name])[0].astype(np.float64) for name in NAMES]
    return np.array([picture @ text for picture in pictures])


def test_pictures_are_in_the_order_of_their_similarity(ranking, encoder, folder):
    cosines = similarities(encoder, folder)
    order = np.argsort(-cosines, kind="stable")
    assert ranking.names == tuple(NAMES[number] for number in order)
    np.testing.assert_allclose(ranking.scores, cosines[order], atol=1e-6)
    assert np.ptp(cosines) > 0.01
    assert [item.place for item in ranking] == [1, 2, 3, 4, 5]
    assert [Path(item.source) for item in ranking] == [folder / name for name in ranking.names]
    assert (len(ranking), ranking[0].place, ranking[-1].place) == (5, 1, 5)
    assert [str(problem) for problem in ranking.problems] == [
        "broken.jpg: cannot be read, for broken.jpg is not a picture in a known format"
    ]


def test_a_part_keeps_places(ranking):
    part = ranking[2:4]
    assert (len(part), [item.place for item in part]) == (2, [3, 4])
    assert part.find(3) is ranking[2]
    assert part.find(ranking.names[3]) is ranking[3]
    with pytest.raises(fp.InputError, match=r"`item` is 1, which is not in the ranking: pass a"):
        part.find(1)
    np.testing.assert_array_equal(part.scores, ranking.scores[2:4])


def test_items_are_explained_by_the_same_score(ranking, encoder, folder):
    pairs = ranking.pairs(2)
    name = ranking.names[1]
    assert pairs.ledger.similarity == pytest.approx(ranking[1].score, abs=1e-6)
    expected = fp.attribute(encoder, folder / name, QUERY, layer=1)
    np.testing.assert_allclose(pairs.matrix, expected.matrix, atol=1e-7)
    for same in (name, ranking[1]):
        np.testing.assert_array_equal(ranking.pairs(same).matrix, pairs.matrix)


def test_why_is_the_difference_of_two(ranking, encoder):
    pairs = ranking.why(1, 3)
    first, third = (encoder.similarity(ranking[n].source, QUERY) for n in (0, 2))
    assert pairs.ledger.similarity == pytest.approx(first - third, abs=1e-6)
    one, three = ranking.pairs(1), ranking.pairs(3)
    # The pairs of both pictures side by side, and their sum with the second's taken away.
    count = one.matrix.shape[1]
    np.testing.assert_allclose(pairs.matrix[:, :count], one.matrix, atol=1e-6)
    np.testing.assert_allclose(pairs.matrix[:, count:], -three.matrix, atol=1e-6)
    assert pairs.ledger.pairs == pytest.approx(one.ledger.pairs - three.ledger.pairs, abs=1e-6)
    assert ranking.why().ledger.similarity == pytest.approx(
        ranking[0].score - ranking[1].score, abs=1e-6
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.why(1, 1), "`second` is the first too: pass another item."),
        (lambda r: r.why(1, 9), "`second` is 9, which is not in the ranking: pass a place from 1"),
        (lambda r: r.pairs(0), "`item` is 0: pass a whole number from 1."),
        (lambda r: r.pairs("x"), "`item` is 'x', which is not in the ranking: pass a place, or"),
        (lambda r: r.save("x.png"), "`path` ends in '.png': pass a name that ends in .html or"),
        (lambda r: r.save("x.csv", explained=-1), "`explained` is -1: pass a whole number from 0."),
    ],
)
def test_what_is_not_there(ranking, call, message):
    with pytest.raises(fp.InputError) as error:
        call(ranking)
    assert message in str(error.value)


def test_any_two_kinds_are_ranked(encoder, folder):
    picture = folder / "c.png"
    captions = ["a dog", QUERY, "a dog", "a ball"]
    by_picture = fp.rank(captions, query=picture, model=encoder)
    cosines = np.array([encoder.similarity(picture, caption) for caption in captions])
    assert by_picture.names == tuple(np.array(captions)[np.argsort(-cosines, kind="stable")])
    assert by_picture.why(1, 4).ledger.similarity == pytest.approx(np.ptp(cosines), abs=1e-6)
    assert [panel.kind for panel in by_picture.why(1, 4).rows.panels] == ["sentence"] * 2
    places = [item.place for item in by_picture if item.name == "a dog"]
    assert places[1] == places[0] + 1
    with pytest.raises(fp.InputError, match="`item` is 'a dog', which 2 items are called: pass a"):
        by_picture.pairs("a dog")

    texts = fp.rank(captions, QUERY, model=encoder)
    assert (texts.names[0], texts[0].score) == (QUERY, pytest.approx(1))
    pictures = [Image.open(folder / name) for name in NAMES]
    images = fp.rank(pictures, fp.Picture(picture), model=encoder)
    assert (images.names[0], images[0].score) == ("image 4", pytest.approx(1))

    query = fp.Text(QUERY) - 0.5 * fp.Text("a ball")
    summed = fp.rank([folder / name for name in NAMES], query, model=encoder)
    expected = similarities(encoder, folder) - 0.5 * similarities(encoder, folder, "a ball")
    np.testing.assert_allclose(summed.scores, np.sort(expected)[::-1], atol=1e-6)
    assert summed.pairs(1).ledger.similarity == pytest.approx(expected.max(), abs=1e-6)
    assert summed.query_in_words == "“a red dog” − 0.5 · “a ball”"


def test_a_head_reads_each_picture_by_the_query(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(_ranked, "_TOGETHER", 2)
    headed = fp.load_encoder(llip.llip(), processor=llip.processor(), weight_scale=5)
    pictures = [folder / name for name in NAMES]
    expected = [headed.similarity(picture, QUERY) for picture in pictures]
    ranking = fp.rank(folder, QUERY, model=headed)
    assert ranking.names[0] == NAMES[int(np.argmax(expected))]
    assert [problem.file for problem in ranking.problems] == ["broken.jpg"]
    np.testing.assert_allclose(ranking.scores, np.sort(expected)[::-1], atol=1e-6)
    assert ranking.pairs(1).ledger.similarity == pytest.approx(max(expected), abs=1e-6)
    captions = fp.rank([QUERY, "a ball"], query=pictures[0], model=headed)
    assert dict(zip(captions.names, captions.scores, strict=True)) == pytest.approx(
        {caption: headed.similarity(pictures[0], caption) for caption in (QUERY, "a ball")},
        abs=1e-6,
    )
    for images, options, message in (
        ([folder / "broken.jpg"], {}, "holds nothing that can be read (the first of 1: "),
        (folder, {"store": tmp_path / "x.npz"}, "`store` holds embeddings, but "),
        ([], {}, "`images` is empty"),
    ):
        with pytest.raises(fp.InputError, match=re.escape(message)):
            fp.rank(images, QUERY, model=headed, **options)
    with pytest.raises(fp.InputError, match="`query` has pictures and captions, but"):
        fp.rank(folder, fp.Text(QUERY) + fp.Picture(pictures[0]), model=headed)


def test_embeddings_are_ranked_without_the_pictures(encoder, folder):
    fingerprint = fingerprint_of(encoder, "image")
    sources = [folder / "a.png", None]
    vectors = encoder.embed_image([folder / "a.png", folder / "c.png"])
    stored = fp.Embeddings(vectors, ("a", "c"), sources, "image", encoder.name, fingerprint)
    ranking = fp.rank(stored, QUERY, model=encoder)
    np.testing.assert_allclose(
        ranking.scores, np.sort(similarities(encoder, folder)[[2, 3]])[::-1], atol=1e-6
    )
    assert ranking.pairs("a").ledger.similarity == pytest.approx(ranking.find("a").score, abs=1e-6)
    with pytest.raises(fp.InputError, match="`item` 'c' has no source any more, so that its score"):
        ranking.why("a", "c")
    foreign = fp.Embeddings(vectors, ("a", "c"), sources, "image", "other", {"weights": "x"})
    with pytest.raises(fp.InputError, match=r"`images` .*'other'"):
        fp.rank(foreign, QUERY, model=encoder)


@pytest.mark.parametrize(
    ("images", "query", "message"),
    [
        ([], QUERY, "`images` is empty: pass at least one picture or caption."),
        ("nowhere", QUERY, "`images` names no folder (nowhere): check the path."),
        (3, QUERY, "`images` is a int: pass a list, another sequence or a generator."),
        (np.zeros((4, 5, 3), np.uint8), QUERY, "`images` is one array: pass a list of images."),
        (
            ["x.png", "y.png"],
            QUERY,
            "holds nothing that can be read (the first of 2: x.png: ",
        ),
        (["a dog"], "", "`query` is empty: write what the image may show."),
        (["a dog"], ["a dog", "a cat"], "`query` is a list of 2: rank once for each, or pass a"),
        (["a dog"], "gone.png", "`query` names no file: check the path gone.png."),
        ([fp.Text("a") - fp.Text("b")], QUERY, "`images` holds Text('a') - Text('b'): pass one"),
    ],
)
def test_what_cannot_be_ranked(encoder, images, query, message):
    with pytest.raises(fp.InputError) as error:
        fp.rank(images, query, model=encoder)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("options", "argument"),
    [({"layer": 9}, "layer"), ({"method": "x"}, "method"), ({"top": 0}, "top")],
)
def test_settings_are_checked_before_anything_is_read(encoder, monkeypatch, options, argument):
    monkeypatch.setattr(type(encoder), "embed_image", None)
    with pytest.raises(fp.InputError) as error:
        fp.rank(["a.png"], QUERY, model=encoder, **options)
    assert error.value.argument == argument


def test_an_empty_folder_and_an_empty_caption(encoder, tmp_path):
    with pytest.raises(fp.InputError, match="`images` names a folder without pictures"):
        fp.rank(tmp_path, QUERY, model=encoder)
    ranking = fp.rank(["a dog", " ", QUERY], QUERY, model=encoder, top=1)
    assert ranking.names == (QUERY,)
    assert [str(problem) for problem in ranking.problems] == ["text 2: is empty"]


def test_a_store_keeps_the_embeddings(encoder, folder, tmp_path, monkeypatch):
    store = tmp_path / "pictures.npz"
    fp.rank(folder, "a ball", model=encoder, store=store)
    with monkeypatch.context() as patch:
        patch.setattr(type(encoder.towers["image"]), "embed_and_count", None)
        again = fp.rank(folder, QUERY, model=encoder, store=store)
        loaded = fp.rank(fp.load_embeddings(store), QUERY, model=encoder)
    expected = np.sort(similarities(encoder, folder))[::-1]
    for ranking in again, loaded:
        np.testing.assert_allclose(ranking.scores, expected, atol=1e-6)
        assert [problem.file for problem in ranking.problems] == ["broken.jpg"]
        similarity = ranking.pairs(1).ledger.similarity
        assert similarity == pytest.approx(ranking[0].score, abs=1e-6)


def test_tables(ranking, tmp_path):
    frame = ranking.to_dataframe()
    assert list(frame.columns) == ["place", "name", "score"]
    assert list(frame["name"]) == list(ranking.names)
    np.testing.assert_array_equal(frame["score"], ranking.scores)
    said = repr(ranking[:2])
    assert said.splitlines()[0] == "“a red dog”: 2 pictures, by CLIPModel, 1 left out"
    assert re.search(rf"1  {re.escape(ranking.names[0])} +-?0\.\d{{3}}$", said, re.MULTILINE)
    ranking.save(tmp_path / "r.csv")
    lines = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text("utf-8"))))
    assert [float(line["score"]) for line in lines] == list(ranking.scores)
    assert sorted(line["name"] for line in lines) == sorted(["'=1+1.png", *set(NAMES) - {NAMES[1]}])


@pytest.fixture
def view(ranking):
    view = ranking.widget(theme="dark")
    view.gallery.send = lambda *_values: None
    yield view
    view.close()


def test_the_gallery_explains_what_is_chosen(view, ranking):
    (shelf,) = view.gallery.shelves
    assert shelf["title"] == "“a red dog”"
    assert [item["name"] for item in shelf["items"]] == [
        os.path.relpath(name) for name in ranking.names
    ]
    assert [item["score"] for item in shelf["items"]] == list(ranking.scores)
    assert view.gallery.chosen == [[0, 0]]
    assert (view.gallery.theme, view.view.theme) == ("dark", "dark")
    assert view.pairs.ledger.similarity == pytest.approx(ranking[0].score, abs=1e-6)
    assert not view.gallery.thumbnails  # nothing is read before it is seen
    view.gallery._receive(view.gallery, {"type": "choose", "chosen": [[0, 2], [0, 4]]}, [])
    difference = ranking[2].score - ranking[4].score
    assert view.pairs.ledger.similarity == pytest.approx(difference, abs=1e-6)
    assert [panel.kind for panel in view.pairs.columns.panels] == ["picture"] * 2
    assert view.explanations() == (view.pairs,)
    assert view.kept_state()["theme"] == "dark"


def test_what_cannot_be_explained_is_told_and_the_rest_goes_on(encoder, folder):
    fingerprint = fingerprint_of(encoder, "image")
    vectors = encoder.embed_image([folder / "a.png"] * 2)
    stored = fp.Embeddings(
        vectors, ("gone", "a"), (None, folder / "a.png"), "image", encoder.name, fingerprint
    )
    view = fp.rank(stored, QUERY, model=encoder).widget()
    trouble = view.children[1]
    assert view.view is None
    assert view.pairs is None
    assert trouble.value.startswith("item 'gone' has no source any more")
    assert trouble.layout.display is None
    view.gallery.chosen = [[0, 1]]
    assert view.children[-1] is view.view
    assert trouble.layout.display == "none"
    shown = view.pairs
    view.gallery.chosen = [[0, 1], [0, 0]]
    assert view.pairs is shown
    assert trouble.layout.display is None
    view.close()


def test_left_out_files_are_named_as_text(view):
    html = view.children[1].value
    assert "1 file could not be used" in html
    assert "broken.jpg: cannot be read" in html


def test_a_ranking_shows_itself(ranking):
    data, _ = ranking._repr_mimebundle_()
    again, _ = ranking._repr_mimebundle_(exclude={"image/png"})
    assert data[VIEW] == again[VIEW]  # one gallery, however often it is shown
    assert data["text/plain"] == repr(ranking)
    drawn = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert drawn.width == 770
    view = ranking.__dict__["_shown"]
    alone = Image.open(io.BytesIO(view.gallery.draw()))
    assert drawn.height > alone.height + 200  # the explanation is beneath
    view.close()
    assert ranking._repr_mimebundle_(exclude={"image/png"})[0][VIEW] != data[VIEW]
    ranking.__dict__["_shown"].close()


def test_thumbnails_are_of_whole_pictures_whatever_they_are(encoder, folder, picture):
    tall = Image.new("RGB", (20, 80), "red")
    values = [folder / "a.png", np.asarray(tall), encoder.prepare(picture, "image")]
    ranking = fp.rank(values, QUERY, model=encoder)
    sizes = {item.name: read_source(encoder, item).size for item in ranking}
    assert sizes[str(folder / "a.png")] == (80, 60)
    assert sizes["image 2"] == (20, 80)
    assert sizes["image 3"][0] == sizes["image 3"][1]  # the square that the model sees


def test_a_page_holds_the_gallery_and_the_first_explanations(ranking, tmp_path):
    before = threading.active_count()
    ranking.save(tmp_path / "r.html", explained=2)
    page = (tmp_path / "r.html").read_text("utf-8")
    assert re.findall('data-explains="([^"]*)"', page) == ["0/0", "0/1", "0/0 0/1", ""]
    assert page.count("data-fpattr>") == 3
    assert page.count("base64") > 5  # every thumbnail
    assert "<b>b</b>" not in page
    assert "This page explains the first 2 items" in page
    assert "Left out: broken.jpg: cannot be read" in page
    assert len(re.findall("'sha256-", page)) == 3  # two scripts and the style sheet
    assert threading.active_count() <= before
    ranking[:1].save(tmp_path / "none.html", explained=0)
    assert "Nothing is explained on this page." in (tmp_path / "none.html").read_text("utf-8")


def test_a_thousand_are_shown_of_more(ranking):
    many = fp.Ranking(ranking.items * 300, ranking.query, ranking.encoder, "image")
    view = many.widget()
    (shelf,) = view.gallery.shelves
    assert len(shelf["items"]) == MOST_SHOWN
    assert shelf["title"] == "“a red dog”: the first 1,000 of 1,500"
    view.close()
