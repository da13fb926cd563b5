"""An initial density that is added from outside: its class, and its line among the kinds."""

from typing import ClassVar

import numpy as np
import pytest
from pydantic import Field

import wfrpde
from wfrpde.errors import InputError
from wfrpde.fields.parameters import Positive
from wfrpde.starts import KINDS, InitialDensity, InitialParameters


class Laplace(InitialParameters):
    """ρ₀ = e^{−|x|/s}/2s on a line, with the ``scale`` s."""

    kind: ClassVar[str] = "laplace"
    scale: Positive = Field(default=1.0, description="a positive number")

    def check_dimension(self, dim):
        if dim != 1:
            raise InputError("initial.kind", f"laplace in {dim} dimensions", "it on a line")

    def build(self, dim, box):
        return InitialDensity(
            dim,
            self.kind,
            f"Laplace with scale {self.scale:g}",
            seeds=[[0.0]],
            evaluate=lambda x: -np.abs(x[:, 0]) / self.scale - np.log(2 * self.scale),
            sampler=lambda n, rng: rng.laplace(scale=self.scale, size=(n, 1)),
        )


@pytest.fixture(autouse=True)
def laplace(monkeypatch):
    monkeypatch.setitem(KINDS, Laplace.kind, Laplace)


def case(initial, potential="x**2/2 + x**4"):
    return wfrpde.Case.model_validate(
        {
            "target": {"potential": potential},
            "initial": initial,
            "flow": {"alpha": 0.0},
            "domain": {"box": [[-4.0, 4.0]] * (2 if "y" in potential else 1)},
        }
    )


def test_a_new_start_is_one_like_any_other():
    new = wfrpde.solve(case({"kind": "laplace", "scale": 0.5}))
    same = wfrpde.solve(case({"log_density": "-2*abs(x)"}))
    np.testing.assert_allclose(new.series["kl"], same.series["kl"], rtol=1e-9)
    x = np.array([[-1.0], [0.3]])
    np.testing.assert_allclose(new.density(0.1, x), same.density(0.1, x), rtol=1e-9)


def test_its_parameters_are_checked():
    with pytest.raises(InputError, match=r"initial\.scale: found 0; needed a positive number"):
        case({"kind": "laplace", "scale": 0})
    with pytest.raises(InputError, match=r"initial\.kind: found laplace in 2 dimensions"):
        case({"kind": "laplace"}, "x**2 + y**2")
