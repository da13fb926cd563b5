"""The equation that a flow solves and a sampler claims: mathematics, without a mesh."""

from wfrpde.equation.dynamics import Dynamics
from wfrpde.equation.equation import CLAIMS, Equation, Reaction
from wfrpde.equation.path import Annealed, Path

__all__ = ["CLAIMS", "Annealed", "Dynamics", "Equation", "Path", "Reaction"]
