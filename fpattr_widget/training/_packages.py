"""Files of packages published on PyPI, npm and Debian: downloaded once, checked, unpacked."""

import hashlib
import io
import json
import os
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal
from urllib.error import HTTPError
from urllib.parse import quote, urljoin
from urllib.request import Request, urlopen

from tqdm.auto import tqdm

from ..errors import InputError
from ..progress import checkpoint

_PYPI = "https://pypi.org/simple/"
_NPM = "https://registry.npmjs.org/"
# The second keeps what the first drops when a release is retired.
_DEBIAN = (
    "https://deb.debian.org/debian/",
    "https://snapshot.debian.org/archive/debian/20230701T000000Z/",
)
_INDEX_TYPE = "application/vnd.pypi.simple.v1+json"
_CHUNK = 1 << 18  # bytes
_PATIENCE = 60.0  # seconds without an answer
_AR_START = b"!<arch>\n"
_AR_HEADER = 60  # bytes


@dataclass(frozen=True)
class Package:
    """One published file of one version of a package.

    Attributes
    ----------
    registry
        ``"pypi"``, ``"npm"`` or ``"debian"``.
    name, version
        As the registry spells them.
    file
        Name of the file: of the wheel or source archive on PyPI, of the
        tarball on npm; on Debian its path in the archive, ``pool/main/…``.
    sha256
        Its checksum, in hexadecimal.
    """

    registry: Literal["pypi", "npm", "debian"]
    name: str
    version: str
    file: str
    sha256: str


def cache_folder() -> Path:
    """Return the folder where packages are kept, in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fpattr-widget" / "packages"


def fetch(package: Package, folder: Path | None = None) -> Path:
    """Download a file of a package, unless it is cached, and check it.

    A bar shows the progress. A download that is stopped leaves nothing behind.

    Parameters
    ----------
    package
        What to download.
    folder
        Where to keep it; :func:`cache_folder` when ``None``.

    Returns
    -------
    Path
        The file, whose checksum is right.

    Raises
    ------
    OSError
        When it cannot be downloaded.
    InputError
        When its checksum is another.
    """
    place = cache_folder() if folder is None else folder
    target = place / Path(package.file).name
    if target.exists():
        _check(package, _digest(target))
        return target
    place.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with _response(_addresses(package)) as response, open(partial, "wb") as file:
            _check(package, _copy(response, file, package.name))
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def read_members(archive: Path, members: Iterable[str]) -> dict[str, bytes]:
    """Return the content of files in an archive, read in one pass.

    Parameters
    ----------
    archive
        A wheel, a ``.zip``, a tarball, or a Debian package.
    members
        Paths in the archive, without a leading ``./``.

    Returns
    -------
    dict
        The content of each.

    Raises
    ------
    InputError
        When the archive does not hold one of them.
    """
    wanted = set(members)
    with open(archive, "rb") as file:
        found = dict(_files(archive, file, wanted))
    if missing := sorted(wanted - found.keys()):
        raise InputError(
            "members", f"has {missing[0]!r}, which {archive.name} does not hold", "correct the path"
        )
    return found


def _addresses(package: Package) -> list[str]:
    file = quote(package.file)
    if package.registry == "npm":
        return [f"{_NPM}{quote(package.name, safe='@/')}/-/{file}"]
    if package.registry == "debian":
        return [mirror + file for mirror in _DEBIAN]
    index = f"{_PYPI}{re.sub(r'[-_.]+', '-', package.name).lower()}/"
    with _response([index], Accept=_INDEX_TYPE) as response:
        files = json.load(response)["files"]
    found = [
        urljoin(index, listed["url"]) for listed in files if listed["filename"] == package.file
    ]
    if not found:
        raise InputError("package", f"is {package.file!r}, which PyPI does not list", "correct it")
    return found


@contextmanager
def _response(addresses: list[str], **headers: str) -> Iterator[Any]:
    """Open the first address that is there."""
    *others, last = addresses
    for address in others:
        try:
            with urlopen(Request(address, headers=headers), timeout=_PATIENCE) as response:
                yield response
                return
        except HTTPError as error:
            if error.code != 404:
                raise
    with urlopen(Request(last, headers=headers), timeout=_PATIENCE) as response:
        yield response


def _copy(response: Any, file: IO[bytes], title: str) -> str:
    """Copy a response to a file and return its checksum."""
    checksum = hashlib.sha256()
    length = int(response.headers.get("Content-Length") or 0)
    with tqdm(total=length or None, desc=title, unit="B", unit_scale=True, delay=1) as bar:
        while chunk := response.read(_CHUNK):
            checkpoint()
            file.write(chunk)
            checksum.update(chunk)
            bar.update(len(chunk))
    return checksum.hexdigest()


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(package: Package, digest: str) -> None:
    if digest != package.sha256:
        raise InputError(
            "package",
            f"is {Path(package.file).name!r}, whose SHA-256 is {digest}, not {package.sha256}",
            "remove it from the cache and download it again",
        )


def _files(archive: Path, file: IO[bytes], wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    if archive.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(file) as zipped:
            for name in wanted & set(zipped.namelist()):
                yield name, zipped.read(name)
        return
    tarball = io.BytesIO(_debian_data(file)) if archive.suffix == ".deb" else file
    with tarfile.open(fileobj=tarball) as tar:
        for entry in tar:
            name = entry.name.removeprefix("./")
            content = tar.extractfile(entry) if name in wanted else None
            if content is not None:
                yield name, content.read()


def _debian_data(file: IO[bytes]) -> bytes:
    """Return the tarball of the files that a Debian package installs."""
    if file.read(len(_AR_START)) != _AR_START:
        raise InputError("archive", "is no Debian package", "download it again")
    while header := file.read(_AR_HEADER):
        length = int(header[48:58])
        if header.startswith(b"data.tar"):
            return file.read(length)
        file.seek(length + length % 2, io.SEEK_CUR)
    raise InputError("archive", "is a Debian package without files", "download it again")
