"""Captions in other words say the same, and it is true of the scene."""

from collections import Counter

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.scenes import KINDS, REWRITES, Sprites, held_out, locate, reword
from fpattr_widget.training._model import new_tokenizer
from tests.helpers.meanings import is_true, meaning_of

KIND_OF = {noun: kind for kind in KINDS.values() for noun in (kind.name, kind.plural)}


@pytest.fixture(scope="module")
def drawn():
    return held_out(500, Sprites().aspect_ratios, seed=17)


def test_other_words_say_the_same_and_are_true(drawn):
    known = set(new_tokenizer().get_vocab())
    generator = np.random.default_rng(5)
    done: Counter[str] = Counter()
    for scene, caption in drawn:
        found = reword(caption.text, generator)
        assert found.text != caption.text
        meaning = meaning_of(caption.text)
        assert is_true(meaning, scene), caption.text
        assert meaning_of(found.text) == meaning, (caption.text, found)
        assert set(found.text.replace(",", " ,").split()) <= known
        done.update(found.rewrites)
        assert len(set(found.rewrites)) == len(found.rewrites) <= 3
    assert set(done) == set(REWRITES)
    assert min(done.values()) >= 3


def test_where_things_are_is_kept_too(drawn):
    generator = np.random.default_rng(6)
    for scene, _ in drawn[:200]:
        if located := locate(scene, generator):
            caption, false = located
            found = reword(caption.text, generator)
            meaning = meaning_of(caption.text)
            assert meaning.relations or meaning.position
            assert meaning_of(found.text) == meaning
            assert meaning_of(reword(false, generator).text) == meaning_of(false) != meaning


def test_words_that_say_the_same_are_aligned(drawn):
    generator = np.random.default_rng(7)
    same = [{"big", "large"}, {"small", "little"}]
    for _, caption in drawn[:200]:
        found = reword(caption.text, generator)
        pairs = [(caption.text[a:b], found.text[c:d]) for (a, b), (c, d) in found.aligned]
        things, again = (meaning_of(text).things for text in (caption.text, found.text))
        nouns = [(one, other) for one, other in pairs if KIND_OF.keys() & {one}]
        assert len({one for one, _ in nouns}) == len(things) == len(again)
        for one, other in nouns:  # "dogs" and "dog"
            assert KIND_OF[one] == KIND_OF[other]
        for one, other in pairs:
            if any(one in words for words in same):
                assert any({one, other} <= words for words in same)
        if "on the road" in caption.text:
            assert ("on the road", "on the road") in pairs


@pytest.mark.parametrize("name", REWRITES)
def test_each_rewrite_does_what_its_example_shows(name):
    caption, wanted = REWRITES[name]
    generator = np.random.default_rng(0)
    found = {reword(caption, generator, [name]) for _ in range(30)}
    assert {one.rewrites for one in found} == {(name,)}
    assert wanted in {one.text for one in found}
    assert meaning_of(wanted) == meaning_of(caption)


def test_what_cannot_be_reworded_is_said(drawn):
    generator = np.random.default_rng(0)
    assert reword("a dog", generator, ["size", "turned", "order"]) is None
    for caption in ("a dog runs", "a wolf", "a dog and", "", "a big big dog", "A dog"):
        with pytest.raises(fp.InputError) as raised:
            reword(caption, generator)
        assert raised.value.argument == "caption"
    with pytest.raises(fp.InputError, match="synonyms"):
        reword("a dog", generator, ["synonyms"])
    text = drawn[0][1].text
    again = [reword(text, np.random.default_rng(3)) for _ in range(2)]
    assert again[0] == again[1]
