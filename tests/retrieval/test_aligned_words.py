"""Words of two wordings, aligned."""

import regex

from fpattr_widget.encoders import Sentence, Token
from fpattr_widget.retrieval._aligned_words import align_words


def sentence(caption: str) -> Sentence:
    """Return a caption whose words longer than five letters have two tokens."""
    tokens = [Token("BOS", None, None, None, True)]
    for word, match in enumerate(regex.finditer(r"\w+|[^\w\s]", caption)):
        start, stop = match.span()
        cut = start + 3 if stop - start > 5 else stop
        ends = [(start, cut), (cut, stop)] if cut < stop else [(start, stop)]
        tokens += [Token(caption[a:b], word, a, b, False) for a, b in ends]
    return Sentence(caption, (*tokens, Token("EOS", None, None, None, True)))


def aligned(query: str, paraphrase: str, *known: tuple[str, str]):
    spans = [
        tuple((text.index(words), text.index(words) + len(words)) for text, words in both)
        for both in (zip((query, paraphrase), pair, strict=True) for pair in known)
    ]
    ours, theirs = sentence(query), sentence(paraphrase)
    groups = align_words(ours, theirs, spans)
    # Every token that is no special position is in one group.
    for caption, numbers in (
        (ours, [n for group in groups for n in group.query_tokens]),
        (theirs, [n for group in groups for n in group.paraphrase_tokens]),
    ):
        assert sorted(numbers) == list(range(1, len(caption.tokens) - 1))
    return groups


def pairs(groups, *, same):
    return [(group.query, group.paraphrase) for group in groups if group.same is same]


def test_equal_words_are_aligned_and_what_stands_in_their_place_is_grouped():
    groups = aligned("A young kid holds a pizza.", "a small child holds a big pizza")
    equal = [("A", "a"), ("holds", "holds"), ("a", "a"), ("pizza", "pizza")]
    assert pairs(groups, same=True) == equal
    replaced = [("young", "small"), ("kid", "child"), ("", "big"), (".", "")]
    assert pairs(groups, same=False) == replaced
    texts = ["“A”", "“young” / “small”", "“kid” / “child”", "“holds”", "“a”", "“big”"]
    texts += ["“pizza”", "“.”"]
    assert sorted(map(str, groups)) == sorted(texts)
    assert [group.has_letters for group in groups if group.query == "."] == [False]


def test_words_that_are_known_to_mean_the_same_come_first():
    query, paraphrase = "a crimson ball left of a dog", "a dog right of a red ball"
    groups = aligned(query, paraphrase, ("crimson", "red"), ("left of", "right of"))
    assert ("crimson", "red") in pairs(groups, same=True)
    assert ("left of", "right of") in pairs(groups, same=True)
    crimson = next(group for group in groups if group.query == "crimson")
    assert crimson.query_tokens == (2, 3)  # "cri" and "mson"


def test_words_that_moved_are_aligned_unless_it_is_not_clear_which():
    groups = aligned("a dog and a ball", "a ball and a dog")
    assert {("dog", "dog"), ("ball", "ball")} <= set(pairs(groups, same=True))
    groups = aligned("red or red the dog sat", "the dog sat red and red")
    alone = [("red", ""), ("or", ""), ("red", "")]
    assert pairs(groups, same=False)[:3] == alone
    assert [pair[1] for pair in pairs(groups, same=False)[3:]] == ["red", "and", "red"]


def test_wordings_of_other_lengths_with_nothing_in_common_have_no_partners():
    groups = aligned("two hounds", "a pair of dogs")
    assert pairs(groups, same=True) == []
    assert all(not group.query or not group.paraphrase for group in groups)
