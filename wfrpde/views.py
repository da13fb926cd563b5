"""How a case or a result is looked at from Python: in a notebook, as a figure, as a table.

What is shown is made in `report/`, which stands above the objects that are shown. So an object
does not import its view: it is found by the name of the object's class when it is first asked for,
as the public names of `wfrpde` are.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wfrpde._compat import extra
from wfrpde.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FLOW, _SPECTRUM = "wfrpde.report.views.flow", "wfrpde.report.views.spectrum"

VIEWS: dict[str, tuple[str, str]] = {
    "Case": ("wfrpde.report.views.case", "CASE"),
    "Solution": (_FLOW, "SOLUTION"),
    "ProductSolution": (_FLOW, "SOLUTION"),
    "NoisingSolution": ("wfrpde.report.views.noising", "NOISING"),
    "ChainSolution": (_FLOW, "SOLUTION"),
    "ErrorEstimate": (_FLOW, "ERRORS"),
    "Spectrum": (_SPECTRUM, "SPECTRUM"),
    "SpectralStudy": (_SPECTRUM, "STUDY"),
    "ProductStudy": (_SPECTRUM, "PRODUCT_STUDY"),
    "ProductSpectrum": (_SPECTRUM, "PRODUCT"),
    "FirstExit": (_SPECTRUM, "FIRST_EXIT"),
    "ProductGrowth": (_SPECTRUM, "GROWTH"),
    "Sweep": (_SPECTRUM, "SWEEP"),
    "MetastableSets": (_SPECTRUM, "SETS"),
    "Committor": (_SPECTRUM, "COMMITTOR"),
    "StationaryDensity": ("wfrpde.report.views.spectrum", "STATIONARY"),
    "Exit": (_SPECTRUM, "EXIT"),
    "FeynmanKac": (_SPECTRUM, "FEYNMAN_KAC"),
    "Cumulants": (_SPECTRUM, "CUMULANTS"),
    "PathProfile": (_SPECTRUM, "PATH"),
    "ValidationReport": ("wfrpde.report.views.validation", "REPORT"),
    "ConvergenceStudy": ("wfrpde.report.views.convergence", "STUDY"),
}
"""Name of a class → the module and the name of its `wfrpde.report.views.View`."""


class Shown:
    """What has a view, if `VIEWS` knows its class or one that it derives from."""

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows; None leaves it to ``repr``."""
        view = _view(self)
        html: str | None = None if view is None else view.html(self)
        return html

    def plot(self, name: str = "") -> Figure:
        """Draw a figure of the report, which needs nothing to be written. Not collective.

        Parameters
        ----------
        name
            Which one, as its file in ``figures`` is called, without its ending; by default the
            first of the report.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        InputError
            If there is no such figure; the message names those that there are.
        """
        view = _view(self)
        if view is None:
            raise _nothing(self, "figures")
        figure: Figure = view.figure(self, name)
        return figure

    def to_dataframe(self) -> Any:
        """Return the numbers as a pandas table; a column ``q_error`` is the error of ``q``.

        Raises
        ------
        DependencyMissingError
            If pandas is not installed.
        """
        view = _view(self)
        if view is None:
            raise _nothing(self, "table")
        pd = extra("pandas", "dataframe")
        return pd.DataFrame(dict(view.columns(self)))

    def to_xarray(self, points: int | None = None) -> Any:
        """Return a flow's densities on a lattice over its box, and its numbers, as a data set.

        Variables are ``log_density`` over ``t`` and the axes ``x``, ``y``, ``z``, ``log_target``
        over the axes, and over ``t`` the columns of `to_dataframe`. Not collective.

        Parameters
        ----------
        points
            Points along each axis; by default 401, 121 or 41 in one, two or three dimensions.

        Returns
        -------
        xarray.Dataset

        Raises
        ------
        InputError
            If it is no flow in one to three dimensions.
        DependencyMissingError
            If xarray is not installed.
        """
        view = _view(self)
        if view is None or view.arrays is None:
            raise InputError("to_xarray", f"a {type(self).__name__}", "a solution of a flow")
        parts = view.arrays(self, points)
        return extra("xarray", "dataframe").Dataset(**parts)


def _view(shown: Shown) -> Any:
    """Return the view of an object, or None."""
    for kind in type(shown).__mro__:
        if kind.__name__ in VIEWS:
            module, name = VIEWS[kind.__name__]
            return getattr(importlib.import_module(module), name)
    return None


def _nothing(shown: Shown, what: str) -> InputError:
    name = type(shown).__name__
    return InputError(name, f"no {what} of it", f"one of {', '.join(VIEWS)}")
