"""What a validation leaves behind: tables, figures and a report.

Everything is made from a `wfrpde.comparison.ValidationReport`, which is plain numbers.
"""

from wfrpde.report.validation.files import REPORT, draw_and_report, write_validation

__all__ = ["REPORT", "draw_and_report", "write_validation"]
