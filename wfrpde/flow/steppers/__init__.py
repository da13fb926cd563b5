"""Steps in time, by name: a new one is a file here and a line in `STEPPERS`."""

from typing import Any

from wfrpde.flow.steppers.characteristics import AlongCharacteristics
from wfrpde.flow.steppers.extrapolated import Extrapolated
from wfrpde.flow.steppers.heat_kernels import HeatKernels
from wfrpde.flow.steppers.rosenbrock import Rodasp
from wfrpde.flow.steppers.strang import AxisByAxis, Strang

STEPPERS: dict[str, Any] = {
    "strang": Strang,
    "axis-by-axis": AxisByAxis,
    "extrapolated": Extrapolated,
    "heat-kernels": HeatKernels,
    "rodasp": Rodasp,
    "characteristics": AlongCharacteristics,
}
"""What ``numerics.stepper`` names; see `wfrpde.flow.steppers.stepper.Stepper`."""
