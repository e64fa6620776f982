"""What the documents name is there: files, links, commands, names of the code, and the rooms."""

import ast
import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fpattr_widget"
ARCHITECTURE = ".github/ARCHITECTURE.md"
DOCUMENTS = (
    "README.md",
    ".github/CONTRIBUTING.md",
    ARCHITECTURE,
    ".github/CHANGELOG.md",
    "fpattr_widget/encoders/README.md",
    "tests/benchmarks/README.md",
)
#: Documents for developers: what they name is in the code.
OF_CODE = (ARCHITECTURE, ".github/CONTRIBUTING.md", "fpattr_widget/encoders/README.md")
#: What the walk through a new kind of input calls its files and classes, which are not there.
PROPOSED = {
    "encoders/_audio.py", "js/src/parts/spectrogram.ts", "audio",
    "AudioTower", "PreparedAudio", "Spectrogram", "SpectrogramState",
}  # fmt: skip

_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"[\w.@/-]+\.(?:py|ts|mjs|md|toml|ya?ml|css|ipynb|txt|json)")
_LINK = re.compile(r"\]\(([^()\s]+)\)")


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def quoted(text: str) -> list[str]:
    """Return what stands in backticks outside of blocks of code."""
    return re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))


@cache
def tracked() -> tuple[str, ...]:
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(name for name in done.stdout.splitlines() if (ROOT / name).exists())


@cache
def words_of_the_code() -> frozenset[str]:
    """Return every word in the sources, but for those of documents, assets and this test."""
    endings = (".py", ".ts", ".mjs", ".toml", ".json")
    sources = [
        ROOT / name
        for name in tracked()
        if name.endswith(endings)
        and name != Path(__file__).relative_to(ROOT).as_posix()
        and not name.startswith("fpattr_widget/assets/")
    ]
    found: set[str] = set()
    for source in sources:
        found.update(re.findall(r"\w+", source.read_text(encoding="utf-8")))
    return frozenset(found)


def looks_like_a_path(name: str) -> bool:
    first, slash, _ = name.partition("/")
    inside = bool(slash) and ((ROOT / first).is_dir() or (PACKAGE / first).is_dir())
    return " " not in name and (inside or _FILE.fullmatch(name) is not None)


def is_there(name: str, document: str) -> bool:
    """Tell whether a path leads somewhere from the root, the package or the document."""
    places = (ROOT, PACKAGE, (ROOT / document).parent)
    if any(list(place.glob(name.replace("NAME", "[a-z]*").rstrip("/"))) for place in places):
        return True
    if "/" in name:
        return name.startswith("widget/static")  # built
    return any(Path(other).name == name for other in tracked())


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing_files(text: str, document: str) -> list[str]:
    names = [name for name in quoted(text) if looks_like_a_path(name)]
    return [name for name in names if name not in PROPOSED and not is_there(name, document)]


def broken_links(text: str, document: str) -> list[str]:
    broken = []
    for link in _LINK.findall(_FENCE.sub("", text)):
        place, _, anchor = link.partition("#")
        target = ROOT / document if not place else (ROOT / document).parent / place
        outside = re.match(r"[a-z]+:", link)
        if not outside and (not target.exists() or (anchor and anchor not in anchors(target))):
            broken.append(link)
    return broken


def unknown_commands(text: str) -> list[str]:
    """Return npm's scripts and Python's modules that a document runs, and that are not there."""
    scripts = json.loads(read("package.json"))["scripts"]
    called = re.findall(r"npm (?:run (?:--silent )?)?([a-z][\w:]*)", text)
    modules = re.findall(r"python3? -m ((?:tests|fpattr_widget)[\w.]*)", text)
    return [
        *(name for name in called if name not in (*scripts, "install", "packages")),
        *(name for name in modules if not list(ROOT.glob(f"{name.replace('.', '/')}*"))),
    ]


def unknown_names(text: str) -> list[str]:
    """Return identifiers in backticks that stand nowhere in the code."""
    names = [
        word
        for name in quoted(text)
        if re.fullmatch(r"[A-Za-z_][\w.]*(?:\(.*\))?", name) and not looks_like_a_path(name)
        for word in name.partition("(")[0].split(".")
    ]
    return [name for name in names if name not in PROPOSED | {"NAME"} | words_of_the_code()]


def rooms_of_the_plan() -> list[str]:
    """Return the rooms of the test of imports, those that are there."""
    tree = ast.parse((Path(__file__).with_name("test_rooms.py")).read_text(encoding="utf-8"))
    (rooms,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROOMS"
    )
    return [room for room in rooms if list(PACKAGE.glob(f"{room}*"))]


def rooms_of_the_page(text: str) -> list[str]:
    section = text.partition("\n## The rooms\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_document_names_is_there(document):
    text = read(document)
    assert missing_files(text, document) == []
    assert broken_links(text, document) == []
    assert unknown_commands(text) == []


@pytest.mark.parametrize("document", OF_CODE)
def test_names_of_the_code_are_in_the_code(document):
    assert unknown_names(read(document)) == []


def test_the_page_of_the_rooms_is_the_plan():
    assert rooms_of_the_page(read(ARCHITECTURE)) == rooms_of_the_plan()


def test_what_is_only_proposed_is_not_there():
    assert PROPOSED & words_of_the_code() == set()
    assert [name for name in PROPOSED if "/" in name and is_there(name, ARCHITECTURE)] == []


# The checks themselves, on documents of a line

DOUBTFUL = [
    (missing_files, "See `encoders/_towers.py`.", "`encoders/_tower.py` and `methods/NAME.py`"),
    (missing_files, "See `js/src/partz`.", "`js/src/parts`, `tests/helpers/`, `samples.py`"),
    (missing_files, "See `nowhere.py`.", "`attribute`, `photo.jpg`, `a/b`, `0.125`"),
    (broken_links, "[x](../READ.md)", "[x](../README.md) [y](https://a.b/c.md)"),
    (broken_links, "[x](ARCHITECTURE.md#room)", "[x](ARCHITECTURE.md#the-rooms)"),
]


@pytest.mark.parametrize(("check", "wrong", "right"), DOUBTFUL)
def test_each_fault_is_seen(check, wrong, right):
    assert len(check(wrong, ARCHITECTURE)) == 1
    assert check(right, ARCHITECTURE) == []


def test_commands_and_names_that_are_not_there_are_seen():
    assert unknown_commands("`npm run quik`, `npm test`, npm run build -- --watch") == ["quik"]
    assert unknown_commands("python -m tests.benchmarkz -m tests.benchmarks") == [
        "tests.benchmarkz"
    ]
    assert unknown_names("`FeaturePears`, `Tower.splt`, `FeaturePairs.of_region()`, `NAME`") == [
        "FeaturePears",
        "splt",
    ]


def test_another_list_of_rooms_is_seen():
    text = read(ARCHITECTURE)
    assert rooms_of_the_page(text.replace("| `drawing` |", "| `drawings` |")) != rooms_of_the_plan()
