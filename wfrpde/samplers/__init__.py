"""Particle methods: built-in samplers of the flows, and what runs those of other people."""

from wfrpde.samplers.birth_death import BirthDeathLangevin
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.density import DensitySource, KernelDensity, MeshDensity
from wfrpde.samplers.ensemble import Ensemble, Trajectory
from wfrpde.samplers.fisher_rao import FisherRao
from wfrpde.samplers.langevin import Langevin
from wfrpde.samplers.law import LawStep
from wfrpde.samplers.mala import Mala
from wfrpde.samplers.oracle import Oracle, oracle_times
from wfrpde.samplers.protocol import LibrarySampler, Sampler
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.reaction import MeanFieldReaction, PathReaction
from wfrpde.samplers.registry import KINDS, make_sampler, register, validate_sampler
from wfrpde.samplers.resampling import Resampling
from wfrpde.samplers.run import SamplerRun
from wfrpde.samplers.simulate import simulate
from wfrpde.samplers.smc_wfr import SmcWfr
from wfrpde.samplers.weighted import FeynmanKac, WeightedLangevin

__all__ = [
    "KINDS",
    "BirthDeathLangevin",
    "DensitySource",
    "Ensemble",
    "FeynmanKac",
    "FisherRao",
    "KernelDensity",
    "Langevin",
    "LawStep",
    "LibrarySampler",
    "Mala",
    "MeanFieldReaction",
    "MeshDensity",
    "Oracle",
    "PathReaction",
    "Ranks",
    "Resampling",
    "Sampler",
    "SamplerContext",
    "SamplerRun",
    "SmcWfr",
    "Trajectory",
    "WeightedLangevin",
    "make_sampler",
    "oracle_times",
    "register",
    "simulate",
    "validate_sampler",
]
