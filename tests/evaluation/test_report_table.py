"""Tables in a terminal, a notebook, Markdown and pandas."""

import csv
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpattr_widget.files._table import Table, markdown_text

EVIL = "<script>alert('&amp;')</script> | `x` \\| *y* <b>"
TABLE = Table(
    ("class", "phrases", "score", "clear"),
    (("dog", 12, 0.5, True), ("a cat", 7, float("nan"), False), ("ox", 1000, 0.00012, None)),
    "How it went.",
)


class Text(HTMLParser):
    """Collects tags, and the text within cells."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.cells.append("")

    def handle_data(self, data):
        self.cells[-1] += data


def test_a_terminal_shows_aligned_columns():
    assert str(TABLE).splitlines() == [
        "How it went.",
        "class  phrases  score  clear",
        "─────  ───────  ─────  ─────",
        "dog         12  0.500  yes",
        "a cat        7      –",
        "ox        1000  1e-04  –",
    ]
    assert repr(TABLE) == str(TABLE)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (0.0, "0.000"), (-0.25, "-0.250"), (0.0012, "0.001"), (np.float64(0.5), "0.500"), (3, "3"),
        (None, "–"), (float("nan"), "–"), (True, "yes"), (False, ""), ("two\nlines  ", "two lines"),
        (-0.0, "0.000"), (-0.0002, "-2e-04"),
    ],
)  # fmt: skip
def test_cells_are_short(cell, shown):
    assert str(Table(("x",), ((cell,),))).split("\n")[-1].strip() == shown


def test_html_shows_what_was_said_and_runs_nothing():
    table = Table((EVIL, "number"), ((EVIL, 1.0), (EVIL.upper(), None)), EVIL)
    read = Text(table._repr_html_())
    assert set(read.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    cells = [cell for tag, cell in zip(read.tags, read.cells, strict=True) if tag in ("th", "td")]
    assert cells == [EVIL, "number", EVIL, "1.000", EVIL.upper(), "–"]
    assert read.cells[read.tags.index("caption")] == EVIL
    assert table._repr_html_().count('align="right"') == 3


def test_markdown_has_a_line_for_each_row():
    assert TABLE.to_markdown().splitlines() == [
        "| class | phrases | score | clear |",
        "| --- | ---: | ---: | --- |",
        "| dog | 12 | 0.500 | yes |",
        "| a cat | 7 | – |  |",
        "| ox | 1000 | 1e-04 | – |",
    ]


def unescaped(line: str) -> list[str]:
    """Read a line of a Markdown table: a backslash before punctuation is no text."""
    cells, rest = [""], iter(line.removeprefix("|").removesuffix("|"))
    for character in rest:
        if character == "\\":
            cells[-1] += next(rest)
        elif character == "|":
            cells.append("")
        else:
            assert character not in "<>&`*[]~$", f"{character!r} means something in Markdown"
            cells[-1] += character
    return [cell.strip() for cell in cells]


@given(st.text(alphabet=" ab|\\`*<>&[]$\n_~", max_size=12))
def test_markdown_cells_are_the_text_that_was_said(said):
    table = Table(("class", said), ((said, 1.5), ("x", None)))
    head, marks, *rows = table.to_markdown().split("\n")
    plain = " ".join(said.split())
    expected = [["class", plain], [plain, "1.500"], ["x", "–"]]
    assert [unescaped(line) for line in (head, *rows)] == expected
    assert marks == "| --- | ---: |"


def test_markdown_emphasises_nothing():
    assert markdown_text("_dog_ a_b __x__ ~no~ $1$") == r"\_dog\_ a_b \_\_x\_\_ \~no\~ \$1\$"


def test_csv_holds_no_formula():
    said = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "a=b", "", "'"]
    table = Table(("said", "number"), tuple((one, -1.5) for one in said))
    rows = list(csv.reader(io.StringIO(table.to_csv())))[1:]
    assert [row[0] for row in rows] == [*(f"'{one}" for one in said[:5]), *said[5:]]
    assert {row[1] for row in rows} == {"-1.5"}


def test_a_dataframe_holds_the_numbers_unrounded():
    frame = TABLE.to_dataframe()
    assert list(frame.columns) == list(TABLE.columns)
    assert frame["score"].tolist()[::2] == [0.5, 0.00012]
    assert np.isnan(frame["score"][1])
    assert frame["phrases"].tolist() == [12, 7, 1000]
    assert frame["class"].tolist() == ["dog", "a cat", "ox"]


def test_a_table_without_rows_is_its_head():
    empty = Table(("class", "score"), ())
    assert str(empty).splitlines() == ["class  score", "─────  ─────"]
    assert Text(empty._repr_html_()).tags.count("tr") == 1
    assert empty.to_markdown().splitlines() == ["| class | score |", "| --- | --- |"]
    assert len(empty.to_dataframe()) == 0
