"""Arrays by what they hold, for annotations."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
