"""Samplers judged against the Eulerian truth: observables, distances, statistics, verdicts."""

from wfrpde.comparison.results import Row, ValidationReport
from wfrpde.comparison.validation import validate

__all__ = ["Row", "ValidationReport", "validate"]
