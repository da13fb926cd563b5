r"""Samples in any dimension, judged against a product whose numbers are known.

A density on a mesh cannot be compared with samples in d = 100; averages can, whose truth a
`ProductSolution` knows with an error bar: moments of coordinates, probabilities of half-spaces
along fixed and random directions, masses of regions such as ``count(x > 0) >= 50``, and the
averages of log(ρ/π) and of its square about KL. Each is tested by Student's t over independent
replicates, and all tests together keep one error rate (Holm, 1979), however they depend on one
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wfrpde.errors import InputError
from wfrpde.fields import parse_region
from wfrpde.fields.product_regions import ProductRegion, linear_weights, parse_product_region
from wfrpde.flow.product.solution import ProductSolution

Array = npt.NDArray[np.float64]

QUANTILES = (-1.3, 0.0, 1.3)
"""Where half-spaces begin, in standard deviations from the mean."""

FREQUENCIES, PERIOD, INVERSION = 600, 40.0, 1e-7
"""Frequencies and period, in standard deviations, of the inversion of a characteristic function,
and its error."""

FEWEST = 5.0
"""Hits of a region, expected in a replicate, below which it is left out: its average is not
near to a normal one."""

REPLICATES = 8
"""Independent replicates that are needed at least."""


@dataclass(frozen=True)
class Average:
    """One average of a sample beside its truth.

    Attributes
    ----------
    name
        Of what.
    truth, truth_error
        As the flow gives it.
    value, standard_error
        Mean over the replicates, and its standard error.
    p
        Two-sided, of Student's t; the truth's error is granted.
    found
        Whether it differs at the error rate of all tests together.
    """

    name: str
    truth: float
    truth_error: float
    value: float
    standard_error: float
    p: float
    found: bool


@dataclass(frozen=True)
class Judgement:
    """What was found; `passed` if nothing differs.

    Attributes
    ----------
    averages
        Every test, the least probable first.
    left_out
        Regions that too few points fall in.
    level
        Probability that a right sample is found wrong at all.
    """

    averages: tuple[Average, ...]
    left_out: tuple[str, ...]
    level: float

    @property
    def passed(self) -> bool:
        """Whether no average differs."""
        return not any(average.found for average in self.averages)

    def __str__(self) -> str:
        found = [average for average in self.averages if average.found]
        if not found:
            return f"no difference in {len(self.averages)} averages (level {self.level:g})"
        first = found[0]
        return (
            f"{len(found)} of {len(self.averages)} averages differ (level {self.level:g}); most of "
            f"all {first.name}: {first.value:.5g} ± {first.standard_error:.1g}, truth "
            f"{first.truth:.5g}"
        )


class ProductJudge:
    """Knows the truth at one time, and judges samples of it.

    Parameters
    ----------
    solution
        The flow.
    t
        One of its times, or ∞ for the target.
    directions
        How many random directions w are looked along, besides (1, …, 1)/√d.
    coordinates
        How many single coordinates are looked at, evenly spread.
    level
        Probability that a right sample is found wrong, all tests together.
    seed
        Of the directions.
    """

    def __init__(
        self,
        solution: ProductSolution,
        t: float,
        *,
        directions: int = 8,
        coordinates: int = 20,
        level: float = 0.01,
        seed: int = 0,
    ) -> None:
        self.solution, self.t, self.level = solution, t, level
        dim = solution.dim
        index = None if t == np.inf else int(np.argmin(np.abs(solution.times - t)))
        rng = np.random.default_rng(seed)
        random = rng.standard_normal((directions, dim))
        chosen = np.unique(np.linspace(0, dim - 1, min(coordinates, dim)).astype(int))
        rows = np.concatenate([np.ones((1, dim)), random, np.eye(dim)[chosen]])
        self._directions = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        names = ["(1, …, 1)·x/√d", *(f"random direction {k + 1}" for k in range(directions))]
        names += [f"x{k + 1}" for k in chosen]
        self._names: list[str] = []
        truths: list[tuple[float, float]] = []
        self._bounds = np.empty((len(rows), len(QUANTILES)))
        self._centres = np.empty(len(rows))
        known: dict[bytes, tuple[float, float, float, Array]] = {}
        for k, (name, w) in enumerate(zip(names, self._directions, strict=True)):
            key = _kind(solution, w)
            if key not in known:
                known[key] = _half_spaces(solution, t, w)
            mean, variance, error, shares = known[key]
            width = float(np.sqrt(variance))
            self._bounds[k] = mean + width * np.array(QUANTILES)
            self._centres[k] = mean
            truths += [(mean, error * (abs(mean) + 5 * width)), (variance, 25 * error * variance)]
            self._names += [f"mean of {name}", f"variance of {name}"]
            for bound, share in zip(self._bounds[k], shares, strict=True):
                truths.append((float(share), error + INVERSION))
                self._names.append(f"P({name} > {bound:.3g})")
        if index is not None:
            kl, spread = solution.estimated("kl"), solution.estimated("reaction_variance")
            truths += [(float(e.value[index]), float(e.error[index])) for e in (kl, spread)]
            self._names += ["log(ρ/π)", "(log(ρ/π) − KL)²"]
        self._index = index
        self._modes = solution.case.target.modes
        for name in self._modes:
            mass = solution.target_mode_mass[name] if index is None else float(
                solution.mode_mass[name][index])  # fmt: skip
            error = 0.0 if index is None else float(solution.error.mode_mass[name][index])
            truths.append((mass, error))
            self._names.append(f"mass of {name}")
        self._truths = np.array(truths)

    def values(self, x: Array) -> Array:
        """Return the functions whose averages are compared, ``(m, n)`` at points ``(n, d)``."""
        forms = x @ self._directions.T
        rows: list[Array] = []
        for k in range(len(self._directions)):
            s = forms[:, k]
            rows += [s, (s - self._centres[k]) ** 2]
            rows += [(s > bound).astype(float) for bound in self._bounds[k]]
        if self._index is not None:
            u = self.solution.log_relative_density(self.t, x)
            u = np.where(np.isfinite(u), u, -1e3)  # beyond the domain there should be nothing
            rows += [u, (u - self._truths[self._names.index("log(ρ/π)"), 0]) ** 2]
        rows += [inside(self.solution, text, x).astype(float) for text in self._modes.values()]
        return np.array(rows)

    def judge(
        self, samples: Sequence[npt.ArrayLike], log_weights: Sequence[npt.ArrayLike] | None = None
    ) -> Judgement:
        """Compare independent replicates with the truth.

        Parameters
        ----------
        samples
            ``R`` arrays of points ``(N, d)``. Points of one replicate may depend on each other.
        log_weights
            ``R`` arrays ``(N,)``, up to a constant each; None for equal weights.

        Raises
        ------
        InputError
            If there are too few replicates, or points that are none.
        """
        replicates = [np.asarray(x, dtype=float) for x in samples]
        if len(replicates) < REPLICATES:
            raise InputError("samples", f"{len(replicates)} replicates", f"at least {REPLICATES}")
        for x in replicates:
            if x.ndim != 2 or x.shape[1] != self.solution.dim or not np.isfinite(x).all():
                needed = f"points (N, {self.solution.dim}), all finite"
                raise InputError("samples", f"an array of shape {x.shape}", needed)
        means = []
        for k, x in enumerate(replicates):
            log_w = np.zeros(len(x)) if log_weights is None else np.asarray(log_weights[k], float)
            w = np.exp(log_w - log_w.max())
            means.append(self.values(x) @ (w / w.sum()))
        return self._judged(np.array(means), min(len(x) for x in replicates))

    def _judged(self, means: Array, size: int) -> Judgement:
        return compared(self._names, self._truths, means, size, self.level)


def compared(
    names: Sequence[str], truths: Array, means: Array, size: int, level: float
) -> Judgement:
    """Compare averages of independent replicates with the truth.

    Parameters
    ----------
    names, truths
        Of each average its name, and its true value and the error of that ``(m, 2)``.
    means
        Averages of each replicate ``(R, m)``.
    size
        Points of a replicate: what too few of them fall in is left out.
    level
        Probability that a right sample is found wrong, all averages together.
    """
    from scipy.stats import t as student

    count = len(means)
    truth, error = truths.T
    value = means.mean(axis=0)
    standard = means.std(axis=0, ddof=1) / np.sqrt(count)
    gap = np.maximum(np.abs(value - truth) - error, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * student.sf(np.where(gap > 0, gap / standard, 0.0), count - 1)
    region = np.array([name.startswith(("mass of", "P(")) for name in names])
    rare = region & (size * np.minimum(truth, 1 - truth) < FEWEST)
    tested = np.flatnonzero(~rare)
    order = tested[np.argsort(p[tested])]
    averages, still = [], True
    for rank, k in enumerate(order):
        still = bool(still and p[k] <= level / (len(order) - rank))
        averages.append(Average(names[k], truth[k], error[k], value[k], standard[k], p[k], still))
    left_out = tuple(name for name, out in zip(names, rare, strict=True) if out)
    return Judgement(tuple(averages), left_out, level)


def _kind(solution: ProductSolution, w: Array) -> bytes:
    """Return what linear forms of one law have in common."""
    inner = w if solution.rotation is None else solution.rotation.T @ w
    start, blocks = 0, []
    for kind in solution.order:
        block = inner[start : start + solution.parts[kind].dim] + 0.0
        start += len(block)
        if block.any():
            blocks.append(bytes([kind % 256]) + block.tobytes())
    return b"".join(sorted(blocks))


def _half_spaces(
    solution: ProductSolution, t: float, w: Array
) -> tuple[float, float, float, Array]:
    """Return mean, variance and relative error of w·x, and P(w·x > c) at the `QUANTILES`.

    By the inversion of Gil-Pelaez (1951): P(S > c) = ½ + ∫ Im(φ(ω)e^{−iωc})/(πω) dω.
    """
    law = solution.projection(t, w)
    width = float(np.sqrt(law.variance))
    omega = (np.arange(FREQUENCIES) + 0.5) * (2 * np.pi / (PERIOD * width))
    values = solution.characteristic(t, np.multiply.outer(omega, w))
    bounds = law.mean + width * np.array(QUANTILES)
    turned = (values * np.exp(-1j * np.multiply.outer(bounds, omega))).imag / omega
    shares = 0.5 + turned.sum(axis=1) * (omega[1] - omega[0]) / np.pi
    return law.mean, law.variance, law.error(0.0), shares


def inside(solution: ProductSolution, text: str, x: Array) -> npt.NDArray[np.bool_]:
    """Return which points ``(n, d)`` lie in a region of a product."""
    region = parse_product_region(text, "region")
    if region.kind == "dot":
        form = x @ np.array(region.weights)
        return np.asarray(form > region.bound if region.above else form < region.bound)
    y = solution.factor_coordinates(x)
    count, total, meant = np.zeros(len(y), dtype=int), np.zeros(len(y)), 0
    for dim, columns in _meant(solution, region):
        meant += len(columns)
        blocks = y[:, columns].reshape(-1, dim)
        if region.kind == "count":
            hits = parse_region(region.region, dim, "region")(blocks)
            count += hits.reshape(len(y), -1).sum(axis=1)
        else:
            form = blocks @ linear_weights(region.form, dim, "region")
            total += form.reshape(len(y), -1).sum(axis=1)
    if region.kind == "sum":
        return np.asarray(total > region.bound if region.above else total < region.bound)
    if region.most is not None:
        return np.asarray(count <= region.most)
    return np.asarray(count >= (meant if region.least < 0 else region.least))


def _meant(
    solution: ProductSolution, region: ProductRegion
) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """Return, by dimension, the coordinates ``(m, dim)`` of the factors that a region means."""
    found: dict[int, list[range]] = {}
    start = 0
    for kind, name in zip(solution.order, solution.names, strict=True):
        dim = solution.parts[kind].dim
        if region.means(name):
            found.setdefault(dim, []).append(range(start, start + dim))
        start += dim
    return [(dim, np.array(rows)) for dim, rows in found.items()]
