"""Servers of the notebook hosts, each with its users' command, in a folder of its own.

They are forked: marimo computes in its server, and would import torch first.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.helpers import forking

TOKEN = "test-token"


class Server:
    """A host's process; its settings and state stay in ``folder``, its files in ``root``."""

    name = "the server"

    def __init__(self, folder: Path):
        self.root = folder / "work"
        self.root.mkdir()
        self.folder = folder
        self.log = folder / "server.log"
        self.environment = {
            f"JUPYTER_{place}_DIR": str(folder / place.lower())
            for place in ("CONFIG", "DATA", "RUNTIME")
        }
        self.environment["IPYTHONDIR"] = str(folder / "ipython")

    def start(self, *command: str) -> None:
        forking.offer_kernels()
        self._process = subprocess.Popen(
            forking.command(*command),
            cwd=self.root,
            env={**os.environ, **self.environment},
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )

    def wait(self) -> str:
        """Wait until the server answers; return its address."""
        for _ in range(600):
            if url := self.answers():
                return url
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()}")

    def answers(self) -> str | None:
        raise NotImplementedError

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Jupyter(Server):
    """A Jupyter server with one of its two front ends."""

    command = ""
    flags: tuple[str, ...] = ()
    place = ""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.environment["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
        self.environment["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
        for name, setting in (
            ("@jupyterlab/apputils-extension/notification", '{"fetchNews": "false"}'),
            ("@jupyter-widgets/jupyterlab-manager/plugin", '{"saveState": true}'),
        ):
            path = folder / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True)
            path.write_text(setting)
        self.start(
            "jupyter",
            self.command,
            "--no-browser",
            "--allow-root",
            "--ip=127.0.0.1",
            "--port=0",
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={self.root}",
            *self.flags,
        )
        self.url = self.wait()

    def answers(self) -> str | None:
        for path in (self.folder / "runtime").glob("jpserver-*.json"):
            try:
                return json.loads(path.read_text())["url"]
            except (ValueError, KeyError):
                pass
        return None

    def address(self, notebook: str) -> str:
        """Return where a notebook of the root folder is shown."""
        return f"{self.url}{self.place}/{notebook}?token={TOKEN}&reset"

    def add_kernel(self, name: str, *, forked: bool = True, **environment: str) -> None:
        """Offer this Python as a kernel with variables of its own.

        A kernel that is forked has other people's modules, whatever the variables say.
        """
        folder = self.folder / "data" / "kernels" / name
        folder.mkdir(parents=True, exist_ok=True)
        if forked:
            command = forking.kernel_command()
        else:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        specification = forking.specification(name, command, environment)
        (folder / "kernel.json").write_text(specification)


class Lab(Jupyter):
    """A running JupyterLab."""

    name = "JupyterLab"
    command = "lab"
    flags = ("--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly")
    place = "lab/tree"

    @property
    def desk(self) -> str:
        """Where nothing is open."""
        return f"{self.url}lab?token={TOKEN}&reset"


class Notebook7(Jupyter):
    """A running Jupyter Notebook."""

    name = "Jupyter Notebook"
    command = "notebook"
    flags = ("--JupyterNotebookApp.expose_app_in_browser=True",)
    place = "notebooks"


class Listening(Server):
    """A server that is told its port."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def answers(self) -> str | None:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return None
        return self.url


class Voila(Listening):
    """Voilà, which runs a notebook anew for each page."""

    name = "Voilà"

    def __init__(self, folder: Path):
        super().__init__(folder)
        address = (f"--port={self.port}", "--Voila.ip=127.0.0.1")
        self.start("voila", "--no-browser", *address, str(self.root))
        self.wait()

    def address(self, notebook: str, theme: str = "light") -> str:
        return f"{self.url}voila/render/{notebook}?theme={theme}"


class Marimo(Listening):
    """marimo; ``mode`` is ``"edit"``, or ``"run"`` for an app without its code."""

    name = "marimo"

    def __init__(self, folder: Path, *, mode: str, notebook: str, theme: str = "light"):
        super().__init__(folder)
        self.mode = mode
        for place in ("CONFIG", "STATE", "CACHE"):
            self.environment[f"XDG_{place}_HOME"] = str(folder / place.lower())
        settings = folder / "config" / "marimo" / "marimo.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'[display]\ntheme = "{theme}"\n')
        (self.root / "notebook.py").write_text(notebook)
        offline = ("--skip-update-check",) if mode == "edit" else ()
        port = f"--port={self.port}"
        self.start("marimo", mode, "--headless", "--no-token", port, *offline, "notebook.py")
        self.wait()
