"""The tutorials and the README's example run as they stand, and print what they say."""

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]

BLOCK = re.compile(r"^```(python|text|toml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(±\s*)?([-+]?\d+\.?\d*(?:e[-+]?\d+)?)")


@dataclass
class Block:
    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(m[1], m[2], text[: m.start()].count("\n") + 2) for m in BLOCK.finditer(text)]


def words(text: str) -> list[str]:
    return NUMBER.sub("#", text).split()


def assert_same_output(printed: str, promised: str) -> None:
    """Words agree exactly, numbers to four digits, error bars (after ±) to a factor of thirty."""
    assert words(printed) == words(promised)
    for (bar, found), (_, written) in zip(
        NUMBER.findall(printed), NUMBER.findall(promised), strict=True
    ):
        if bar:
            assert float(written) / 30 <= float(found) <= 30 * float(written), (found, written)
        else:
            assert float(found) == pytest.approx(float(written), rel=2e-4), (found, written)


def run_python(block: Block, names: dict[str, object], page: Path) -> str:
    # Lines before the block are left blank, so that a failure names the line of the page.
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, names)
    return output.getvalue()


def run_command(line: str) -> None:
    program, *arguments = shlex.split(line.removeprefix("$ "))
    assert program == "wfrpde"
    command = [sys.executable, "-m", "wfrpde", *arguments, "--quiet"]
    subprocess.run(command, check=True, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_runs_as_it_stands(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.syspath_prepend(tmp_path)  # modules that a page writes
    for shipped in page.parent.glob("*.npz"):
        shutil.copy(shipped, tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    printed = None
    ran = 0
    for block in blocks(page):
        if block.language == "python" and (name := re.match(r"# (\S+\.py)\n", block.text)):
            (tmp_path / name[1]).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            printed = run_python(block, names, page)
            ran += 1
        elif block.language == "text" and printed is not None:
            assert_same_output(printed, block.text)
            printed = None
        elif block.language == "toml" and (name := re.match(r"# (\S+\.toml)\n", block.text)):
            (tmp_path / name[1]).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            for line in block.text.splitlines():
                run_command(line)
    assert ran > 0


def test_case_file_of_the_tutorial_is_its_case(tmp_path):
    import wfrpde

    page = ROOT / "docs" / "tutorials" / "verified-flow.md"
    first, written = blocks(page)[:2]
    names: dict[str, object] = {}
    exec(first.text, names)
    path = tmp_path / "three-wells.toml"
    path.write_text(written.text, encoding="utf-8")
    assert wfrpde.load_case(path).model_dump() == names["case"].model_dump()


def test_numbers_are_compared():
    assert_same_output("a 1.00001e-3 ± 2e-9", "a 1.0000e-3 ± 1e-9")
    with pytest.raises(AssertionError):
        assert_same_output("a 1.001", "a 1.000")
    with pytest.raises(AssertionError):
        assert_same_output("a 1 ± 1e-7", "a 1 ± 1e-9")
    with pytest.raises(AssertionError):
        assert_same_output("b 1", "a 1")
