"""The gallery's Python side: what it sends, what it takes from a page, and how often it reads."""

import io

import numpy as np
import pytest
import traitlets
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.widget import Gallery, GalleryItem, Shelf
from fpattr_widget.widget._thumbnails import thumbnail


class Counted:
    """Returns a picture of one colour, and counts how often it is asked to."""

    def __init__(self, colour: tuple[int, int, int], size: tuple[int, int] = (300, 200)):
        self.colour, self.size, self.reads = colour, size, 0

    def __call__(self) -> Image.Image:
        self.reads += 1
        return Image.new("RGB", self.size, self.colour)


def unreadable() -> Image.Image:
    raise OSError("gone")


@pytest.fixture
def sources() -> list[Counted]:
    return [Counted((60 * number, 20, 200)) for number in range(4)]


@pytest.fixture
def gallery(sources, monkeypatch):
    items = [GalleryItem(f"{n}.jpg", 0.3 - n / 10, source) for n, source in enumerate(sources)]
    other = [GalleryItem("0.jpg", 0.1, sources[0]), GalleryItem("lost.jpg", 0.05, unreadable)]
    gallery = Gallery([Shelf("“a dog”", items), Shelf("<b>two</b>", other)], hint="Click one.")
    sent: list[tuple[dict, list[bytes]]] = []
    monkeypatch.setattr(gallery, "send", lambda message, buffers: sent.append((message, buffers)))
    gallery.sent = sent
    yield gallery
    gallery.close()


def ask(gallery: Gallery, *places: object) -> None:
    gallery._receive(gallery, {"type": "thumbnails", "items": list(places)}, [])
    assert gallery._worker.join(10)


def test_a_thumbnail_is_made_when_it_is_asked_for_and_read_once(gallery, sources):
    assert gallery.get_state("thumbnails") == {"thumbnails": {}}
    assert [source.reads for source in sources] == [0, 0, 0, 0]
    ask(gallery, [0, 2], [0, 0], [1, 0], [1, 1])
    ask(gallery, [0, 2], [1, 1])
    assert [source.reads for source in sources] == [1, 0, 1, 0]
    messages = [message for message, _ in gallery.sent[:4]]
    assert [(tuple(one["place"]), one["made"]) for one in messages] == [
        ((0, 2), True),
        ((0, 0), True),
        ((1, 0), True),
        ((1, 1), False),
    ]
    (data,) = gallery.sent[0][1]
    picture = Image.open(io.BytesIO(data))
    assert (picture.format, picture.size) == ("JPEG", (240, 160))
    assert np.abs(np.asarray(picture, int) - sources[2].colour).max() <= 3
    assert gallery.sent[3][1] == []
    # A page that opens later has all of them from the state.
    assert set(gallery.get_state("thumbnails")["thumbnails"]) == {"0/2", "0/0", "1/0"}


def test_what_is_no_item_is_not_asked_for(gallery, sources):
    ask(gallery, [0, 4], [2, 0], [-1, 0], [True, 0], [0], "0/1", None, [0, 0.0])
    assert gallery.sent == []
    for message in (None, {"type": "thumbnails", "items": 3}, {"type": "choose"}, {"type": "x"}):
        gallery._receive(gallery, message, [])
    assert gallery.chosen == []


def test_a_thumbnail_is_small_whatever_the_picture(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (900, 1200, 3), np.uint8)
    data = thumbnail(Image.fromarray(noise))
    assert len(data) < 14_000  # noise is the worst that there is; photographs take 8 kB
    assert Image.open(io.BytesIO(data)).size == (240, 180)
    assert Image.open(io.BytesIO(thumbnail(Image.new("L", (9, 5))))).size == (9, 5)


def test_a_choice_comes_from_the_page_or_from_python(gallery):
    seen = []
    gallery.observe(lambda change: seen.append(change["new"]), "chosen")
    gallery._receive(gallery, {"type": "choose", "chosen": [[0, 3], [1, 0]]}, [])
    assert gallery.chosen == [[0, 3], [1, 0]]
    gallery._receive(gallery, {"type": "choose", "chosen": [[0, 9]]}, [])
    gallery.chosen = [[0, 1], [0, 1]]
    assert seen == [[[0, 3], [1, 0]], [[0, 1]]]
    assert gallery.item(gallery.chosen[0]).name == "1.jpg"
    with pytest.raises(traitlets.TraitError, match=r"holds \[5, 0\]: pass \[shelf, item\]"):
        gallery.chosen = [[5, 0]]
    with pytest.raises(traitlets.TraitError, match="holds 3 items: pass at most 2"):
        gallery.chosen = [[0, 0], [0, 1], [0, 2]]
    assert gallery.chosen == [[0, 1]]


def test_thumbnails_of_the_page_do_not_come_back(gallery):
    ask(gallery, [0, 0])
    gallery.set_state({"thumbnails": {}, "chosen": [[0, 0]]})
    assert set(gallery.thumbnails) == {"0/0"}
    assert gallery.chosen == [[0, 0]]


def test_without_a_page_the_first_of_each_shelf_are_kept(gallery, sources):
    gallery.bake(2)
    assert set(gallery.thumbnails) == {"0/0", "0/1", "1/0"}
    gallery.cell_ended()  # they are there already
    assert [source.reads for source in sources] == [1, 1, 0, 0]


def test_items_as_they_travel():
    items = [GalleryItem("a\ud800.jpg", float("nan"), None, text="a dog", note="n", marked=True)]
    with_place = GalleryItem("b", 1, unreadable, place=7)
    gallery = Gallery([Shelf("t", [*items, with_place])])
    first, second = gallery.shelves[0]["items"]
    assert first == {
        "name": "a?.jpg", "score": None, "text": "a dog", "note": "n", "marked": True,
        "pictured": False, "place": 1,
    }  # fmt: skip
    assert (second["place"], second["pictured"], second["score"]) == (7, True, 1.0)
    gallery.close()


@pytest.mark.parametrize(
    ("shelves", "options", "message"),
    [
        ([], {}, "`shelves` is empty: pass at least one Shelf."),
        ([Shelf("", [])], {"theme": "red"}, "`theme` is 'red': pass one of 'auto', 'light'"),
        ([Shelf("", [])], {"most_chosen": 0}, "`most_chosen` is 0: pass a whole number from 1."),
    ],
)
def test_settings_that_cannot_be_used(shelves, options, message):
    with pytest.raises(fp.InputError) as error:
        Gallery(shelves, **options)
    assert message in str(error.value)
