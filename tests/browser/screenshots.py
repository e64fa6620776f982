"""Take pictures of the view wherever it is shown: ``python -m tests.browser.screenshots FOLDER``.

``FOLDER/lab-light-word.png``, cut to the view, is the README's. ``--only hosts
widths`` takes some of them.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.helpers.chromium import FLAGS, chromium
from tests.helpers.harness import EPOCH, View, harness, state_of, synthetic_pairs, unknown_words
from tests.helpers.hosts import Lab, Marimo, Notebook7, Voila
from tests.helpers.notebook_page import QUICKSTART, open_page, write_notebook
from tests.helpers.notebooks_shown import MARIMO
from tests.helpers.painted import drag_region, wait_for_rows

EXPLORER = QUICKSTART.with_name("explorer.ipynb")
SIZE = {"width": 1280, "height": 1100}


def shoot(view: Locator, path: Path) -> None:
    view.scroll_into_view_if_needed()
    view.page.wait_for_timeout(400)
    view.screenshot(path=path)


def word_and_region(view: Locator, folder: Path, name: str) -> None:
    """Shoot a view as it is, with a word hovered, and with a word and a region pinned."""
    wait_for_rows(view)
    view.page.mouse.move(2, 2)
    shoot(view, folder / f"{name}-idle.png")
    dog = view.locator(".fpattr-token", has_text="dog").first
    dog.hover()
    shoot(view, folder / f"{name}-word.png")
    drag_region(view, (0, 4), (3, 7))
    dog.click()
    view.page.mouse.move(2, 2)
    shoot(view, folder / f"{name}-pinned.png")
    view.page.keyboard.press("Escape")


def in_jupyterlab(browser: Browser, folder: Path, temporary: Path) -> None:
    lab = Lab(temporary)
    for name, dark, width in (("light", False, 1280), ("dark", True, 1280), ("narrow", False, 700)):
        page = new_page(browser, width=width)
        notebook = open_page(page, lab, Path(shutil.copy(QUICKSTART, lab.root)), dark=dark)
        notebook.run_all()
        view = page.locator(".fpattr").first
        word_and_region(view, folder, f"lab-{name}")
        page.screenshot(path=folder / f"lab-{name}-page.png")
        notebook.shut_down()
        page.context.close()
    for name, dark, width in (("light", False, 1280), ("dark", True, 1280), ("narrow", False, 620)):
        page = new_page(browser, width=width)
        notebook = open_page(page, lab, Path(shutil.copy(EXPLORER, lab.root)), dark=dark)
        notebook.run_all()
        view = page.locator(".fpattr").first
        wait_for_rows(view)
        explorer = page.locator(".jp-OutputArea-output:has(.fpattr)").first
        shoot(explorer, folder / f"explorer-{name}.png")
        notebook.python("explorer.layer = 99; explorer.wait()")
        view.locator("button.fpattr-edit").click()
        view.locator(".fpattr-editor textarea").fill("")
        view.locator(".fpattr-refused[data-kind=caption]").wait_for()
        shoot(explorer, folder / f"explorer-{name}-refused.png")
        notebook.shut_down()
        page.context.close()
    lab.stop()


def reports(browser: Browser, folder: Path, temporary: Path) -> None:
    """Shoot a report, its drawing and its worst examples, one of them open."""
    lab = Lab(temporary)
    cells = (
        "import fpattr_widget as fp\n"
        "report = fp.evaluate('scenes', fp.datasets.scenes(40, seed=7), progress=False)\n"
        "report",
        "report.plot()",
        "report.browse(5)",
    )
    for name, dark, width in (("light", False, 1280), ("dark", True, 1280), ("narrow", False, 700)):
        page = new_page(browser, width=width)
        path = write_notebook(lab.root / "report.ipynb", *cells)
        notebook = open_page(page, lab, path, dark=dark)
        notebook.run_all()
        outputs = page.locator(".jp-OutputArea-output")
        accordion = page.locator(".jupyter-widget-Accordion")
        accordion.locator(".jupyter-widget-Collapse-header").first.click()
        wait_for_rows(accordion.locator(".fpattr"))
        for number, part in enumerate(("table", "plot", "examples")):
            shoot(outputs.nth(number), folder / f"report-{part}-{name}.png")
        notebook.shut_down()
        page.context.close()
    lab.stop()


def in_other_hosts(browser: Browser, folder: Path, temporary: Path) -> None:
    for theme in ("light", "dark"):
        for kind in (Notebook7, Voila, partial(Marimo, mode="run", notebook=MARIMO, theme=theme)):
            with tempfile.TemporaryDirectory(dir=temporary) as place:
                server = kind(Path(place))
                page = new_page(browser)
                if isinstance(server, Marimo):
                    page.goto(server.url)
                else:
                    source = Path(shutil.copy(QUICKSTART, server.root))
                    if isinstance(server, Voila):
                        page.goto(server.address(source.name, theme), timeout=60_000)
                    else:
                        open_page(page, server, source, dark=theme == "dark").run_all()
                name = server.name.lower().replace("à", "a").replace(" ", "-")
                view = page.locator(".fpattr").first
                view.wait_for(timeout=90_000)
                word_and_region(view, folder, f"{name}-{theme}")
                page.screenshot(path=folder / f"{name}-{theme}-page.png")
                page.context.close()
                server.stop()


def at_widths(browser: Browser, folder: Path, _: Path) -> None:
    large, small = state_of(synthetic_pairs()), state_of(synthetic_pairs(17, 7, 7, side=224))
    for width in (320, 480, 640, 960, 2000):
        for name, state in (("large", large), ("small", small)):
            options = {"size": (width, 1000), "device_scale_factor": 2}
            with harness(browser, state, **options) as view:
                loaded(view)
                view.pin([3, 4], [9, 10, 16])
                view.wait_shown("tokens:3,4 patches:9,10,16")
                view.page.screenshot(path=folder / f"{width}-{name}.png", full_page=True)


def in_situations(browser: Browser, folder: Path, _: Path) -> None:
    whole = state_of(synthetic_pairs(17, 7, 7, side=224))
    empty = state_of(synthetic_pairs(17, 7, 7, side=224), baked=False)
    unknown = state_of(unknown_words(synthetic_pairs(17, 7, 7, side=224)))
    failure = "There is not enough memory for this attribution: choose a later `layer`."
    situations: dict[str, tuple[dict, Callable[[View], object]]] = {
        "failure": (
            whole,
            lambda view: view.receive({"type": "failure", "epoch": EPOCH, "message": failure}),
        ),
        "interrupted": (
            empty,
            lambda view: view.receive({"type": "interrupted", "epoch": EPOCH}),
        ),
        "computing": (empty, lambda view: view.greet()),
        "progress": (empty, View.show_progress),
        "unknown": (unknown, lambda view: view.root.locator("[data-unknown]").first.hover()),
        "no-kernel": (empty, lambda view: view.page.wait_for_timeout(3500)),
        "display": (whole, lambda view: view.root.get_by_text("display").click()),
        "smooth-in-colour": (
            whole,
            lambda view: view.update(smooth=True, keep_colour=True, selected_rows=[3]),
        ),
        "print": (whole, on_paper),
    }
    for theme in ("light", "dark"):
        for name, (state, act) in situations.items():
            options = {"size": (1000, 760), "device_scale_factor": 2, "color_scheme": theme}
            with harness(browser, state, **options) as view:
                loaded(view)
                act(view)
                view.page.wait_for_timeout(300)
                view.page.screenshot(path=folder / f"{name}-{theme}.png", full_page=True)


def on_paper(view: View) -> None:
    view.pin([3, 4])
    view.page.emulate_media(media="print")


def loaded(view: View) -> None:
    view.root.locator(".fpattr-stage[data-loaded]").wait_for()


def new_page(browser: Browser, *, width: int = SIZE["width"]) -> Page:
    size = {**SIZE, "width": width}
    return browser.new_context(viewport=size, device_scale_factor=2).new_page()


SCENES = {
    "lab": in_jupyterlab,
    "reports": reports,
    "hosts": in_other_hosts,
    "widths": at_widths,
    "situations": in_situations,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="screenshots", type=Path)
    parser.add_argument("--only", nargs="+", choices=SCENES, default=list(SCENES))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for name in options.only:
            with tempfile.TemporaryDirectory() as temporary:
                SCENES[name](browser, options.folder, Path(temporary))
        browser.close()


if __name__ == "__main__":
    main()
