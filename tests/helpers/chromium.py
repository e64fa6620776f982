"""Which Chromium the tests use, and how it is started."""

import os
import shutil

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def chromium() -> str | None:
    """Return the Chromium to use; ``None`` leaves the choice to Playwright."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = filter(None, map(shutil.which, names))
    return os.environ.get("FPATTR_CHROMIUM") or next(found, None)
