"""Linear algebra on one process by SciPy alone: SuperLU's factors and ARPACK's eigenvectors."""
