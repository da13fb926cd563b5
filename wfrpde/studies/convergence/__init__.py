"""Studies of convergence: plan, run, fit, judge."""
