"""Search: against all products, with ties, in bounded memory, on a memory map."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.retrieval import _search, nearest

GENERATOR = np.random.default_rng(0)


def by_sorting(vectors: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return products and rows of the nearest vectors by the definition."""
    scores = queries.astype(np.float64) @ vectors.astype(np.float64).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), order


@pytest.mark.parametrize("chunk", [1, 7, 64, None])
def test_the_nearest_are_those_of_all_products(chunk):
    vectors = GENERATOR.normal(size=(150, 12)).astype(np.float32)
    queries = GENERATOR.normal(size=(300, 12)).astype(np.float32)
    scores, rows = nearest(vectors, queries, 9, chunk=chunk)
    expected, order = by_sorting(vectors, queries, 9)
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    one, row = nearest(vectors, queries[0], 9, chunk=chunk)
    np.testing.assert_array_equal(row, order[0])
    assert one.shape == (9,)
    everything = nearest(vectors, queries[:2], 150, chunk=chunk)[1]
    np.testing.assert_array_equal(np.sort(everything, axis=1), [range(150)] * 2)


@pytest.mark.parametrize("chunk", [5, 64, None])
def test_of_equal_products_the_first_vector_wins(chunk):
    kinds = GENERATOR.normal(size=(3, 33)).astype(np.float32)
    vectors = kinds[GENERATOR.integers(0, 3, 200)]
    queries = GENERATOR.normal(size=(40, 33)).astype(np.float32)
    found, rows = nearest(vectors, queries, 20, chunk=chunk)
    for query, products, row in zip(queries, found, rows, strict=True):
        best = np.flatnonzero((vectors == kinds[np.argmax(kinds @ query)]).all(1))[:20]
        np.testing.assert_array_equal(row, best)
        assert len(set(products)) == 1  # to the last digit, in whatever chunk they lay


def test_what_rounding_hides_is_found():
    # All products are closer than single precision tells apart.
    query = GENERATOR.normal(size=200).astype(np.float32)
    vectors = query + np.float32(1e-7) * GENERATOR.normal(size=(500, 200)).astype(np.float32)
    expected = by_sorting(vectors, query[None], 5)[1][0]
    assert np.argsort(-(vectors @ query), kind="stable")[:5].tolist() != expected.tolist()
    np.testing.assert_array_equal(nearest(vectors, query, 5, chunk=50)[1], expected)


def test_a_memory_map_is_searched_in_the_memory_of_a_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(_search, "_MEMORY", 2**20)
    count, width = 40_000, 64
    vectors = np.memmap(tmp_path / "vectors", np.float32, "w+", shape=(count, width))
    vectors[:] = GENERATOR.normal(size=(count, width)).astype(np.float32)
    vectors[::2] = vectors[0]  # half of them are candidates, wherever they lie
    queries = np.stack([vectors[0], GENERATOR.normal(size=width)]).astype(np.float32)
    expected = by_sorting(vectors, queries, 50)[1]
    tracemalloc.start()
    rows = nearest(vectors, queries, 50)[1]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(rows, expected)
    assert peak < 1.2 * 2**20 < vectors.nbytes / 8


def pages_of_files() -> int:
    """Return the bytes of files that are in the memory of this process."""
    status = Path("/proc/self/status").read_text()
    (line,) = (one for one in status.splitlines() if one.startswith("RssFile:"))
    return 1024 * int(line.split()[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux")
def test_what_was_read_of_a_file_does_not_stay_in_memory(tmp_path):
    shape = (2**17, 64)
    GENERATOR.standard_normal(shape, np.float32).tofile(tmp_path / "vectors")
    vectors = np.memmap(tmp_path / "vectors", np.float32, "r", shape=shape)
    before = pages_of_files()
    nearest(vectors, vectors[:2], 3, chunk=2**12)
    assert pages_of_files() - before < vectors.nbytes / 4
    np.testing.assert_array_equal(nearest(vectors, vectors[5:7], 1)[1], [[5], [6]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 11}, "`k` is 11, and there are 10 vectors: pass at most 10."),
        ({"k": 0}, "`k` is 0: pass a whole number from 1."),
        ({"k": 2.5}, "`k` is 2.5: pass a whole number from 1."),
        ({"queries": np.ones((1, 3))}, "`queries` has 3 numbers each, and the vectors have 4: "),
        ({"queries": ["a dog"]}, "`queries` is an array"),
        ({"vectors": np.ones((0, 4), np.float32)}, r"`vectors` is an array \(0, 4\)"),
        ({"vectors": np.ones((2, 2, 4))}, r"`vectors` is an array \(2, 2, 4\)"),
        ({"vectors": np.r_[np.ones((9, 4)), [[np.nan] * 4]]}, r"finite \(vectors 6 to 9\)"),
        ({"vectors": np.r_[np.ones((9, 4)), [[np.inf] * 4]]}, "not finite"),
        ({"queries": np.array([[1, np.nan, 0, 0]])}, "not finite"),
    ],
)
def test_what_cannot_be_searched_is_told_in_a_sentence(change, message):
    arguments = {"vectors": np.ones((10, 4)), "queries": np.ones((1, 4)), "k": 2, **change}
    with pytest.raises(fp.InputError, match=message):
        nearest(**arguments, chunk=6)


def test_faiss_finds_the_same_in_a_store(encoder, tmp_path):
    faiss = pytest.importorskip("faiss")
    shades = [np.full((8, 8, 3), shade, np.uint8) for shade in range(0, 250, 5)]
    stored = encoder.embed_image(shades, store=tmp_path / "store.npz")
    queries = encoder.embed_text(["a dog", "a red ball"])
    vectors = fp.load_embeddings(tmp_path / "store.npz").vectors
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    scores, rows = index.search(queries, 7)
    expected, nearest_rows = nearest(stored, queries, 7)
    np.testing.assert_array_equal(rows, nearest_rows)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
