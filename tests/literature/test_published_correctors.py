"""Feynman–Kac correctors (arXiv:2503.02819); `validation/literature` in a reduced form."""

import correctors as script
import page
import pytest

NOTED_KL = {"annealed, γ = 3": 0.073, "product of two": 0.052, "guidance, w = 2": 0.127,
            "reward −2x²": 0.597}  # fmt: skip
NOTED_ESS = {"γ = 1.1, score, a = 0": 0.9329, "γ = 1.1, score, a = ½": 0.9257,
             "γ = 1.5, tame": 0.9712, "γ = 3, tame": 0.8361}  # fmt: skip


@pytest.mark.parametrize("name", ["annealed, γ = 3", "product of two"])
def test_a_toy_of_correctors(name):
    row = script.toy_row(name)
    assert row["KL of b = y + 2∇log q alone"] == pytest.approx(NOTED_KL[name], rel=0.02)
    assert row["L1 with weights"] < 1e-5
    assert row["log E w"] == pytest.approx(row["log Z ratio"], abs=1e-6)


def test_weights_foretold_and_found():
    row, _ = script.enduring_row("γ = 1.5, tame", 2, 4000)
    assert row["ESS/N foretold"] == pytest.approx(0.9712, abs=1e-4)
    assert row["particles, least"] == pytest.approx(0.9712, abs=4e-3)


def test_the_tables_of_correctors():
    for row in page.read("correctors"):
        kl = row["KL of b = y + 2∇log q alone"]
        assert kl == pytest.approx(NOTED_KL[row["toy"]], rel=0.02)
        assert row["L1 with weights"] <= row["± of it"]
        assert row["L1 with weights"] < 1e-5
    for row in page.read("correctors-weights"):
        if row["no second moment from"] == "never":
            foretold = row["ESS/N foretold"]
            assert foretold == pytest.approx(NOTED_ESS[row["drift"]], abs=1e-3)
            assert row["particles, most"] == pytest.approx(foretold, abs=0.02)
        else:
            assert row["drift"] == "γ = 1.5, score, a = 0"
            assert row["particles, most"] > 2 * row["particles, least"]
