"""Samplers of other people: Python objects, functions, commands, recorded samples; and failures."""

from __future__ import annotations

import json
import sys
import tempfile
import textwrap
import time
from types import SimpleNamespace

import numpy as np
import pytest

from wfrpde import load_case
from wfrpde.errors import DependencyMissingError, InputError, SamplerError
from wfrpde.samplers import SamplerContext, make_sampler
from wfrpde.samplers.python_sampler import load_python_sampler
from wfrpde.samplers.recorded import read_samples
from wfrpde.samplers.run import Request

CASE = """
[target]
kind = "gaussian_mixture"
weights = [0.5, 0.5]
means = [[0.0, 0.0], [6.0, 0.0]]
covariances = [1.0, 1.0]

[initial]
mean = [0.0, 1.0]
covariance = [1.0, 1.0]

[flow]
save = [0.25, 0.5]
"""

MODULE = """
import os
import time

import numpy as np


class Walk:
    '''The unadjusted Langevin algorithm, by someone else.'''

    def __init__(self, target, rate=1.0):
        self.target, self.rate = target, rate

    def step(self, ensemble, t, dt, rng):
        x, h = ensemble.positions, self.rate * dt
        return ensemble.moved(
            x - h * self.target.gradient(x) + np.sqrt(2 * h) * rng.standard_normal(x.shape)
        )


class Bare:
    '''Plain arrays in the other order.'''

    def __init__(self, target):
        pass

    def init(self, positions, rng):
        assert positions.shape[0] == 2
        return positions

    def step(self, ensemble, t, dt, rng):
        return ensemble.positions.T + dt, np.full(ensemble.size, t)


made = Walk(None)


def draw(target, n, times, rng, shift=0.0):
    return rng.standard_normal((len(times), n, target.dim)) + shift


def weighted(target, n, times, rng):
    print("told of", times)
    x = rng.standard_normal((len(times), n, target.dim))
    return x, -target.potential(x[0])[None] * np.ones((len(times), 1))


def raises(target, n, times, rng):
    raise RuntimeError("the wheels came off")


def nan(target, n, times, rng):
    return np.full((len(times), n, target.dim), np.nan)


def wrong_shape(target, n, times, rng):
    return np.zeros((len(times), n + 1, target.dim))


def words(target, n, times, rng):
    return "abc"


def forgets(target, n, times, rng):
    x = rng.standard_normal((len(times), n, target.dim))


def hangs(target, n, times, rng):
    time.sleep(1000)


def raises_or_crashes(target, n, times, rng):
    import sys

    if n == 1:
        raise ValueError("n is one")
    print("about to go", file=sys.stderr, flush=True)
    os._exit(7)


class Broken:
    def __init__(self, target):
        raise ValueError("no such thing")


number = 3
"""


@pytest.fixture
def prepare(tmp_path):
    """Sampler from the text of its table, in a case file of its own folder."""
    (tmp_path / "theirs.py").write_text(MODULE, encoding="utf-8")

    def make(table: str, name: str = "case.toml"):
        path = tmp_path / name
        path.write_text(f"{CASE}\n[[sampler]]\n{textwrap.dedent(table)}\n", encoding="utf-8")
        case = load_case(path)
        return make_sampler(case.samplers[0], SamplerContext.of(case))

    return make


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Sampler of the module above in this process."""
    (tmp_path / "theirs.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "case.toml").write_text(CASE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    context = SamplerContext.of(load_case(tmp_path / "case.toml"))

    def make(reference, **parameters):
        return load_python_sampler("it", reference, context.equation, context, parameters, "(N, d)")

    yield make
    sys.modules.pop("theirs", None)


SEED = np.random.SeedSequence(5)
TIMES = (0.25, 0.5)


# --- Python ------------------------------------------------------------------------------------


def test_a_class_follows_the_builtin_one_to_the_last_digit(prepare):
    own = prepare('kind = "langevin"').run(SEED, 50, 0.1, TIMES)
    run = prepare('python = "theirs:Walk"')
    theirs = run.run(SEED, 50, 0.1, TIMES)
    assert (run.name, run.claims.label) == ("theirs:Walk", "WFR")
    for a, b in zip(own.ensembles, theirs.ensembles, strict=True):
        assert np.allclose(a.positions, b.positions, rtol=0, atol=1e-12)
    assert theirs.facts["steps"] == own.facts["steps"] == 6
    run.close()


def test_parameters_reach_the_class(prepare):
    run = prepare('python = "theirs:Walk"\nrate = 0.0')
    made = run.run(SEED, 50, 0.1, TIMES)
    assert np.array_equal(made.ensembles[0].positions, made.ensembles[1].positions)
    run.close()


def test_plain_arrays_in_the_other_order(prepare):
    run = prepare('python = "theirs:Bare"\nlayout = "(d, N)"')
    first, last = run.run(SEED, 50, 0.125, TIMES).ensembles
    assert np.allclose(last.positions - first.positions, 0.25, atol=1e-12)
    assert np.all(last.log_weights == 0.375)
    run.close()


def test_a_function(prepare):
    run = prepare('python = "theirs:draw"\nshift = 2.0\nname = "draws"')
    made = run.run(SEED, 4000, 0.1, TIMES)
    assert [e.positions.shape for e in made.ensembles] == [(4000, 2)] * 2
    assert np.abs(made.ensembles[1].positions.mean(axis=0) - 2.0).max() < 4 / np.sqrt(4000)
    again = run.run(SEED, 4000, 0.1, TIMES)
    assert np.array_equal(made.ensembles[0].positions, again.ensembles[0].positions)
    run.close()


def test_a_function_with_weights_that_samples_the_target(prepare):
    run = prepare('python = "theirs:weighted"\nclaims = "target"')
    made = run.run(SEED, 100, 0.1, TIMES)
    assert made.times.tolist() == [np.inf]
    assert 1 < made.ensembles[0].ess < 100
    run.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", "RuntimeError: the wheels came off (theirs.py, line "),
        ("forgets", "positions that are None; needed an array of real numbers"),
        ("nan", "at t = 0.25 20 of 20 positions are NaN"),
        ("wrong_shape", "positions of shape (2, 21, 2); needed (2, 20, 2)"),
        ("words", "positions of type <U3; needed real numbers"),
    ],
)
def test_what_goes_wrong_is_told_by_name(here, name, words):
    run = here(f"theirs:{name}")
    with pytest.raises(SamplerError) as caught:
        run.run(SEED, 20, 0.1, TIMES)
    assert str(caught.value).startswith("sampler it: ")
    assert words in str(caught.value)


def test_errors_and_crashes_of_another_process_are_told_by_name(prepare):
    run = prepare('python = "theirs:raises_or_crashes"\nname = "theirs"')
    for n, words in [
        (1, "ValueError: n is one"),
        (2, "its process ended (exit code 7)\n    about to go"),
        (1, "ValueError: n is one"),  # it can be tried again
    ]:
        with pytest.raises(SamplerError) as caught:
            run.run(SEED, n, 0.1, TIMES)
        assert str(caught.value).startswith("sampler theirs: ")
        assert words in str(caught.value)
    run.close()


def test_a_function_that_hangs_is_ended(prepare):
    run = prepare('python = "theirs:hangs"\ntime_limit = 60.0')
    run.time_limit = 0.5
    with pytest.raises(SamplerError, match=r"theirs:hangs: not done after 0\.5 s, and ended"):
        run.run(SEED, 20, 0.1, TIMES)
    assert run._process is None


def test_a_stop_ends_the_wait(prepare):
    run = prepare('python = "theirs:hangs"')
    made = run.run(SEED, 20, 0.1, TIMES, stop=lambda: True)
    assert made.ensembles == ()
    assert made.facts["complete"] is False


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("theirs", "found 'theirs'; needed 'module:object'"),
        ("nowhere:x", "found nowhere, which cannot be imported: ModuleNotFoundError"),
        ("theirs:absent", "found no absent in theirs; needed one of Bare,"),
        ("theirs:Broken", "theirs:Broken, which failed when it was made: TypeError"),
        ("theirs:made", "rate: found an unknown key"),
    ],
)
def test_a_python_sampler_that_cannot_be_made(here, reference, words):
    with pytest.raises(InputError) as caught:
        here(reference, rate=2.0)
    assert str(caught.value).startswith("sampler it: ")
    assert words in str(caught.value)


def test_it_cannot_be_made_in_another_process_either(prepare):
    with pytest.raises(InputError, match=r"^sampler theirs:number: python: found theirs:number"):
        prepare('python = "theirs:number"')


def test_a_sampler_that_a_package_registers(prepare, monkeypatch):
    from wfrpde.samplers import registry

    monkeypatch.setattr(registry, "registered", lambda: {"walk": "theirs:Walk"})
    run = prepare('kind = "walk"\nrate = 0.5')
    assert run.run(SEED, 10, 0.1, TIMES).ensembles[1].size == 10
    run.close()
    with pytest.raises(InputError, match=r"sampler\[0\].kind: found 'wakl'.*Did you mean walk\?"):
        prepare('kind = "wakl"')


def test_it_cannot_share_an_ensemble_with_other_ranks(tmp_path):
    (tmp_path / "case.toml").write_text(CASE + '[[sampler]]\npython = "theirs:Walk"\n', "utf-8")
    case = load_case(tmp_path / "case.toml")
    context = SamplerContext.of(case, comm=SimpleNamespace(size=2, rank=0))
    with pytest.raises(InputError, match="theirs:Walk, which knows nothing of other ranks"):
        make_sampler(case.samplers[0], context)


# --- commands ----------------------------------------------------------------------------------

PROGRAM = """
import json
import sys

import numpy as np

request = json.load(open(sys.argv[-1]))
assert json.load(sys.stdin) == request
rng = np.random.default_rng(request["seed"])
times = request["times"] or [None]
x = rng.standard_normal((len(times), request["particles"], request["dim"]))
np.savez(request["output"], positions=x + request["parameters"].get("shift", 0.0))
"""


@pytest.fixture
def program(tmp_path, prepare):
    def make(text: str, keys: str = ""):
        (tmp_path / "program.py").write_text(textwrap.dedent(text), encoding="utf-8")
        command = json.dumps([sys.executable, "program.py"])
        return prepare(f'command = {command}\nname = "theirs"\n{keys}')

    return make


def test_a_command(program):
    run = program(PROGRAM, "shift = 3.0")
    made = run.run(SEED, 4000, 0.1, TIMES)
    assert [e.positions.shape for e in made.ensembles] == [(4000, 2)] * 2
    assert np.abs(made.ensembles[0].positions.mean(axis=0) - 3.0).max() < 4 / np.sqrt(4000)
    assert np.array_equal(
        made.ensembles[0].positions, run.run(SEED, 4000, 0.1, TIMES).ensembles[0].positions
    )
    assert not np.array_equal(
        made.ensembles[0].positions,
        run.run(np.random.SeedSequence(6), 4000, 0.1, TIMES).ensembles[0].positions,
    )


SEVERAL = """
import json
import sys

import numpy as np

request = json.load(sys.stdin)
assert request["seed"] == request["seeds"][0]
shape = (len(request["times"]), request["particles"], request["dim"])
x = [np.random.default_rng(seed).standard_normal(shape) for seed in request["seeds"]]
with open("starts", "a") as file:
    file.write(f"{len(x)}\\n")
np.savez(request["output"], positions=x, log_weights=np.zeros((len(x), *shape[:2])))
"""


def test_a_command_that_makes_many_replicates_in_one_process(program, tmp_path):
    """Each is that of its own seed, whichever others are made with it."""
    alone, run = program(PROGRAM), program(SEVERAL, "batch = 3")
    seeds = np.random.SeedSequence(5).spawn(5)
    made = run.together([Request(seed, 20, 0.1, TIMES) for seed in seeds])
    assert (tmp_path / "starts").read_text().split() == ["3", "2"]
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    for seed, trajectory in zip(seeds, made, strict=True):
        same = alone.run(seed, 20, 0.1, TIMES)
        for one, other in zip(trajectory.ensembles, same.ensembles, strict=True):
            assert np.array_equal(one.positions, other.positions)


def test_a_command_that_does_not_heed_its_batch(program):
    with pytest.raises(SamplerError, match=r"needed 3 replicates in front, one of each seed"):
        program(PROGRAM, "batch = 3").together([Request(SEED, 20, 0.1, TIMES)] * 3)


def test_a_batch_is_for_commands(prepare):
    with pytest.raises(InputError, match=r"without sampler\.command"):
        prepare('kind = "langevin"\nbatch = 3')


def test_a_command_that_complains_without_end(program, tmp_path, monkeypatch):
    """A hundred megabytes of complaints are neither kept nor written to the disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    text = f"""
        import os, sys
        for k in range(100):
            sys.stderr.write("x" * 1_000_000)
        most = max(os.path.getsize(os.path.join(place, name))
                   for place, _, names in os.walk({str(tmp_path / "temporary")!r})
                   for name in names)
        sys.exit(f"\\nthe largest file has less than a megabyte: {{most < 1_000_000}}")
        """
    with pytest.raises(SamplerError, match="less than a megabyte: True") as caught:
        program(text).run(SEED, 20, 0.1, TIMES)
    assert len(str(caught.value)) < 2000


def test_a_command_that_samples_the_target(program):
    run = program(PROGRAM, 'claims = "target"')
    assert run.run(SEED, 10, 0.1, TIMES).times.tolist() == [np.inf]


def test_the_request(program, tmp_path):
    from wfrpde.fields import numpy_function, parse_expression

    run = program(PROGRAM, "depth = 3")
    request = run.request([SEED], 7, 0.1, np.array(TIMES), tmp_path / "out.npz")
    assert json.loads(json.dumps(request)) == request
    assert request["parameters"] == {"depth": 3}
    assert request["initial"]["mean"] == [0.0, 1.0]
    assert (request["alpha"], request["beta"], request["times"]) == (1.0, 1.0, [0.25, 0.5])
    assert 0 <= request["seed"] < 2**53
    # the potential can be read again, here or elsewhere
    potential = numpy_function(parse_expression(request["potential"], 2, "here"), 2)
    x = np.random.default_rng(0).standard_normal((5, 2))
    assert np.allclose(potential(x), run.context.target.potential(x), rtol=1e-13)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "import sys\nfor k in range(9): print('line', k, file=sys.stderr)\nsys.exit(3)",
            "exit code 3\n    line 4\n    line 5\n    line 6\n    line 7\n    line 8",
        ),
        ("pass", "ended well, but wrote no file samples.npz"),
        ("import os\nos.kill(os.getpid(), 9)", "killed by signal 9"),
        (
            "import json, sys\nimport numpy as np\n"
            "np.savez(json.load(sys.stdin)['output'], positions=np.zeros((1, 3)))",
            "positions of shape (1, 3); needed (2, 20, 2)",
        ),
        (
            "import json, sys\nimport numpy as np\n"
            "np.savez(json.load(sys.stdin)['output'], x=np.zeros((1, 3)))",
            "wrote x; needed an array 'positions'",
        ),
        (
            "import json, sys\nimport numpy as np\n"
            "np.savez(json.load(sys.stdin)['output'], positions=np.array([print], dtype=object))",
            "samples.npz holds pickled Python objects",
        ),
        (
            "import json, sys\nopen(json.load(sys.stdin)['output'], 'wb').write(b'PK nonsense')",
            "samples.npz",
        ),
    ],
)
def test_a_command_that_fails(program, text, words):
    with pytest.raises(SamplerError) as caught:
        program(text).run(SEED, 20, 0.1, TIMES)
    assert str(caught.value).startswith("sampler theirs: ")
    assert words in str(caught.value)


def test_a_command_that_hangs_is_ended_with_its_children(program, tmp_path):
    mark = tmp_path / "mark"
    text = f"""
        import pathlib, subprocess, sys, time
        child = "import time, pathlib; time.sleep(2); pathlib.Path({str(mark)!r}).touch()"
        subprocess.Popen([sys.executable, "-c", child])
        time.sleep(1000)
        """
    with pytest.raises(SamplerError, match=r"theirs: not done after 1 s, and ended"):
        program(text, "time_limit = 1.0").run(SEED, 20, 0.1, TIMES)
    time.sleep(2.5)
    assert not mark.exists()


def test_a_program_that_is_not_there(prepare):
    with pytest.raises(SamplerError, match="no-such-program cannot be started: No such file"):
        prepare('command = ["no-such-program"]').run(SEED, 20, 0.1, TIMES)


# --- recorded samples --------------------------------------------------------------------------

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
