"""Text in tables cannot be run by a spreadsheet."""

from __future__ import annotations

import csv
import io

import numpy as np

from wfrpde.report.files import write_columns, write_rows


def test_formulas_are_text_and_numbers_stay_numbers():
    stream = io.StringIO()
    write_rows(
        stream, [["=1+1", "@SUM(A1)", "+cmd", "-x", "-1.5e-3", "+2", "mass x = 1", -3.0, ""]]
    )
    [row] = csv.reader(io.StringIO(stream.getvalue()))
    assert row == ["'=1+1", "'@SUM(A1)", "'+cmd", "'-x", "-1.5e-3", "+2", "mass x = 1", "-3.0", ""]


def test_names_of_columns_too(tmp_path):
    write_columns(tmp_path / "a.csv", {"=x": np.array([-1.0])})
    assert (tmp_path / "a.csv").read_text() == "'=x\n-1.0\n"
