"""The equation that a flow solves and a sampler claims: mathematics, without a mesh."""

from wfrpde.equation.equation import CLAIMS, Dynamics, Equation, Reaction

__all__ = ["CLAIMS", "Dynamics", "Equation", "Reaction"]
