"""Take the README's picture and its kin: ``python -m tests.browser.screenshots FOLDER``."""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import FLAGS, Lab, chromium, open_page
from tests.browser.test_jupyterlab import QUICKSTART, wait_for_rows


def shoot(page: Page, folder: Path, name: str) -> None:
    view = page.locator(".fpattr").first
    view.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    view.screenshot(path=folder / f"{name}.png")


def drag_region(page: Page, first: tuple[int, int], last: tuple[int, int]) -> None:
    box = page.locator("canvas.fpattr-heat").first.bounding_box()
    cell = box["width"] / 8
    page.mouse.move(box["x"] + (first[1] + 0.5) * cell, box["y"] + (first[0] + 0.5) * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + (last[1] + 0.5) * cell, box["y"] + (last[0] + 0.5) * cell, steps=5)
    page.mouse.up()


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        lab = Lab(Path(temporary))
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            path = Path(shutil.copy(QUICKSTART, lab.root))
            for theme, dark, width in (
                ("light", False, 1280),
                ("dark", True, 1280),
                ("narrow", False, 700),
            ):
                context = browser.new_context(
                    viewport={"width": width, "height": 1100}, device_scale_factor=2
                )
                page = context.new_page()
                notebook = open_page(page, lab, path, dark=dark)
                notebook.run_all()
                wait_for_rows(page.locator(".fpattr").first)
                notebook.wait_idle()
                shoot(page, folder, f"{theme}-idle")
                page.locator(".fpattr-token", has_text="dog").first.hover()
                shoot(page, folder, f"{theme}-word")
                page.screenshot(path=folder / f"{theme}-notebook.png")
                drag_region(page, (0, 4), (3, 7))
                page.mouse.move(2, 2)
                shoot(page, folder, f"{theme}-region")
                page.keyboard.press("Escape")
                notebook.shut_down()
                context.close()
        finally:
            browser.close()
            lab.stop()


if __name__ == "__main__":
    main()
