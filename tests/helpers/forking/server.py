"""A process that imports torch and transformers once and forks Python programs from itself.

``python server.py SOCKET`` runs ``python -m MODULE ARGUMENTS``, or ``python -c TEXT ARGUMENTS``,
for ``client.py``, which stands in for the program: the program has the client's environment,
working directory, streams and module path, gets its signals and ends when it does. It differs
from a process of its own in that other people's modules are imported already; this
package and ipykernel are not.
"""

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
from array import array
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NoReturn

STREAMS = 3
LONGEST = 2**18


@dataclass(frozen=True)
class Program:
    """How a program is started."""

    arguments: list[str]  # the module's name, or "-c" and a text; then its arguments
    environment: dict[str, str]
    folder: str
    path: list[str]


def import_slow_modules() -> None:
    import matplotlib.figure  # noqa: F401
    import numpy  # noqa: F401
    import PIL.Image
    import torch
    import torch.distributed.tensor  # noqa: F401
    import transformers
    import transformers.image_processing_utils
    import transformers.modeling_utils
    import transformers.models.clip.modeling_clip  # noqa: F401

    PIL.Image.init()


def receive(connection: socket.socket) -> tuple[Program, list[int]]:
    """Return a program and its standard streams."""
    rights = socket.CMSG_SPACE(STREAMS * array("i").itemsize)
    text, extra, *_ = connection.recvmsg(LONGEST, rights)
    streams = array("i")
    streams.frombytes(extra[0][2])
    while not text.endswith(b"\n"):
        text += connection.recv(LONGEST)
    return Program(**json.loads(text)), list(streams)


def become(program: Program, streams: list[int]) -> NoReturn:
    """Run the program in this process, a child of the server."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(program.environment)
    if "JPY_PARENT_PID" in os.environ:  # a kernel ends when its parent does
        os.environ["JPY_PARENT_PID"] = str(os.getppid())
    os.chdir(program.folder)
    sys.path[:] = program.path
    status = 0
    try:
        run(*program.arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    # As an interpreter ends, but for taking torch apart, which takes seconds.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run(module: str, *arguments: str) -> None:
    """Run a module, or for ``"-c"`` the text that comes first among the arguments."""
    if module == "-c":
        text, *rest = arguments
        sys.argv[:] = ["-c", *rest]
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(text, "<string>", "exec"), main.__dict__)
    else:
        sys.argv[:] = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


class Server:
    """Forks a program for each connection; closing the connection kills the program."""

    def __init__(self, address: str):
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen()
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for source in (self._listener, self._woken, sys.stdin):
            self._selector.register(source, selectors.EVENT_READ)
        self._programs: dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Serve until the standard input ends."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin:
                    for pid in self._programs:
                        self._signal(pid, signal.SIGKILL)
                    return
                if key.fileobj is self._listener:
                    self._start(self._listener.accept()[0])
                elif key.fileobj is self._woken:
                    self._woken.recv(4096)
                    self._reap()
                else:
                    self._pass_on(key.fileobj)

    def _start(self, connection: socket.socket) -> None:
        program, streams = receive(connection)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            for one in (
                connection,
                self._listener,
                self._woken,
                self._wake,
                *self._programs.values(),
            ):
                one.close()
            raise Child(program, streams)
        for stream in streams:
            os.close(stream)
        self._programs[pid] = connection
        self._selector.register(connection, selectors.EVENT_READ)

    def _pass_on(self, connection: Any) -> None:
        """Send a program the signals that its client got; kill it if the client has ended."""
        (pid,) = (pid for pid, one in self._programs.items() if one is connection)
        numbers = connection.recv(100)
        if not numbers:
            self._selector.unregister(connection)
        for number in numbers or [signal.SIGKILL]:
            self._signal(pid, number)

    def _signal(self, pid: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(pid, number)

    def _reap(self) -> None:
        for pid in list(self._programs):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            connection = self._programs.pop(pid)
            if connection in self._selector.get_map():
                self._selector.unregister(connection)
            with suppress(OSError):  # the client may have ended
                connection.send(os.waitstatus_to_exitcode(status).to_bytes(2, signed=True))
            connection.close()


class Child(BaseException):
    """Unwinds the server's frames in a child, and carries the program and its streams."""


def main() -> None:
    import_slow_modules()
    gc.collect()
    gc.freeze()
    server = Server(sys.argv[1])
    print("ready", flush=True)
    try:
        server.serve()
        return
    except Child as child:
        program, streams = child.args
    become(program, streams)


if __name__ == "__main__":
    main()
