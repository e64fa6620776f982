"""Cases that Python and the page agree on; ``js/tests/contract.test.ts`` reads the same files."""

import base64
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.drawing import _colours as colours
from fpattr_widget.drawing import _content as content
from fpattr_widget.drawing import _ledger as ledger
from fpattr_widget.drawing import _numbers as numbers
from fpattr_widget.drawing import _sentence as words
from fpattr_widget.encoders import ReadOut
from fpattr_widget.view import (
    CHOICES,
    PROTOCOL,
    SETTINGS,
    STANDALONE_SETTINGS,
    Encoded,
    ViewOptions,
    ViewSettings,
    parse,
    read_out_state,
    subject_state,
)
from tests.helpers.recorded import pairs_of

HERE = Path(__file__).parent
PACKAGE = Path(fp.__file__).parent


def contract(name: str) -> dict[str, Any]:
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def number(value: float | str) -> float:
    """Return a number of which JSON may have no sign: ``"NaN"``, ``"-0"``."""
    return float(value)


def token(written: str | list) -> fp.Token:
    if isinstance(written, str):
        return fp.Token(written, None, None, None, True)
    return fp.Token(*written, False)


def test_numbers():
    cases = contract("numbers")
    del cases["about"]
    for name, pairs in cases.items():
        write = getattr(numbers, name)
        said = [[value, write(number(value))] for value, _ in pairs]
        assert said == pairs, name


@pytest.mark.parametrize("case", contract("words")["cases"], ids=lambda case: case["what"])
def test_words(case):
    chips, after = words.sentence(case["text"], [token(one) for one in case["tokens"]])
    said = [[chip.before, chip.text, chip.kind, list(chip.tokens)] for chip in chips]
    assert (said, after) == (case["chips"], case["after"])


def test_unknown_words():
    for unknown, sentence in contract("words")["never_seen"]:
        text = " ".join(unknown)
        starts = [match.span() for match in re.finditer(r"\S+", text)]
        tokens = [
            fp.Token(text[start:stop], word, start, stop, False, True)
            for word, (start, stop) in enumerate(starts)
        ]
        assert words.never_seen(words.unknown_words(text, tokens)) == sentence


@pytest.mark.parametrize("case", contract("ledger")["cases"], ids=lambda case: case["what"])
def test_ledger(case):
    parts = fp.Ledger(**case["ledger"])
    assert ledger.adds_up(parts) == (case["bar"] is not None)
    if case["bar"] is None:
        assert " ".join(ledger.does_not_add_up(parts)) == case["sentence"]
        return
    bar = ledger.ledger_bar(parts)
    said = [[part.key, part.name, 100 * part.left, 100 * part.width] for part in bar.parts]
    assert said == [[key, name, pytest.approx(left), pytest.approx(width)]
                    for key, name, left, width in case["bar"]["parts"]]  # fmt: skip
    ends = [100 * bar.zero, 100 * bar.total]
    assert ends == pytest.approx([case["bar"]["zero"], case["bar"]["similarity"]])


@pytest.mark.parametrize("case", contract("read_outs")["cases"], ids=lambda case: case["what"])
def test_read_outs(case):
    said = case.pop("read_out")
    arrays = ("weights", "nowhere", "contributions", "products")
    read_out = ReadOut(
        **{
            name: np.array(value) if name in arrays and value is not None else value
            for name, value in {**said, "grid": said["grid"] and tuple(said["grid"])}.items()
        }
    )
    assert read_out_state(read_out) == said
    del case["what"]
    for name, value in case.items():
        np.testing.assert_allclose(getattr(read_out, name), value, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("case", contract("strongest")["cases"], ids=lambda case: str(case["map"]))
def test_strongest(case):
    values = np.array([number(value) for value in case["map"]])
    assert content.half_of_mass(values) == case["positive"]["value"]
    assert content.half_of_mass(-values) == -case["negative"]["value"]


def test_colours():
    cases = contract("colours")
    light, dark = cases["light"], cases["dark"]
    ours = {
        "positive": colours.POSITIVE, "negative": colours.NEGATIVE, "ground": colours.WHITE,
        "ink": colours.INK, "muted": colours.MUTED, "edge": colours.EDGE, "quiet": colours.QUIET,
        **{f"part-{number}": grey for number, grey in enumerate(colours.GREYS, 1)},
    }  # fmt: skip
    theirs = {name: cases[name] for name in ("positive", "negative")}
    theirs |= light | cases["figure"]
    del theirs["for"], theirs["against"]
    assert {name: list(colour) for name, colour in ours.items()} == theirs
    assert list(colours.INK_IN_THE_DARK) == dark["ink"]
    assert (cases["strongest"], cases["greyed"]) == (colours.STRONGEST, colours.GREYED)
    assert (cases["floor"], cases["coarse"]) == (colours.FLOOR, colours.COARSE)
    assert cases["tolerated"] == ledger.TOLERATED
    bar = ledger.ledger_bar(fp.Ledger(1.0, 0.2, 0.2, 0.2, 0.2, 0.2))
    fills = {part.key: list(part.fill) for part in bar.parts}
    assert fills == {key: theirs[name] for key, name in cases["ledger"].items()}
    for size, floor, end in cases["limits"]:
        assert colours.limit_of(size, floor) == end
    for patches, floor in cases["floors"]:
        assert colours.patch_floor(patches) == pytest.approx(floor)
    for value, limit, colour, alpha in cases["tints"]:
        tint = colours.tint(number(value), number(limit))
        assert (tint is None) == (colour is None), (value, limit)
        if tint is not None:
            assert (list(tint.colour), tint.alpha) == (cases[colour], pytest.approx(alpha))
    for value, limit, beyond in cases["beyond"]:
        assert colours.is_beyond(number(value), limit) == beyond
    for ground, theme, ink in cases["ink_on"]:
        assert list(colours.ink_on(tuple(ground), tuple(cases[theme]["ink"]))) == ink


def test_colours_that_mean_something_are_written_once():
    cases = contract("colours")
    meant = [cases["positive"], cases["negative"], *cases["light"].values()]
    meant += [*cases["figure"].values(), cases["dark"]["ink"]]
    meant = [colour for colour in meant if colour != [255, 255, 255]]
    forms = {colours.css(tuple(colour)) for colour in meant}
    forms |= {", ".join(map(str, colour)) for colour in meant}
    written = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(form in path.read_text(encoding="utf-8") for form in forms)
    }
    assert written == {"drawing/_colours.py"}


def test_settings():
    cases = contract("settings")
    assert {one["name"]: one["default"] for one in cases["settings"]} == SETTINGS
    assert list(SETTINGS) == [one["name"] for one in cases["settings"]]
    choices = {one["name"]: tuple(one["can_be"]) for one in cases["settings"] if "can_be" in one}
    assert choices == CHOICES
    assert set(SETTINGS) - set(STANDALONE_SETTINGS) == set(cases["not_on_pages"])
    hints = get_type_hints(ViewSettings)
    assert get_type_hints(ViewOptions) == {**hints, "precompute": bool}
    for field in fields(ViewSettings):
        assert fp.PairsWidget.class_traits()[field.name].default_value == field.default
    for one in cases["settings"]:
        for value in one.get("can_be") or one.get("between") or one.get("such_as", [True, False]):
            assert getattr(ViewSettings(**{one["name"]: value}), one["name"]) == value
    for name, value in cases["unusable"]:
        with pytest.raises(fp.InputError, match=f"`{name}` is"):
            ViewSettings(**{name: value})


def test_protocol():
    cases = contract("protocol")
    assert cases["protocol"] == PROTOCOL
    for message in cases["requests"]:
        assert parse(message) is message
    for message in cases["no_requests"]:
        assert parse(message) is None, message
    rows = np.array([number(value) for value in cases["rows"]["values"]], "<f4")
    assert base64.b64encode(rows.tobytes()).decode() == cases["rows"]["bytes"]


def test_what_is_explained_as_sides():
    cases = contract("protocol")
    inputs = cases["inputs"]
    pairs = pairs_of(
        lambda: pytest.fail("nothing is to be measured"),
        caption=inputs["caption"],
        tokens=[fp.Token(**one) for one in inputs["tokens"]],
        picture=Image.new("RGB", (3, 2)),
        grid=tuple(inputs["grid"]),
        special=inputs["image_special"],
    )
    sides = subject_state(pairs, lambda _: Encoded(b"PNG", "image/png"))["sides"]
    (picture,) = sides[1]["panels"]
    assert picture.pop("data") == b"PNG"
    assert sides == cases["sides"]
