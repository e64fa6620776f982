"""The sprites that draw scenes, loaded once in each process."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from ...checks import as_path
from ...errors import InputError
from ...scenes import Sprites

_REMEDY = (
    "run `npm install @lobehub/fluent-emoji-3d` in the working directory, or pass the folder "
    "with its .webp files"
)

#: A folder's absolute path, or ``None`` for the places that ``Sprites`` searches.
SpriteFolder = str | None


def sprite_folder(value: Any) -> SpriteFolder:
    """Check the argument ``sprites``, and return it so that other processes find it too.

    Raises
    ------
    InputError
        When the sprites are not there.
    """
    folder = None if value is None else str(as_path(value, "sprites").absolute())
    try:
        load_sprites(folder)
    except FileNotFoundError as error:
        problem = "are missing"
        if error.filename is not None:
            problem = f"has no file {Path(error.filename).name!r}"
        raise InputError("sprites", problem, _REMEDY) from error
    except OSError as error:
        raise InputError("sprites", f"cannot be read ({error})", _REMEDY) from error
    return folder


@lru_cache(maxsize=2)
def load_sprites(folder: SpriteFolder) -> Sprites:
    """Return the sprites of a checked folder."""
    return Sprites(folder)
