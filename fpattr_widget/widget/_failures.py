"""What went wrong, in one sentence for the view."""

from ..errors import InputError

_LONGEST = 300
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def sentence(error: Exception) -> str:
    """Say in one sentence what went wrong, and where that is known what to do."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        return text
    if isinstance(error, MemoryError) or any(words in text.lower() for words in _NO_MEMORY):
        return (
            "There is not enough memory for this attribution: choose a later `layer` "
            "(−1 is the cheapest) or fewer `steps`."
        )
    if "meta tensor" in text or "device meta" in text or "meta device" in text:
        return "The weights of the `model` are gone: load it again."
    text = (text[:_LONGEST].rstrip() + " …") if len(text) > _LONGEST else text
    return f"{type(error).__name__}: {text.rstrip('.') or 'no reason given'}."
