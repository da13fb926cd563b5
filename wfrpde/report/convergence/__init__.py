"""Studies of convergence on paper."""
