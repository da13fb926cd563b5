"""In a notebook, what takes long shows how far it is."""

from types import SimpleNamespace

import pytest

import wfrpde
from wfrpde.parallel import progress


@pytest.fixture
def shown(monkeypatch):
    """What the bar of a notebook shows, without the patience of one."""
    texts = []
    bar = SimpleNamespace(show=lambda text, share: texts.append((text, share)), clear=lambda: None)
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "NotebookBar", lambda: bar)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    return texts


@pytest.mark.parametrize(
    ("solve", "tables", "phase"),
    [
        (wfrpde.spectrum, {}, "eigenvalues degree "),
        (wfrpde.feynman_kac, {"flow": {"reaction": "-x**2"}}, "eigenvalues degree "),
        (wfrpde.spectrum, {"dynamics": {"drift": ["-0.5*x"]}}, "eigenvalues degree "),
        (wfrpde.spectrum, {"dynamics": {"kind": "kinetic", "friction": 5.0}}, "eigenvalues: "),
    ],
    ids=["diffusion", "Feynman-Kac", "drift", "kinetic"],
)
def test_eigenvalues_show_a_bar(shown, solve, tables, phase):
    data = {"target": {"potential": "x**2/2"}, "initial": {"kind": "uniform"}, **tables}
    solve(wfrpde.Case.from_dict({**data, "spectrum": {"count": 3}}))
    assert len(shown) >= 1
    assert all(text.startswith(phase) for text, _ in shown)
    shares = [share for _, share in shown]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 1
