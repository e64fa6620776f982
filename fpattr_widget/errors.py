"""The exceptions for input that cannot be used."""


class InputError(ValueError):
    """An argument cannot be used; the message names it and says what to do."""


class ModelChanged(InputError):  # noqa: N818 - what happened, and no mistake
    """A model is not what it was when work with it began."""
