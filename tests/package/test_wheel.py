"""The wheel, in an environment that holds nothing else."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]

PROGRAM = """
import shutil, sys
import numpy as np
import fpattr_widget as fp
from fpattr_widget.scenes import example

assert "site-packages" in fp.__file__, fp.__file__
scene = example("dog-and-ball")
scene.image.save("photo.png")
widget = fp.explain("photo.png", scene.caption).bake()
dog = [i for i, token in enumerate(widget.pairs.tokens) if token.text == "dog"]
heat = widget.pairs.of_tokens(dog)
assert heat.shape == (8, 8) and np.isfinite(heat).all() and np.abs(heat).max() > 0
assert len(widget._esm) > 1000 and len(widget._css) > 1000
print("explained", widget.pairs.ledger.similarity)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return path


def test_it_carries_the_front_end_the_model_and_the_examples(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "fpattr_widget/widget/static/widget.js",
        "fpattr_widget/widget/static/widget.css",
        "fpattr_widget/widget/static/page.js",
        "fpattr_widget/assets/model/model.safetensors",
        "fpattr_widget/assets/model/attribution.json",
        "fpattr_widget/assets/examples/examples.json",
        "fpattr_widget/encoders/README.md",
        "fpattr_widget/py.typed",
    } <= names
    assert not [name for name in names if name.startswith(("js/", "tests/", "node_modules/"))]


def test_no_link_of_its_description_leads_to_a_file_that_is_not_there(wheel):
    with zipfile.ZipFile(wheel) as files:
        (name,) = [name for name in files.namelist() if name.endswith("dist-info/METADATA")]
        said = files.read(name).decode()
    headers, description = said.split("\n\n", 1)
    assert "Description-Content-Type: text/markdown" in headers
    links = re.findall(r"\]\(([^)]*)\)", description)
    assert len(links) > 3
    assert [link for link in links if not link.startswith("https://")] == []
    # All else is as in the README.
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for heading in re.findall("^## .*$", readme, re.MULTILINE):
        assert heading in description
    assert "[in under 30 lines](" in readme
    assert "in under 30 lines" in description


def test_it_explains_an_image_in_an_empty_environment(wheel, tmp_path):
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    constraints = ROOT / "tests" / "constraints.txt"
    torch = next(line for line in constraints.read_text().splitlines() if "torch==" in line)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, torch], check=True)
    subprocess.run([*pip, "--constraint", constraints, wheel], check=True)
    # No Node in sight.
    lean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PATH")}
    lean["PATH"] = str(python.parent)
    done = subprocess.run(
        [python, "-c", PROGRAM], cwd=tmp_path, env=lean, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("explained")
