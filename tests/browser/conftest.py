"""A real JupyterLab with a real kernel, in a real Chromium."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
TOKEN = "test-token"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def chromium() -> str | None:
    """Return the Chromium to use; ``None`` leaves the choice to Playwright."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = filter(None, map(shutil.which, names))
    return os.environ.get("FPATTR_CHROMIUM") or next(found, None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


class Lab:
    """A running JupyterLab, rooted in a folder of its own."""

    def __init__(self, folder: Path):
        self.root = folder / "work"
        self.root.mkdir()
        places = ("CONFIG", "DATA", "RUNTIME")
        environment = {f"JUPYTER_{p}_DIR": str(folder / p.lower()) for p in places}
        environment["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
        environment["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
        environment["IPYTHONDIR"] = str(folder / "ipython")
        for name, setting in (
            ("@jupyterlab/apputils-extension/notification", '{"fetchNews": "false"}'),
            ("@jupyter-widgets/jupyterlab-manager/plugin", '{"saveState": true}'),
        ):
            path = folder / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True)
            path.write_text(setting)
        self.log = folder / "lab.log"
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyter",
                "lab",
                "--no-browser",
                "--allow-root",
                "--ip=127.0.0.1",
                "--port=0",
                f"--IdentityProvider.token={TOKEN}",
                f"--ServerApp.root_dir={self.root}",
                "--LabApp.expose_app_in_browser=True",
                "--LabApp.extension_manager=readonly",
            ],
            env={**os.environ, **environment},
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )
        self.url = self._wait(folder / "runtime")

    def _wait(self, runtime: Path) -> str:
        for _ in range(600):
            for path in runtime.glob("jpserver-*.json"):
                try:
                    return json.loads(path.read_text())["url"]
                except (ValueError, KeyError):
                    pass
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.stop()


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page: Page, path: Path):
        self.page = page
        self.path = path

    def command(self, name: str) -> None:
        self.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def wait_idle(self, timeout: float = 90_000) -> None:
        self.page.wait_for_function(
            """() => {
                const panel = window.jupyterapp.shell.currentWidget;
                const kernel = panel?.sessionContext?.session?.kernel;
                const cells = [...(panel?.content?.widgets ?? [])];
                const busy = cells.some(c => c.promptNode?.textContent === '[*]:');
                return kernel?.status === 'idle' && !busy;
            }""",
            timeout=timeout,
        )

    def python(self, code: str) -> str:
        """Run code in the notebook's kernel, beside its cells; return what it prints."""
        return self.page.evaluate(
            """async code => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const future = kernel.requestExecute({code, store_history: false});
                let text = '';
                future.onIOPub = message => {
                    const {header, content} = message;
                    if (header.msg_type === 'stream') text += content.text;
                    if (header.msg_type === 'error') text += content.traceback.join('\\n');
                };
                await future.done;
                return text;
            }""",
            code,
        )

    def shut_down(self) -> None:
        self.page.evaluate(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()"
        )

    def save(self) -> dict:
        self.command("docmanager:save")
        self.page.wait_for_function(
            "() => !window.jupyterapp.shell.currentWidget.context.model.dirty", timeout=20_000
        )
        return json.loads(self.path.read_text())


def open_page(page: Page, lab: Lab, path: Path, *, dark: bool = False) -> Notebook:
    """Open a notebook of the lab's folder in a page and wait for its kernel."""
    page.goto(f"{lab.url}lab/tree/{path.name}?token={TOKEN}&reset")
    page.wait_for_function("() => window.jupyterapp?.commands", timeout=60_000)
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.sessionContext?.isReady", timeout=60_000
    )
    theme = "JupyterLab Dark" if dark else "JupyterLab Light"
    page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
    )
    notebook = Notebook(page, path)
    notebook.wait_idle()
    return notebook


OpenNotebook = Callable[[Path], Notebook]


@pytest.fixture
def open_notebook(lab: Lab, browser: Browser) -> Iterator[OpenNotebook]:
    opened: list[Notebook] = []

    def open_(source: Path) -> Notebook:
        path = lab.root / source.name
        if path != source:
            shutil.copy(source, path)
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        opened.append(open_page(context.new_page(), lab, path))
        return opened[-1]

    yield open_
    for notebook in opened:
        notebook.shut_down()
        notebook.page.context.close()
