"""What a view shows in a page: its rows, its pixels, its pins, and how to point at its parts."""

import numpy as np
from playwright.sync_api import Locator

RED, BLUE = (178, 24, 43), (33, 102, 172)


def wait_for_rows(view: Locator) -> None:
    view.locator(".fpattr-img").wait_for(timeout=60_000)
    handle = view.element_handle()
    view.page.wait_for_function(
        """root => root.querySelectorAll('.fpattr-token').length > 0
            && root.querySelectorAll('[data-missing]').length === 0
            && !root.querySelector('[role=progressbar]')""",
        arg=handle,
        timeout=60_000,
    )


def wait_for_shown(view: Locator, shown: str, *, timeout: float = 30_000) -> None:
    view.page.wait_for_function(
        "([root, shown]) => root.dataset.shown === shown",
        arg=[view.element_handle(), shown],
        timeout=timeout,
    )


Grid = tuple[int, int]  # rows and columns
_GRID: Grid = (8, 8)  # of the model of scenes


def heat_pixels(view: Locator, grid: Grid = _GRID) -> tuple[np.ndarray, float]:
    """Return the canvas's RGBA at each patch's middle, (rows, columns, 4), and its limit."""
    canvas = view.locator("canvas.fpattr-heat")
    size, limit, data = canvas.evaluate(
        """canvas => [[canvas.width, canvas.height], Number(canvas.dataset.limit),
            Array.from(canvas.getContext('2d')
                .getImageData(0, 0, canvas.width, canvas.height).data)]"""
    )
    pixels = np.array(data, np.uint8).reshape(size[1], size[0], 4)
    height, width = size[1] // grid[0], size[0] // grid[1]
    return pixels[height // 2 :: height, width // 2 :: width], limit


def assert_painted(view: Locator, row: np.ndarray) -> None:
    pixels, limit = heat_pixels(view, row.shape)
    assert limit >= np.abs(row).max() * 0.999
    expected = 255 * 0.85 * np.minimum(1, np.abs(row) / limit)
    np.testing.assert_allclose(pixels[:, :, 3], expected, atol=1.5)
    for y, x in np.ndindex(row.shape):
        if pixels[y, x, 3] > 40:  # colours of faint pixels are rounded by the canvas
            colour = RED if row[y, x] > 0 else BLUE
            np.testing.assert_allclose(pixels[y, x, :3], colour, atol=4)


def chip_values(view: Locator) -> list[tuple[list[int], float]]:
    """Return the tokens of each chip of the caption and the value that it shows."""
    chips = view.locator(".fpattr-token").evaluate_all(
        "all => all.map(chip => [chip.dataset.tokens, chip.dataset.value])"
    )
    return [([int(t) for t in tokens.split(",")], float(value)) for tokens, value in chips]


def assert_chips(view: Locator, column: np.ndarray) -> None:
    """Compare what the chips say with the attribution of each token, (tokens,)."""
    for tokens, value in chip_values(view):
        np.testing.assert_allclose(value, column[tokens].sum(), atol=1e-4 * np.abs(column).max())


def _middle(view: Locator, row: int, column: int, grid: Grid = _GRID) -> tuple[float, float]:
    box = view.locator(".fpattr-stage canvas.fpattr-heat").bounding_box()
    return (
        box["x"] + (column + 0.5) * box["width"] / grid[1],
        box["y"] + (row + 0.5) * box["height"] / grid[0],
    )


def hover_patch(view: Locator, row: int, column: int, grid: Grid = _GRID) -> None:
    view.page.mouse.move(*_middle(view, row, column, grid))


def drag_region(view: Locator, first: tuple[int, int], last: tuple[int, int]) -> list[int]:
    """Drag over the picture from one patch (row, column) to another; return the patches."""
    view.locator("canvas.fpattr-heat").scroll_into_view_if_needed()
    view.page.mouse.move(*_middle(view, *first))
    view.page.mouse.down()
    view.page.mouse.move(*_middle(view, *last), steps=4)
    view.page.mouse.up()
    rows, columns = (range(a, b + 1) for a, b in zip(first, last, strict=True))
    return [8 * row + column for row in rows for column in columns]
