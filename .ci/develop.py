"""Set everything up, then open the demo or run every check.

``npm run demo`` and ``npm test`` call this. It needs Python 3.11 and Node 20,
installs into ``.venv`` and ``node_modules``, and repeats only what changed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
CONSTRAINTS = ROOT / "tests" / "constraints.txt"
PARITY = ROOT / "tests" / "parity" / "requirements.txt"
# Each into a folder of its own in the environment, where it is found only when asked for.
APART = (
    ROOT / "tests" / "parity" / "torchvision.txt",
    *sorted((ROOT / "tests" / "browser").glob("ipykernel-*.txt")),
)
NPM = shutil.which("npm") or "npm"
# Much of the tests' time is waiting for kernels and pages. In their own order: files of
# few long tests would else come last, each alone.
SIDE_BY_SIDE = ("--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def run(*command: str | Path, **environment: str) -> None:
    print("$", *command, flush=True)
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, **environment})


def changed(stamp: Path, *sources: Path) -> str | None:
    """Return the new stamp if any source differs from what the stamp was made of."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    return None if stamp.exists() and stamp.read_text() == digest else digest


def set_up_front_end() -> None:
    stamp = ROOT / "node_modules" / ".fpattr-stamp"
    if digest := changed(stamp, ROOT / "package.json"):
        run(NPM, "install", "--no-audit", "--no-fund")
        stamp.write_text(digest)
    run(NPM, "run", "--silent", "build")


def set_up_python(*, tests: bool) -> None:
    if not PYTHON.exists():
        print("$ python -m venv .venv", flush=True)
        venv.create(VENV, with_pip=True)
    pip = (PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    stamp = VENV / ".fpattr-stamp"
    if digest := changed(stamp, ROOT / "pyproject.toml", CONSTRAINTS):
        # By itself first: a resolver that may choose would fetch another torch.
        pinned = next(line for line in CONSTRAINTS.read_text().splitlines() if "torch==" in line)
        run(*pip, pinned)
        run(*pip, "--constraint", CONSTRAINTS, "--editable", ".[dev]")
        stamp.write_text(digest)
    if not tests:
        return
    stamp = VENV / ".fpattr-parity-stamp"
    if digest := changed(stamp, PARITY):
        # The published code, without its pins on other packages.
        run(*pip, "--no-deps", "--requirement", PARITY)
        stamp.write_text(digest)
    for requirements in APART:
        # torchvision may not fit the torch that is here; a kernel of each ipykernel is tested.
        folder = VENV / requirements.stem
        stamp = VENV / f".fpattr-{requirements.stem}-stamp"
        if digest := changed(stamp, requirements):
            shutil.rmtree(folder, ignore_errors=True)
            run(*pip, "--no-deps", "--target", folder, "--requirement", requirements)
            stamp.write_text(digest)


def find_browser() -> str:
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


def demo(arguments: list[str]) -> None:
    set_up_front_end()
    set_up_python(tests=False)
    os.chdir(ROOT)
    quickstart = "--LabApp.default_url=/lab/tree/notebooks/quickstart.ipynb"
    command = [str(PYTHON), "-m", "jupyter", "lab", quickstart, *arguments]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    try:
        raise SystemExit(subprocess.run(command).returncode)
    except KeyboardInterrupt:
        raise SystemExit(0) from None


def test(arguments: list[str]) -> None:
    set_up_front_end()
    set_up_python(tests=True)
    chromium = find_browser()
    checks: list[tuple[str, list[str | Path]]] = [
        ("ruff lint", [PYTHON, "-m", "ruff", "check", "."]),
        ("ruff format", [PYTHON, "-m", "ruff", "format", "--check", "."]),
        ("mypy", [PYTHON, "-m", "mypy"]),
        ("biome, tsc, vitest", [NPM, "run", "--silent", "check:js"]),
        # Last, so that its closing line ends the output.
        ("pytest", [PYTHON, "-m", "pytest", *SIDE_BY_SIDE, *arguments]),
    ]
    failed = []
    for name, command in checks:
        started = time.monotonic()
        try:
            run(*command, FPATTR_CHROMIUM=chromium, HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
        except subprocess.CalledProcessError:
            failed.append(name)
        print(f"-- {name}: {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")
    print("all checks passed")


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - npm calls whatever python3 is
        raise SystemExit("fpattr_widget needs Python 3.11 or newer: put it first on the PATH")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=("demo", "test"))
    known, rest = parser.parse_known_args()
    {"demo": demo, "test": test}[known.task](rest)


if __name__ == "__main__":
    main()
