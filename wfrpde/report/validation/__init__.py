"""What a validation leaves behind: tables, figures and a report.

Everything is made from a `wfrpde.comparison.ValidationReport`, which is plain numbers.
"""

from wfrpde.report.validation.files import REPORT, write_validation

__all__ = ["REPORT", "write_validation"]
