"""Invisible errors of scores (arXiv:2606.06179); `validation/literature` in a reduced form."""

import invisible_errors as script
import page
import pytest


def test_an_error_that_is_not_seen():
    part = script.score_part("score + J∇log p, plane", 24)
    assert part.kl < 2e-5
    assert part.kl < part.kl_error
    assert part.bound == pytest.approx(4.417, abs=1e-3)


def test_the_table_of_invisible_errors():
    rows = {row["score"]: row for row in page.read("invisible-errors")}
    for name, (kl, bound) in script.NOTED.items():
        assert rows[name]["KL(p‖ρ)"] == pytest.approx(kl, rel=0.012)
        assert rows[name]["Girsanov"] == pytest.approx(bound, rel=0.012)
    for name, row in rows.items():
        assert row["KL(p‖ρ)"] <= row["Girsanov"] * (1 + 1e-3)
        if "J∇" in name:
            assert row["KL(p‖ρ)"] <= row["± "] < 0.1
