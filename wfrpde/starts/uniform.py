"""Uniform initial densities."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.complaints import check_length
from wfrpde.fields.parameters import Real
from wfrpde.starts.initial import InitialDensity, InitialParameters


class UniformInitial(InitialParameters):
    """ρ₀ constant on ``box``, zero elsewhere; the domain's box where none is given."""

    kind: ClassVar[str] = "uniform"
    box: tuple[tuple[Real, Real], ...] | None = Field(
        default=None, description="a list of [low, high], one for each dimension"
    )

    @model_validator(mode="after")
    def _check(self) -> UniformInitial:
        for k, (low, high) in enumerate(self.box or ()):
            if not low < high:
                raise InputError(f"box[{k}]", f"[{low:g}, {high:g}]", "[low, high] with low < high")
        return self

    def check_dimension(self, dim: int) -> None:
        """Raise `InputError` unless the parameters fit the dimension."""
        if self.box is not None:
            check_length("initial.box", self.box, dim)

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        sides = box if self.box is None else np.array(self.box)
        if sides is None:
            do = "Or give [domain] box, which is used then."
            raise InputError("initial.box", "nothing", "the box of the uniform density", do)
        low, high = sides[:, 0], sides[:, 1]
        height = -float(np.log(high - low).sum())

        def log_density(x: Array) -> Array:
            inside = np.all((x >= low) & (x <= high), axis=1)
            return np.where(inside, height, -np.inf)

        def sample(n: int, rng: np.random.Generator) -> Array:
            return rng.uniform(low, high, size=(n, dim))

        words = f"uniform on {sides.tolist()}"
        centre = (low + high)[None] / 2
        return InitialDensity(dim, self.kind, words, centre, log_density, sampler=sample)
