"""The list of breaks is one that can be run; whether each is caught takes long to see."""

from dataclasses import replace

import pytest

from tests.breaks.listed import ROOT, Break, chosen, read_breaks

BREAKS = read_breaks()
ONE = Break("room", "name", "file", "right", "wrong", ("tests/breaks/test_breaks.py",))


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.name)
def test_its_text_stands_once_in_its_file_and_its_tests_are_there(one):
    source = (ROOT / one.file).read_text(encoding="utf-8")
    assert one.made_in(source) != source
    assert one.tests
    for test in one.tests:
        path, _, name = test.partition("::")
        assert name.split("[")[0] in (ROOT / path).read_text(encoding="utf-8")


def test_names_are_unique():
    assert len({one.name for one in BREAKS}) == len(BREAKS)


@pytest.mark.parametrize("source", ["", "right right"])
def test_text_that_is_gone_or_stands_twice_is_an_error(source):
    assert ONE.made_in("is right.") == "is wrong."
    with pytest.raises(ValueError, match="'name': its text stands"):
        ONE.made_in(source)


def test_breaks_are_chosen_by_name_and_room():
    other = replace(ONE, name="other")
    apart = replace(ONE, name="apart", room="elsewhere")
    every = [ONE, other, apart]
    assert chosen(every, []) == every
    assert chosen(every, ["name", "elsewhere"]) == [ONE, apart]
    with pytest.raises(ValueError, match="'nowhere'"):
        chosen(every, ["nowhere"])
