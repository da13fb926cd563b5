"""Matrices need PETSc, which comes with DOLFINx."""

import pytest

pytest.importorskip("dolfinx")
