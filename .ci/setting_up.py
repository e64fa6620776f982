"""Installs what the checks and the demo need into ``.venv`` and ``node_modules``.

Only what changed is installed again, and what does not depend on each other side by side.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
CONSTRAINTS = ROOT / "tests" / "constraints.txt"
PARITY = ROOT / "tests" / "parity" / "requirements.txt"
# Each into a folder of its own in the environment, where it is found only when asked for:
# torchvision may not fit the torch that is here; a kernel of each ipykernel is tested.
APART = (
    ROOT / "tests" / "parity" / "torchvision.txt",
    *sorted((ROOT / "tests" / "browser").glob("ipykernel-*.txt")),
)
NPM = shutil.which("npm") or "npm"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def python_of(environment: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


PYTHON = python_of(VENV)


def pip_of(python: Path | str) -> tuple[str | Path, ...]:
    """Return the command that installs into the environment of an interpreter."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-warn-script-location")
    return (python, "-m", "pip", "install", *quiet)


def run(*command: str | Path, **environment: str) -> None:
    """Run a command in the repository.

    Raises
    ------
    subprocess.CalledProcessError
        When it fails.
    """
    print("$", *command, flush=True)
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, **environment})


def side_by_side(*tasks: Callable[[], Any]) -> list[Any]:
    """Run tasks on threads of their own; raise the first error once all have ended."""
    with ThreadPoolExecutor(len(tasks)) as threads:
        running = [threads.submit(task) for task in tasks]
    return [task.result() for task in running]


def once(stamp: Path, sources: Iterable[Path], task: Callable[[], object]) -> None:
    """Run a task unless it was done with sources of this content."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        task()
        stamp.write_text(digest)


def pinned() -> dict[str, str]:
    """Return the requirement of each package in ``tests/constraints.txt`` by its name."""
    lines = CONSTRAINTS.read_text().split()
    return {re.split("[=<>]", line)[0].lower(): line for line in lines}


def install_front_end() -> None:
    """Install the packages of ``package.json`` and build the widget's scripts."""
    once(
        ROOT / "node_modules" / ".fpattr-stamp",
        [ROOT / "package.json"],
        lambda: run(NPM, "install", "--no-audit", "--no-fund"),
    )
    run(NPM, "run", "--silent", "build")


def install_package() -> None:
    """Install the package for editing, with everything that developing it needs."""
    if not PYTHON.exists():
        print("$ python -m venv .venv", flush=True)
        venv.create(VENV, with_pip=True)
    stamp = VENV / ".fpattr-stamp"

    def install() -> None:
        torch = pinned()["torch"]
        if not stamp.exists():
            unpack(PYTHON, pinned())
        # By name, so that no other torch is fetched for a dependency's sake.
        run(*pip_of(PYTHON), "--constraint", CONSTRAINTS, torch, "--editable", ".[dev]")

    once(stamp, [ROOT / "pyproject.toml", CONSTRAINTS], install)


def unpack(python: Path, pins: dict[str, str]) -> None:
    """Install pinned packages as they are, torch beside the others, into a new environment.

    This is a head start for the resolver, which checks and completes it. It
    may fail, where a pin does not exist for this platform.
    """

    def install(requirements: list[str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder, "requirements.txt")
            listed.write_text("\n".join(requirements))
            command = [*pip_of(python), "--no-deps", "--no-compile", "--requirement", listed]
            subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL)

    others = [line for name, line in pins.items() if name != "torch"]
    print(f"$ pip install {pins['torch']} and {len(others)} other pinned packages", flush=True)
    side_by_side(lambda: install([pins["torch"]]), lambda: install(others))


def install_published(python: Path = PYTHON) -> None:
    """Install the published code that tests compare with, without its pins on other packages."""
    environment = python.parents[1]
    once(
        environment / ".fpattr-parity-stamp",
        [PARITY],
        lambda: run(*pip_of(python), "--no-deps", "--requirement", PARITY),
    )
    for requirements in APART:
        folder = environment / requirements.stem

        def install(requirements: Path = requirements, folder: Path = folder) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            run(*pip_of(python), "--no-deps", "--target", folder, "--requirement", requirements)

        once(environment / f".fpattr-{requirements.stem}-stamp", [requirements], install)


def install_browser() -> str:
    """Return a Chromium: the one installed, else Playwright's, else Debian's package."""
    for name in (os.environ.get("FPATTR_CHROMIUM", ""), *BROWSERS):
        if name and (path := shutil.which(name)):
            return path
    probe = (
        "from playwright.sync_api import sync_playwright as start\n"
        "with start() as p: print(p.chromium.executable_path)"
    )
    found = subprocess.run([PYTHON, "-c", probe], capture_output=True, text=True)
    path = found.stdout.strip()
    if path and Path(path).exists():
        return path
    if subprocess.run([PYTHON, "-m", "playwright", "install", "chromium"]).returncode == 0:
        return path
    administrator = () if os.name == "nt" or os.geteuid() == 0 else ("sudo", "-n")
    run(*administrator, "apt-get", "update", "-qq")
    run(*administrator, "apt-get", "install", "-y", "-qq", "chromium")
    return shutil.which("chromium") or sys.exit("no Chromium could be installed: install one")


def set_up() -> None:
    """Install what the demo needs."""
    side_by_side(install_front_end, install_package)


def set_up_tests(*, browser: bool = True) -> dict[str, str]:
    """Install what the tests need; return the environment that they run in."""
    started = time.monotonic()
    set_up()
    environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    if browser:
        _, environment["FPATTR_CHROMIUM"] = side_by_side(install_published, install_browser)
    else:
        install_published()
    print(f"-- set up: {time.monotonic() - started:.0f} s", flush=True)
    return environment
