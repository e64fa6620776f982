"""Pages that can fetch nothing but what a test gives them, and whether their views are linked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Route, expect

import fpattr_widget as fp
from tests.helpers.painted import assert_chips, assert_painted, drag_region

#: What is served for an address, as ``Route.fulfill`` takes it, or ``None``.
Served = Callable[[str], dict[str, Any] | None]

SITE = "https://site.example/"


def site(policy: str | None = None, **pages: str) -> Served:
    """Serve HTML pages by their names under ``SITE``, with a Content-Security-Policy."""
    headers = {"Content-Security-Policy": policy} if policy else {}

    def served(url: str) -> dict[str, Any] | None:
        page = pages.get(url.removeprefix(SITE))
        return page and {"body": page, "content_type": "text/html", "headers": headers}

    return served


@contextmanager
def offline(
    browser: Browser,
    served: Served = lambda url: None,
    *,
    script: bool = True,
    clock: bool = False,
) -> Iterator[Page]:
    """Open a page that reads files, and of the net only what is served.

    ``page.refused`` lists what it asked for besides, ``page.errors`` what went
    wrong in it, ``page.console`` the errors that the browser told. With ``clock``,
    time can be moved on by ``page.clock``.
    """
    context = browser.new_context(
        viewport={"width": 1280, "height": 1400}, java_script_enabled=script
    )
    page = context.new_page()
    if clock:
        page.clock.install()
    page.refused, page.errors, page.console = [], [], []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("dialog", lambda dialog: page.errors.append(dialog.message))
    page.on("console", lambda said: said.type == "error" and page.console.append(said.text))

    def answer(route: Route) -> None:
        url = route.request.url
        if url.startswith("file:"):
            route.continue_()
        elif (found := served(url)) is not None:
            route.fulfill(**found)
        else:
            page.refused.append(url)
            route.abort()

    context.route("**/*", answer)
    try:
        yield page
    finally:
        context.close()


def expect_shown(view: Locator, shown: str) -> None:
    # The page's own wait_for_function would not look into frames.
    expect(view).to_have_attribute("data-shown", shown)


def clear(view: Locator) -> None:
    """Let go of all pins, as a reader does."""
    view.locator(".fpattr-token").first.focus()
    view.page.keyboard.press("Escape")
    view.locator(".fpattr-token").first.blur()
    view.page.mouse.move(2, 2)
    expect_shown(view, "")


def assert_linked(view: Locator, pairs: fp.FeaturePairs, word: str, token: int) -> None:
    """Hover a word and brush a region; compare with what Python has."""
    expect(view.locator(".fpattr-token[data-missing]")).to_have_count(0, timeout=60_000)
    view.scroll_into_view_if_needed()
    clear(view)
    chip = view.locator(".fpattr-token", has_text=word)
    chip.scroll_into_view_if_needed()
    chip.hover()
    expect_shown(view, f"tokens:{token}")
    assert_painted(view, pairs.row(token))
    view.page.mouse.move(2, 2)
    region = drag_region(view, (2, 1), (4, 3))
    expect_shown(view, f"patches:{','.join(map(str, region))}")
    assert_chips(view, pairs.matrix[:, region].sum(1))
    clear(view)
