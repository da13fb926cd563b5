"""Samples that were recorded elsewhere: ``.npz``, ``.npy``, ``.csv`` and ArviZ's netCDF files.

Without times they are the output of a sampler of π itself, and judged against π: their time is
``inf``. An axis in front of them counts chains (without times) or replicates (with times).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde._compat import extra
from wfrpde.arrays import Array, Integers
from wfrpde.equation import Equation
from wfrpde.errors import DependencyMissingError, SamplerError
from wfrpde.samplers.ensemble import Trajectory
from wfrpde.samplers.exchange import read_arrays, real_array, shaped_positions, to_trajectory
from wfrpde.samplers.run import Request, SamplerRun

_RESERVED = ("t", "weight", "log_weight", "chain")
"""Columns of a table that are no coordinates."""


@dataclass(frozen=True, eq=False)
class RecordedSamples(SamplerRun):
    """Samples from a file; `run` hands them out.

    Attributes
    ----------
    name, claims
        As of any sampler that runs.
    recorded
        One trajectory for each replicate in the file.
    """

    name: str
    claims: Equation | None
    recorded: tuple[Trajectory, ...]

    @property
    def replicates(self) -> float:
        """Number of replicates in the file."""
        return len(self.recorded)

    def replicate(self, request: Request) -> Trajectory:
        """Return the replicate that the last number of the seed's ``spawn_key`` names.

        Nothing else that is asked for matters but the times, which have to be in the file.
        """
        number = request.seed.spawn_key[-1] if request.seed.spawn_key else 0
        if number >= self.replicates:
            raise SamplerError(
                self.name, f"replicate {number + 1} of {self.replicates} in the file"
            )
        made = self.recorded[number]
        if np.isinf(made.times).all():
            return made
        chosen = []
        for t in np.atleast_1d(np.asarray(request.times, dtype=float)):
            index = int(np.argmin(np.abs(made.times - t)))
            if not abs(made.times[index] - t) <= 1e-9 * max(1.0, abs(t)):
                known = ", ".join(f"{time:g}" for time in made.times)
                raise SamplerError(self.name, f"no samples at t = {t:g}; the file has {known}")
            chosen.append(index)
        ensembles = tuple(made.ensembles[k] for k in chosen)
        return Trajectory(made.times[chosen], ensembles, made.facts)


def read_samples(
    name: str, path: Path, dim: int, layout: str, chains: int | None = None
) -> tuple[Trajectory, ...]:
    """Read recorded samples: one trajectory for each replicate, at t = ∞ if there are no times.

    Parameters
    ----------
    dim, layout
        Dimension d, and the order of the axes; see `wfrpde.case.SamplerSpec`.
    chains
        Number of chains in one list of points.

    Raises
    ------
    SamplerError
        If the file cannot be read, or does not hold what is needed.
    DependencyMissingError
        For netCDF files, if ArviZ is not installed.
    """
    readers = {".npz": read_arrays, ".npy": read_arrays, ".csv": _read_csv, ".nc": _read_netcdf}
    if path.suffix not in readers:
        known = ", ".join(readers)
        raise SamplerError(name, f"{path.name}: needed a file of one of the kinds {known}")
    if not path.is_file():
        raise SamplerError(name, f"no file {path}")
    arrays = readers[path.suffix](name, path)
    if path.suffix == ".nc" or (path.suffix == ".csv" and chains is None):
        layout = "(N, d)"  # a row of a table is a particle
    return recorded_arrays(name, path.name, arrays, dim, layout, chains)


def recorded_arrays(
    name: str,
    source: str,
    arrays: dict[str, npt.NDArray[Any]],
    dim: int,
    layout: str,
    chains: int | None = None,
) -> tuple[Trajectory, ...]:
    """Return what `read_samples` does, from arrays; messages say that ``source`` holds them.

    Raises
    ------
    SamplerError
        If they are not what is needed.
    """
    unknown = sorted(set(arrays) - {"positions", "log_weights", "weights", "times"})
    if "positions" not in arrays or unknown:
        found = ", ".join(sorted(arrays)) or "nothing"
        needed = "positions, and if need be log_weights or weights, and times"
        wrong = f": unknown {', '.join(unknown)}" if "positions" in arrays else ""
        raise SamplerError(name, f"{source} holds {found}{wrong}; needed {needed}")
    if "weights" in arrays and "log_weights" in arrays:
        raise SamplerError(name, f"{source} holds weights and log_weights; needed one of them")
    if "c" in layout:
        arrays, layout = _chains_first(name, arrays, dim, layout, chains), "(N, d)"
    return _trajectories(name, arrays, dim, layout)


def _chains_first(
    name: str, arrays: dict[str, npt.NDArray[Any]], dim: int, layout: str, chains: int | None
) -> dict[str, npt.NDArray[Any]]:
    """Bring arrays of Markov chains, and their weights, into the order (chains, steps, d)."""
    if "times" in arrays:
        raise SamplerError(name, f'times, and layout = "{layout}", which is for chains without')
    axes = layout.count(",")
    shape = np.shape(arrays["positions"])
    if not ((len(shape) == axes + 1 and shape[-1] == dim) or (len(shape) == axes and dim == 1)):
        needed = layout.replace("d)", f"{dim})")
        raise SamplerError(name, f"positions of shape {shape}; needed {needed}")
    if chains is not None and shape[0] % chains:
        raise SamplerError(name, f"{shape[0]} points, which are not {chains} chains of one length")
    result = {}
    for key, array in arrays.items():
        values = np.asarray(array)
        tail = (dim,) if key == "positions" else ()
        if key != "positions" and values.shape != shape[:axes]:
            raise SamplerError(name, f"{key} of shape {values.shape}; needed {shape[:axes]}")
        if chains is not None:
            order = (chains, -1) if layout.startswith("(chains") else (-1, chains)
        else:
            order = (shape[0], shape[1])
        values = values.reshape(*order, *tail)
        result[key] = values if layout.startswith("(chains") else np.swapaxes(values, 0, 1)
    return result


def _trajectories(
    name: str, arrays: dict[str, npt.NDArray[Any]], dim: int, layout: str
) -> tuple[Trajectory, ...]:
    positions = _with_coordinates(name, arrays, dim, layout)
    log_weights = _log_weights(name, arrays)
    if "times" not in arrays:
        chains = positions if positions.ndim == 3 else positions[None]
        parts = [shaped_positions(name, c, 1, dim, layout)[0] for c in chains]
        facts = {"chains": len(parts), "draws": len(parts[0])}
        if log_weights is not None:
            log_weights = log_weights.reshape(1, -1)
        joined = np.concatenate(parts)[None]
        return (to_trajectory(name, joined, log_weights, np.array([np.inf]), facts),)
    times = np.atleast_1d(real_array(name, arrays["times"], "times"))
    if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise SamplerError(name, f"times {times.tolist()}; needed a list that ascends")
    replicates = positions if positions.ndim == 4 else positions[None]
    weights = [None] * len(replicates) if log_weights is None else list(
        log_weights if positions.ndim == 4 else log_weights[None]
    )  # fmt: skip
    if len(weights) != len(replicates):
        what = f"log weights of {len(weights)} replicates and positions of {len(replicates)}"
        raise SamplerError(name, what)
    return tuple(
        to_trajectory(name, shaped_positions(name, x, len(times), dim, layout), w, times)
        for x, w in zip(replicates, weights, strict=True)
    )


def _with_coordinates(
    name: str, arrays: dict[str, npt.NDArray[Any]], dim: int, layout: str
) -> Array:
    """Positions with the axis of coordinates, which may be missing behind chains or replicates."""
    positions = real_array(name, arrays["positions"], "positions")
    axis = -2 if layout == "(d, N)" else -1
    behind = 2 if "times" not in arrays else 3
    if dim == 1 and positions.ndim == behind and 1 not in positions.shape[-2:]:
        return np.expand_dims(positions, axis)
    return positions


def _log_weights(name: str, arrays: dict[str, npt.NDArray[Any]]) -> Array | None:
    if "log_weights" in arrays:
        return real_array(name, arrays["log_weights"], "log weights")
    if "weights" not in arrays:
        return None
    weights = real_array(name, arrays["weights"], "weights")
    if not (weights >= 0).all():
        raise SamplerError(name, "weights that are negative or NaN; needed numbers ≥ 0")
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(weights))


def _read_csv(name: str, path: Path) -> dict[str, npt.NDArray[Any]]:
    """One row a particle; a first row of names may mark ``t``, ``weight`` and the like."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SamplerError(name, f"{path.name} cannot be read: {error}") from None
    if not rows:
        raise SamplerError(name, f"{path.name} is empty")
    names = [f"x{k}" for k in range(len(rows[0]))]
    if not all(_is_number(entry) for entry in rows[0]):
        names, rows = [entry.strip() for entry in rows[0]], rows[1:]
    widths = {len(row) for row in rows}
    if widths != {len(names)}:
        raise SamplerError(name, f"{path.name} has rows of {sorted(widths)} entries; needed one "
                                 f"number for each of {len(names)} columns")  # fmt: skip
    try:
        table = np.array([[float(entry) for entry in row] for row in rows])
    except ValueError as error:
        raise SamplerError(name, f"{path.name}: {error}") from None
    columns = {key: table[:, names.index(key)] for key in _RESERVED if key in names}
    places = [k for k, key in enumerate(names) if key not in _RESERVED]
    return _split_table(name, path, table[:, places], columns)


def _split_table(
    name: str, path: Path, positions: Array, columns: dict[str, Array]
) -> dict[str, npt.NDArray[Any]]:
    marks = [columns[key] for key in ("chain", "t") if key in columns]
    groups = np.stack(marks, axis=1) if marks else np.zeros((len(positions), 1))
    values, where = np.unique(groups, axis=0, return_inverse=True)
    where = where.reshape(-1)
    lengths = tuple(len(np.unique(column)) for column in marks)
    sizes = np.bincount(where)
    what = " and ".join(key for key in ("chain", "t") if key in columns)
    if len(set(sizes)) > 1:
        raise SamplerError(name, f"{path.name} has {_some(sizes)} rows for the values of {what}; "
                                 "needed as many for each")  # fmt: skip
    if len(values) != np.prod(lengths or (1,)):
        raise SamplerError(name, f"{path.name} lacks rows; needed some for each {what}")
    order = np.argsort(where, kind="stable")
    shape = lengths or (1,)
    result = {"positions": positions[order].reshape(*shape, -1, positions.shape[1])}
    for key, target in (("log_weight", "log_weights"), ("weight", "weights")):
        if key in columns:
            result[target] = columns[key][order].reshape(*shape, -1)
    if "t" in columns:
        result["times"] = np.unique(columns["t"])
    return result


def _some(sizes: Integers) -> str:
    shown = ", ".join(map(str, sizes[:5]))
    return f"{shown}, …" if len(sizes) > 5 else shown


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_netcdf(name: str, path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read the posterior of an ArviZ file: its variables side by side are the coordinates."""
    arviz = extra("arviz", "arviz")
    try:
        return posterior_arrays(arviz.from_netcdf(str(path))["posterior"])
    except (ImportError, ValueError) as error:
        missing = ("unrecognized engine", "dependencies may not be installed")
        if not isinstance(error, ImportError) and not any(m in str(error) for m in missing):
            raise SamplerError(name, f"{path.name} has no posterior to read: {error}") from error
        raise DependencyMissingError(
            f"{path.name} needs a reader of NetCDF, which is not installed; 'pip install netCDF4', "
            "or save the samples as .npz"
        ) from error
    except Exception as error:  # xarray and its back ends raise many kinds
        raise SamplerError(name, f"{path.name} has no posterior to read: {error}") from error


def posterior_arrays(posterior: Any) -> dict[str, npt.NDArray[Any]]:
    """Return positions ``(chains, draws, d)``: the variables of ArviZ's posterior side by side."""
    parts = [
        np.asarray(posterior[key].transpose("chain", "draw", ...)).astype(float)
        for key in posterior.data_vars
    ]
    flat = [part.reshape(*part.shape[:2], -1) for part in parts]
    return {"positions": np.concatenate(flat, axis=2)}
