"""Laws of score-based processes: solved on lattices, as chains of steps, and along paths."""
