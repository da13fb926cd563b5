"""Convergence studies: sequences of runs, their errors, and the orders that these show."""

from wfrpde.studies.convergence.harness import converge
from wfrpde.studies.convergence.study import ConvergenceStudy

__all__ = ["ConvergenceStudy", "converge"]
