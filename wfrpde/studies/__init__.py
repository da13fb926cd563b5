"""Convergence studies: sequences of runs, their errors, and the orders that these show."""

from wfrpde.studies.harness import converge
from wfrpde.studies.study import ConvergenceStudy

__all__ = ["ConvergenceStudy", "converge"]
