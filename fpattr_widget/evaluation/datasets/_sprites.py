"""The sprites that scenes are drawn with, found once in each process."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...scenes import Sprites
from ._reading import as_path

#: Where to look: a folder's absolute path, or ``None`` for the usual places.
SpriteFolder = str | None


def sprite_folder(value: Any) -> SpriteFolder:
    """Return the argument ``sprites``, which holds in another process too, checked.

    Raises
    ------
    InputError
        When there are no sprites.
    """
    folder = None if value is None else str(as_path(value, "sprites").absolute())
    try:
        load_sprites(folder)
    except FileNotFoundError as error:
        if error.filename is None:
            raise InputError(str(error)) from error
        raise InputError(f"`sprites` has no file {Path(error.filename).name!r}.") from error
    except OSError as error:
        raise InputError(f"`sprites` cannot be read ({error}).") from error
    return folder


@lru_cache(maxsize=2)
def load_sprites(folder: SpriteFolder) -> Sprites:
    """Return the sprites of a checked folder."""
    return Sprites(folder)
