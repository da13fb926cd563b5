"""Orders of splitting (arXiv:2511.18060); `validation/literature` in a reduced form."""

import page
import pytest
import splitting_orders as script


def test_closed_forms_of_one_step_are_the_published_ones():
    for (means, order), values in script.PUBLISHED.items():
        for step, value in zip(script.STEPS[means], values, strict=True):
            found = script.closed_form(means, step, order) - script.closed_form(means, step, "")
            assert found == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize(("problem", "order"), [("NARROW", "W-FR"), ("WIDE", "FR-W")])
def test_a_step_on_the_mesh(problem, order):
    step = {"NARROW": 0.3, "WIDE": 5.0}[problem]
    coarse, fine = (
        script.row(getattr(script, problem), step, order, cells) for cells in (160, 320)
    )
    assert abs(fine["off by"]) < 2e-5
    assert abs(fine["off by"]) <= fine["± "] + 1e-9
    # nodes of second order, extrapolated
    assert abs(coarse["off by"]) > 7 * abs(fine["off by"])


def test_the_table_of_orders():
    rows = page.read("splitting-orders")
    assert len(rows) == 14
    for row in rows:
        gap = abs(row["mesh"] - row["published"])
        assert gap <= row["± "] + 6e-7
        assert gap < 4e-4
