"""Initial densities."""
