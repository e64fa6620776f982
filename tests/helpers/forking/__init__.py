"""Kernels and programs that start within a second: forked from a process that has torch."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


@cache
def server() -> Path:
    """Start the fork server of this process; return its socket. It ends when this process does."""
    socket = Path(tempfile.mkdtemp(prefix="fork-"), "socket")
    atexit.register(shutil.rmtree, socket.parent, ignore_errors=True)
    process = subprocess.Popen(
        [sys.executable, HERE / "server.py", socket],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.communicate)  # the end of its input ends the server
    assert process.stdout.readline() == "ready\n"
    return socket


def command(module: str, *arguments: str) -> list[str]:
    """Return a command that runs ``python -m module arguments`` in a forked process."""
    return [sys.executable, str(HERE / "client.py"), str(server()), module, *arguments]


def program(text: str, *arguments: str) -> list[str]:
    """Return a command that runs ``python -c text arguments`` in a forked process."""
    return command("-c", text, *arguments)


def kernel_command() -> list[str]:
    """Return the command of a forked IPython kernel, as ``kernel.json`` has it."""
    return command("ipykernel_launcher", "-f", "{connection_file}")


def specification(name: str, argv: list[str], environment: dict[str, str]) -> str:
    """Return the content of a ``kernel.json``."""
    return json.dumps(
        {"argv": argv, "display_name": name, "language": "python", "env": environment}
    )


@cache
def offer_kernels() -> None:
    """Make ``python3`` a forked kernel, here and in processes that this one starts."""
    data = server().parent
    folder = data / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(specification("python3", kernel_command(), {}))
    paths = filter(None, [str(data), os.environ.get("JUPYTER_PATH")])
    os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)
