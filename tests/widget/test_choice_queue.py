"""What an explorer remembers of changes while it works on earlier ones."""

from fpattr_widget.widget._choice_queue import ChoiceQueue


def test_a_change_that_comes_meanwhile_is_still_one():
    queue = ChoiceQueue()
    queue.add({"caption": "a dog", "layer": 1})
    first = queue.take()
    queue.add({"caption": "a cat"})
    assert not queue.is_newest(first)
    queue.settle(first, first.changed)
    assert (queue.is_changed("caption"), queue.is_changed("layer")) == (True, False)
    queue.finish(first)
    assert not queue.finished
    second = queue.take()
    assert queue.take() is None
    assert (second.values["caption"], second.values["layer"]) == ("a cat", 1)
    assert list(second.changed) == ["caption"]
    queue.settle(second, second.changed)
    queue.finish(second)
    assert queue.finished
    assert not queue.is_changed("caption")
