"""What ``[[sampler]]`` accepts, and what its errors say."""

import pytest

from wfrpde import Case
from wfrpde.errors import InputError


def tables(plane, *samplers):
    return plane.with_overrides({"sampler": list(samplers)}).samplers


def test_defaults_and_names(plane):
    one, two = tables(plane, {"kind": "langevin"}, {"kind": "langevin", "name": "again"})
    assert (one.name, two.name) == ("langevin", "again")
    assert (one.particles, one.dt, one.replicates, one.layout) == (1000, 0.01, 20, "(N, d)")
    assert plane.samplers == ()


def test_a_case_with_samplers_survives_being_dumped(plane):
    case = plane.with_overrides({"sampler": [{"kind": "langevin", "alpha": 2.0}]})
    assert Case.model_validate(case.model_dump(mode="json")) == case


@pytest.mark.parametrize(
    ("samplers", "words"),
    [
        ([{}], ["sampler[0]: found none of kind", "exactly one of kind, python"]),
        ([{"kind": "langevin", "python": "a:b"}], ["sampler[0]: found kind and python"]),
        ([{"kind": "langevn"}], ["sampler[0].kind: found 'langevn'", "Did you mean langevin?"]),
        ([{"kind": "langevin", "alhpa": 1.0}], ["sampler[0].alhpa: found an unknown", "alpha?"]),
        ([{"kind": "langevin", "alpha": -1.0}], ["sampler[0].alpha: found -1.0;", "≥ 0"]),
        ([{"kind": "langevin"}, {"kind": "langevin"}], ["sampler[1].name: found 'langevin'"]),
        ([{"kind": "langevin", "dt": 0}], ["sampler[0].dt: found 0; needed a positive number"]),
        ([{"kind": "langevin", "particles": 0}], ["sampler[0].particles: found 0"]),
        ([{"kind": "langevin", "claims": "wfr"}], ["sampler[0].claims: found 'wfr'", "'WFR'"]),
        ([{"kind": "langevin", "layout": "dN"}], ["sampler[0].layout: found 'dN'", "(d, N)"]),
        ("langevin", ["sampler: found 'langevin'", "[[sampler]]"]),
        ({"kind": "langevin"}, ["sampler: found", "[[sampler]]"]),
    ],
)
def test_complaints_name_the_table_and_its_key(plane, samplers, words):
    with pytest.raises(InputError) as caught:
        plane.with_overrides({"sampler": samplers})
    for word in words:
        assert word in str(caught.value)
