"""Schemes by name: a new one is a file here and a line in `SCHEMES`."""

from wfrpde.flow.schemes.characteristics import Characteristics
from wfrpde.flow.schemes.closed_form import ClosedForm
from wfrpde.flow.schemes.edge_averaged import EdgeAveraged
from wfrpde.flow.schemes.gaussian import Gaussian
from wfrpde.flow.schemes.heat_kernels import ByHeatKernels
from wfrpde.flow.schemes.log_density import LogDensity
from wfrpde.flow.schemes.radial import Radial
from wfrpde.flow.schemes.scheme import Scheme
from wfrpde.flow.schemes.spectral import Spectral

SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Gaussian(),
        ClosedForm(),
        Radial(),
        Characteristics(),
        Spectral(),
        LogDensity(),
        ByHeatKernels(),
        EdgeAveraged(),
    )
}
"""The automatic choice takes the first that suits."""
