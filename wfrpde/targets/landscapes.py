"""Two- and three-dimensional landscapes of the literature."""

from __future__ import annotations

import itertools
import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from wfrpde.errors import InputError
from wfrpde.fields.parameters import Matrix, Positive, Real, Vector
from wfrpde.targets.gaussian import (
    COVARIANCES,
    MEANS,
    WEIGHTS,
    MixtureParameters,
    mixture_potential,
)
from wfrpde.targets.target import Target, TargetParameters, symbolic_target


class FourModesTarget(MixtureParameters, TargetParameters):
    r"""Four thin Gaussians that form a square: a 2-D mixture whose modes hardly overlap.

    The defaults are the example of Lu, Lu and Nolen: two modes flat in x at y = 8 and y = 2, two
    flat in y at x = ±3, variances 1.2 (2 upright) along and 0.01 across. Natural regions: the
    quadrants ``top``, ``bottom``, ``left``, ``right`` between the diagonals through the centre of
    the means, in their order top, bottom, left, right.

    References
    ----------
    Y. Lu, J. Lu, J. Nolen (2019), Accelerating Langevin sampling with birth-death,
    arXiv:1905.09863, section on numerical examples.
    """

    kind: ClassVar[str] = "four_modes"
    weights: Vector = Field(default=(0.25, 0.25, 0.25, 0.25), description=WEIGHTS)
    means: tuple[Vector, ...] = Field(
        default=((0.0, 8.0), (0.0, 2.0), (-3.0, 5.0), (3.0, 5.0)), description=MEANS
    )
    covariances: tuple[Real | Vector | Matrix, ...] = Field(
        default=((1.2, 0.01), (1.2, 0.01), (0.01, 2.0), (0.01, 2.0)), description=COVARIANCES
    )

    @model_validator(mode="after")
    def _check(self) -> FourModesTarget:
        _, means, _ = self.components()
        if means.shape != (4, 2):
            found = f"{means.shape[0]} means in {means.shape[1]} dimension(s)"
            raise InputError("means", found, "4 means in 2", "Or use kind = 'gaussian_mixture'.")
        (top, bottom, left, right), (cx, cy) = means, means.mean(axis=0)
        shape = [top[1] - cy, cy - bottom[1], cx - left[0], right[0] - cx]
        tilt = [top[0] - cx, bottom[0] - cx, left[1] - cy, right[1] - cy]
        if not np.all(np.array(shape) > np.abs(tilt)):
            needed = "the order top, bottom, left, right around their centre"
            raise InputError("means", str(means.tolist()), needed)
        return self

    def build(self) -> Target:
        """Return the target with these parameters."""
        weights, means, covariances = self.components()
        cx, cy = means.mean(axis=0)
        dx, dy = _shifted("x", cx), _shifted("y", cy)
        return symbolic_target(
            mixture_potential(weights, means, covariances),
            2,
            name=self.kind,
            description="four thin Gaussian modes in a square",
            seeds=means,
            regions={
                "top": f"{dy} >= abs({dx})",
                "bottom": f"{dy} < -abs({dx})",
                "left": f"{dx} < 0 and -abs({dx}) <= {dy} < abs({dx})",
                "right": f"{dx} >= 0 and -abs({dx}) <= {dy} < abs({dx})",
            },
            log_partition=0.0,
        )


class BananaTarget(TargetParameters):
    r"""V = ((y − b x²)/w)² + ((x − m)/l)²: a curved valley along y = b x².

    The defaults (``bend`` b = 1, ``width`` w = 1, ``centre`` m = 1, ``length`` l = 2) give
    (y − x²)² + (1 − x)²/4. x is Gaussian with mean m and variance l²/2; Z = π w l.
    Natural regions: ``right`` (x > m) and ``left``.
    """

    kind: ClassVar[str] = "banana"
    bend: Real = Field(default=1.0, description="a number: curvature of the valley")
    width: Positive = Field(default=1.0, description="a positive number: width of the valley")
    centre: Real = Field(default=1.0, description="a number: x of the minimum")
    length: Positive = Field(default=2.0, description="a positive number: length of the valley")

    def build(self) -> Target:
        """Return the target with these parameters."""
        from wfrpde.fields import coordinates
        from wfrpde.fields.numbers import number

        x, y = coordinates(2)
        across = number(self.width**-2) * (y - number(self.bend) * x**2) ** 2
        along = number(self.length**-2) * (x - number(self.centre)) ** 2
        return symbolic_target(
            across + along,
            2,
            name=self.kind,
            seeds=[[self.centre, self.bend * self.centre**2]],
            regions={"left": f"x <= {self.centre!r}", "right": f"x > {self.centre!r}"},
            log_partition=math.log(math.pi * self.width * self.length),
        )


class RingTarget(TargetParameters):
    r"""V = ((|x| − R)/w)²: a circle, or in three dimensions a spherical shell.

    ``radius`` R and ``width`` w. Natural regions: ``inside`` (|x| < R) and ``outside``.
    """

    kind: ClassVar[str] = "ring"
    radius: Positive = Field(default=5.0, description="a positive number")
    width: Positive = Field(default=0.25, description="a positive number")
    dim: Literal[2, 3] = Field(default=2, description="2 or 3")

    def build(self) -> Target:
        """Return the target with these parameters."""
        import sympy

        from wfrpde.fields import coordinates
        from wfrpde.fields.numbers import number

        distance = sympy.sqrt(sum(s**2 for s in coordinates(self.dim)))
        square = " + ".join(f"{s}**2" for s in "xyz"[: self.dim])
        squared_radius = self.radius**2
        return symbolic_target(
            number(self.width**-2) * (distance - number(self.radius)) ** 2,
            self.dim,
            name=self.kind,
            description=f"V = ((|x| − {self.radius:g})/{self.width:g})²",
            seeds=self.radius * _directions(self.dim),
            regions={
                "inside": f"{square} < {squared_radius!r}",
                "outside": f"{square} >= {squared_radius!r}",
            },
            log_partition=self._log_partition(),
        )

    def _log_partition(self) -> float:
        """Return log Z: the integral over the sphere's surface times r^(d−1) exp(−V) over r."""
        radius, width = self.radius, self.width
        ratio = radius / width
        # I_n = ∫_{−R/w}^∞ s^n exp(−s²) ds with r = R + w s
        zeroth = math.sqrt(math.pi) / 2 * math.erfc(-ratio)
        first = math.exp(-(ratio**2)) / 2
        if self.dim == 2:
            return math.log(2 * math.pi * width * (radius * zeroth + width * first))
        second = zeroth / 2 - ratio * first
        moment = radius**2 * zeroth + 2 * radius * width * first + width**2 * second
        return math.log(4 * math.pi * width * moment)


class MullerBrownTarget(TargetParameters):
    r"""V = β Σ_k A_k exp(a_k (x−x_k)² + b_k (x−x_k)(y−y_k) + c_k (y−y_k)²), k = 1…4.

    The reaction model of Müller and Brown with its published constants; the energy spans some
    110 units between minima and saddles, so that the default ``inverse_temperature`` β = 0.05
    gives barriers of a few kT. Natural regions: ``reactant`` (upper left), ``intermediate`` and
    ``product`` (right), parted by straight lines through the two saddles, across their unstable
    directions.

    References
    ----------
    K. Müller, L. D. Brown (1979), Theoret. Chim. Acta 53, 75-93.
    """

    kind: ClassVar[str] = "muller_brown"
    inverse_temperature: Positive = Field(
        default=0.05, description="a positive number: kT⁻¹ per unit of the model's energy"
    )

    def build(self) -> Target:
        """Return the target with these parameters."""
        import sympy

        from wfrpde.fields import coordinates
        from wfrpde.fields.numbers import number

        x, y = coordinates(2)
        terms = []
        for height, a, b, c, x0, y0 in _MULLER_BROWN:
            dx, dy = x - number(x0), y - number(y0)
            form = number(a) * dx**2 + number(b) * dx * dy + number(c) * dy**2
            terms.append(number(self.inverse_temperature * height) * sympy.exp(form))
        beyond_first = "0.648*(y - 0.6243) > 0.761*(x + 0.8220)"
        beyond_second = "0.500*(x - 0.2125) > 0.866*(y - 0.2930)"
        return symbolic_target(
            sympy.Add(*terms),
            2,
            name=self.kind,
            description=f"Müller–Brown potential at β = {self.inverse_temperature:g}",
            seeds=[[-0.558224, 1.441726], [-0.050011, 0.466694], [0.623499, 0.028038]],
            regions={
                "reactant": beyond_first,
                "intermediate": f"not {beyond_first} and not {beyond_second}",
                "product": f"not {beyond_first} and {beyond_second}",
            },
        )


# A, a, b, c, x0, y0 of each term
_MULLER_BROWN = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


def _shifted(name: str, by: float) -> str:
    return f"({name} - {float(by)!r})" if by else name


def _directions(dim: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return unit vectors to the corners, edge and face centres of a cube."""
    grid = [v for v in itertools.product((-1.0, 0.0, 1.0), repeat=dim) if any(v)]
    vectors = np.array(grid)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
