"""The protocol is enough: an engine of dense matrices, in 60 lines, solves flows and spectra."""

import numpy as np
import pytest
from scipy.linalg import cho_factor, cho_solve
from spectrum_references import case_of

import wfrpde
from wfrpde import engine
from wfrpde.engine import Matrix, protocol
from wfrpde.operators import operator  # before anything is replaced: it takes what it finds


class Dense:
    """A matrix as `Matrix` says, on one rank."""

    made = 0

    def __init__(self, layout, entries, traits=None, wish=None):
        self.layout, self.a = layout, entries
        if not isinstance(entries, np.ndarray):
            self.a = np.zeros((layout.n_owned, layout.n_owned))
            np.add.at(self.a, (entries.row, entries.column), entries.value)
        Dense.made += 1

    def product(self, x, out):
        np.dot(self.a, x, out=out)

    def diagonal(self):
        return self.a.diagonal().copy()

    def magnitudes(self):
        return Dense(self.layout, np.abs(self.a))

    def change(self, scale, shift):
        self.a = scale * self.a + shift * np.eye(len(self.a))

    def factor(self, c, old=None):
        return DenseFactor(np.eye(len(self.a)) + c * self.a)

    def shift_invert(self, smooth):
        return DenseShiftInvert(self.a, smooth)

    def destroy(self):
        Dense.made -= 1


class DenseFactor:
    def __init__(self, a):
        self._factor = cho_factor(a)

    def solve(self, rhs):
        return cho_solve(self._factor, rhs), 1

    def destroy(self):
        pass


class DenseShiftInvert(DenseFactor):
    def __init__(self, a, smooth):
        super().__init__(a)
        self._a, self._smooth = a, smooth / np.linalg.norm(smooth)
        self.facts = {"eigensolver": "dense", "linear_solver": "cholesky", "iterations": 1}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def lowest(self, count, *, deflated):
        vectors = np.linalg.eigh(self._a)[1].T
        if deflated:
            vectors = vectors[np.argsort(np.abs(vectors @ self._smooth) > 0.5, kind="stable")]
        return vectors[:count]

    def solve(self, rhs):
        return super().solve(rhs)[0]


@pytest.fixture
def dense(monkeypatch):
    def switch():
        monkeypatch.setattr(operator, "assemble", Dense)
        monkeypatch.setattr(engine, "assemble", Dense)

    yield switch
    assert Dense.made == 0, "every matrix is destroyed by those who made it"


GAUSSIAN = {
    "target": {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": [[1.0, 0.3], [0.3, 0.6]]},
    "initial": {"mean": [0.5, 0.0], "covariance": [[0.5, 0.0], [0.0, 0.5]]},
    "domain": {"box": [[-4.0, 4.0], [-3.0, 3.0]]},
    "flow": {"save": [0.2]},
    "numerics": {"formulation": "edge-averaged", "cells": [12, 12], "dt": 0.05, "certify": False},
}
SPACE = {
    "target": {"potential": "(x**2 + y**2 + z**2)/2"},
    "initial": {"mean": [0.3, 0.0, 0.0], "covariance": np.diag([0.6] * 3).tolist()},
    "domain": {"box": [[-3.0, 3.0]] * 3},
    "flow": {"save": [0.1]},
    "numerics": {"formulation": "spectral", "degree": 2, "cells": [4] * 3, "certify": False},
}


@pytest.mark.parametrize("case", [GAUSSIAN, SPACE])
def test_flows(dense, case):
    case = wfrpde.Case.from_dict(case)
    expected = wfrpde.solve(case)
    dense()
    found = wfrpde.solve(case)
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-12)
    np.testing.assert_allclose(found.series["kl"], expected.series["kl"], rtol=1e-10)


def test_spectra_and_exits(dense):
    case = case_of({"kind": "double_well", "barrier": 8.0}, numerics={"cells": [16]})
    expected = wfrpde.spectrum(case).rates, wfrpde.operators.mean_exit_time(case, "x > 0").mean_time
    dense()
    np.testing.assert_allclose(wfrpde.spectrum(case).rates, expected[0], rtol=1e-10, atol=1e-14)
    found = wfrpde.operators.mean_exit_time(case, "x > 0").mean_time
    assert found == pytest.approx(expected[1], rel=1e-10)


def test_both_engines_have_all_that_the_protocol_says():
    from wfrpde.engine.petsc.eigen import SlepcShiftInvert
    from wfrpde.engine.petsc.linear import KspFactor
    from wfrpde.engine.petsc.matrix import PetscMatrix

    for asked, classes in {
        Matrix: (PetscMatrix, Dense),
        protocol.Factor: (KspFactor, DenseFactor),
        protocol.ShiftInvert: (SlepcShiftInvert, DenseShiftInvert),
    }.items():
        names = {n for n in vars(asked) if callable(getattr(asked, n)) and n[:2] != "__"}
        names -= {n for n in names if n.startswith("_")}
        assert all(hasattr(cls, name) for cls in classes for name in names)
