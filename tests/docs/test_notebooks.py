"""The notebooks of the documentation run from their first cell to their last."""

import runpy
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.stem)
def test_a_notebook_runs(page):
    nbclient = pytest.importorskip("nbclient")
    read = pytest.importorskip("myst_nb.core.read").read_myst_markdown_notebook
    notebook = read(page.read_text(encoding="utf-8"))
    where = {"metadata": {"path": str(FOLDER)}}
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=600, resources=where).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs), "a figure"
    assert any("wfrpde-card" in str(output.get("data", {})) for output in outputs), "a card"


def test_the_chains_of_blackjax_are_those_of_its_script(tmp_path):
    pytest.importorskip("blackjax")
    made = runpy.run_path(str(FOLDER / "chains.py"))
    import jax

    state = made["nuts"].init(np.zeros(2))
    again = made["chains"](lambda x: x, made["langevin_step"], 2, jax.random.PRNGKey(3))
    assert np.isfinite(state.logdensity)
    with np.load(FOLDER / "chains.npz") as kept:
        assert kept["nuts"].shape == kept["langevin"].shape == again.shape
        # the wells are symmetric, and as deep as the script says
        assert np.abs(np.float64(kept["nuts"]).mean()) < 0.2
