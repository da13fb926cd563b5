"""Nodes, fluxes, matrices, interpolation and quadrature on distributed meshes."""
