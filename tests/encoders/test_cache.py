"""What is kept of results, and what is dropped first."""

from fpattr_widget.encoders._cache import LRUCache


def test_what_was_used_longest_ago_is_dropped():
    cache: LRUCache[str] = LRUCache(2)
    computed: list[str] = []

    def get(key: str) -> str:
        return cache.get(key, lambda: computed.append(key) or key.upper())

    assert [get(key) for key in ("a", "b", "a", "c", "a", "b")] == list("ABACAB")
    assert computed == ["a", "b", "c", "b"]
    assert [key in cache for key in "abc"] == [True, True, False]
