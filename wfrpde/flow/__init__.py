"""The flow: transport and reaction, their splitting, step control, and the solver."""
