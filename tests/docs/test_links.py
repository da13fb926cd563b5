"""Links between pages lead somewhere, all commands are described, and pictures are small."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    ROOT / "meshes" / "README.md",
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "docs" / "tutorials").glob("*.md"),
]
LINK = re.compile(r"\]\((?!https?://|#)([^)\s#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_exist(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", ["solve", "demo", "cases", "plot", "index", "info"])
def test_command_line_page_names_every_option(name, capsys):
    from wfrpde.commands.cli import main

    with pytest.raises(SystemExit):
        main([name, "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert f"wfrpde {name}" in page
    assert all(option in page for option in options), options


def test_commands_of_the_pages_name_cases_that_ship():
    from wfrpde.case.files import shipped_cases

    named = re.compile(r"wfrpde (?:solve|spectrum|validate) ([a-z][a-z0-9-]+)(?=[\s`])")
    found = {name: page for page in PAGES for name in named.findall(page.read_text("utf-8"))}
    assert found.keys() >= {"hundred-wells", "slow-sampler", "validate-mixture"}
    assert found.keys() <= shipped_cases().keys(), found


def test_pictures_are_small():
    pictures = list((ROOT / "docs" / "_static").glob("*.png"))
    assert pictures
    assert all(path.stat().st_size < 300_000 for path in pictures)
