"""Tempering (arXiv:2506.05905, arXiv:2604.20301); `validation/literature` in a reduced form."""

import numpy as np
import page
import pytest
import tempering as script
from scipy.integrate import quad


@pytest.mark.parametrize("schedule", ["1 − (1 − t/T)²", "(t/T)²"])
def test_the_exponent_of_tempered_fisher_rao(schedule):
    c = script.exponent(2.0, schedule)
    assert c == pytest.approx(script.closed_form(2.0, schedule), abs=1e-10)
    assert c < -np.expm1(-2.0)


def test_a_schedule_that_begins_like_a_root(monkeypatch):
    monkeypatch.setitem(script.FORMULAS, "√(t/T)", "(t/{0})**0.5")
    c = quad(lambda u: 4 * u**2 * np.exp(2 * (u**2 - 1)), 0, 1, epsabs=1e-14)[0]
    assert script.exponent(2.0, "√(t/T)") == pytest.approx(c, abs=1e-10)


def test_tempering_into_two_wells():
    times, found = (1.0, 2.0, 4.0), {}
    for flow in ("WFR", "W"):
        for tempered in (None, 2.0):
            found[flow, tempered], _ = script.kl(flow, tempered, times, 80, certify=False)
    assert (found["WFR", 2.0] > 5 * found["WFR", None]).all()
    # transport alone is behind as long as the target moves, and ahead afterwards
    assert found["W", 2.0][0] > 3 * found["W", None][0]
    assert (found["W", 2.0][1:] < 0.9 * found["W", None][1:]).all()
    # which a start within one well does not gain
    narrow = {"mean": [-1.0], "covariance": [[0.05]]}
    plain, tempered = (
        script.kl("W", until, times, 80, certify=False, start=narrow)[0] for until in (None, 2.0)
    )
    assert (tempered > plain).all()


def test_the_tables_of_tempering():
    for row in page.read("tempering-exponents"):
        assert row["c, solver"] == pytest.approx(row["c, closed form"], abs=1e-10)
        assert row["c, solver"] < row["untempered"]
    rows = {(row["flow"], row["tempered until"]): row for row in page.read("tempering")}
    for at in (2, 8):
        for until in (2.0, 8.0, 32.0):
            for flow in ("FR", "WFR"):
                column = f"KL at t = {at}"
                assert rows[flow, until][column] > rows[flow, "–"][column]
    last = "KL at t = 32"
    ends = [rows["W", until][last] for until in ("–", 2.0, 8.0, 32.0)]
    assert (np.diff(ends) < 0).all()
