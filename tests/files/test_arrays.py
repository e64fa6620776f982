"""Arrays in a file, mapped into memory: as numpy reads them, and refused where damaged."""

import zipfile

import numpy as np
import pytest

from fpattr_widget.files import DamagedError, ForeignError, Rows, open_arrays, write_arrays

NUMBERS = np.arange(60, dtype=np.float32).reshape(12, 5)


@pytest.fixture
def path(tmp_path):
    written = tmp_path / "arrays.npz"
    pieces = Rows((12, 5), np.dtype(np.float32), (NUMBERS[i : i + 5] for i in (0, 5, 10)))
    text = np.frombuffer(b"any text", np.uint8)
    write_arrays(written, {"text": text, "rows": pieces, "none": np.zeros((0, 5), np.float32)})
    return written


def test_arrays_are_mapped_into_memory_and_numpy_reads_them(path):
    found = open_arrays(path)
    assert isinstance(found["rows"], np.memmap)
    assert found["rows"].ctypes.data % 64 == found["text"].ctypes.data % 64 == 0
    with np.load(path) as by_numpy:
        for name, array in found.items():
            np.testing.assert_array_equal(array, by_numpy[name])
    np.testing.assert_array_equal(found["rows"], NUMBERS)
    assert found["text"].tobytes() == b"any text"
    assert found["none"].shape == (0, 5)
    assert not found["rows"].flags.writeable


def test_equal_arrays_make_equal_files(path, tmp_path):
    first = path.read_bytes()
    found = open_arrays(path)
    write_arrays(tmp_path / "again.npz", found)
    assert (tmp_path / "again.npz").read_bytes() == first


def test_a_file_that_is_not_whole_is_refused(path):
    content = path.read_bytes()
    for length in range(4, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedError):
            open_arrays(path)
    at = content.index(NUMBERS.tobytes()[40:60])
    path.write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    with pytest.raises(DamagedError, match="it was changed"):
        open_arrays(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ForeignError):
        open_arrays(path)


def test_what_numpy_packs_otherwise_is_refused(path):
    np.savez_compressed(path, rows=NUMBERS)
    with pytest.raises(ForeignError):
        open_arrays(path)
    np.savez(path, rows=np.array([{}, {}]))  # numpy would run code to read it
    with pytest.raises(ForeignError):
        open_arrays(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.txt", "1 2 3")
    with pytest.raises(ForeignError):
        open_arrays(path)


def test_pieces_that_are_too_few_leave_the_old_file(path):
    before = path.read_bytes()

    def pieces():
        yield NUMBERS[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_arrays(path, {"rows": Rows((12, 5), np.dtype(np.float32), pieces())})
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["arrays.npz"]
