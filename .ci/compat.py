"""Run the tests that need no browser with the oldest packages, and on every Python found.

The oldest Python that ``pyproject.toml`` declares gets the oldest version of each package that
it declares (of torch the one that all tests use), the others get those of
``tests/constraints.txt``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from setting_up import (
    CONSTRAINTS,
    ROOT,
    install_front_end,
    install_published,
    once,
    pinned,
    pip_of,
    python_of,
    run,
    unpack,
)

ENVIRONMENTS = ROOT / ".runs" / "compat"
NEWEST = 40  # of the minor versions of Python that are looked for
TESTS = (
    "--numprocesses=2",
    "--dist=loadfile",
    "--ignore=tests/browser",
    "--ignore=tests/package",
)


def read_project() -> dict[str, Any]:
    """Return what ``pyproject.toml`` declares of the project."""
    declared: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return declared["project"]


def oldest_python(project: dict[str, Any]) -> int:
    """Return the minor version of the oldest Python 3 that is declared."""
    return int(project["requires-python"].removeprefix(">=3."))


def requirements(project: dict[str, Any]) -> list[str]:
    """Return what is installed to run the tests, the package itself aside."""
    extras = project["optional-dependencies"].values()
    everything = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return [line for line in everything if not line.startswith(project["name"])]


def floors(project: dict[str, Any]) -> list[str]:
    """Return the oldest version that is declared of each package that users get, pinned.

    Raises
    ------
    ValueError
        When a requirement has no lower bound.
    """
    extras = {**project["optional-dependencies"], "dev": []}
    declared = [*project["dependencies"], *(line for extra in extras.values() for line in extra)]
    oldest = []
    for line in declared:
        found = re.match(r"([\w-]+)>=([\w.]+)", line)
        if found is None:
            raise ValueError(f"{line!r} in pyproject.toml declares no oldest version: add one")
        name, version = found.groups()
        oldest.append(pinned()["torch"] if name == "torch" else f"{name}=={version}")
    return oldest


def find_interpreters(oldest: int) -> dict[int, Path]:
    """Return an interpreter for each minor version of Python 3 that is installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = {}
    for minor in range(oldest, NEWEST):
        name = f"python3.{minor}"
        candidates = [shutil.which(name), *sorted(pyenv.glob(f"3.{minor}.*/bin/{name}"))]
        if sys.version_info.minor == minor:
            candidates.insert(0, sys.executable)
        # A shim may be there without the version that it stands for.
        for path in filter(None, candidates):
            if subprocess.run([path, "-c", "import venv"], capture_output=True).returncode == 0:
                found[minor] = Path(path)
                break
    return found


def prepare(minor: int, interpreter: Path, *, lowest: bool) -> Path:
    """Install what the tests need into an environment of its own; return its interpreter."""
    environment = ENVIRONMENTS / f"3.{minor}-{'lowest' if lowest else 'pinned'}"
    python = python_of(environment)
    project = read_project()
    if lowest:
        constraints = environment.with_suffix(f".{minor}.txt")
        ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
        constraints.write_text("\n".join(floors(project)) + "\n")
    else:
        constraints = CONSTRAINTS

    def install() -> None:
        if not python.exists():
            run(interpreter, "-m", "venv", environment)
            if not lowest:
                unpack(python, pinned())
        pip = (*pip_of(python), "--constraint", constraints)
        run(*pip, pinned()["torch"])
        run(*pip, *requirements(project))

    once(environment / ".fpattr-stamp", [ROOT / "pyproject.toml", constraints], install)
    install_published(python)
    return python


def main(arguments: list[str]) -> None:
    """Run the tests with each Python; further arguments are pytest's.

    Raises
    ------
    SystemExit
        When there is no such Python, or tests fail.
    """
    parser = argparse.ArgumentParser(prog="npm run compat --", description=main.__doc__)
    parser.add_argument("--python", help="one version, such as 3.12, instead of every one found")
    options, rest = parser.parse_known_args(arguments)
    oldest = oldest_python(read_project())
    found = find_interpreters(oldest)
    if options.python:
        found = {minor: path for minor, path in found.items() if f"3.{minor}" == options.python}
    if not found:
        raise SystemExit(f"no Python {options.python or f'3.{oldest} or newer'} was found")
    install_front_end()
    failed = []
    for minor, interpreter in found.items():
        lowest = minor == oldest
        print(f"-- Python 3.{minor}, {'oldest' if lowest else 'pinned'} packages", flush=True)
        try:
            python = prepare(minor, interpreter, lowest=lowest)
            path = os.pathsep.join((str(python.parent), os.environ.get("PATH", "")))
            settings = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
            run(python, "-m", "pytest", *TESTS, *rest, PATH=path, **settings)
        except subprocess.CalledProcessError:
            failed.append(f"3.{minor}")
    if failed:
        raise SystemExit(f"failed with Python {', '.join(failed)}")
    print("all tests passed with Python", ", ".join(f"3.{minor}" for minor in found))
