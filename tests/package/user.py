"""A script of a user, never run: what a type checker sees of the package.

Mistakes are marked, and a mark without a mistake is an error.
"""

import numpy as np
from PIL import Image

import fpattr_widget as fp

view = fp.explain("photo.jpg", "a dog", model="bundled", theme="dark", opacity=0.5)
maps: np.ndarray = view.pairs.row("dog") + fp.attribute("bundled", b"", [[1, 2]]).of_tokens("a")
seen: Image.Image = view.pairs.picture
fp.explain("photo.jpg", "a dog", them="dark")  # type: ignore[call-arg]
fp.explain("photo.jpg", "a dog", theme="drak")  # type: ignore[arg-type]
fp.explain(7, "a dog")  # type: ignore[arg-type]
fp.explain("photo.jpg", 7)  # type: ignore[arg-type]
fp.attribute(None, "photo.jpg", "a dog")  # type: ignore[arg-type]
fp.explore(smooth="yes")  # type: ignore[arg-type]
fp.evaluate("bundled", "photos")  # type: ignore[arg-type]
fp.explian("photo.jpg", "a dog")  # type: ignore[attr-defined]
