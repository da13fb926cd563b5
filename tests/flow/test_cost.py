"""What a long run will cost is told after its first, coarsest grid."""

import logging
from types import SimpleNamespace

import pytest

from wfrpde.flow import outcome
from wfrpde.flow.outcome import Context


@pytest.mark.parametrize(("spent", "told"), [(2.0, "about 3 minutes"), (0.5, "")])
def test_the_first_run_tells_what_the_others_take(spent, told, monkeypatch, caplog):
    clock = iter([10.0, 10.0 + spent, 20.0, 100.0])
    monkeypatch.setattr(outcome.time, "perf_counter", lambda: next(clock))
    context = Context(SimpleNamespace(rank=0), None, lambda *_: None, lambda: False)
    done = SimpleNamespace(complete=True)
    with caplog.at_level(logging.WARNING, logger="wfrpde"):
        context.made(0.01, lambda _: (done, {}))
        context.made(0.99, lambda _: (done, {}))
    assert (told in caplog.text) if told else not caplog.text
    assert caplog.text.count("minutes") == bool(told)
