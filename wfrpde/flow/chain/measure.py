"""Numbers of a chain's flow at one time: what a run says, before runs are compared."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.errors import InputError
from wfrpde.fields import parse_region
from wfrpde.fields.product_regions import ProductRegion, parse_product_region
from wfrpde.flow.chain.law import Energy, Law, Pivots
from wfrpde.flow.chain.nodes import GAUSS, SiteNodes, quadrature
from wfrpde.flow.chain.train import Cores, on_grid
from wfrpde.targets.chain import Chain

RARE = 1e-2
"""Mass of a count below which it is found by a train of its own."""

LAW_TOLERANCE = 1e-8
"""Root mean square that a bond of a density may leave out, in units of that of the density there:
amid many modes all are small beside the largest of them, and yet most of the mass."""

ALONG = ("kl_to_path", "free_energy")
"""Names of the series of a target that moves."""


def chain_region(text: str, where: str) -> ProductRegion:
    """Read a region of a chain.

    Raises
    ------
    InputError
        If it is none that counts sites.
    """
    region = parse_product_region(text, where)
    if region.kind != "count" or region.names:
        raise InputError(where, repr(text), "all(R), any(R) or count(R) >= k, of a chain")
    return region


@dataclass(frozen=True)
class Measurement:
    """How densities of a chain are integrated.

    Attributes
    ----------
    points, weights
        Quadrature of a site.
    ends
        Of the pieces on which it is Gauss' rule.
    regions
        By name.
    inside
        For each region where it holds ``(m,)``, 0 or 1.
    known
        Pivots of densities that were measured, whose likes are begun with.
    """

    target: Chain
    points: Array
    weights: Array
    ends: Array
    regions: Mapping[str, ProductRegion]
    inside: Mapping[str, Array]
    tolerance: float = LAW_TOLERANCE
    known: dict[Hashable, Pivots] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        target: Chain,
        nodes: SiteNodes,
        modes: Mapping[str, str],
        gauss: int = GAUSS,
        tolerance: float = LAW_TOLERANCE,
        known: dict[Hashable, Pivots] | None = None,
    ) -> Measurement:
        """Return a quadrature with pieces that end where regions do."""
        regions = {name: chain_region(text, f"target.modes.{name}") for name, text in modes.items()}
        # points on which a site is looked at for the ends of regions
        line = np.linspace(nodes.low, nodes.high, 4001)
        breaks: list[float] = []
        hits = {
            name: parse_region(region.region, 1, f"target.modes.{name}")
            for name, region in regions.items()
        }
        for hit in hits.values():
            holds = np.asarray(hit(line[:, None]))
            for k in np.flatnonzero(holds[1:] != holds[:-1]):
                low, high = line[k], line[k + 1]
                for _ in range(50):  # halvings that find such an end
                    middle = (low + high) / 2
                    same = bool(hit(np.array([[middle]]))[0]) == bool(holds[k])
                    low, high = (middle, high) if same else (low, middle)
                breaks.append((low + high) / 2)
        inner = breaks or [(nodes.low + nodes.high) / 2]
        ends = np.unique([nodes.low, *inner, nodes.high])
        points, weights = quadrature(ends, gauss)
        inside = {name: np.asarray(hit(points[:, None]), dtype=float) for name, hit in hits.items()}
        known = {} if known is None else known
        return cls(target, points, weights, ends, regions, inside, tolerance, known)

    def _energy(self, u: Cores | None, chosen: Flags | None = None) -> Energy:
        keep = slice(None) if chosen is None else chosen
        x = self.points[keep]
        site, coupling = self.target.functions()
        m = len(x)
        pair = coupling(np.repeat(x, m), np.tile(x, m)).reshape(m, m)
        cores = None if u is None else tuple(core[:, keep] for core in u)
        return Energy(self.target.length, cores, site(x), pair)

    def law(self, u: Cores | None, at: Hashable) -> Law:
        """Return ρ, u given on the points, or π; what is `at` the same place is alike."""
        energy = self._energy(u)
        return Law.of(energy, self.points, self.weights, self.tolerance, self.known, at)

    def _log_mass_where(self, u: Cores | None, inside: Array, name: Hashable) -> float:
        """Return the log of the integral over points all of whose sites lie in a region."""
        chosen = inside > 0
        if not chosen.any():
            return -np.inf
        energy, points = self._energy(u, chosen), self.points[chosen]
        weights = self.weights[chosen]
        return Law.of(energy, points, weights, self.tolerance, self.known, name).log_mass

    def modes(self, law: Law, u: Cores | None, at: Hashable) -> dict[str, float]:
        """Return the mass of each region; of all(R) and any(R) by a train of their own."""
        found = {}
        for name, region in self.regions.items():
            inside, d = self.inside[name], self.target.length
            if region.least < 0 or (region.most is None and region.least >= d):
                few = 0.0 if region.least > d else 1.0
                log_mass = self._log_mass_where(u, inside, (at, name))
                found[name] = few * np.exp(log_mass - law.log_mass)
            elif region.most is None and region.least == 1:
                log_mass = self._log_mass_where(u, 1 - inside, (at, name))
                found[name] = 1 - np.exp(log_mass - law.log_mass)
            else:
                most = d if region.most is None else region.most
                span = slice(max(region.least, 0), max(most + 1, 0))
                found[name] = self._count_mass(law, u, inside, span, (at, name))
        return {name: float(value) for name, value in found.items()}

    def _count_mass(
        self, law: Law, u: Cores | None, inside: Array, span: slice, name: Hashable
    ) -> float:
        """Return P(how many sites lie in a region is in `span`).

        What is rare is small beside what a bond of ρ may leave out: e^{θN} ρ is made a train, N the
        number, with θ so that independent sites would have the end of the span as their mean.
        """
        d, counts = self.target.length, law.counts(inside)
        mass = float(counts[span].sum())
        mean = float(counts @ np.arange(d + 1))
        aim = min(max(mean, span.start), span.stop - 1)
        if mass > RARE or not 0 < aim < d or not 0 < mean < d:
            return mass
        theta = float(np.log(aim / (d - aim)) - np.log(mean / (d - mean)))
        energy = self._energy(u)
        energy = replace(energy, site=energy.site - theta * inside)
        tilted = Law.of(energy, self.points, self.weights, self.tolerance, self.known, name)
        shares = tilted.counts(inside) * np.exp(-theta * np.arange(d + 1))
        return float(shares[span].sum() * np.exp(tilted.log_mass - law.log_mass))

    def mean_of(self, law: Law, chain: Chain) -> float:
        """Return ⟨V⟩ of the potential of a chain under a law on the points."""
        energy = replace(self, target=chain)._energy(None)
        both = np.multiply.outer(self.weights, self.weights) * energy.coupling
        sites = sum(float(self.weights @ (law.density(k) * energy.site)) for k in range(law.length))
        return sites + sum(float((law.pair(k, k + 1) * both).sum()) for k in range(law.length - 1))

    def to_path(self, law: Law, kl: float, chain: Chain, lift: Chain) -> float:
        """Return the KL of a law to another chain, from that to the target; `lift` is V′ − V."""
        other = replace(self, target=chain).log_partition()
        return kl + self.mean_of(law, lift) + other - self.log_partition()

    def target_numbers(self) -> tuple[Law, dict[str, float]]:
        """Return π, and the masses that it gives to the regions."""
        law = self.law(None, "target")
        return law, self.modes(law, None, "target")

    def log_partition(self) -> float:
        """Return log ∫ e^{−V} by the transfer matrix of the quadrature, without any train."""
        energy = self._energy(None)
        kernel = np.exp(energy.coupling.min() - energy.coupling) * self.weights
        own = np.exp(energy.site.min() - energy.site)
        state, total = np.ones(len(self.points)), 0.0
        for _ in range(self.target.length - 1):
            state = kernel @ (own * state)
            size = float(state.max())
            state, total = state / size, total + float(np.log(size)) - float(energy.coupling.min())
        last = float(self.weights @ (own * state))
        return total + float(np.log(last)) - self.target.length * float(energy.site.min())

    def numbers(
        self, nodes: SiteNodes, cores: Cores, beyond: float, at: Hashable = None
    ) -> tuple[Law, dict[str, Array]]:
        """Return ρ, and its numbers by name, each an array.

        Parameters
        ----------
        nodes, cores
            u on its nodes.
        beyond
            log ∫ e^{−V}.
        at
            What densities that are alike have in common, as a time.
        """
        matrix, slope = nodes.interpolation(self.points), nodes.derivative(self.points)
        u, du = on_grid(cores, matrix), on_grid(cores, slope)
        law = self.law(u, at)
        mean_u = law.mean_of(u)
        second, fisher = law.squares(u, du)
        mean, covariance = law.moments()
        found = {
            "kl": np.array(mean_u - law.log_mass + beyond),
            "mass": np.array(1.0),
            "fisher_information": np.array(fisher),
            "reaction_variance": np.array(max(second - mean_u**2, 0.0)),
            "mean": mean,
            "covariance": covariance,
        }
        modes = self.modes(law, u, at)
        return law, {**found, **{f"mode {name}": np.array(v) for name, v in modes.items()}}
