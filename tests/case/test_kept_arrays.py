"""Arrays of kept results are found by their type, whatever NumPy makes of its name."""

import typing

import numpy as np
import pytest

from wfrpde.case.stored import revived


@pytest.mark.skipif(not hasattr(typing, "TypeAliasType"), reason="Python 3.12 has such aliases")
def test_an_alias_of_an_array_is_an_array():
    """As numpy.typing.NDArray is one from NumPy 2.5 on."""
    scalar = typing.TypeVar("scalar")
    alias = typing.TypeAliasType(
        "alias", np.ndarray[typing.Any, np.dtype[scalar]], type_params=(scalar,)
    )
    kept = {"array_0": np.arange(3.0)}
    found = revived(alias[np.float64], {"__array__": "array_0"}, kept)
    np.testing.assert_array_equal(found, kept["array_0"])
