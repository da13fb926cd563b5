"""``[dynamics]``: how particles move, beyond going downhill with noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AllowInfNan, Field, Strict, model_validator

from wfrpde.case.sections import PositiveNumber, Section
from wfrpde.equation import Dynamics
from wfrpde.errors import InputError, place
from wfrpde.fields.complaints import check_length
from wfrpde.fields.tensors import Entry, MatrixField, VectorField, entry

Given = Annotated[float, Strict(), AllowInfNan(False)] | Annotated[str, Strict()]

_MATRIX = "a matrix of numbers or formulas, one row for each axis, e.g. [[0, 1], [-1, 0]]"
_DIFFUSION = "a number, a formula, a list with one for each axis, or a matrix of them"
_DRIFT = 'a list with a number or formula for each axis, e.g. ["y", "-x"]'


class DynamicsSpec(Section):
    """How particles move: dX = α b dt + √(2αD) dW in Itô's sense, α being `flow.alpha`.

    Overdamped dynamics have b = −(D + J)∇V + div(D + J) + f; kinetic ones those of positions and
    momenta, dq = p dt, dp = −(∇V + γp) dt + √(2γ) dW, in units of mass and kT (all times α).

    Attributes
    ----------
    kind
        ``overdamped``, or ``kinetic``: the flow is then one of a position and its momentum, of two
        of both that the potential couples, or of several in a product of factors or a Gaussian.
    diffusion
        D: a number, a formula, one of them for each axis, or a symmetric matrix, which takes
        spectral elements. The drift that keeps π is implied.
    circulation
        J, a skew matrix of numbers or formulas: a drift along the levels of V that keeps π. In the
        plane θ stands for [[0, θ], [−θ, 0]].
    drift
        f, a further drift, a number or formula for each axis, which keeps no law known in advance.
        Beside a ``[path]`` it may contain t, and ``flow.reaction = "annealed"`` makes up for it.
    friction
        γ of kinetic dynamics, per unit time; 1 by default.
    """

    kind: Literal["overdamped", "kinetic"] = "overdamped"
    diffusion: Given | tuple[Given, ...] | tuple[tuple[Given, ...], ...] | None = Field(
        default=None, description=_DIFFUSION
    )
    circulation: Given | tuple[tuple[Given, ...], ...] | None = Field(
        default=None, description=_MATRIX
    )
    drift: tuple[Given, ...] | None = Field(default=None, description=_DRIFT)
    friction: PositiveNumber | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "kinetic":
            for name in ("diffusion", "circulation", "drift"):
                if getattr(self, name) is not None:
                    raise InputError(
                        f"dynamics.{name}",
                        "one of kinetic dynamics",
                        "kind = 'overdamped', or a friction alone",
                    )
        elif self.friction is not None:
            raise InputError("dynamics.friction", "one of overdamped dynamics", "kind = 'kinetic'")
        return self

    @property
    def reversed_circulation(self) -> Any:
        """−J, as a case file has it."""

        def minus(part: Any) -> Any:
            if isinstance(part, tuple):
                return tuple(minus(entry) for entry in part)
            return f"-({part})" if isinstance(part, str) else -part

        return None if self.circulation is None else minus(self.circulation)

    def build(self, dim: int) -> Dynamics:
        """Return the dynamics with α = 1 in ``dim`` coordinates.

        Raises
        ------
        InputError
            If a vector or matrix does not fit, a formula cannot be read, or a matrix is not what it
            has to be.
        """
        if self.kind == "kinetic":
            return Dynamics(friction=1.0 if self.friction is None else self.friction)
        circulation, drift = None, None
        if self.circulation is not None:
            circulation = _matrix(_turned(self.circulation, dim), dim, "dynamics.circulation")
            _check_skew(circulation)
        if self.drift is not None:
            check_length("dynamics.drift", self.drift, dim)
            named = ((f, f"dynamics.drift[{i}]") for i, f in enumerate(self.drift))
            drift = VectorField(tuple(entry(f, dim, where, timed=True) for f, where in named))
        return Dynamics(1.0, self._diffusion(dim), circulation, drift)

    def _diffusion(self, dim: int) -> MatrixField | None:
        given, where = self.diffusion, "dynamics.diffusion"
        if given is None or given == 1.0:
            return None
        if not isinstance(given, tuple):
            field = MatrixField.diagonal([entry(given, dim, where)] * dim)
        elif not any(isinstance(row, tuple) for row in given):
            check_length(where, given, dim)
            named = ((d, f"{where}[{i}]") for i, d in enumerate(given) if not isinstance(d, tuple))
            field = MatrixField.diagonal([entry(d, dim, axis) for d, axis in named])
        else:
            field = _matrix(given, dim, where)
            _refuse(field, where, "is not symmetric", "D_ij = D_ji", lambda a: a - a.mT)
        if field.constant and not np.linalg.eigvalsh(field.matrix).min() > 0:
            raise InputError(where, repr(given), "positive numbers, or a positive definite matrix")
        return field


def _turned(given: Any, dim: int) -> Any:
    """Return the rows of J, of which the plane needs one number or formula only."""
    if isinstance(given, tuple):
        return given
    if dim != 2:
        raise InputError("dynamics.circulation", f"{given!r} in {dim} dimension(s)", _MATRIX)
    return ((0.0, given), (f"-({given})" if isinstance(given, str) else -given, 0.0))


def _matrix(rows: Any, dim: int, where: str) -> MatrixField:
    check_length(where, rows, dim)
    read: list[tuple[Entry, ...]] = []
    for i, row in enumerate(rows):
        check_length(f"{where}[{i}]", row, dim)
        read.append(tuple(entry(a, dim, f"{where}[{i}][{j}]") for j, a in enumerate(row)))
    return MatrixField(tuple(read))


def _check_skew(field: MatrixField) -> None:
    needed = "J_ij = −J_ji, and 0 on the diagonal"
    _refuse(field, "dynamics.circulation", "is not skew", needed, lambda a: a + a.mT)


def _refuse(
    field: MatrixField, where: str, fault: str, needed: str, defect: Callable[[Any], Any]
) -> None:
    """Refuse a matrix with a defect at any of a few points near the origin."""
    points = np.random.default_rng(0).uniform(-2.0, 2.0, (32, field.dim))
    value = field(points)
    with np.errstate(invalid="ignore"):
        # largest |J_ij + J_ji|, relative to 1 + |J_ij|, of formulas that count as skew
        bad = (np.abs(defect(value)) > 1e-9 * (1 + np.abs(value))).any(axis=(1, 2))
    if bad.any():
        raise InputError(where, f"a matrix that {fault} at x = {place(points[bad][0])}", needed)
