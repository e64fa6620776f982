"""The wheel as it is published: what it holds, what an index shows of it, and that it works."""

import io
import os
import re
import site
import subprocess
import sys
import sysconfig
import venv
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from readme_renderer import markdown

import fpattr_widget

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "tests" / "constraints.txt"
STATIC = ("widget.js", "widget.css", "page.js", "gallery.js", "gallery.css", "gallery_page.js")

#: The folder of a release: its own files are checked, with all that they require installed anew.
RELEASE = os.environ.get("FPATTR_RELEASE")

PROGRAM = """
import sys
import numpy as np
import fpattr_widget as fp
from fpattr_widget.scenes import example

assert fp.__file__.startswith(sys.prefix), fp.__file__
scene = example("dog-and-ball")
scene.image.save("photo.png")
widget = fp.explain("photo.png", scene.caption).bake()
dog = [i for i, token in enumerate(widget.pairs.tokens) if token.text == "dog"]
heat = widget.pairs.of_tokens(dog)
assert heat.shape == (9, 9) and np.isfinite(heat).all() and np.abs(heat).max() > 0
assert len(widget._esm) > 1000 and len(widget._css) > 1000
print("explained", widget.pairs.ledger.similarity)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(RELEASE) if RELEASE else tmp_path_factory.mktemp("dist")
    if not RELEASE:
        build = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT]
        subprocess.run(build, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Metadata:
    """Return the metadata, validated as an index does on an upload."""
    with zipfile.ZipFile(wheel) as files:
        (name,) = [name for name in files.namelist() if name.endswith("dist-info/METADATA")]
        return Metadata.from_email(files.read(name), validate=True)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment that holds the wheel, and no checkout.

    What the wheel requires comes from the packages that all tests use, unless
    a release is checked.
    """
    environment = tmp_path_factory.mktemp("installed") / "environment"
    venv.create(environment, with_pip=bool(RELEASE))
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if RELEASE:
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        torch = next(line for line in CONSTRAINTS.read_text().split() if line.startswith("torch="))
        subprocess.run([*pip, torch], check=True)
        subprocess.run([*pip, "--constraint", CONSTRAINTS, wheel], check=True)
        return python
    inside = {"base": str(environment), "platbase": str(environment)}
    packages = sysconfig.get_path("purelib", scheme="venv", vars=inside)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--target", packages, wheel], check=True)
    # Folders that a .pth names are searched, but their own .pth files, of which
    # one leads to this checkout, are not read.
    Path(packages, "pinned.pth").write_text("\n".join(site.getsitepackages()))
    return python


def run_apart(python: Path, *arguments: str | Path, folder: Path) -> str:
    """Run Python where neither the checkout nor Node can be found; return what it prints."""
    lean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MYPYPATH", "PATH")}
    lean["PATH"] = str(python.parent)
    command = [python, *arguments]
    done = subprocess.run(command, cwd=folder, env=lean, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_carries_the_front_end_the_model_the_examples_and_its_types(names):
    static = {f"fpattr_widget/widget/static/{name}" for name in STATIC}
    assets = {
        f"fpattr_widget/assets/{path.relative_to(ROOT / 'fpattr_widget' / 'assets').as_posix()}"
        for path in (ROOT / "fpattr_widget" / "assets").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(assets) > 10
    assert {"fpattr_widget/py.typed", *static, *assets} <= names


def test_it_carries_every_module_and_nothing_else(names):
    tracked = subprocess.run(
        ["git", "ls-files", "fpattr_widget"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    static = {f"fpattr_widget/widget/static/{name}" for name in STATIC}
    carried = {name for name in names if ".dist-info/" not in name}
    assert carried == {*tracked, *static}


def test_an_index_takes_its_metadata(metadata):
    assert str(metadata.version) == fpattr_widget.__version__
    assert metadata.name == "fpattr-widget"
    assert metadata.description_content_type == "text/markdown"
    assert "Typing :: Typed" in metadata.classifiers
    assert metadata.license_expression == "MIT"
    assert metadata.requires_python == ">=3.11"
    required = {
        requirement.name for requirement in metadata.requires_dist if not requirement.marker
    }
    assert {"torch", "transformers", "anywidget", "numpy"} <= required


class Links(HTMLParser):
    """Collects where links and pictures lead, and the anchors that are there."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src"):
                self.places.append(value or "")
            elif name in ("id", "name"):
                self.anchors.add(value or "")


def test_an_index_shows_its_description_without_broken_links(metadata):
    warnings = io.StringIO()
    shown = markdown.render(metadata.description, stream=warnings)
    assert shown is not None, warnings.getvalue()
    links = Links()
    links.feed(shown)
    assert len(links.places) > 3
    elsewhere = [place for place in links.places if not place.startswith("#")]
    assert [place for place in elsewhere if not place.startswith("https://")] == []
    # No link is left as it was written.
    assert re.findall(r"\]\([^)]*\)", re.sub(r"<pre.*?</pre>", "", shown, flags=re.DOTALL)) == []
    # All else is as in the README.
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    headings = re.findall("^## .*$", readme, re.MULTILINE)
    assert len(headings) > 3
    assert [heading for heading in headings if heading not in metadata.description] == []


def test_it_explains_an_image_where_nothing_else_is_installed(installed, tmp_path):
    assert run_apart(installed, "-c", PROGRAM, folder=tmp_path).startswith("explained")


#: Of the packages that the wheel requires, only those that a user's script names are read.
MYPY = """
[mypy]
strict = true
follow_imports = skip
[mypy-fpattr_widget.*,numpy.*,PIL.*,torch,torch._C,torch._tensor,torch.nn,torch.nn.modules,torch.nn.modules.module]
follow_imports = normal
"""


def test_a_type_checker_sees_its_types(installed, tmp_path):
    script, settings = tmp_path / "user.py", tmp_path / "mypy.ini"
    script.write_text((ROOT / "tests" / "package" / "user.py").read_text())
    settings.write_text(MYPY)
    # Apart from this checkout's settings and files: a mark without a mistake is an error.
    command = [sys.executable, "-m", "mypy", f"--config-file={settings}", script]
    done = subprocess.run(
        [*command, "--python-executable", installed, "--cache-dir", os.devnull],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MYPYPATH")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
