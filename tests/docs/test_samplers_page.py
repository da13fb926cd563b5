"""The page on samplers: its modules, programs, tables and Python run together."""

import re
from pathlib import Path

import numpy as np
import pytest

from wfrpde import load_case
from wfrpde.samplers import KINDS, SamplerContext, make_sampler

PAGE = (Path(__file__).parents[2] / "docs" / "samplers.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in blocks("python") + blocks("toml"):
        if name := re.match(r"# (\w+\.(py|toml))\n", text):
            (tmp_path / name[1]).write_text(text, encoding="utf-8")
    np.save(tmp_path / "chain.npy", np.random.default_rng(0).standard_normal((50, 1)))
    return tmp_path


def test_the_python_of_the_page_runs(folder, capsys):
    pytest.importorskip("mpi4py")
    names: dict[str, object] = {}
    for text in blocks("python"):
        if not text.startswith("# "):
            exec(compile(text, "samplers.md", "exec"), names)
    share, ess = capsys.readouterr().out.replace("[", " ").replace("]", " ").split()
    assert 0.05 < float(share) < 0.5
    assert float(ess) == pytest.approx(2000)


def test_the_tables_of_the_page_are_samplers(folder):
    tables = [text for text in blocks("toml") if text.startswith("[[sampler]]")]
    path = folder / "all.toml"
    path.write_text("\n".join([(folder / "pair.toml").read_text(), *tables]), encoding="utf-8")
    case = load_case(path)
    context = SamplerContext.of(case)
    ran = {}
    for spec in case.samplers[2:]:
        run = make_sampler(spec, context)
        made = run.run(np.random.SeedSequence(1), 400, 0.05, case.flow.save)
        ran[run.name] = [ensemble.positions.shape for ensemble in made.ensembles]
        last = made.ensembles[-1].positions
        if run.claims is not None:
            # N(0, 1) has hardly begun to move; four standard errors
            assert abs(last.mean() - 0.2) < 0.2
            assert made.times.tolist() == [0.5, 1.0]
        else:
            assert made.times.tolist() == [np.inf]
    assert ran == {
        "my Langevin": [(400, 1)] * 2,
        "mine:exact": [(400, 1)],
        "python3": [(400, 1)] * 2,
        "a recorded chain": [(50, 1)],
    }


def test_the_sampler_that_the_page_adds_to_the_library(folder, monkeypatch):
    monkeypatch.setattr("wfrpde.samplers.registry.KINDS", dict(KINDS))
    monkeypatch.syspath_prepend(folder)
    import library

    case = load_case(folder / "pair.toml", {"sampler": [{"kind": "slower", "share": 0.25}]})
    run = make_sampler(case.samplers[0], SamplerContext.of(case))
    assert (run.claims.label, run.law().alpha) == ("W", 0.25)
    assert type(run.sampler) is library.Slower


def test_every_kind_is_described():
    for kind in KINDS:
        assert f"| `{kind}` |" in PAGE
        assert re.search(rf"^\*\*`{kind}`\*\*", PAGE, re.MULTILINE)
