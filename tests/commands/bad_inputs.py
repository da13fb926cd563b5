"""A table of malformed inputs, and what the one message about each of them has to say."""

from __future__ import annotations

from dataclasses import dataclass, field

import bad_kinds

CASE = """
[target]
potential = "x**2 + y**2"
[initial]
mean = [0.5, 0.0]
covariance = [[0.5, 0.0], [0.0, 0.5]]
[flow]
save = [0.01]
[numerics]
cells = [8, 8]
[domain]
box = [[-4.0, 4.0], [-4.0, 4.0]]
[[sampler]]
kind = "langevin"
name = "one"
"""

LINE = """
[target]
potential = "x**2"
[initial]
mean = [0.5]
covariance = [[0.5]]
[flow]
save = [0.01]
"""


@dataclass(frozen=True)
class Bad:
    """One malformed input: the words of the command, the files beside, and what is said."""

    words: tuple[str, ...]
    says: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    environment: dict[str, str | None] = field(default_factory=dict)


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()


def case(content: str | bytes, *says: str, command: str = "solve", **files: str | bytes) -> Bad:
    """Make a row of a whole case file; names of further files have ``_`` for the dot."""
    others = {name.replace("_", "."): _bytes(text) for name, text in files.items()}
    return Bad((command, "case.toml", "--quiet"), says, {"case.toml": _bytes(content), **others})


def put(assignment: str, *says: str, command: str = "solve", base: str = CASE) -> Bad:
    """Make a row of one changed key."""
    words = (command, "case.toml", "--quiet", "--set", assignment)
    return Bad(words, says, {"case.toml": base.encode()})


def line(assignment: str, *says: str, command: str = "solve") -> Bad:
    """Make a row of one changed key of a case in one dimension."""
    return put(assignment, *says, command=command, base=LINE)


def table(tables: str, *says: str, command: str = "solve") -> Bad:
    """Make a row of further tables at the end of a case in one dimension."""
    return case(LINE + tables, *says, command=command)


TOML = {
    "not TOML": case("this is no TOML", "TOML that cannot be read"),
    "no value": case("[target]\npotential =", "TOML that cannot be read"),
    "no quotes": case("[target]\npotential = x**2", "TOML that cannot be read", "quotes"),
    "table twice": case("[target]\n[target]\n", "TOML that cannot be read"),
    "key twice": case("[target]\npotential='x'\npotential='y'", "TOML that cannot be read"),
    "bracket open": case("[target", "TOML that cannot be read"),
    "text open": case('[target]\npotential = "x', "TOML that cannot be read"),
    "Latin-1": case("title = 'caf\xe9'".encode("latin-1") + LINE.encode(), "not UTF-8"),
    "UTF-16": case(LINE.encode("utf-16"), "UTF-8"),
    "binary": case(bytes(range(256)), "case.toml"),
    "NUL byte": case(b"\0" + LINE.encode(), "TOML that cannot be read"),
    "empty file": case("", "target"),
    "only a comment": case("# nothing", "target"),
    "nested lists": case("a = " + "[" * 5000 + "]" * 5000, "nested"),
    "nested tables": case("a = " + "{a=" * 5000 + "1" + "}" * 5000, "nested"),
    "nested keys": case("a." * 3000 + "a = 1\n" + LINE, "a"),
    "5000 digits": case(LINE + "[numerics]\ndt = " + "9" * 5000, "digits"),
    "5000 digits, float": case(LINE + "[numerics]\ndt = " + "9" * 5000 + ".0", "numerics.dt"),
    "dt of 400 digits": case(LINE + "[numerics]\ndt = " + "9" * 400, "numerics.dt"),
    "seed of 400 digits": table("[validation]\nseed = " + "9" * 400, "validation.seed"),
    "a date": line("flow.t_end=2020-01-01", "flow.t_end", "number"),
    "a case that is a list": case("target = [1, 2]" + LINE[LINE.find("\n[initial]") :], "target"),
    "initial is text": case("initial = 'gaussian'\n[target]\npotential = 'x**2'", "initial"),
    "flow is a list": case("flow = [1]\n" + LINE.replace("[flow]\nsave = [0.01]", ""), "flow"),
    "sampler is a table": table("[sampler]\nkind = 'langevin'", "sampler", "[[sampler]]"),
    "sampler of numbers": case("sampler = [1, 2]\n" + LINE, "sampler[0]"),
    "convergence is a table": table("[convergence]\nvary = 'h'", "convergence"),
}

KEYS = {
    "unknown key": put("flow.tend=1", "flow.tend", "Did you mean t_end?"),
    "key of another table": put("flow.cells=[3, 3]", "flow.cells", "numerics.cells"),
    "unknown table": put("flows.t_end=1", "flows", "flow"),
    "unknown parameter": put("initial.meen=[0, 0]", "initial.meen", "mean"),
    "unknown key of a sampler": table("[[sampler]]\nkind='langevin'\nparticels=3", "particels"),
    "unknown kind": put("target={kind='banan'}", "target.kind", "banana"),
    "unknown start": put("initial={kind='gausian'}", "initial.kind", "gaussian"),
    "unknown sampler": table("[[sampler]]\nkind = 'langevn'", "sampler[0]", "langevin"),
    "no target": case("[initial]\nmean = [0.0]", "target"),
    "no initial": case("[target]\npotential = 'x**2'", "initial"),
    "two targets": put("target.kind=banana", "target", "exactly one"),
    "empty target": case("[target]\n[initial]\nmean = [0.0]", "target", "exactly one"),
    "box and mesh": put("domain.mesh=disk.msh", "domain", "at most one"),
    "two names": table("[[sampler]]\nkind='mala'\n[[sampler]]\nkind='mala'", "sampler[1].name"),
    "no source": table("[[sampler]]\nname = 'a'", "sampler[0]", "exactly one"),
    "two sources": table("[[sampler]]\nkind='mala'\nsamples='a.npz'", "sampler[0]"),
    "beta misspelt": put("flow.betta=1", "flow.betta", "Did you mean beta?"),
}

WRONG_NUMBERS = {
    f"{key} {value}": line(f"{key}={value}", key.partition("[")[0])
    for key in (
        "flow.alpha",
        "flow.beta",
        "flow.t_end",
        "numerics.dt",
        "accuracy.tolerance",
        "domain.cut_off_share",
        "initial.mass",
        "validation.level",
        "validation.power",
        "validation.resolution",
        "validation.tolerance",
    )
    for value in ("nan", "inf", "-1.0", "[1.0]", "true", "'one'")
}
WRONG_COUNTS = {
    f"{key} {value}": line(f"{key}={value}", key)
    for key in ("numerics.degree", "spectrum.count", "validation.seed", "numerics.time_order")
    for value in ("nan", "-1", "2.5", "'two'", "true")
}
WRONG_TYPES = {
    f"{key} {value}": line(f"{key}={value}", key)
    for key, value in (
        ("title", "3"),
        ("target.potential", "3"),
        ("target.potential", "['x']"),
        ("target.dim", "4"),
        ("target.dim", "0"),
        ("target.modes", "['x < 0']"),
        ("target.modes.a", "3"),
        ("initial.mean", "'0'"),
        ("initial.mean", "[nan]"),
        ("initial.mean", "[inf]"),
        ("initial.mean", "[[0.0]]"),
        ("initial.covariance", "[[nan]]"),
        ("initial.covariance", "[[-1.0]]"),
        ("initial.covariance", "[[0.0]]"),
        ("initial.covariance", "'wide'"),
        ("initial.kind", "3"),
        ("domain.box", "3"),
        ("domain.box", "[[0.0, nan]]"),
        ("domain.box", "[[-inf, inf]]"),
        ("domain.box", "[[0.0]]"),
        ("domain.box", "[[1.0, 1.0]]"),
        ("domain.box", "[0.0, 1.0]"),
        ("domain.mesh", "3"),
        ("domain.sides", "'periodic'"),
        ("domain.sides.w", "'reflecting'"),
        ("domain.cell", "'hexagon'"),
        ("flow.save", "1.0"),
        ("flow.save", "[]"),
        ("flow.save", "[nan]"),
        ("flow.save", "[-1.0]"),
        ("flow.save", "[0.0]"),
        ("flow.save", "[inf]"),
        ("flow.save", "['now']"),
        ("flow.reaction", "1.0"),
        ("flow.conserve_mass", "'yes'"),
        ("numerics.cells", "0"),
        ("numerics.cells", "[-4]"),
        ("numerics.cells", "[4.5]"),
        ("numerics.cells", "[4, 4]"),
        ("numerics.cells", "nan"),
        ("numerics.certify", "1"),
        ("numerics.solver", "'fast'"),
        ("numerics.stepper", "'euler'"),
        ("numerics.petsc_options", "[1]"),
        ("numerics.petsc_options", "{ksp_monitor='ascii:/tmp/x'}"),
        ("output.figures", "'png'"),
        ("spectrum.absorbing", "3"),
        ("spectrum.committor", "['x < 0']"),
        ("spectrum.sets", "1"),
        ("spectrum.tilts", "['a']"),
        ("spectrum.tilts", "[nan]"),
        ("spectrum.observe", "'yes'"),
        ("validation.moments", "'all'"),
        ("validation.observables", "['x']"),
        ("validation.observables.a", "'x +'"),
        ("validation.probabilities.a", "'x'"),
        ("validation.dt_ladder", "[2.0, 1.0]"),
        ("validation.particles_ladder", "[nan]"),
    )
}
SAMPLERS = {
    f"sampler {key} {value}": table(f"[[sampler]]\nkind='langevin'\n{key}={value}", key)
    for key, value in (
        ("particles", "0"),
        ("particles", "1e3"),
        ("particles", "nan"),
        ("replicates", "-1"),
        ("replicates", "'many'"),
        ("dt", "0.0"),
        ("dt", "nan"),
        ("dt", "inf"),
        ("seed", "-1"),
        ("time_limit", "-1.0"),
        ("time_limit", "nan"),
        ("claims", "'truth'"),
        ("expected", "'right'"),
        ("layout", "'N'"),
        ("alpha", "nan"),
        ("alpha", "-1.0"),
    )
}

EXPRESSIONS = {
    f"potential {text[:20]!r}": line(f"target.potential='{text}'", says)
    for text, says in {
        "x²": "x**2",
        "x³ + x": "x**3",
        "(x+1)²": "**2",
        "2x": "2*x",
        "x x": "x*x",
        "x^2": "** for powers",
        "x**2 +": "end",
        "(x**2": "",
        "x**2)": "",
        "": "empty",
        "   ": "empty",
        "hello": "unknown name",
        "ln(x)**2": "log",
        "x.real": "attribute",
        "x[0]": "subscript",
        "x if x else 1": "conditional",
        "x < 1": "comparison",
        "exp(1, 2)": "argument",
        "exp": "without arguments",
        "1/0*x": "finite",
        "1e999*x": "finite",
        "sqrt(-1)*x": "",
        "x**100000": "exponent",
        "x * z": "3-dimensional",
        "lambda: x": "lambda",
        "x**2; import os": "",
        "x" + "+x" * 6000: "characters",
        "(" * 60 + "x" + ")" * 60: "",
        "x+" + "(x+" * 60 + "x" + ")" * 60: "nest",
        "x·2": "*",
        "2×x": "*",
        "x÷2": "/",
        "−x": "-",
        "|x|": "abs",
        "x**2 + t": "time",
        "0.0*x": "does not fall",
    }.items()
}

POTENTIALS = {
    "NaN of V": line("target.potential=x**2 + sqrt(x)", "target", "nan"),
    "V falls": line("target.potential=-x**2", "target", "bound"),
    "V falls on one side": line("target.potential=x**3", "target", "bound"),
    "V constant": line("target.potential=1.0", "target.potential"),
    "V flat": line("target.potential=atan2(x, 1)", "does not fall"),
    "V is minus infinity": line("target.potential=log(abs(x)) + x**2", "target"),
    "spectrum blames V": line(
        "target.potential=x**2 + sqrt(x)", "target", "nan", command="spectrum"
    ),
    "start NaN": line("initial={density='log(x)'}", "initial"),
    "start negative": line("initial={density='x'}", "initial"),
    "start zero": line("initial={density='0*x'}", "initial"),
    "start far away": put("initial.mean=[1e9, 0.0]", "initial"),
    "start of no mass": put("initial.mean=[90.0, 0.0]", "initial", "no mass"),
    "mean 1e300": line("initial.mean=[1e300]", "initial"),
    "covariance 1e300": put("initial.covariance=[[1e300, 0.0], [0.0, 1e300]]", "initial"),
    "reaction NaN": line("flow.reaction=sqrt(x - 100)", "flow.reaction"),
}

SIZES = {
    "cells": line("numerics.cells=[1000000000]", "numerics.cells", "GB"),
    "cells, huge": line("numerics.cells=[99999999999999999999]", "numerics.cells"),
    "cells in 2-D": put("numerics.cells=[100000, 100000]", "numerics.cells", "GB"),
    "particles": table(
        "[[sampler]]\nkind='langevin'\nparticles=100000000000",
        "particles",
        "GB",
        command="validate",
    ),
    "particles, huge": table(
        "[[sampler]]\nkind='langevin'\nparticles=" + "9" * 30, "particles", command="validate"
    ),
    "replicates": table(
        "[[sampler]]\nkind='langevin'\nreplicates=100000000000", "replicates", command="validate"
    ),
    "count": line("spectrum.count=1000000000", "spectrum.count", command="spectrum"),
    "sets": line("spectrum.sets=1000000000", "spectrum.sets", command="spectrum"),
    "convergence cells": table(
        "[[convergence]]\nvary='h'\nvalues=[10, 10000000000]", "GB", command="converge"
    ),
    "box far away": line("domain.box=[[1e99, 2e99]]", "initial", "no mass in the domain"),
    "box 1e300": line("domain.box=[[-1e300, 1e300]]", "domain.box"),
    "t_end 1e300": line("flow={t_end=1e300}", "flow.t_end"),
    "dt 1e-300": line("numerics.dt=1e-300", "numerics.dt"),
}

CONTROL = {
    "title": case('title = "a\\u001b[2J"\n' + LINE, "title", "control"),
    "title of two lines": case('title = "a\\nb"\n' + LINE, "title", "control"),
    "title, bidi": case('title = "a\\u202eb"\n' + LINE, "title", "control"),
    "mode": table('[target.modes]\n"a\\u001b[2J" = "x < 0"', "target.modes", "control"),
    "observable": table('[validation.observables]\n"a\\u0007" = "x"', "observables", "control"),
    "probability": table('[validation.probabilities]\n"a\\rb" = "x<0"', "probabil", "control"),
    "sampler name": table('[[sampler]]\nkind="mala"\nname="a\\u001b[31m"', "name", "control"),
    "study": table('[[convergence]]\nvary="h"\nvalues=[2,4]\nname="a\\u001b"', "name", "control"),
    "potential": table('[flow.x]\n"\\u001b[2J" = 1', "flow"),
    "NUL in a command": table(
        '[[sampler]]\ncommand = ["a\\u0000b"]', "command", "NUL", command="validate"
    ),
    "NUL in a mesh": case(LINE + '[domain]\nmesh = "a\\u0000b"', "domain.mesh", "NUL"),
    "NUL in samples": table('[[sampler]]\nsamples = "a\\u0000"', "samples", "NUL"),
}

ABSENT = {
    "absorbing side": line("domain.sides.x='absorbing'", "domain.sides.x", "absorbing"),
    "absorbing boundary": line("domain.boundary='absorbing'", "domain.boundary", "no-flux"),
    "drift": line("flow.drift='x'", "flow.drift", "drift"),
    "time in a target": line("target.potential='x**2*t'", "target.potential", "time"),
    "4-D": line("target.potential='x**2 + w**2'", "target.potential", "dimension"),
}

ARGUMENTS = {
    "no such case": Bad(("solve", "nowhere.toml"), ("nowhere.toml", "wfrpde cases")),
    "case is a folder": Bad(("solve", "."), ("a folder",)),
    "case misspelt": Bad(("solve", "banan"), ("Did you mean banana?",)),
    "case with NUL": Bad(("solve", "a\0b"), ("NUL",)),
    "case that clears the screen": Bad(("solve", "a\033[2J.toml"), ("U+001B", "x1b[2J")),
    "out that clears the screen": Bad(
        ("solve", "case.toml", "--quiet", "-o", "a\033[2J"),
        ("U+001B",),
        {"case.toml": LINE.encode()},
    ),
    "plot that turns the text": Bad(("plot", "a\u202eb"), ("U+202E",)),
    "case of 10000 letters": Bad(("solve", "a" * 10000), ("case",)),
    "empty name": Bad(("solve", ""), ("case",)),
    "set without value": line("flow.beta=", "--set", "key=value"),
    "set without key": line("=3", "--set", "key=value"),
    "set of nothing": line("beta", "--set", "key=value"),
    "set broken list": line("flow.save=[1, 2", "--set", "whole"),
    "set with a control character": line("title='a\x1b[2Jb'", "--set", "a\\x1b[2Jb"),
    "set into a value": line("flow.save.x=1", "flow.save.x", "table"),
    "set dots": line("flow..beta=1", "flow"),
    "set nested": line("flow.save=" + "[" * 3000 + "]" * 3000, "nested"),
    "set digits": line("flow.t_end=" + "9" * 5000, "digits"),
    "out is a file": Bad(
        ("solve", "case.toml", "--quiet", "-o", "case.toml"),
        ("case.toml",),
        {"case.toml": LINE.encode()},
    ),
    "out below a file": Bad(
        ("solve", "case.toml", "--quiet", "-o", "case.toml/a"),
        ("case.toml",),
        {"case.toml": LINE.encode()},
    ),
    "out with NUL": Bad(
        ("solve", "case.toml", "--quiet", "-o", "a\0b"), ("NUL",), {"case.toml": LINE.encode()}
    ),
    "out too long": Bad(
        ("solve", "case.toml", "--quiet", "-o", "a" * 300),
        ("too long",),
        {"case.toml": LINE.encode()},
    ),
    "out unwritable": Bad(
        ("solve", "case.toml", "--quiet", "-o", "/proc/run"),
        ("/proc/run",),
        {"case.toml": LINE.encode()},
    ),
    "out in a home that is not there": Bad(
        ("solve", "case.toml", "--quiet", "-o", "~nobodyatall/run"),
        ("nobodyatall",),
        {"case.toml": LINE.encode()},
    ),
    "show nothing": Bad(("cases", "--show", "nowhere"), ("nowhere",)),
    "show NUL": Bad(("cases", "--show", "a\0b"), ("NUL",)),
    **{
        f"sweep {text}": Bad(
            ("spectrum", "case.toml", "--quiet", "--sweep", text),
            (says,),
            {"case.toml": LINE.encode()},
        )
        for text, says in {
            "x": "--sweep",
            "flow.beta=1:2": "--sweep",
            "flow.beta=1:nan:3": "--sweep",
            "flow.beta=1:2:1": "--sweep",
            "flow.beta=1:2:1000000000": "--sweep",
            "flow.beta=0:2:3:log": "--sweep",
            "flow.beta=1:2:" + "9" * 5000: "--sweep",
            "flow.nothing=1:2:3": "flow.nothing",
        }.items()
    },
}

BASE = CASE.split("[domain]")[0].split("[numerics]")[0]
MSH = """$MeshFormat
2.2 0 8
$EndMeshFormat
$Nodes
{n}
{nodes}
$EndNodes
$Elements
{m}
{cells}
$EndElements
"""
SQUARE = ((0, 0), (1, 0), (1, 1), (0, 1))


def msh(points=SQUARE, cells=((2, 1, 2, 3), (2, 1, 3, 4))) -> str:
    """Text of a gmsh file: points of the plane, and cells as kind and points."""
    nodes = [f"{k} {' '.join(f'{c!r}' for c in p)} 0" for k, p in enumerate(points, start=1)]
    rows = [f"{k} {c[0]} 2 0 1 {' '.join(map(str, c[1:]))}" for k, c in enumerate(cells, start=1)]
    return MSH.format(n=len(nodes), nodes="\n".join(nodes), m=len(rows), cells="\n".join(rows))


def mesh(content: str | bytes, *says: str) -> Bad:
    """Make a row of a gmsh file."""
    return case(BASE + "[domain]\nmesh = 'a.msh'", "domain.mesh", *says, a_msh=content)


TURNED = "[domain]\naxes = 'principal'\n"
AXES = {
    "axes of no kind": case(BASE + "[domain]\naxes = 'oblique'", "domain.axes", "principal"),
    "axes that are not orthogonal": case(
        BASE + "[domain]\naxes = [[1.0, 0.0], [0.6, 0.8]]", "domain.axes", "6.0e-01"
    ),
    "axes of space in the plane": case(
        BASE + "[domain]\naxes = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]", "domain.axes", "2×2"
    ),
    "one axis": case(BASE + "[domain]\naxes = [[0.6, 0.8]]", "domain.axes", "2×2"),
    "axes that are numbers": case(BASE + "[domain]\naxes = [0.6, 0.8]", "domain.axes"),
    "axes with NaN": case(BASE + "[domain]\naxes = [[nan, 0], [0, 1]]", "domain.axes"),
    "turned axes on a line": case(LINE + TURNED, "domain.axes", "one dimension"),
    "turned axes and a box": put("domain.axes=principal", "domain.box", "domain.axes"),
    "turned axes and a mesh": case(BASE + TURNED + "mesh = 'a.msh'", "domain.mesh", "domain.axes"),
    "turned axes that close": case(
        BASE + TURNED + "sides = { x = 'periodic' }", "domain.sides", "domain.axes"
    ),
    "turned axes of simplices": case(BASE + TURNED + "cell = 'simplex'", "domain.cell"),
    "turned axes and dynamics": case(
        BASE + TURNED + "[dynamics]\ndiffusion = [1.0, 2.0]", "dynamics", "domain.axes"
    ),
    "turned axes and a generator": case(
        BASE + TURNED, "domain.axes", "coordinate", command="spectrum"
    ),
}

MESHES = {
    "no file": case(BASE + "[domain]\nmesh = 'none.msh'", "domain.mesh", "none.msh"),
    "a folder": case(BASE + "[domain]\nmesh = '.'", "domain.mesh"),
    "mesh is empty": mesh("", "a.msh"),
    "mesh is binary": mesh(bytes(range(256)), "a.msh"),
    "mesh is cut": mesh(msh()[:120], "a.msh"),
    "edges": mesh(msh(cells=((1, 1, 2), (1, 2, 3))), "triangle"),
    "repeated cells": mesh(msh(cells=((2, 1, 2, 3), (2, 1, 2, 3), (2, 1, 3, 4))), "twice"),
    "repeated cells, turned": mesh(msh(cells=((2, 1, 2, 3), (2, 2, 3, 1), (2, 1, 3, 4))), "twice"),
    "no area": mesh(msh(cells=((2, 1, 2, 2), (2, 1, 3, 4))), "area"),
    "flat cell": mesh(msh(points=((0, 0), (1, 0), (2, 0), (0, 1))), "area"),
    "all in one point": mesh(msh(points=((0, 0),) * 4), "area"),
    "coordinates 1e300": mesh(msh(points=((0, 0), (1e300, 0), (1e300, 1e300), (0, 1))), "1e+300"),
    "radius 1e6 around a target of length 1": mesh(
        msh(points=tuple((1e6 * (2 * x - 1), 1e6 * (2 * y - 1)) for x, y in SQUARE)),
        "2e+06",
        "vary over",
    ),
    "coordinates NaN": mesh(msh(points=((0, 0), (float("nan"), 0), (1, 1), (0, 1))), "nan"),
    "points that are not there": mesh(msh(cells=((2, 1, 2, 9), (2, 1, 3, 4))), "a.msh"),
    "second order": mesh(
        msh(points=(*SQUARE, (0.5, 0), (1, 0.5), (0.5, 0.5)), cells=((9, 1, 2, 3, 5, 6, 7),)),
        "first order",
        "-order 1",
    ),
    "quads": mesh(msh(cells=((3, 1, 2, 3, 4),)), "quad", "triangle cells of first order"),
    "three cells at an edge": mesh(
        msh(
            points=(*SQUARE, (2, 0.5)),
            cells=((2, 1, 2, 3), (2, 1, 3, 4), (2, 1, 3, 5)),
        ),
        "overlap",
    ),
}


def run(kind: str, content: str | bytes | None, *says: str) -> Bad:
    """Make a row of a run folder that ``plot`` cannot read; ``kind`` is the file in it."""
    files = {} if content is None else {f"run/{kind}": _bytes(content)}
    return Bad(("plot", "run"), says, files)


RUNS = {
    "no folder": run("", None, "run"),
    "empty folder": run("nothing.txt", "", "run"),
    "a web site": run("index.html", "<html>", "run"),
    "plot NUL": Bad(("plot", "a\0b"), ("NUL",)),
    **{
        f"plot {name} {what}": run(name, content, "run")
        for name in (
            "summary.json",
            "validation.json",
            "convergence.json",
            "spectrum.csv",
            "sweep.csv",
            "solution.npz",
        )
        for what, content in (
            ("empty", ""),
            ("list", "[1, 2]"),
            ("binary", b"PK\x03\x04\xff\xfe"),
            ("nested", "[" * 100000),
        )
    },
}

KINDS = {name: case(text, *says) for name, (text, says) in bad_kinds.CASES.items()}

RECORDED = {
    name: case(
        f"{LINE}[[sampler]]\n{sampler}",
        "sampler: found none that can be judged",
        *says,
        command="validate",
        **{file.replace(".", "_"): content for file, content in files.items()},
    )
    for name, (sampler, files, says) in bad_kinds.SAMPLES.items()
}

TABLES = {
    "TOML": TOML,
    "keys": KEYS,
    "numbers": WRONG_NUMBERS,
    "counts": WRONG_COUNTS,
    "types": WRONG_TYPES,
    "samplers": SAMPLERS,
    "expressions": EXPRESSIONS,
    "potentials": POTENTIALS,
    "sizes": SIZES,
    "control": CONTROL,
    "absent": ABSENT,
    "arguments": ARGUMENTS,
    "axes": AXES,
    "meshes": MESHES,
    "runs": RUNS,
    "kinds": KINDS,
    "recorded": RECORDED,
}
BAD = {f"{group}: {name}": row for group, rows in TABLES.items() for name, row in rows.items()}
