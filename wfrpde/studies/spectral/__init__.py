"""Studies of spectra, and of the decay that they predict."""
