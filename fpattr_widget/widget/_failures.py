"""What went wrong, in one sentence."""

from ..errors import InputError

_LONGEST = 300  # characters of an unexpected error's message
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_WITHOUT_WEIGHTS = ("meta tensor", "device meta", "meta device")


def failure_sentence(error: Exception) -> str:
    """Return in one sentence what went wrong and, where that is known, what to do."""
    return " ".join(str(error).split()) if isinstance(error, InputError) else _advice(error, "`")


def failure_for_readers(error: Exception) -> str:
    """Return the same sentence without code marks, for readers who choose in a menu."""
    sentence = error.for_readers() if isinstance(error, InputError) else _advice(error, "")
    return sentence[:1].upper() + sentence[1:]


def _advice(error: Exception, mark: str) -> str:
    """Return a sentence on an error that is not about an argument, with marks around arguments."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(words in text.lower() for words in _OUT_OF_MEMORY):
        return (
            f"There is not enough memory for this attribution: choose a later {mark}layer{mark} "
            f"(−1 is the cheapest) or fewer {mark}steps{mark}."
        )
    if any(words in text for words in _WITHOUT_WEIGHTS):
        return f"The weights of the {mark}model{mark} are gone: load it again."
    text = (text[:_LONGEST].rstrip() + " …") if len(text) > _LONGEST else text
    return f"{type(error).__name__}: {text.rstrip('.') or 'no reason given'}."
