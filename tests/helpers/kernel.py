"""A real kernel, and the page's side of its widgets."""

import ast
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jupyter_client.manager import KernelManager

from tests.helpers import forking
from tests.helpers.shown import kind_of

WIDGET = "application/vnd.jupyter.widget-view+json"


class CellError(Exception):
    """A cell ended with this error; the first argument is its name."""


@dataclass(frozen=True)
class Said:
    """A widget's message, and when it came."""

    model: str
    content: dict[str, Any]
    buffers: list[Any]
    at: float


class Notebook:
    """Runs cells as JupyterLab does, and sends what a page would send."""

    def __init__(self, manager: KernelManager):
        self.manager = manager
        self.client = manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.heard: list[Said] = []
        self._returned: dict[str, int] = {}  # how many of a widget's words were

    def start(self, code: str, cell: str | None = None) -> str:
        """Send a cell without waiting for it; return the request's id."""
        content = {
            "code": code, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": False,
        }  # fmt: skip
        # As JupyterLab has it; the cell's id is left out where it does not matter.
        metadata: dict[str, Any] = {"deletedCells": [], "recordTiming": False, "trusted": True}
        if cell is not None:
            metadata["cellId"] = cell
        return self._send("execute_request", content, metadata)

    def start_unattended(self, code: str) -> str:
        """Send a cell as programs do that execute notebooks; return the request's id."""
        return self.client.execute(code, stop_on_error=False)

    def finish(self, request: str, timeout: float = 120) -> dict[str, Any]:
        """Wait for a cell; return its last result's data, or its printed text under "text"."""
        data: dict[str, Any] = {"text": ""}
        for kind, content in self.outputs(request, timeout):
            if kind == "stream":
                data["text"] += content["text"]
            elif kind in ("execute_result", "display_data"):
                data.update(content["data"])
            elif kind == "error":
                raise CellError(content["ename"], content["evalue"])
        return data

    def outputs(self, request: str, timeout: float = 120) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the kinds and contents of what a cell says as it comes, up to the cell's end."""
        for message in self._messages(timeout):
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return
            yield kind, content
        raise TimeoutError

    def run(self, code: str, cell: str | None = None, timeout: float = 120) -> dict[str, Any]:
        return self.finish(self.start(code, cell), timeout)

    def value(self, expression: str) -> Any:
        return ast.literal_eval(self.run(f"print(repr(({expression})))")["text"])

    def say(self, model: str, content: dict[str, Any]) -> None:
        """Send a message of the page."""
        self._comm(model, {"method": "custom", "content": content})

    def update(self, model: str, **state: Any) -> None:
        """Change traits from the page."""
        self._comm(model, {"method": "update", "state": state})

    def listen(self, model: str, until: str, seconds: float = 60) -> list[Said]:
        """Return what a widget says, and was not returned yet, up to a word of this kind."""
        found = self._unheard(model, until)
        messages = self._messages(seconds)
        while found is None:
            if next(messages, None) is None:
                raise TimeoutError(f"no {until} came")
            found = self._unheard(model, until)
        return found

    def _unheard(self, model: str, until: str) -> list[Said] | None:
        said = [said for said in self.heard if said.model == model]
        for i in range(self._returned.get(model, 0), len(said)):
            if kind_of(said[i].content) == until:
                first, self._returned[model] = self._returned.get(model, 0), i + 1
                return said[first : i + 1]
        return None

    def silence(self, seconds: float) -> list[Said]:
        """Wait; return what widgets said in the meantime."""
        first = len(self.heard)
        for _ in self._messages(seconds):
            pass
        return self.heard[first:]

    def _comm(self, model: str, data: dict[str, Any]) -> None:
        self._send("comm_msg", {"comm_id": model, "data": data}, {})

    def _send(self, kind: str, content: dict[str, Any], metadata: dict[str, Any]) -> str:
        message = self.client.session.msg(kind, content, metadata=metadata)
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def _messages(self, timeout: float) -> Iterator[dict[str, Any]]:
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            try:
                message = self.client.get_iopub_msg(timeout=left)
            except queue.Empty:
                return
            content = message["content"]
            data = content.get("data", {})
            if message["msg_type"] == "comm_msg" and data.get("method") == "custom":
                said = Said(content["comm_id"], data["content"], message["buffers"], time.time())
                self.heard.append(said)
            yield message


@contextmanager
def notebook() -> Iterator[Notebook]:
    """A kernel of its own, ended afterwards."""
    forking.offer_kernels()
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    opened = Notebook(manager)
    try:
        yield opened
    finally:
        opened.client.stop_channels()
        manager.shutdown_kernel(now=True)
