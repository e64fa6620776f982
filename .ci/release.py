"""Build what is published and check it as it is, with all that it requires installed anew."""

from __future__ import annotations

import argparse
import re
import shutil

from setting_up import PYTHON, ROOT, run, set_up

DIST = ROOT / "dist"


def read_version() -> str:
    """Return the version that the package names."""
    text = (ROOT / "fpattr_widget" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)[1]


def main(arguments: list[str]) -> None:
    """Build into ``dist`` and run the tests of the package on what was built.

    Raises
    ------
    SystemExit
        When the tag is not the version's, or a test fails.
    """
    parser = argparse.ArgumentParser(prog="npm run release --", description=__doc__.splitlines()[0])
    parser.add_argument("tag", help="the version with a v before it")
    tag = parser.parse_args(arguments).tag
    if tag != f"v{read_version()}":
        raise SystemExit(f"the tag {tag} is not of version {read_version()}: tag v{read_version()}")
    set_up()
    shutil.rmtree(DIST, ignore_errors=True)
    run(PYTHON, "-m", "build", "--outdir", DIST)
    settings = {"FPATTR_RELEASE": str(DIST), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    run(PYTHON, "-m", "pytest", "tests/package", **settings)
