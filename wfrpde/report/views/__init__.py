"""What a person sees of cases and results in Python; `wfrpde.views` says which class has which."""

from wfrpde.report.views.view import Card, View

__all__ = ["Card", "View"]
