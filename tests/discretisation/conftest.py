"""Meshes and nodes need DOLFINx."""

import pytest

pytest.importorskip("dolfinx")
