"""A real Chromium, and a real JupyterLab with real kernels."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.helpers.chromium import FLAGS, chromium
from tests.helpers.hosts import Lab
from tests.helpers.notebook_page import Desk, Notebook


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.stop()


@pytest.fixture(scope="session")
def desk(lab: Lab, browser: Browser) -> Iterator[Desk]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    yield Desk(context.new_page(), lab)
    context.close()


OpenNotebook = Callable[[Path], Notebook]


@pytest.fixture
def open_notebook(lab: Lab, desk: Desk) -> Iterator[OpenNotebook]:
    """Return a function that opens a notebook in JupyterLab; one at a time is open."""
    opened: list[Notebook] = []

    def open_(source: Path) -> Notebook:
        path = lab.root / source.name
        if path != source:
            shutil.copy(source, path)
        assert not opened
        opened.append(desk.open(path))
        return opened[-1]

    yield open_
    for notebook in opened:
        desk.close(notebook)
        assert notebook.errors == []
