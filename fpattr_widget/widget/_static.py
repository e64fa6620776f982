"""The built front end, as text."""

from importlib.resources import files


def built(name: str) -> str:
    """Return a file of the built front end; given a path, anywidget would watch it for changes.

    Raises
    ------
    ImportError
        When the front end is not built.
    """
    file = files("fpattr_widget.widget") / "static" / name
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ImportError(
            "the front end of fpattr_widget is not built: run `npm install && npm run build` in "
            "the repository, or install the wheel"
        ) from None
