"""The widget's state and messages, without a page."""

import contextlib
import copy
import io
import json
import threading
import time

import numpy as np
import pytest
import torch
import traitlets
from ipywidgets.widgets.widget import _put_buffers
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.view import PROTOCOL, computed_state
from fpattr_widget.widget._pairs_widget import PairsWidget
from tests.helpers.families import llip
from tests.helpers.made_pairs import made
from tests.helpers.shown import caption_of, kind_of, picture_of, rows_message

METHOD = fp.IntegratedJacobians(steps=3)


@pytest.fixture
def widget(encoder, picture):
    view = fp.attribute(encoder, picture, "a dog and <b>a ball</b>", METHOD, 1).widget()
    yield view
    view.close()


class Wire:
    """Hears what a widget sends, instead of a kernel's socket."""

    def __init__(self, widget: PairsWidget):
        self.messages: list[dict] = []
        widget.comm.publish_msg = self._publish

    def _publish(self, _kind, data=None, buffers=None, **_more):
        buffers = [bytes(buffer) for buffer in buffers or []]
        self.messages.append({**data, "buffers": buffers})

    def said(self, kind: str) -> list[dict]:
        contents = [message.get("content", {}) for message in self.messages]
        return [content for content in contents if kind_of(content) == kind]

    def buffers_of(self, content: dict) -> bytes:
        """Return the one buffer that came with a message."""
        (found,) = (message for message in self.messages if message.get("content") is content)
        (buffer,) = found["buffers"]
        return buffer

    def updates(self) -> list[dict]:
        """Return the states that were sent, with their buffers put back."""
        states = []
        for message in list(self.messages):
            if message.get("method") == "update":
                state = copy.deepcopy(message["state"])
                _put_buffers(state, message["buffer_paths"], message["buffers"])
                states.append(state)
        return states


def hello(widget: PairsWidget, **changed) -> None:
    message = {"type": "hello", "epoch": widget.epoch, "protocol": PROTOCOL, **changed}
    widget._handle_custom_msg(message, [])


def test_picture_and_tokens_are_there_before_any_row(encoder, picture):
    pairs = fp.attribute(encoder, picture, "a dog", METHOD, 1)
    widget = PairsWidget(pairs)
    state = widget.get_state()
    caption, shown = caption_of(state["sides"]), picture_of(state["sides"])
    assert caption["text"] == "a dog"
    assert [token["text"] for token in caption["tokens"]] == ["BOS", "a", "dog", "EOS"]
    assert (caption["features"], caption["special"]) == (4, [0, 3])
    assert (shown["features"], shown["special"], shown["names"]) == (10, [0], ["CLS"])
    assert shown["grid"] == [3, 3]
    assert Image.open(io.BytesIO(shown["data"])).size == pairs.picture.size
    assert shown["media_type"] in ("image/png", "image/jpeg")
    assert state["rows"] == b""
    json.dumps(caption["tokens"])
    widget.close()


def test_baking_puts_every_row_into_the_state(widget):
    assert widget.bake() is widget
    rows = np.frombuffer(widget.rows, "<f4").reshape(len(widget.pairs.tokens), 10)
    np.testing.assert_array_equal(rows[:, 1:], widget.pairs.matrix)
    assert widget.ledger["similarity"] == widget.similarity == widget.pairs.ledger.similarity


def test_baking_keeps_match_and_what_was_read_and_other_pairs_let_them_go(picture, encoder):
    headed = fp.attribute(llip.llip_encoder(torch.float32), picture, llip.CAPTION, METHOD, 1)
    view = headed.widget(part="routing")
    assert view.parts == ["match", "routing", "mixture 1", "mixture 2", "mixture 3"]
    assert view.match_rows == b""
    view.bake()
    count = len(headed.tokens)
    rows = np.frombuffer(view.match_rows, "<f4").reshape(count, -1)
    np.testing.assert_array_equal(rows, headed.match.feature_rows(range(count)))
    assert view.read_outs[0]["routes"] == list(headed.read_out.routes)
    # Pairs that are complete are shown with what is known of their parts.
    again = headed.widget()
    assert (again.match_rows, again.read_outs) == (view.match_rows, view.read_outs)
    view.show(fp.attribute(encoder, picture, "a dog", METHOD, 1))
    assert (view.parts, view.match_rows, view.read_outs) == ([], b"", [])
    assert view.kept_state()["part"] == "routing"
    view.close()
    again.close()


def test_large_pictures_are_sent_bounded(encoder):
    noise = np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), np.uint8)
    view = fp.attribute(encoder, noise, "a dog", METHOD, 1).widget()
    shown = picture_of(view.sides)
    assert shown["media_type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(shown["data"])).size) <= 768
    view.close()


def test_nothing_of_the_file_travels_with_the_picture(encoder, picture, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "secret description"
    path = tmp_path / "secret-name.jpg"
    picture.save(path, exif=exif)
    view = fp.attribute(encoder, path, "a dog", METHOD, 1).widget()
    everything = repr(view.get_state())
    assert "secret" not in everything
    view.close()


# With what each is answered.
MALFORMED = [
    (None, []),
    ("hello", []),
    ({}, []),
    ({"type": "features", "epoch": 1, "side": 0, "id": 0}, []),
    ({**rows_message([1]), "features": ["1"]}, []),
    (rows_message([10_000, -1]), ["done"]),
    (rows_message([1], epoch=0), []),
    ({**rows_message([1]), "part": "match"}, []),
    ({**rows_message([1]), "side": 2}, []),
    ({**rows_message([9_999]), "side": 1, "id": 3}, ["region", "done"]),
    ({**rows_message([0, 1]), "side": 1, "id": 3}, []),
    ({"type": "unheard of", "epoch": 1}, []),
    ({"type": "hello", "epoch": None, "protocol": PROTOCOL}, ["hello", "ledger", "rows", "done"]),
    ({"type": "hello", "epoch": 1, "protocol": [PROTOCOL]}, ["failure"]),
    ({"type": "text", "side": 0, "text": 3}, []),
    ({"type": "file", "side": 1}, []),
]


@pytest.mark.slow
@pytest.mark.parametrize(("message", "answers"), MALFORMED)
def test_malformed_messages_do_no_harm(widget, message, answers):
    edits = []
    widget.editable = True
    widget.on_edit(lambda kind, value: edits.append(kind))
    assert widget._server.wait(30)  # it has filled the view
    pairs, wire = widget.pairs, Wire(widget)
    widget._receive(widget, message, [])  # beneath where ipywidgets swallows errors
    assert widget._server.wait(30)
    kinds = [kind_of(sent["content"]) for sent in wire.messages if sent["method"] == "custom"]
    assert kinds == answers
    assert (edits, widget.pairs) == ([], pairs)
    for region in wire.said("region"):
        assert np.frombuffer(wire.buffers_of(region), "<f4").tolist() == [0.0] * len(
            widget.pairs.tokens
        )
    # It still answers.
    widget._handle_custom_msg(rows_message([2]), [])
    assert widget._server.wait(30)
    assert wire.said("rows")[-1]["features"] == [2]


WRONG = [
    ("theme", "pink"), ("theme", None), ("scale", "log"), ("signs", "neither"), ("signs", ["for"]),
    ("level", "letters"), ("opacity", 1.2), ("opacity", -0.1), ("opacity", True),
    ("opacity", "half"), ("opacity", float("nan")), ("smooth", 1), ("keep_colour", "no"),
    ("report_hover", None), ("editable", 0), ("precompute", "yes"),
]  # fmt: skip


def test_wrong_options_are_named(encoder, picture):
    pairs = fp.attribute(encoder, picture, "a dog", METHOD, 1)
    for option, value in WRONG:
        with pytest.raises(fp.InputError, match=f"`{option}` is"):
            pairs.widget(**{option: value})
    with pytest.raises(TypeError, match="unheard_of"):
        fp.explain(picture, "a dog", model=encoder, unheard_of=1)


def test_explain_takes_what_load_encoder_takes(encoder, picture, saved_model):
    from tests.helpers.models import Processor

    for options in (
        {"model": encoder},
        {"model": saved_model},
        {"model": encoder.model, "processor": Processor(24)},
    ):
        view = fp.explain(picture, "a dog", method=METHOD, **options)
        assert np.isfinite(view.pairs.matrix).all()
        view.close()


def test_a_model_is_loaded_once_until_its_files_change(picture, saved_model, tmp_path):
    import shutil

    folder = shutil.copytree(saved_model, tmp_path / "model")
    names = [fp.explain(picture, "a dog", model=folder, method=METHOD) for _ in range(2)]
    (folder / "attribution.json").unlink()
    names.append(fp.explain(picture, "a dog", model=str(folder), method=METHOD))
    layers = [view.pairs.about.layers for view in names]
    assert layers == ["text block 1 · image block 2"] * 2 + ["text block 2 · image block 2"]
    from fpattr_widget.encoders import shared_encoder

    assert shared_encoder(folder) is shared_encoder(str(folder))
    for view in names:
        view.close()


def test_settings_travel_and_can_be_changed_from_both_sides(encoder, picture):
    settings = {
        "theme": "dark", "scale": "own", "signs": "for", "opacity": 0.5, "smooth": True,
        "keep_colour": True, "level": "tokens", "report_hover": True, "editable": True,
    }  # fmt: skip
    view = fp.attribute(encoder, picture, "a dog", METHOD, 1).widget(**settings)
    assert settings.items() <= view.get_state().items()
    wire = Wire(view)
    view.set_state({"scale": "shared", "opacity": 0.25})
    assert (view.scale, view.opacity) == ("shared", 0.25)
    assert not [message for message in wire.messages if message["method"] != "custom"]
    view.signs = "against"
    assert wire.updates()[-1] == {"signs": "against"}
    for name, value in (("theme", "pink"), ("opacity", 2)):
        with pytest.raises(traitlets.TraitError):
            setattr(view, name, value)
    view.close()


def test_pins_are_put_in_order_and_those_that_do_not_exist_are_told(widget):
    widget.selected_tokens = [3, 1, 3]
    widget.selected_patches = [8, 0]
    assert (widget.selected_tokens, widget.selected_patches) == ([1, 3], [0, 8])
    count = len(widget.pairs.tokens)
    with pytest.raises(traitlets.TraitError, match=f"holds {count}: pass token numbers from 0 to"):
        widget.selected_tokens = [0, count]
    with pytest.raises(traitlets.TraitError, match="pass patch numbers from 0 to 8"):
        widget.selected_patches = [-1]
    with pytest.raises(traitlets.TraitError), widget.hold_trait_notifications():
        widget.selected_tokens = [99]
    assert (widget.selected_tokens, widget.selected_patches) == ([1, 3], [0, 8])


def test_pins_are_features_of_both_sides_and_tokens_and_patches_follow_them():
    pairs = made("a dog", 2, 3)
    special = sum(feature.special for feature in pairs.columns.features)
    assert special
    view, said = pairs.widget(), []
    view.observe(lambda change: said.append((change["name"], change["new"])), view.trait_names())
    view.set_state({"selected_rows": [1], "selected_columns": [0, special + 4]})
    assert (view.selected_tokens, view.selected_patches) == ([1], [4])
    assert ("selected_patches", [4]) in said
    assert view.selected_columns == [0, special + 4]
    view.selected_patches = [5, 2]
    assert view.selected_columns == [special + 2, special + 5]
    view.selected_tokens = []
    assert view.selected_rows == []
    with pytest.raises(traitlets.TraitError, match="`selected_columns` holds 99: pass feature"):
        view.selected_columns = [99]
    assert not {"selected_tokens", "selected_patches"} & set(view.get_state())
    view.close()


def test_other_pairs_are_shown_in_the_same_view(widget, encoder, picture):
    widget.bake()
    widget.selected_tokens, widget.selected_patches, widget.theme = [1, 2], [3], "dark"
    wire, before = Wire(widget), widget._server
    other = fp.attribute(encoder, picture.rotate(90), "a cat and a kite", METHOD, 1)
    assert before.wait(30)  # or some of its rows would be on the wire by now
    wire.messages.clear()
    widget.show(other)
    (state,) = [state for state in wire.updates() if "sides" in state]  # at once
    assert caption_of(state["sides"])["text"] == "a cat and a kite"
    assert state["epoch"] == widget.epoch == 2
    assert state["rows"] == b""
    assert state["ledger"] == {}
    assert state["similarity"] is None
    # "a" is there still, and every patch; "dog" is not.
    assert (state["selected_rows"], state["selected_columns"]) == ([1], [4])
    assert (widget.selected_tokens, widget.selected_patches) == ([1], [3])
    assert len(caption_of(state["sides"])["tokens"]) == len(other.tokens)
    assert widget.theme == "dark"
    assert widget.pairs is other
    assert widget._server.wait(30)
    rows = wire.said("rows")
    assert {row["epoch"] for row in rows} == {2}
    assert sorted(n for row in rows for n in row["features"]) == list(range(len(other.tokens)))


def test_what_the_page_pins_and_keeps_of_earlier_pairs_is_not_taken(widget, encoder, picture):
    widget.show(fp.attribute(encoder, picture, "a cat and a kite", METHOD, 1))
    late = {"selected_rows": [1], "rows": memoryview(b"1234"), "similarity": 0.5}
    widget.set_state({**late, "theme": "dark"})
    assert (widget.selected_tokens, widget.rows, widget.similarity) == ([], b"", None)
    assert widget.theme == "dark"
    hello(widget)  # now it knows
    widget.set_state(late)
    assert (widget.selected_tokens, widget.rows, widget.similarity) == ([1], b"1234", 0.5)


def test_a_page_that_starts_with_earlier_pairs_gets_the_present_ones(widget, encoder, picture):
    widget.show(fp.attribute(encoder, picture, "a cat and a kite", METHOD, 1))
    wire = Wire(widget)
    hello(widget, epoch=1)
    assert caption_of(wire.updates()[0]["sides"])["text"] == "a cat and a kite"
    assert wire.said("hello") == [{"type": "hello", "epoch": 2, "protocol": PROTOCOL}]


@pytest.mark.parametrize("version", [{"protocol": 1}, {"protocol": "2"}, {"protocol": None}])
def test_a_page_of_another_version_is_told_to_run_the_cell_again(widget, version):
    wire = Wire(widget)
    hello(widget, **version)
    assert [failure["message"] for failure in wire.said("failure")] == [
        "This view was made by another version of fpattr_widget: run its cell again."
    ]
    assert not wire.said("hello")


def test_an_older_page_said_hello_without_a_version(widget):
    wire = Wire(widget)
    widget._handle_custom_msg({"type": "hello", "epoch": 1}, [])
    assert len(wire.said("failure")) == 1


@pytest.mark.slow
def test_threads_that_show_and_pages_that_answer_do_not_disturb_each_other(encoder, picture):
    """Every state that was sent is of one subject, and nothing is left locked."""
    captions = ["a dog", "a cat and a kite", "a ball", "a dog and a ball and a cat"]
    shown = [fp.attribute(encoder, picture, caption, METHOD, 1) for caption in captions]
    counts = {pairs.caption: len(pairs.tokens) for pairs in shown}
    view = shown[0].widget()
    wire, errors = Wire(view), []
    end = time.monotonic() + 3

    def guarded(action):
        def run():
            try:
                while time.monotonic() < end:
                    action()
            except Exception as error:
                errors.append(error)

        return threading.Thread(target=run)

    def page():
        with contextlib.suppress(traitlets.TraitError):
            view.set_state({"selected_rows": [0, 2], "theme": "dark", "opacity": 0.5})
        view.set_state({"theme": "light", "hovered": {"rows": [1], "columns": []}})

    def cell():
        with view.hold_sync():
            view.opacity, view.signs = 0.1, "for"
            view.signs = "both"
        view.selected_patches = [0, 1]

    threads = [guarded(lambda pairs=pairs: view.show(pairs)) for pairs in shown]
    threads += [guarded(page), guarded(cell), guarded(lambda: hello(view))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    epochs = []
    for state in wire.updates():
        if "sides" in state:
            caption = caption_of(state["sides"])
            assert len(caption["tokens"]) == counts[caption["text"]]
            epochs.append(state["epoch"])
    assert epochs == sorted(epochs)
    assert len(set(epochs)) > 10
    assert (view._property_lock, view._holding_sync, view._states_to_send) == ({}, False, set())
    assert not view._cross_validation_lock
    widths = {1: 0}
    for state in wire.updates():
        if "sides" in state:
            widths[state["epoch"]] = len(caption_of(state["sides"])["tokens"])
    for row in wire.said("rows"):
        assert max(row["features"]) < widths[row["epoch"]] or row["epoch"] == 1
    view.show(shown[2])
    view.opacity = 0.75
    assert wire.updates()[-1] == {"opacity": 0.75}
    view.close()


def test_patches_of_a_grid_that_is_no_square_can_be_pinned():
    view = made("a dog", 2, 3).widget()
    view.selected_patches = [5]
    with pytest.raises(traitlets.TraitError, match="`selected_patches` holds 6"):
        view.selected_patches = [6]
    view.close()


def test_what_was_computed_of_earlier_pairs_is_not_kept(encoder, picture):
    first, second = (fp.attribute(encoder, picture, text, METHOD, 1) for text in ("a", "a dog"))
    view = PairsWidget(first)
    view.show(second)
    view._keep(first, computed_state(first))
    assert view.rows == b""
    view._keep(second, computed_state(second))
    assert len(view.rows) == 4 * len(second.tokens) * 10
    view.close()


def test_edits_are_told_only_while_they_are_allowed(widget):
    told, wire = [], Wire(widget)
    widget.on_edit(lambda kind, value: told.append((kind, value)))
    caption = {"type": "text", "side": 0, "text": "<b>a cat</b>"}
    image = {"type": "file", "side": 1}
    widget._handle_custom_msg(caption, [])
    assert told == []
    widget.editable = True
    widget._handle_custom_msg(caption, [])
    widget._handle_custom_msg(image, [memoryview(b"GIF")])
    widget._handle_custom_msg(image, [])
    widget._handle_custom_msg({**caption, "side": 1}, [])
    widget._handle_custom_msg({**image, "side": 0}, [memoryview(b"GIF")])
    assert told == [("caption", "<b>a cat</b>"), ("image", b"GIF")]
    widget.refuse("image", "It is no image.")
    assert wire.said("refused") == [{"type": "refused", "side": 1, "message": "It is no image."}]


def test_everything_can_be_computed_before_it_is_displayed(encoder, picture, monkeypatch):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    pairs = fp.attribute(encoder, picture, "a dog", METHOD, 1)
    view = pairs.widget(precompute=True)
    assert pairs.ready.all()
    state = view.get_state()
    assert np.frombuffer(state["rows"], "<f4").size == len(pairs.tokens) * 10
    assert state["similarity"] == pairs.ledger.similarity
    wire = Wire(view)
    other = fp.attribute(encoder, picture, "a cat and a kite", METHOD, 1)
    view.show(other)
    assert len(wire.updates()[-1]["rows"]) == 4 * len(other.tokens) * 10
    hello(view)
    assert wire.said("done")
    view.close()


def test_what_is_known_already_is_there_at_once(encoder, picture):
    pairs = fp.attribute(encoder, picture, "a dog", METHOD, 1)
    assert not pairs.complete
    pairs.compute_all()
    assert pairs.complete
    state = pairs.widget().get_state()
    rows = pairs.feature_rows(range(len(pairs.tokens)))
    assert bytes(state["rows"]) == rows.astype("<f4").tobytes()
    assert state["similarity"] == pairs.ledger.similarity


def test_a_closed_view_can_be_opened_again(widget):
    model = widget.model_id
    widget.close()
    assert widget.layout.comm is None
    server = widget._server
    assert server is None
    widget.open()
    assert widget.model_id == model
    assert widget._repr_mimebundle_()
    assert widget._server.wait(30)
    assert widget.pairs.ready.all()


def test_widgets_of_one_picture_share_it(encoder, picture):
    views = [fp.attribute(encoder, picture, text, METHOD, 1).widget() for text in ("a", "b c")]
    assert picture_of(views[0].sides)["data"] is picture_of(views[1].sides)["data"]
    assert views[0].pairs._crop.picture is views[1].pairs._crop.picture
    mine = views[0].pairs.picture
    mine.paste(0, (0, 0, *mine.size))  # is the caller's own
    assert views[0].pairs.picture.getextrema() != mine.getextrema()
    for view in views:
        view.close()


def test_no_class_is_made_for_each_widget(widget):
    assert type(widget) is PairsWidget
    assert len(widget._esm) > 1000
