"""A notebook with a real kernel, open in JupyterLab or in Jupyter Notebook."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import numpy as np
from playwright.sync_api import Locator, Page, TimeoutError

if TYPE_CHECKING:
    from tests.helpers.hosts import Jupyter, Lab


QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
#: A cell that defines ``slow_view``, whose rows arrive one by one with a pause after each.
SLOW_VIEW = """
import time
import fpattr_widget as fp
from fpattr_widget.scenes import example

class SlowPairs(fp.FeaturePairs):
    def feature_rows(self, tokens):
        missing = not self.ready[list(tokens)].all()
        rows = super().feature_rows(tokens)
        if missing:
            time.sleep(0.25)
        return rows

def slow_view(caption):
    pairs = fp.attribute(fp.load_encoder("scenes"), example("dog-and-ball").image, caption)
    pairs.__class__ = SlowPairs
    return pairs.widget()
"""


class Notebook:
    """A notebook that a page shows."""

    def __init__(self, page: Page, path: Path):
        self.page = page
        self.path = path
        self.errors: list[str] = []
        page.on("pageerror", self._note)

    def _note(self, error: object) -> None:
        self.errors.append(str(error))

    @property
    def views(self) -> Locator:
        """The views of this notebook, whatever else the page holds."""
        name = self.page.evaluate(
            """path => [...window.jupyterapp.shell.widgets('main')]
                .find(panel => panel.context?.path === path).id""",
            self.path.name,
        )
        return self.page.locator(f"#{name} .fpattr")

    def command(self, name: str) -> None:
        self.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def run_all(self) -> None:
        """Run every cell and wait until the last one has ended."""
        self.command("notebook:run-all-cells")
        # JupyterLab shows the last cell then, and hides those that are far from it.
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.scrollToItem(0).catch(() => {})"
        )

    def start_all(self) -> None:
        """Run every cell, and do not wait."""
        run = "window.jupyterapp.commands.execute('notebook:run-all-cells')"
        self.page.evaluate(f"() => void {run}")

    def dark(self, dark: bool) -> None:
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
            "JupyterLab Dark" if dark else "JupyterLab Light",
        )

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

    def is_running(self) -> bool:
        """Return whether a cell runs or waits for its turn."""
        return self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets.some(
                cell => cell.promptNode?.textContent === '[*]:')"""
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

    def close_all(self) -> None:
        """End every kernel of the page and take every notebook out of it, saved or not."""
        self.page.remove_listener("pageerror", self._note)
        self.page.mouse.move(2, 2)
        self.page.evaluate(
            """async () => {
                const widgets = [...window.jupyterapp.shell.widgets('main')];
                const panels = widgets.filter(widget => widget.sessionContext);
                await Promise.all(panels.map(panel => panel.sessionContext.shutdown()));
                panels.forEach(panel => panel.dispose());
            }"""
        )

    def save(self) -> dict:
        self.command("docmanager:save")
        self.page.wait_for_function(
            "() => !window.jupyterapp.shell.currentWidget.context.model.dirty", timeout=20_000
        )
        return json.loads(self.path.read_text())


def open_page(page: Page, lab: "Jupyter", path: Path, *, dark: bool = False) -> Notebook:
    """Open a notebook of the server's folder in a page and wait for its kernel."""
    page.goto(lab.address(path.name))
    page.wait_for_function("() => window.jupyterapp?.commands", timeout=60_000)
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.sessionContext?.isReady", timeout=60_000
    )
    notebook = Notebook(page, path)
    notebook.dark(dark)
    notebook.wait_idle()
    return notebook


def open_restored(page: Page, lab: "Jupyter", path: Path, views: int = 1) -> Notebook:
    """Open a notebook, and open it again where the host has not made so many views of it.

    ipywidgets reports a notebook as restored whenever a kernel is connected, which may be before
    it has read all of the notebook. An output that is shown in between is "model not found" for
    good.
    """
    for _ in range(3):
        notebook = open_page(page, lab, path)
        try:
            notebook.views.nth(views - 1).wait_for(timeout=20_000)
        except TimeoutError:
            outputs = page.locator(".jp-OutputArea-output").all_inner_texts()
            print(f"{lab.name} shows {outputs}; errors: {notebook.errors}")
            notebook.shut_down()
        else:
            return notebook
    raise AssertionError(f"{lab.name} made fewer than {views} views: {outputs}")


class Desk:
    """A page of JupyterLab in which notebooks are opened, one after the other."""

    def __init__(self, page: Page, lab: "Lab"):
        self.page = page
        self._lab = lab
        self._start()

    def _start(self) -> None:
        self.page.goto(self._lab.desk)
        # Its launcher comes last: once the layout of before is forgotten, and nothing is open.
        self.page.wait_for_function(
            """() => {
                const [first, ...others] = window.jupyterapp?.shell?.widgets('main') ?? [];
                return first?.id.startsWith('launcher') && others.length === 0;
            }""",
            timeout=60_000,
        )

    def open(self, path: Path, *, dark: bool = False) -> Notebook:
        """Open a notebook of the server's folder and wait for its kernel."""
        notebook = Notebook(self.page, path)
        self.page.evaluate(
            """async path => {
                const {commands, serviceManager} = window.jupyterapp;
                await serviceManager.kernelspecs.refreshSpecs();
                await commands.execute('docmanager:open', {path, factory: 'Notebook'});
            }""",
            path.name,
        )
        self.page.wait_for_function(
            """path => {
                const panel = window.jupyterapp.shell.currentWidget;
                return panel?.context?.path === path && panel.sessionContext.isReady;
            }""",
            arg=path.name,
            timeout=60_000,
        )
        notebook.dark(dark)
        notebook.wait_idle()
        return notebook

    def close(self, notebook: Notebook) -> None:
        """Close a notebook; what a failed test left over goes too."""
        try:
            notebook.close_all()
            left = self.page.locator(".jp-Dialog, .jp-NotebookPanel")
            assert left.count() == 0, left.all_inner_texts()
        except Exception as error:
            print(f"JupyterLab is started anew: {error}")
            self._start()


def write_notebook(path: Path, *cells: str, kernel: str = "python3") -> Path:
    """Write a notebook of these code cells."""
    spec = {"name": kernel, "display_name": kernel, "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": spec})
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, path)
    return path


def numbers(notebook: Notebook, expression: str) -> np.ndarray:
    printed = notebook.python(
        f"import json, numpy as np; print(json.dumps(np.asarray({expression}).tolist()))"
    )
    return np.array(json.loads(printed))


def wait_until(notebook: Notebook, expression: str) -> None:
    """Poll: nothing orders what the page sends before code that runs in the kernel."""
    for _ in range(100):
        if notebook.python(f"print({expression})").strip() == "True":
            return
        time.sleep(0.1)
    raise AssertionError(f"never true in the kernel: {expression}")
