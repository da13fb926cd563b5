"""All modes, and what is made of them, as fields at the nodes of one mesh."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.report.paraview import unstructured_grid, write_collection, write_fields

if TYPE_CHECKING:
    from wfrpde.studies.spectral.study import SpectralStudy


def nodal_fields(study: SpectralStudy) -> dict[str, Array]:
    """Fields ``(n,)`` at the nodes of the spectrum's mesh, by name.

    ``mode_i``, the right eigenfunctions u_i with ∫π|u_i|² = 1 (where they rotate their real part,
    and ``mode_i_imaginary``); ``potential`` V (kT); ``target`` π
    per unit volume; where they were computed ``set_a`` (memberships), ``committor``,
    ``exit_time_NAME``, ``stationary_density`` and the
    vectors ``stationary_current``, and of the Feynman–Kac operator ``feynman_kac_right`` φ,
    ``feynman_kac_left`` πφ and ``tilted_density`` φ²π. What was computed on another mesh is NaN
    where that does not reach.
    """
    spectrum = study.spectrum
    nodes = spectrum.nodes
    potential = np.asarray(spectrum.target.potential(nodes), dtype=float)
    fields = {f"mode_{i}": function.real for i, function in enumerate(spectrum.functions)}
    for i, value in enumerate(spectrum.eigenvalues):
        if value.imag != 0:
            fields[f"mode_{i}_imaginary"] = spectrum.functions[i].imag
    if len(fields) > 1 and spectrum.absorbing is None:
        fields["mode_0"] = fields.pop("mode_0")  # the constant is no picture to begin with
    fields["potential"] = potential
    fields["target"] = np.exp(-potential - spectrum.log_normalisation)
    if study.sets is not None:
        fields |= {f"set_{a}": chi for a, chi in enumerate(study.sets.memberships)}
    if study.committor is not None:
        fields["committor"] = study.committor(nodes)
    if study.stationary is not None:
        fields["stationary_density"] = study.stationary.density(nodes)
        current = study.stationary.current(nodes)
        fields["stationary_current"] = np.pad(current, ((0, 0), (0, 3 - current.shape[1])))
    for name, exit_ in study.exits.items():
        fields[f"exit_time_{_word(name)}"] = exit_.time_from(nodes)
    if study.feynman_kac is not None:
        fields["feynman_kac_right"] = study.feynman_kac.right_eigenfunction(nodes)
        fields["feynman_kac_left"] = study.feynman_kac.left_eigenfunction(nodes)
        fields["tilted_density"] = study.feynman_kac.tilted_density(nodes)
    return fields


def _word(name: str) -> str:
    """Name of a field: ParaView's expressions take letters, digits and underscores."""
    return re.sub(r"\W+", "_", name).strip("_")


def write_modes(study: SpectralStudy, folder: Path) -> list[Path]:
    """Write ``modes.vtu`` with every field of `nodal_fields`, and ``modes.pvd``. Not collective."""
    spectrum = study.spectrum
    grid = unstructured_grid(spectrum.nodes, spectrum.cells, spectrum.cell_type)
    path, collection = folder / "modes.vtu", folder / "modes.pvd"
    write_fields(grid, nodal_fields(study), path)
    write_collection(collection, [0.0], [path])
    return [collection, path]
