"""Raw numbers of the benchmarks, each in a file that tells where they come from.

A record is ``records/NAME.json``: the command, the date, the commit, the machine
and the numbers. The README's tables are made of them; see ``readme``.
"""

import datetime
import json
import os
import platform
import re
import resource
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).with_name("records")
_PACKAGES = ("torch", "transformers", "numpy", "exclip")


def keep(name: str, numbers: Any, folder: Path = FOLDER) -> Path:
    """Write the record of a benchmark and return its path."""
    record = {
        "command": shlex.join(["python", *map(_without_folders, sys.orig_argv[1:])]),
        "date": datetime.date.today().isoformat(),
        **_STATE,
        "machine": machine(),
        "numbers": numbers,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(_written(record), encoding="utf-8")
    print(f"\nkept in {path}", flush=True)
    return path


def _without_folders(argument: str) -> str:
    """Return an argument; of a path that begins at the root, its last name."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def read(name: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """Return a record, ``None`` where nothing has been measured."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def machine() -> dict[str, Any]:
    """Return what a reader has to know of this machine to compare times."""
    return {
        "processor": _processor(),
        "cores": _cores(),
        "threads": torch.get_num_threads(),
        "memory": f"{_memory() / 2**30:.0f} GiB",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
    }


def peak_gigabytes() -> float:
    """Return the most memory that this process has held; the GPU's where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    status = Path("/proc/self/status")
    if status.exists():  # where getrusage() also counts what the parent held as it forked
        (line,) = (one for one in status.read_text().splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**20
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found / (2**30 if sys.platform == "darwin" else 2**20)


def git(*arguments: str) -> str | None:
    """Return what git says of this repository, ``None`` where there is none."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _state() -> dict[str, Any]:
    """Return which commit this is, and what differs from it of what is measured."""
    differs = git("status", "--porcelain", "--", "fpattr_widget", "js/src", "tests/benchmarks/*.py")
    return {
        "commit": git("rev-parse", "--short=12", "HEAD"),
        "uncommitted": None if differs is None else differs.splitlines(),
    }


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 0


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _written(record: Any) -> str:
    """Return JSON that is indented, but for lists of numbers."""
    text = json.dumps(record, indent=1, ensure_ascii=False)
    flat = re.compile(r"\[[-+\d.,eE\s]+\]")
    return flat.sub(lambda found: re.sub(r"\s+", " ", found.group()), text) + "\n"


# As a benchmark begins: whoever works on while it runs does not change what it measures.
_STATE = _state()
