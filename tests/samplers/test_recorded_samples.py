"""Recorded samples of other people: arrays, tables, NetCDF; and files that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest

from wfrpde.errors import DependencyMissingError, SamplerError
from wfrpde.samplers.recorded import read_samples

SEED = np.random.SeedSequence(5)
TIMES = (0.25, 0.5)

X = np.random.default_rng(0).standard_normal((2, 30, 2))


def recorded(prepare, tmp_path, keys: str = "", **arrays):
    np.savez(tmp_path / "samples.npz", **arrays)
    return prepare(f'samples = "samples.npz"\n{keys}')


def test_recorded_samples_with_times(prepare, tmp_path):
    run = recorded(prepare, tmp_path, positions=X, times=[0.25, 0.5], log_weights=X[..., 0])
    assert (run.name, run.claims.label, run.replicates) == ("samples.npz", "WFR", 1)
    made = run.run(SEED, 1000, 0.1, [0.5])
    assert made.times.tolist() == [0.5]
    assert np.array_equal(made.ensembles[0].positions, X[1])
    assert np.array_equal(made.ensembles[0].log_weights, X[1, :, 0])
    with pytest.raises(SamplerError, match=r"no samples at t = 0\.3; the file has 0\.25, 0\.5"):
        run.run(SEED, 1000, 0.1, [0.3])


def test_recorded_replicates(prepare, tmp_path):
    run = recorded(prepare, tmp_path, positions=np.stack([X, X + 1, X + 2]), times=[0.25, 0.5])
    assert run.replicates == 3
    seeds = SEED.spawn(4)
    shifts = [run.run(s, 0, 0.1, TIMES).ensembles[0].positions - X[0] for s in seeds[:3]]
    assert np.allclose([s.mean() for s in shifts], [0, 1, 2], atol=1e-12)
    with pytest.raises(SamplerError, match="replicate 4 of 3 in the file"):
        run.run(seeds[3], 0, 0.1, TIMES)


def test_recorded_chains(prepare, tmp_path):
    run = recorded(prepare, tmp_path, positions=X, weights=np.abs(X[..., 0]))
    made = run.run(SEED, 0, 0.1, TIMES)
    assert run.claims is None
    assert made.times.tolist() == [np.inf]
    assert np.array_equal(made.ensembles[0].positions, X.reshape(60, 2))
    assert np.allclose(np.exp(made.ensembles[0].log_weights), np.abs(X[..., 0]).ravel())
    assert (made.facts["chains"], made.facts["draws"]) == (2, 30)


def test_recorded_arrays_in_the_other_order(prepare, tmp_path):
    np.save(tmp_path / "samples.npy", X[0].T)
    run = prepare('samples = "samples.npy"\nlayout = "(d, N)"')
    assert np.array_equal(run.run(SEED, 0, 0.1, TIMES).ensembles[0].positions, X[0])
    with pytest.raises(SamplerError, match=r'shape \(2, 30\); needed .*layout = "\(d, N\)"'):
        prepare('samples = "samples.npy"').run(SEED, 0, 0.1, TIMES)


@pytest.mark.parametrize("header", ["", "x,y"])
def test_a_table_of_numbers(prepare, tmp_path, header):
    np.savetxt(tmp_path / "samples.csv", X[0], delimiter=",", header=header, comments="")
    made = prepare('samples = "samples.csv"').run(SEED, 0, 0.1, TIMES)
    assert np.allclose(made.ensembles[0].positions, X[0], rtol=1e-15)


def test_a_table_with_times_and_weights(prepare, tmp_path):
    rows = ["t,x,weight,y"]
    rows += [f"{t},{x!r},{k + 1},{y!r}" for k, (x, y) in enumerate(X[0].tolist()) for t in TIMES]
    (tmp_path / "samples.csv").write_text("\n".join(rows), encoding="utf-8")
    made = prepare('samples = "samples.csv"').run(SEED, 0, 0.1, TIMES)
    assert made.times.tolist() == list(TIMES)
    assert np.array_equal(made.ensembles[1].positions, X[0])
    assert np.allclose(np.exp(made.ensembles[1].log_weights), np.arange(1, 31))


def test_a_table_of_replicates_with_times(prepare, tmp_path):
    rows = ["chain,t,x,y"]
    for replicate, shift in enumerate((0.0, 1.0, 2.0)):
        rows += [f"{replicate},{t},{x + shift!r},{y!r}" for x, y in X[0].tolist() for t in TIMES]
    (tmp_path / "samples.csv").write_text("\n".join(rows), encoding="utf-8")
    run = prepare('samples = "samples.csv"')
    assert run.replicates == 3
    made = run.run(np.random.SeedSequence(5).spawn(3)[2], 0, 0.1, TIMES)
    assert made.times.tolist() == list(TIMES)
    assert np.allclose(made.ensembles[1].positions, X[0] + [2.0, 0.0], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("samples.csv", b"", "samples.csv is empty"),
        ("samples.csv", b"x,y\n1,2\n3", "rows of [1, 2] entries; needed one number for each of 2"),
        ("samples.csv", b"x,y\n1,two", "could not convert"),
        ("samples.csv", b"t,x,y\n1,2,3\n1,2,3\n2,3,4", "2, 1 rows for the values of t"),
        ("samples.csv", b"t,chain,x,y\n1,1,2,3\n2,2,3,4", "lacks rows; needed some for each chain"),
        ("samples.csv", b"x,y\n1,nan", "1 of 1 positions are NaN"),
        ("samples.csv", b"x,y,z\n1,2,3", "positions of shape (1, 3)"),
        ("samples.txt", b"1 2", "needed a file of one of the kinds .npz, .npy, .csv, .nc"),
        ("samples.npz", b"nonsense", "samples.npz"),
        ("samples.npz", b"", "samples.npz is no .npz or .npy file"),
    ],
)
def test_a_file_that_cannot_be_used(prepare, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SamplerError) as caught:
        prepare(f'samples = "{name}"').run(SEED, 0, 0.1, TIMES)
    assert words in str(caught.value)


def test_arrays_that_cannot_be_used(prepare, tmp_path):
    for arrays, words in [
        ({"x": X}, "samples.npz holds x; needed positions"),
        ({"positions": X, "time": TIMES}, "samples.npz holds positions, time: unknown time;"),
        ({"positions": X, "weights": X, "log_weights": X}, "holds weights and log_weights; needed"),
        ({"positions": X, "times": [0.5, 0.25]}, "times [0.5, 0.25]; needed a list that ascends"),
        ({"positions": X, "times": [0.1, 0.2, 0.3]}, "needed (3, N, 2)"),
        ({"positions": X, "weights": -np.ones(60)}, "weights that are negative"),
        ({"positions": X, "weights": np.ones(7)}, "log weights of shape (1, 7); needed (1, 60)"),
        ({"positions": X.astype(complex)}, "positions of type complex128; needed real numbers"),
        ({"positions": np.array([{}], dtype=object)}, "pickled Python objects, which could run"),
    ]:
        with pytest.raises(SamplerError) as caught:
            recorded(prepare, tmp_path, **arrays).run(SEED, 0, 0.1, TIMES)
        assert words in str(caught.value)
    with pytest.raises(SamplerError, match="no file"):
        prepare('samples = "absent.npz"').run(SEED, 0, 0.1, TIMES)


def test_netcdf_needs_arviz(prepare, tmp_path):
    (tmp_path / "samples.nc").write_bytes(b"")
    try:
        import arviz  # noqa: F401
    except ImportError:
        words = r"pip install 'wfrpde\[arviz\]'"
    else:
        words = "has no posterior to read"
    with pytest.raises((SamplerError, DependencyMissingError), match=words):
        prepare('samples = "samples.nc"')


def test_recorded_netcdf(prepare, tmp_path):
    arviz = pytest.importorskip("arviz")
    try:
        data = arviz.from_dict(posterior={"place": X})
    except TypeError:  # from ArviZ 1.0 on
        data = arviz.from_dict({"posterior": {"place": X}})
    data.to_netcdf(str(tmp_path / "samples.nc"))
    made = prepare('samples = "samples.nc"').run(SEED, 0, 0.1, TIMES)
    assert np.array_equal(made.ensembles[0].positions, X.reshape(60, 2))


def test_one_dimension_may_drop_its_axis():
    from wfrpde.samplers.exchange import shaped_positions

    rows = np.arange(6.0)
    for array, times, shape in [
        (rows, 1, (1, 6, 1)),
        (rows[None], 1, (1, 6, 1)),
        (rows[:, None], 1, (1, 6, 1)),
        (rows.reshape(2, 3), 2, (2, 3, 1)),
        (rows.reshape(2, 3, 1), 2, (2, 3, 1)),
    ]:
        assert shaped_positions("it", array, times, 1, "(N, d)").shape == shape
    assert shaped_positions("it", rows[None], 1, 1, "(d, N)").shape == (1, 6, 1)
    with pytest.raises(SamplerError, match=r"shape \(6,\); needed \(2, N, 1\)"):
        shaped_positions("it", rows, 2, 1, "(N, d)")


def test_replicates_and_chains_may_drop_it_too(tmp_path):
    for arrays, layout, shapes in [
        ({"positions": X, "times": TIMES}, "(N, d)", []),
        ({"positions": X[:, :, 0]}, "(N, d)", [(1, 60, 1)]),
        ({"positions": X[:, :, 0]}, "(d, N)", [(1, 60, 1)]),
        ({"positions": np.stack([X[..., 0]] * 3), "times": TIMES}, "(N, d)", [(2, 30, 1)] * 3),
        ({"positions": X[..., :1], "times": TIMES}, "(N, d)", [(2, 30, 1)]),
    ]:
        np.savez(tmp_path / "samples.npz", **arrays)
        if not shapes:
            with pytest.raises(SamplerError, match="positions of shape"):
                read_samples("it", tmp_path / "samples.npz", 1, layout)
            continue
        found = read_samples("it", tmp_path / "samples.npz", 1, layout)
        got = [(len(t.times), *t.ensembles[0].positions.shape) for t in found]
        assert got == shapes
