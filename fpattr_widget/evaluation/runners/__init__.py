"""Where samples are measured: in this process, or in others.

To add a runner, write one file with a class that has ``run`` (see ``Runner``)
and add its line to ``RUNNERS``. A runner only calls ``measure`` on samples and
yields the records, in any order: what is missing, kept, interrupted or
reported is decided elsewhere, and reports order what arrives by the data set.
Tasks and samples can be pickled, see ``Task``.
"""

from ._runner import Runner
from .local import Local

RUNNERS: dict[str, type[Runner]] = {
    "local": Local,
}

__all__ = ["RUNNERS", "Local", "Runner"]
