"""Results about operators cannot be changed, and are what they were after saving and pickling."""

import json
import pickle

import numpy as np
import pytest
from spectrum_references import case_of

import wfrpde
from wfrpde.operators import committor, cumulants, mean_exit_time, metastable_sets

WELL = {"kind": "double_well", "barrier": 3.0}
X = np.linspace(-1.2, 1.2, 7)[:, None]


def results():
    """Results, and what each answers at points."""
    case = case_of(WELL, flow={"reaction": "x"})
    spectrum = wfrpde.spectrum(case)
    plane = wfrpde.spectrum(case_of("(x**2 + 2*y**2)/2", dim=2, spectrum={"count": 3}))
    yield spectrum, lambda s: [s.eigenfunction(1, X), s.density(1, X), s.rates]
    yield plane, lambda s: [s.eigenfunction(2, X * np.array([0.3, 0.7])), s.errors]
    yield metastable_sets(spectrum, 2), lambda s: [s(X), s.generator]
    yield wfrpde.feynman_kac(case), lambda f: [f.tilted_density(X), f.doob_drift(X)]
    yield cumulants(case, [0.0, 0.5]), lambda c: [c.values, c.variances]
    yield mean_exit_time(case, "x > 0.5"), lambda e: [e.time_from(X), e.quasi_stationary_density(X)]
    yield committor(case, "x < -0.9", "x > 0.9"), lambda q: [q(X), np.array([q.rate])]


def test_results_are_kept(tmp_path):
    for result, answers in results():
        path = result.save(tmp_path / "result.npz")
        for again in (type(result).load(path), pickle.loads(pickle.dumps(result))):
            assert repr(again) == repr(result) or type(result).__repr__ is object.__repr__
            for found, expected in zip(answers(again), answers(result), strict=True):
                np.testing.assert_array_equal(found, expected)


def test_a_kept_case_knows_what_was_given(tmp_path):
    """What followed from other keys still does: an end before the default times moves them."""
    spectrum = wfrpde.spectrum(case_of(WELL))
    again = type(spectrum).load(spectrum.save(tmp_path / "result.npz"))
    assert again.case == spectrum.case
    assert again.case.with_overrides({"flow.t_end": 0.5}).flow.save[-1] == 0.5


def without(data, name):
    """The same without an entry of dataclasses that has come since."""
    if isinstance(data, dict):
        return {key: without(value, name) for key, value in data.items() if key != name}
    return [without(value, name) for value in data] if isinstance(data, list) else data


def test_what_an_earlier_version_did_not_keep_has_its_default():
    """Grids had no creases once, and cases gave every key: all results of before were refused."""
    spectrum = wfrpde.spectrum(case_of(WELL))
    arrays = spectrum.arrays()
    content = without(json.loads(str(arrays["content"])), "creases")
    content["case"]["data"] = spectrum.case.model_dump(mode="json")
    again = type(spectrum).from_arrays({**arrays, "content": np.array(json.dumps(content))})
    np.testing.assert_array_equal(again.eigenfunction(1, X), spectrum.eigenfunction(1, X))
    del content["rates"]
    with pytest.raises(KeyError, match="rates"):
        type(spectrum).from_arrays({**arrays, "content": np.array(json.dumps(content))})


def test_results_cannot_be_changed():
    spectrum = wfrpde.spectrum(case_of(WELL))
    with pytest.raises(ValueError, match="read-only"):
        spectrum.rates[0] = 1.0
    with pytest.raises(TypeError, match="cannot be changed"):
        spectrum.numerics["nodes"] = 1
    with pytest.raises(AttributeError):
        spectrum.warnings.append("all is well")
