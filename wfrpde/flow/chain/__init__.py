"""Flows of chains of coupled sites, as tensor trains of log(ρ/π)."""
