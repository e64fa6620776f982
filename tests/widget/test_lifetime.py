"""The life of a view: each transition of the table in its docstring, and what needs several."""

import pytest

from fpattr_widget.widget._lifetime import Lifetime, Stage

WAITING, SHOWN, REPLACED, PARKED, CLOSED = Stage
RUN = "cell_runs_again"
#: What brings a new view into a stage.
WAYS = {
    WAITING: ["open"],
    SHOWN: ["open", 1],
    REPLACED: ["open", 1, RUN, 0],
    PARKED: ["open", 1, RUN, 0, "park"],
    CLOSED: [],
}


def life(*happened: str | int) -> Lifetime:
    """Return a view to which this has happened; numbers are views that pages count."""
    view = Lifetime()
    for what in happened:
        if isinstance(what, int):
            view.count_views(what)
        else:
            getattr(view, what)()
    return view


@pytest.mark.parametrize("stage", Stage)
def test_each_stage_is_reached(stage):
    assert life(*WAYS[stage]).stage is stage


@pytest.mark.parametrize(
    ("happens", "after"),
    [
        ("open", {PARKED: WAITING, CLOSED: WAITING}),
        (1, {WAITING: SHOWN}),
        (0, {}),
        (RUN, {SHOWN: REPLACED}),
        ("park", {REPLACED: PARKED}),
        ("close", {WAITING: CLOSED, SHOWN: CLOSED, REPLACED: CLOSED}),
    ],
)
@pytest.mark.parametrize("stage", Stage)
def test_each_transition_of_the_table(stage, happens, after):
    assert life(*WAYS[stage], happens).stage is after.get(stage, stage)


@pytest.mark.parametrize(
    ("happened", "can_park"),
    [
        (["open", 1, RUN], False),  # still seen
        (["open", 1, RUN, 0], True),
        (["open", 1, 0, RUN], True),
        (["open", 2, RUN, 1], False),
        (["open", RUN], False),  # its first view may be on its way
        (["open", RUN, 1], False),
        (["open", RUN, 1, 0], True),
        (["open", RUN, RUN], True),
        (["open", "display", RUN, RUN], True),
        (["open", "display", "greet", RUN, RUN], False),  # pages that do not count may show it
        (["open", "display", "greet", RUN, RUN, RUN], False),
        (["open", "display", "greet", 1, 0, RUN], True),
        (["open", "greet", RUN, RUN], True),
    ],
)
def test_what_nobody_sees_any_more_can_be_parked(happened, can_park):
    assert life(*happened).can_park is can_park


def test_what_is_opened_again_begins_anew():
    again = life("open", "display", "greet", 1, RUN, 0, "park", "open")
    assert again == life("open")
    assert life("open", 1, RUN, 0, "park", "open", RUN).stage is WAITING
