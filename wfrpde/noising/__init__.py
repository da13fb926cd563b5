"""Score-based diffusion, as mathematics: schedules of noise, noised densities, and scores."""

from wfrpde.noising.mixture import Mixture
from wfrpde.noising.schedules import NOISINGS, Noising
from wfrpde.noising.scores import Score

__all__ = ["NOISINGS", "Mixture", "Noising", "Score"]
