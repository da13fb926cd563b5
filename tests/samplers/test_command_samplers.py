"""Samplers of other people as commands; and their failures."""

from __future__ import annotations

import json
import sys
import tempfile
import textwrap
import time

import numpy as np
import pytest

from wfrpde.errors import InputError, SamplerError
from wfrpde.samplers.run import Request

SEED = np.random.SeedSequence(5)
TIMES = (0.25, 0.5)

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
