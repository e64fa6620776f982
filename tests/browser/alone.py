"""A browser page that can fetch nothing but what it is given."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Route

SITE = "https://site.example/"


@contextmanager
def opened(browser: Browser, *, script: bool = True, **served: str) -> Iterator[Page]:
    """A page that can fetch nothing but what is served under the site's name."""
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    page.errors = []
    page.refused = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda said: said.type == "error" and page.errors.append(said.text))
    page.on("dialog", lambda dialog: page.errors.append(dialog.message))

    def answer(route: Route) -> None:
        url = route.request.url
        if url.startswith(SITE) and url.removeprefix(SITE) in served:
            headers = {"Content-Security-Policy": served["policy"]} if "policy" in served else {}
            body = served[url.removeprefix(SITE)]
            route.fulfill(body=body, content_type="text/html", headers=headers)
        elif url.startswith("file:"):
            route.continue_()
        else:
            page.refused.append(url)
            route.abort()

    context.route("**/*", answer)
    try:
        yield page
    finally:
        context.close()
