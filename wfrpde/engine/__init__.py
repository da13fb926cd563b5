"""Linear algebra: matrices, shifted solves and exponentials, on one process or many."""
