"""Pairs of words: the tokens of each word, and their numbers, as one."""

from dataclasses import replace

from ..encoders import Sentence, Side, Token, word_groups
from ..methods import Groups, Recorded, indicators, singles


def with_merged_tokens(side: Side) -> Side:
    """Return a side whose captions have one token for each word."""
    panels = tuple(
        replace(panel, tokens=tuple(_merged(panel, group) for group in word_groups(panel.tokens)))
        if isinstance(panel, Sentence)
        else panel
        for panel in side.panels
    )
    return replace(side, panels=panels)


def _merged(sentence: Sentence, group: tuple[int, ...]) -> Token:
    first, last = sentence.tokens[group[0]], sentence.tokens[group[-1]]
    if first.start is None or last.stop is None:
        return first
    text = sentence.caption[first.start : last.stop]
    unknown = any(sentence.tokens[index].unknown for index in group)
    return Token(text, first.word, first.start, last.stop, first.special, unknown)


def grouped(recorded: Recorded, rows: Groups, columns: Groups) -> Recorded:
    """Return recorded interactions summed over the tokens of each word."""
    of_rows = indicators(rows, recorded.shape[0])
    of_columns = indicators(columns, recorded.shape[1])
    first_order = None
    if recorded.first_order_values is not None:
        first_rows, first_columns = recorded.first_order_values
        first_order = of_rows @ first_rows, of_columns @ first_columns
    error = recorded.standard_errors.get((rows, columns))
    own = singles(len(rows)), singles(len(columns))
    return Recorded(
        of_rows @ recorded.values @ of_columns.T,
        recorded.totals,
        recorded.description,
        first_order,
        {} if error is None else {own: error},
        None if recorded.match is None else of_rows @ recorded.match @ of_columns.T,
        recorded.reads,
    )
