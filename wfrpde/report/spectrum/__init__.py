"""What a spectral study leaves behind: numbers, ParaView files, figures, a report.

Everything is made from a `wfrpde.studies.spectral.study.SpectralStudy`, or from a
`wfrpde.operators.Sweep`, which are plain results.
"""

from wfrpde.report.spectrum.files import write_study, write_sweep

__all__ = ["write_study", "write_sweep"]
