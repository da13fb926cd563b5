"""ParaView files: one ``.vtu`` a saved time, gathered with their times in ``solution.pvd``.

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
from wfrpde.errors import DependencyMissingError
from wfrpde.parallel.files import atomic
from wfrpde.parallel.screen import logger

if TYPE_CHECKING:
    from wfrpde.flow.solution import Solution

VTK_CELL = {"interval": 3, "triangle": 5, "quadrilateral": 9, "tetrahedron": 10, "hexahedron": 12}
"""VTK's numbers for the linear cells."""


def fields_can_be_written() -> bool:
    """Whether there is VTK; without it one line says how to get it."""
    found = importlib.util.find_spec("vtkmodules") is not None
    if not found:
        logger.warning("no files for ParaView are written: they need VTK, %s", how("plot3d"))
    return found


def write_paraview(solution: Solution, folder: Path) -> list[Path]:
    """Write the nodal fields at every saved time. Not collective: call it on one rank.

    Fields: ``density`` ρ (per unit volume), ``log_density``, ``relative_density`` ρ/π,
    ``log_relative_density`` (natural logarithms), ``potential`` V (kT), and the vectors
    ``current`` (of probability, per unit time) of dynamics that are not reversible. Where ρ/π
    exceeds what a double holds it is NaN, and its logarithm is to be used.

    Parameters
    ----------
    solution
        A finished or interrupted solution.
    folder
        An existing folder.

    Returns
    -------
    list of Path
        ``solution.pvd`` first, then the ``.vtu`` files in the order of time.
    """
    nodes = np.asarray(solution.nodes, dtype=float)
    potential = np.asarray(solution.target.potential(nodes), dtype=float)
    grid = unstructured_grid(nodes, solution.cells, solution.cell_type)
    paths = []
    for index, log_relative in enumerate(np.asarray(solution.log_relative, dtype=float)):
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
        path = folder / f"solution_{index:04d}.vtu"
        write_fields(grid, fields, path)
        paths.append(path)
    collection = folder / "solution.pvd"
    write_collection(collection, [float(t) for t in solution.times], paths)
    return [collection, *paths]


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
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode", xml_declaration=True)
    with atomic(path) as stream:
        stream.write(text + "\n")
