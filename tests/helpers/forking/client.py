"""``python client.py SOCKET MODULE ARGUMENTS`` is ``python -m MODULE ARGUMENTS``, forked.

With ``-c TEXT`` for the module it is ``python -c TEXT ARGUMENTS``.
"""

import array
import json
import os
import signal
import socket
import sys


def main() -> int:
    address, *arguments = sys.argv[1:]
    program = {
        "arguments": arguments,
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": [os.getcwd(), *sys.path[1:]],
    }
    server = socket.socket(socket.AF_UNIX)
    server.connect(address)
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
    text = json.dumps(program).encode() + b"\n"
    sent = server.sendmsg([text], [rights])
    server.sendall(text[sent:])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: server.send(bytes([number])))
    for stream in (0, 1, 2):
        os.close(stream)  # only the program holds them now
    status = server.recv(2)
    return int.from_bytes(status, signed=True) if status else 1


status = main()
if status < 0:  # a signal ended the program
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
