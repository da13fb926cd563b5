"""The script to beat: the method of lines with Scharfetter–Gummel fluxes, and a stiff integrator.

What a careful researcher writes in an afternoon. The unknowns are densities ρ_i in the cells of a
uniform grid; between neighbours flows

    F = α (B(V_j − V_i) ρ_i − B(V_i − V_j) ρ_j) / h,      B(z) = z / (e^z − 1),

which is exact where V is linear and ρ is stationary. The reaction is −β ρ_i log(ρ_i⁺ / π_i) with
ρ⁺ = max(ρ, tiny). Its mean is left out: that only scales ρ by a function of time, which the
normalisation at the end takes away, and the Jacobian stays as sparse as the grid. That Jacobian
is given analytically to SciPy's BDF or to SUNDIALS' CVODE (scikit-sundae).

Run by itself it prints an example; `solve` is what the benchmark calls.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from peer import Answer
from problems import PROBLEMS, BenchmarkProblem
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline, RectBivariateSpline

Array = np.ndarray[Any, Any]

TINY = 1e-300


def bernoulli(z: Array) -> Array:
    """Evaluate z / (e^z − 1)."""
    small = np.abs(z) < 1e-8
    safe = np.where(small, 1.0, z)
    return np.where(small, 1 - z / 2, safe / np.expm1(np.clip(safe, -700, 700)))


class Lines:
    """The ordinary differential equations of one grid: right-hand side and Jacobian."""

    def __init__(self, problem: BenchmarkProblem, n: int) -> None:
        self.problem = problem
        lengths = problem.box[:, 1] - problem.box[:, 0]
        self.cells = tuple(round(n * length / lengths[0]) for length in lengths)
        self.h = lengths / self.cells
        self.axes = [
            lo + (np.arange(c) + 0.5) * step
            for (lo, _), c, step in zip(problem.box, self.cells, self.h, strict=True)
        ]
        grids = np.meshgrid(*self.axes, indexing="ij")
        self.points = np.stack([g.ravel() for g in grids], axis=1)
        self.v = problem.potential(self.points)
        self.log_pi = -(self.v - self.v.min())
        self.transport = self._generator().tocsr()
        self.start = np.exp(problem.log_start(self.points))

    def _generator(self) -> sp.spmatrix:
        number = np.arange(self.v.size).reshape(self.cells)
        rows, columns, values = [], [], []
        for axis, step in enumerate(self.h):
            first = np.moveaxis(number, axis, 0)[:-1].ravel()
            second = np.moveaxis(number, axis, 0)[1:].ravel()
            rise = self.v[second] - self.v[first]
            out = self.problem.alpha / step**2 * bernoulli(rise)
            back = self.problem.alpha / step**2 * bernoulli(-rise)
            rows += [first, second, second, first]
            columns += [first, first, second, second]
            values += [-out, out, -back, back]
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return sp.coo_matrix(entries, shape=(self.v.size, self.v.size))

    def rate(self, t: float, rho: Array) -> Array:
        """dρ/dt."""
        positive = np.maximum(rho, TINY)
        reaction = positive * (np.log(positive) - self.log_pi)
        return np.asarray(self.transport @ rho - self.problem.beta * reaction)

    def slope_of_reaction(self, rho: Array) -> Array:
        """Diagonal that the reaction adds to the Jacobian."""
        slope = np.log(np.maximum(rho, TINY)) - self.log_pi + 1.0
        return np.where(rho > TINY, -self.problem.beta * slope, 0.0)

    def jacobian(self, t: float, rho: Array) -> sp.csc_matrix:
        """Sparse ∂(dρ/dt)/∂ρ."""
        return (self.transport + sp.diags(self.slope_of_reaction(rho))).tocsc()


def integrate_bdf(lines: Lines, rtol: float, atol: float) -> tuple[Array, int]:
    """SciPy's BDF; the Jacobian is sparse, so it factorises with SuperLU."""
    answer = solve_ivp(
        lines.rate,
        (0.0, lines.problem.t_end),
        lines.start,
        method="BDF",
        jac=lines.jacobian,
        rtol=rtol,
        atol=atol,
        t_eval=[lines.problem.t_end],
    )
    if not answer.success:
        raise RuntimeError(answer.message)
    return answer.y[:, -1], int(answer.nfev)


def integrate_cvode(lines: Lines, rtol: float, atol: float, solver: str) -> tuple[Array, int]:
    """CVODE, with `solver` ``band``, ``sparse`` (SuperLU) or ``krylov`` (GMRES, no matrix)."""
    from sksundae.cvode import CVODE, CVODEJacTimes

    def rate(t: float, rho: Array, out: Array) -> None:
        out[:] = lines.rate(t, rho)

    options: dict[str, Any] = {"linsolver": solver, "rtol": rtol, "atol": atol}
    if solver == "band":  # by differences: in one dimension that is three more evaluations
        width = int(np.prod(lines.cells[1:]))
        options |= {"lband": width, "uband": width}
    elif solver == "sparse":
        pattern = lines.transport.tocsc()
        pattern.sort_indices()
        column = np.repeat(np.arange(lines.v.size), np.diff(pattern.indptr))
        diagonal = np.flatnonzero(pattern.indices == column)

        def jacobian(t: float, rho: Array, rate: Array, out: Array) -> None:
            out[:] = pattern.data
            out[diagonal] += lines.slope_of_reaction(rho)

        options |= {"sparsity": pattern, "jacfn": jacobian, "nthreads": 1}
    else:  # 30 vectors are enough for GMRES without a preconditioner: time steps are short
        slope = np.zeros(lines.v.size)

        def update(t: float, rho: Array, rate: Array) -> None:
            slope[:] = lines.slope_of_reaction(rho)

        def product(t: float, rho: Array, rate: Array, vector: Array, out: Array) -> None:
            out[:] = lines.transport @ vector + slope * vector

        options |= {
            "linsolver": "gmres",
            "krylov_dim": 30,
            "jactimes": CVODEJacTimes(update, product),
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the pattern is not used to difference the rate
        solver_object = CVODE(rate, max_num_steps=100_000, **options)
    answer = solver_object.solve(np.array([0.0, lines.problem.t_end]), lines.start)
    if not answer.success:
        raise RuntimeError(answer.message)
    return answer.y[-1], int(answer.nfev)


def solve(
    problem: BenchmarkProblem, n: int, rtol: float, integrator: str
) -> tuple[Lines, Array, int]:
    """Density ``(cells,)`` at t_end, normalised, on n cells along the first axis.

    `integrator` is ``bdf`` (SciPy), or CVODE with ``band``, ``sparse`` or ``krylov``.
    """
    lines = Lines(problem, n)
    atol = 1e-3 * rtol * lines.start.max()
    if integrator == "bdf":
        rho, evaluations = integrate_bdf(lines, rtol, atol)
    else:
        rho, evaluations = integrate_cvode(lines, rtol, atol, integrator)
    return lines, rho / (rho.sum() * np.prod(lines.h)), evaluations


def interpolate(lines: Lines, rho: Array, axes: list[Array]) -> Array:
    """ρ on the tensor grid of `axes`, by a cubic spline."""
    if lines.problem.dim == 1:
        return np.asarray(CubicSpline(lines.axes[0], rho)(axes[0]))
    return np.asarray(RectBivariateSpline(*lines.axes, rho.reshape(lines.cells))(*axes)).ravel()


PACKAGES = ("scipy", "scikit-sundae")


def settings(problem: BenchmarkProblem) -> list[dict[str, Any]]:
    """Grids with the loosest tolerance in time that does not show, and one ten times tighter."""
    if problem.dim == 1:
        integrators, tolerances = ("band", "sparse", "bdf"), (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
        sizes = (50, 100, 200, 400, 800, 1600, 3200, 6400)
    else:
        integrators, tolerances = ("krylov", "sparse", "bdf"), (1e-3, 1e-4, 1e-5)
        sizes = (30, 44, 62, 88, 120, 160, 200, 280, 400, 640)
    return [
        {"series": f"{integrator}, rtol {rtol:g}", "integrator": integrator, "n": n, "rtol": rtol}
        for integrator in integrators
        for rtol in tolerances
        for n in sizes
    ]


def answer(problem: BenchmarkProblem, integrator: str, n: int, rtol: float) -> Answer:
    """Solve, as the benchmark wants it."""
    lines, rho, _ = solve(problem, n, rtol, integrator)
    volume = float(np.prod(lines.h))
    return Answer(
        lines.points,
        rho,
        np.full(rho.size, volume),
        lambda axes: interpolate(lines, rho, axes),
        float(rho[problem.in_mode(lines.points)].sum() * volume),
    )


def main() -> None:
    """Print what each integrator makes of D1."""
    problem = PROBLEMS["D1"]
    for integrator in ("bdf", "band", "sparse", "krylov"):
        began = time.process_time()
        lines, rho, evaluations = solve(problem, 200, 1e-6, integrator)
        share = rho[problem.in_mode(lines.points)].sum() * lines.h[0]
        used = time.process_time() - began
        print(
            f"{integrator:8s} {used:.3f} CPU s, {evaluations} evaluations, right mode {share:.10f}"
        )


if __name__ == "__main__":
    main()
