"""ParaView files: a ``.vtu`` or ``.pvtu`` a saved time, with their times in ``solution.pvd``.

Every file is complete when it appears under its name, and the collection comes last, so that a
viewer never meets a half-written series.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from wfrpde._compat import how
from wfrpde.arrays import Array
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.errors import DependencyMissingError
from wfrpde.parallel import collectively
from wfrpde.parallel.files import atomic
from wfrpde.parallel.screen import logger

if TYPE_CHECKING:
    from wfrpde.flow.solution import Solution

CELLS = 500_000
"""Cells of a file, about: what is written is in memory several times."""

VTK_CELL = {"interval": 3, "triangle": 5, "quadrilateral": 9, "tetrahedron": 10, "hexahedron": 12}
"""VTK's numbers for the linear cells."""


def fields_can_be_written() -> bool:
    """Whether there is VTK; without it one line says how to get it."""
    found = importlib.util.find_spec("vtkmodules") is not None
    if not found:
        logger.warning("no files for ParaView are written: they need VTK, %s", how("plot3d"))
    return found


def write_paraview(solution: Solution, folder: Path, comm: Any = None) -> list[Path]:
    """Write the nodal fields at every saved time.

    Fields: ``density`` ρ (per unit volume), ``log_density``, ``relative_density`` ρ/π,
    ``log_relative_density`` (natural logarithms), ``potential`` V (kT), and the vectors
    ``current`` (of probability, per unit time) of dynamics that are not reversible. Where ρ/π
    exceeds what a double holds it is NaN, and its logarithm is to be used.

    Of more than `CELLS` cells of a box a time has several ``.vtu`` files, the same from any number
    of ranks, and a ``.pvtu`` that lists them.

    Parameters
    ----------
    solution
        A finished or interrupted solution.
    folder
        An existing folder, which all ranks see.
    comm
        The ranks that share the work (collective); None for the calling process alone.

    Returns
    -------
    list of Path
        ``solution.pvd`` first, then what it lists in the order of time, then further parts.

    Raises
    ------
    OSError
        If a file cannot be written; on every rank.
    """
    shape = solution.interpolation
    box = shape if isinstance(shape, TensorInterpolation) else None
    count = 1
    if box is not None:
        held = box.grid.n_cells * box.degree**box.grid.dim
        count = min(-(-held // CELLS), len(box.grid.active))
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    times = range(len(solution.times))
    names = [f"solution_{index:04d}" for index in times]
    parts: list[list[str]] = [[] for _ in times]
    kinds: dict[str, int] = {}
    with collectively(comm):
        for k in range(rank, count, size):
            some, cells = (slice(None), shape.cells) if box is None else box.part(k, count)
            if len(cells) == 0 and count > 1:
                continue
            nodes = shape.nodes_at(some)
            grid = unstructured_grid(nodes, cells, solution.cell_type)
            potential = np.asarray(solution.target.potential(nodes), dtype=float)
            for index in times:
                path = folder / (names[index] + f"_{k:04d}" * (count > 1) + ".vtu")
                fields = _fields(solution, index, some, nodes, potential)
                write_fields(grid, fields, path)
                parts[index].append(path.name)
                kinds = {name: values.ndim for name, values in fields.items()}
    if size > 1:
        every = comm.allgather((parts, kinds))
        parts = [sorted(name for found, _ in every for name in found[index]) for index in times]
        kinds = max((found for _, found in every), key=len)
    members = [folder / f"{name}.{'pvtu' if count > 1 else 'vtu'}" for name in names]
    collection = folder / "solution.pvd"
    with collectively(comm):
        if rank == 0:
            for member, found in zip(members, parts, strict=True):
                if count > 1:
                    write_parts(member, kinds, found)
            write_collection(collection, [float(t) for t in solution.times], members)
    further = [folder / name for found in parts for name in found] if count > 1 else []
    return [collection, *members, *further]


def _fields(
    solution: Solution, index: int, some: slice, nodes: Array, potential: Array
) -> dict[str, Array]:
    """Return the fields of a time at some of the nodes."""
    log_relative = np.asarray(solution.log_relative[index, some], dtype=float)
    log_density = log_relative - potential - solution.log_normalisation
    with np.errstate(over="ignore", under="ignore"):
        relative = np.exp(log_relative)
        density = np.exp(log_density)
    overflown = np.isposinf(relative)
    if overflown.any():
        logger.info(
            "ParaView: rho/pi exceeds the range of a double at %d nodes at t = %g; "
            "look at log_relative_density there",
            overflown.sum(),
            solution.times[index],
        )
        relative[overflown] = np.nan
    fields = {
        "density": density,
        "log_density": log_density,
        "relative_density": relative,
        "log_relative_density": log_relative,
        "potential": potential,
    }
    if circulates(solution):
        current = solution.current(float(solution.times[index]), nodes)
        fields["current"] = np.pad(current, ((0, 0), (0, 3 - current.shape[1])))
    return fields


def circulates(solution: Solution) -> bool:
    """Whether there may be a current even where nothing changes."""
    dynamics = solution.densities.equation.dynamics
    return dynamics is not None and not dynamics.reversible


def unstructured_grid(nodes: Array, cells: NDArray[np.integer[Any]], cell_type: str) -> Any:
    """Build a VTK grid of linear cells.

    Parameters
    ----------
    nodes
        Shape (n, d), d <= 3.
    cells
        Node numbers in VTK's vertex order, shape (m, k).
    cell_type
        A key of `VTK_CELL`.

    Returns
    -------
    vtkUnstructuredGrid
    """
    try:
        from vtkmodules.util import numpy_support
        from vtkmodules.vtkCommonCore import vtkPoints
        from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkUnstructuredGrid
    except ImportError as error:
        raise DependencyMissingError(
            f"ParaView files need VTK, which cannot be imported ({error}): "
            f"{how('plot3d')}, or set output.paraview = false"
        ) from error
    # VTK wraps this module without types.
    convert: Any = numpy_support
    points = vtkPoints()
    padded = np.zeros((nodes.shape[0], 3))
    padded[:, : nodes.shape[1]] = nodes
    points.SetData(convert.numpy_to_vtk(padded, deep=True))
    connectivity = np.ascontiguousarray(cells, dtype=np.int64)
    offsets = np.arange(connectivity.shape[0] + 1, dtype=np.int64) * connectivity.shape[1]
    cell_array = vtkCellArray()
    cell_array.SetData(
        convert.numpy_to_vtkIdTypeArray(offsets, deep=True),
        convert.numpy_to_vtkIdTypeArray(connectivity.ravel(), deep=True),
    )
    grid = vtkUnstructuredGrid()
    grid.SetPoints(points)
    grid.SetCells(VTK_CELL[cell_type], cell_array)
    return grid


def write_fields(grid: Any, fields: dict[str, Array], path: Path) -> None:
    """Write one ``.vtu`` file, which appears only once it is complete.

    Parameters
    ----------
    grid
        From `unstructured_grid`; its point data are replaced.
    fields
        Nodal values by name; a viewer shows the first one first.
    path
        The file.
    """
    from vtkmodules.util import numpy_support
    from vtkmodules.vtkCommonCore import vtkObject
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    convert: Any = numpy_support
    data = grid.GetPointData()
    data.Initialize()
    for name, values in fields.items():
        array = convert.numpy_to_vtk(np.ascontiguousarray(values, dtype=np.float64), deep=True)
        array.SetName(name)
        data.AddArray(array)
    data.SetActiveScalars(next(iter(fields)))
    writer = vtkXMLUnstructuredGridWriter()
    writer.SetInputData(grid)
    writer.SetDataModeToAppended()
    writer.SetEncodeAppendedData(False)
    writer.SetCompressorTypeToZLib()
    writer.SetCompressionLevel(1)  # twice as fast as the default, and 3 % larger
    with atomic(path, "wb") as stream:
        writer.SetFileName(stream.name)
        shown = vtkObject.GetGlobalWarningDisplay()
        vtkObject.GlobalWarningDisplayOff()  # one message is enough, and ours is shorter
        try:
            if not writer.Write():
                raise OSError(f"{path}: VTK could not write this file; is the disk full?")
        finally:
            vtkObject.SetGlobalWarningDisplay(shown)


def write_parts(path: Path, fields: dict[str, int], parts: list[str]) -> None:
    """Write a ``.pvtu`` file that lists ``.vtu`` files beside it, which make up one grid.

    `fields`: names of the point data, and the number of axes of their arrays: 1, or 2 for vectors.
    """
    root = ElementTree.Element(
        "VTKFile", type="PUnstructuredGrid", version="0.1", byte_order="LittleEndian"
    )
    grid = ElementTree.SubElement(root, "PUnstructuredGrid", GhostLevel="0")
    points = ElementTree.SubElement(grid, "PPoints")
    ElementTree.SubElement(points, "PDataArray", type="Float64", NumberOfComponents="3")
    data = ElementTree.SubElement(grid, "PPointData", Scalars=next(iter(fields)))
    for name, axes in fields.items():
        ElementTree.SubElement(
            data,
            "PDataArray",
            type="Float64",
            Name=name,
            NumberOfComponents="3" if axes > 1 else "1",
        )
    for name in parts:
        ElementTree.SubElement(grid, "Piece", Source=name)
    _written(root, path)


def write_collection(path: Path, times: list[float], members: list[Path]) -> None:
    """Write a ``.pvd`` file that lists ``.vtu`` files beside it with their times."""
    root = ElementTree.Element(
        "VTKFile", type="Collection", version="0.1", byte_order="LittleEndian"
    )
    collection = ElementTree.SubElement(root, "Collection")
    for time, member in zip(times, members, strict=True):
        ElementTree.SubElement(
            collection, "DataSet", timestep=repr(time), group="", part="0", file=member.name
        )
    _written(root, path)


def _written(root: ElementTree.Element, path: Path) -> None:
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode", xml_declaration=True)
    with atomic(path) as stream:
        stream.write(text + "\n")
