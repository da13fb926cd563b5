"""Tables and words on a terminal of 80 columns."""

import io

import pytest

from wfrpde.parallel import screen
from wfrpde.report.terminal import aligned, table

HEADER = ["sampler", "observable", "t", "average", "Eulerian", "verdict"]
ROWS = [
    ["unadjusted Langevin", "mass right", "0.5", "0.0271 ± 0.0003", "0.027123 ± 2e-06",
     "undecided: needs about 12 more replicates"],
    ["MALA", "var x", "π", "1.02 ± 0.04", "1.000000 ± 2e-06", "consistent"],
]  # fmt: skip


def test_a_table_that_fits_is_one():
    lines = table(HEADER, ROWS, 200).splitlines()
    assert len(lines) == 3
    assert lines[1].endswith("undecided: needs about 12 more replicates")
    assert lines[2].startswith("               MALA  var x")


def test_prose_is_wrapped_between_words():
    lines = table(HEADER, ROWS, 110).splitlines()
    assert all(len(line) <= 110 for line in lines)
    assert lines[0].split() == HEADER
    place = lines[0].index("verdict")
    words = " ".join(line[place:] for line in lines[1:]).split()
    assert words == [*ROWS[0][-1].split(), "consistent"]
    assert lines[-1][:place].split() == ["MALA", "var", "x", "π", "1.02", "±", "0.04",
                                         "1.000000", "±", "2e-06"]  # fmt: skip


def test_a_table_that_is_too_wide_is_cut_between_columns():
    text = table(HEADER, ROWS, 80)
    blocks = text.split("\n\n")
    assert len(blocks) == 2
    assert all(len(line) <= 80 for line in text.splitlines())
    assert [block.split("\n")[0].split() for block in blocks] == [
        ["sampler", "observable", "t", "average", "Eulerian"],
        ["sampler", "verdict"],
    ]
    assert "0.027123 ± 2e-06" in blocks[0], "a number is never cut"
    assert blocks[1].split("\n")[1].split()[:2] == ["unadjusted", "Langevin"]


def test_numbers_without_a_point_stand_where_the_others_do():
    cells = aligned(["0 ± 0", "2e-20 ± 3e-20", "-4.7e-09 ± 1e-10", "2.35e-01 ± 4e-04"])
    assert cells == [
        " 0        ± 0",
        " 2e-20    ± 3e-20",
        "-4.7e-09  ± 1e-10",
        " 2.35e-01 ± 4e-04",
    ]


def test_lines_break_between_words_on_terminals_alone(monkeypatch):
    text = "  " + " ".join(["word"] * 30) + "\nshort"
    monkeypatch.delenv("COLUMNS", raising=False)
    assert screen.wrapped(text, io.StringIO()) == text, "a file keeps whole lines"
    monkeypatch.setenv("COLUMNS", "40")
    lines = screen.wrapped(text, io.StringIO()).split("\n")
    assert all(len(line) <= 40 for line in lines)
    assert all(line.startswith("  word") for line in lines[:-1])
    assert lines[-1] == "short"


@pytest.mark.parametrize("long", ["x" * 100])
def test_what_has_no_blanks_is_left_whole(monkeypatch, long):
    monkeypatch.setenv("COLUMNS", "40")
    assert screen.wrapped(long, io.StringIO()) == long
