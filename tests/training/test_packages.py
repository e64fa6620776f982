"""Files of published packages: where they are looked for, checked, cached and unpacked."""

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path
from urllib.error import HTTPError

import pytest

from fpattr_widget.errors import InputError
from fpattr_widget.progress import Stopped, listening
from fpattr_widget.training import _packages
from fpattr_widget.training._packages import Package, fetch, read_members

CONTENT = bytes(range(256)) * 2048  # two chunks


class Response(io.BytesIO):
    def __init__(self, content: bytes):
        super().__init__(content)
        self.headers = {"Content-Length": str(len(content))}


@pytest.fixture
def web(monkeypatch):
    """A web of pages by address, and the addresses that were asked for."""
    pages: dict[str, bytes] = {}
    asked: list[str] = []

    def urlopen(request, timeout):
        asked.append(request.full_url)
        if request.full_url not in pages:
            raise HTTPError(request.full_url, 404, "Not Found", None, None)
        return Response(pages[request.full_url])

    monkeypatch.setattr(_packages, "urlopen", urlopen)
    return pages, asked


def package(registry: str, name: str, file: str, content: bytes = CONTENT) -> Package:
    return Package(registry, name, "1.0", file, hashlib.sha256(content).hexdigest())


def test_each_registry_has_its_addresses_and_a_cached_file_is_not_asked_for(web, tmp_path):
    pages, asked = web
    listed = {"files": [{"filename": "Two_names-1.0.whl", "url": "../../f/Two_names-1.0.whl"}]}
    pages["https://pypi.org/simple/two-names/"] = json.dumps(listed).encode()
    pages["https://pypi.org/f/Two_names-1.0.whl"] = CONTENT
    pages["https://registry.npmjs.org/@of/it/-/it-1.0.tgz"] = CONTENT
    pages["https://deb.debian.org/debian/pool/main/a/a/a_1.0.deb"] = CONTENT
    packages = [
        package("pypi", "Two_names", "Two_names-1.0.whl"),
        package("npm", "@of/it", "it-1.0.tgz"),
        package("debian", "a", "pool/main/a/a/a_1.0.deb"),
    ]
    for one in packages:
        path = fetch(one, tmp_path)
        assert path == tmp_path / Path(one.file).name
        assert path.read_bytes() == CONTENT
    assert set(asked) == set(pages)
    asked.clear()
    assert [fetch(one, tmp_path).name for one in packages]
    assert not asked


def test_what_debian_dropped_is_in_its_snapshot(web, tmp_path):
    pages, asked = web
    file = "pool/main/a/a/a_1.0.deb"
    pages["https://snapshot.debian.org/archive/debian/20230701T000000Z/" + file] = CONTENT
    assert fetch(package("debian", "a", file), tmp_path).read_bytes() == CONTENT
    assert len(asked) == 2


def test_other_content_is_refused_fresh_or_cached(web, tmp_path):
    pages, _ = web
    pages["https://registry.npmjs.org/it/-/it-1.0.tgz"] = CONTENT[:-1]
    with pytest.raises(InputError, match="SHA-256"):
        fetch(package("npm", "it", "it-1.0.tgz"), tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "it-1.0.tgz").write_bytes(b"cut")
    with pytest.raises(InputError, match="SHA-256"):
        fetch(package("npm", "it", "it-1.0.tgz"), tmp_path)


def test_a_file_that_is_nowhere_is_an_error_of_the_system(web, tmp_path):
    with pytest.raises(OSError, match="404"):
        fetch(package("npm", "it", "it-1.0.tgz"), tmp_path)
    web[0]["https://pypi.org/simple/it/"] = b'{"files": []}'
    with pytest.raises(InputError, match="PyPI"):
        fetch(package("pypi", "it", "it-1.0.whl"), tmp_path)


def test_a_stopped_download_leaves_nothing(web, tmp_path):
    web[0]["https://registry.npmjs.org/it/-/it-1.0.tgz"] = CONTENT
    asked_before = iter([False, True])
    with listening(lambda: next(asked_before), print), pytest.raises(Stopped):
        fetch(package("npm", "it", "it-1.0.tgz"), tmp_path)
    assert not list(tmp_path.iterdir())


def tarball(files: dict[str, bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def ar_entry(name: str, content: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
    return header + content + b"\n" * (len(content) % 2)


def test_members_of_every_kind_of_archive(tmp_path):
    files = {"a/b.jpg": b"picture", "a/c.txt": b"words", "d": b""}
    with zipfile.ZipFile(tmp_path / "p.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    (tmp_path / "p.tgz").write_bytes(tarball(files, "w:gz"))
    data = tarball({f"./{name}": content for name, content in files.items()}, "w:xz")
    entries = [("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", data)]
    deb = b"!<arch>\n" + b"".join(ar_entry(*entry) for entry in entries)
    (tmp_path / "p.deb").write_bytes(deb)
    for kind in ("whl", "tgz", "deb"):
        path = tmp_path / f"p.{kind}"
        assert read_members(path, ["d", "a/b.jpg"]) == {"d": b"", "a/b.jpg": b"picture"}
        with pytest.raises(InputError, match="a/none"):
            read_members(path, ["a/c.txt", "a/none"])
