"""Steps in time, by name: a new one is a file here and a line in `STEPPERS`."""

from collections.abc import Callable
from typing import Any

from wfrpde.flow.steppers.extrapolated import Extrapolated
from wfrpde.flow.steppers.rosenbrock import Rodasp
from wfrpde.flow.steppers.strang import Strang

STEPPERS: dict[str, Callable[..., Any]] = {
    "strang": Strang,
    "extrapolated": Extrapolated,
    "rodasp": Rodasp,
}
