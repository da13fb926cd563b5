"""Files of ArviZ where a library is missing."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from wfrpde.errors import DependencyMissingError, SamplerError
from wfrpde.samplers.recorded import read_samples


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ImportError("No module named 'netCDF4'"), DependencyMissingError),
        (ValueError("unrecognized engine 'h5netcdf'"), DependencyMissingError),
        (ValueError("But their dependencies may not be installed"), DependencyMissingError),
        (ValueError("no such group"), SamplerError),
        (OSError("not HDF5"), SamplerError),
    ],
)
def test_a_missing_reader_is_not_a_missing_posterior(error, kind, tmp_path, monkeypatch):
    def from_netcdf(path):
        raise error

    monkeypatch.setitem(sys.modules, "arviz", SimpleNamespace(from_netcdf=from_netcdf))
    path = tmp_path / "chains.nc"
    path.write_bytes(b"")
    with pytest.raises(kind, match="NetCDF" if kind is DependencyMissingError else "posterior"):
        read_samples("one", path, 1, "(N, d)")


def test_a_byte_order_mark_is_no_part_of_a_table(tmp_path):
    path = tmp_path / "samples.csv"
    path.write_bytes(b"\xef\xbb\xbf1.0\n2.0\n3.0\n")
    [found] = read_samples("one", path, 1, "(N, d)")
    assert found.ensembles[0].positions.shape == (3, 1)
