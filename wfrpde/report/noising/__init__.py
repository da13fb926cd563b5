"""Results of score-based processes as files, figures and a page."""

from wfrpde.report.noising.files import plot_noising, write_noising

__all__ = ["plot_noising", "write_noising"]
