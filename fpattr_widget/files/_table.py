"""A small table for terminals, notebooks and files."""

import csv
import html
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._formulas import no_formula

if TYPE_CHECKING:
    import pandas

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Table:
    """Named columns and rows of cells.

    Attributes
    ----------
    columns
        Their names.
    rows
        A tuple of cells for each row.
    caption
        What the table shows, in a sentence.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    def __str__(self) -> str:
        lines = [self.columns, *(tuple(map(_cell_text, row)) for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        text = [_line(line, widths, self._numeric()) for line in lines]
        text.insert(1, "  ".join("─" * width for width in widths))
        return "\n".join(([self.caption] if self.caption else []) + text)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        numeric = self._numeric()

        def line(tag: str, cells: Sequence[str]) -> str:
            return "".join(
                f'<{tag} align="{"right" if right else "left"}">{html.escape(cell)}</{tag}>'
                for cell, right in zip(cells, numeric, strict=True)
            )

        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        rows = (line("td", [_cell_text(cell) for cell in row]) for row in self.rows)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        head = f"<thead><tr>{line('th', self.columns)}</tr></thead>"
        return f"<table>{caption}{head}<tbody>{body}</tbody></table>"

    def turned(self) -> "Table":
        """Return a table of one row as one with a row for each column."""
        (row,) = self.rows
        return Table(("", "value"), tuple(zip(self.columns, row, strict=True)), self.caption)

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return the same as a pandas DataFrame, numbers unrounded."""
        import pandas

        return pandas.DataFrame(list(self.rows), columns=list(self.columns))

    def to_csv(self) -> str:
        """Return the same as comma-separated values, numbers unrounded.

        Text that a spreadsheet would take for a formula begins with an apostrophe.
        """
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        writer.writerows([self.columns, *(map(no_formula, row) for row in self.rows)])
        return buffer.getvalue()

    def to_markdown(self) -> str:
        """Return the same in Markdown."""
        marks = ["---:" if right else "---" for right in self._numeric()]
        lines = [self.columns, *([_cell_text(cell) for cell in row] for row in self.rows)]
        text = [[markdown_text(cell) for cell in line] for line in lines]
        return "\n".join("| " + " | ".join(line) + " |" for line in [text[0], marks, *text[1:]])

    def _numeric(self) -> list[bool]:
        return [
            any(
                isinstance(row[i], int | float) and not isinstance(row[i], bool)
                for row in self.rows
            )
            for i in range(len(self.columns))
        ]


def markdown_text(text: str) -> str:
    """Return foreign text as Markdown that shows it literally, on one line."""
    # Markdown ignores an underscore inside a word.
    marks = r"([\\`*~$\[\]<>&|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))"
    return re.sub(marks, r"\\\1", " ".join(text.split()))


def _cell_text(cell: Cell) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else ""
    if isinstance(cell, float):
        # Minus zero is zero.
        return f"{cell + 0.0:.3f}" if abs(cell) >= 0.001 or cell == 0 else f"{cell:.0e}"
    return " ".join(str(cell).split())


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    return "  ".join(
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    ).rstrip()
