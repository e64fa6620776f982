"""The README as an index of packages shows it, away from the files that it links to."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

# A link or a picture in Markdown: what is shown, and where it leads.
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|`[^`]*`)*)\]\(([^()\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.\-]*:|#", re.IGNORECASE)


def away_from_home(text: str, home: str | None) -> str:
    """Return Markdown in which no link leads to a file beside it.

    Parameters
    ----------
    text
        Markdown.
    home
        Where the files are on the web, ``project.urls.Source``: links lead
        there. Without one, the words of a link stay and a picture goes.
    """

    def replaced(match: "re.Match[str]") -> str:
        picture, shown, place = match.groups()
        if _ELSEWHERE.match(place):
            return match[0]
        if home is None:
            return "" if picture else shown
        kind = "raw" if picture else "blob"
        return f"{picture}[{shown}]({home.rstrip('/')}/{kind}/HEAD/{place})"

    return re.sub(r"\n{3,}", "\n\n", _LINK.sub(replaced, text))


class ReadmeHook(MetadataHookInterface):
    """Fills in ``readme``, which the project calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        home = metadata.get("urls", {}).get("Source")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": away_from_home(text, home),
        }
