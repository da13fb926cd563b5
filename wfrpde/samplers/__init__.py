"""Particle methods: built-in samplers of the flows, and what runs those of other people."""

from wfrpde.samplers.ensemble import Ensemble, Trajectory
from wfrpde.samplers.langevin import Langevin
from wfrpde.samplers.protocol import Sampler, SamplerContext
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.registry import KINDS, SamplerRun, make_sampler, validate_sampler
from wfrpde.samplers.simulate import simulate

__all__ = [
    "KINDS",
    "Ensemble",
    "Langevin",
    "Ranks",
    "Sampler",
    "SamplerContext",
    "SamplerRun",
    "Trajectory",
    "make_sampler",
    "simulate",
    "validate_sampler",
]
