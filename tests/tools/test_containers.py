"""Containers, hosted checks and citations name what the project itself uses."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
yaml = pytest.importorskip("yaml")

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def debian_packages() -> set[str]:
    """What tools/env installs, but for what serves tests and meshes alone."""
    text = (ROOT / "tools" / "env").read_text(encoding="utf-8")
    (listing,) = re.findall(r"^debian_packages=\(\n(.*?)^\)", text, re.MULTILINE | re.DOTALL)
    words = re.sub(r"#.*", "", listing).split()
    spared = {"git", "libglu1-mesa", "libxft2", "libxinerama1", "libgomp1"}
    return {word for word in words if word not in spared}


@pytest.mark.parametrize("name", ["Dockerfile", "wfrpde.def"])
def test_containers_install_what_the_tree_has(name):
    text = (ROOT / "tools" / "containers" / name).read_text(encoding="utf-8")
    assert debian_packages() <= set(re.split(r"[\s\\]+", text))
    assert "tools/packages.lock" in text
    assert "--require-hashes" in text
    assert "trixie" in text


def test_hosted_checks_are_the_projects_own():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert any(step.get("run") == "bash .ci/run" for step in steps)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    commands = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    assert all(command.startswith("tools/env ") for command in commands)
    pages = yaml.safe_load((ROOT / ".readthedocs.yaml").read_text(encoding="utf-8"))
    assert (ROOT / pages["conda"]["environment"]).is_file()
    assert (ROOT / pages["sphinx"]["configuration"]).is_file()


def test_citations_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    deposit = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    assert citation["version"] == PYPROJECT["version"]
    assert citation["title"] == deposit["title"] == PYPROJECT["name"]
    assert citation["license"] == deposit["license"] == PYPROJECT["license"]["text"]
    named = citation["references"][0]["identifiers"][0]["value"]
    assert deposit["related_identifiers"][0]["identifier"] == named
    assert [a["name"] for a in citation["authors"]] == [c["name"] for c in deposit["creators"]]
