"""What a validation leaves behind: tables, figures and a report.

Everything is made from a `wfrpde.comparison.ValidationReport`, which is plain numbers.
"""

from wfrpde.output.validation.files import write_validation

__all__ = ["write_validation"]
