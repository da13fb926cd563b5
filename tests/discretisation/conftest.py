"""Meshes and nodes need DOLFINx."""
