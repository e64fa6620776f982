"""The one exception for input that cannot be explained."""


class InputError(ValueError):
    """An argument cannot be used; the message names it and says what to do."""
