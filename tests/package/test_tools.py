"""The commands of `.ci`, of the workflows and of the hooks before a commit."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CI = ROOT / ".ci"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def compat(monkeypatch):
    """Import the script as `develop.py` does, beside its neighbours."""
    monkeypatch.syspath_prepend(CI)
    import compat

    return compat


def workflow(name: str) -> dict:
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))


def test_each_hook_runs_what_is_there():
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repository in settings["repos"] for hook in repository["hooks"]]
    assert [repository["repo"] for repository in settings["repos"]] == ["local"]
    assert {"ruff", "ruff-format", "mypy", "biome"} <= {hook["id"] for hook in hooks}
    for hook in hooks:
        done = subprocess.run(
            [*shlex.split(hook["entry"].replace("biome check .", "biome --version")), "--help"],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, (hook["id"], done.stderr)


def test_workflows_run_commands_that_exist():
    scripts = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["scripts"]
    commands = [
        step["run"]
        for name in ("tests.yml", "release.yml")
        for job in workflow(name)["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    called = [re.fullmatch(r"npm (?:run )?(\w+)(?: -- .*)?", command)[1] for command in commands]
    assert set(called) == {"quick", "test", "compat", "release"}
    assert set(called) <= set(scripts)


def test_only_the_job_that_publishes_may_prove_who_it_is():
    publish = workflow("release.yml")["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "pypi"
    assert publish["needs"] == "build"
    for name in ("tests.yml", "release.yml"):
        assert workflow(name)["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow("release.yml")["jobs"]["build"]


def test_the_classifiers_are_pythons_that_are_tested():
    tested = workflow("tests.yml")["jobs"]["compat"]["strategy"]["matrix"]["python"]
    named = [line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if ":: Python :: 3." in line]
    assert named[0] == tested[0]
    assert set(named) <= set(tested)
    assert PROJECT["requires-python"] == f">={tested[0]}"


def test_the_oldest_versions_are_those_that_are_declared(compat):
    floors = dict(line.split("==") for line in compat.floors(PROJECT))
    users = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["tables"]]
    for line in users:
        name, version = line.split(">=")
        assert name == "torch" or floors[name] == version
    assert floors["torch"] == compat.pinned()["torch"].split("==")[1]
    assert not {"pytest", "mypy", "fpattr-widget"} & set(floors)


def test_a_package_without_an_oldest_version_is_refused(compat):
    project = {**PROJECT, "dependencies": ["numpy"]}
    with pytest.raises(ValueError, match=r"'numpy' in pyproject\.toml declares no oldest version"):
        compat.floors(project)


def test_only_pythons_that_start_are_found(compat, tmp_path, monkeypatch):
    shim = tmp_path / "python3.39"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = compat.find_interpreters(11)
    assert 39 not in found
    assert sys.version_info.minor in found


def test_a_release_is_tagged_with_its_version():
    done = subprocess.run(
        [sys.executable, CI / "develop.py", "release", "v0.0.0"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "is not of version" in done.stderr
