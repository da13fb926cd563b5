"""Errors, interruption and progress, on one rank; tests/mpi has what needs several."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from wfrpde.errors import InputError
from wfrpde.parallel import (
    Progress,
    ProgressReporter,
    Stopped,
    StopRequest,
    TerminalBar,
    collectively,
    configure_logging,
    format_duration,
    leave_together,
    watched,
)


def Event(t, dt=0.01, kl=0.5, phase="stepping", fraction=0.5):
    return Progress(phase, t, 2.0, dt, kl, fraction)


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True

    def lines(self):
        """What a person sees: lines that were erased are not there."""
        seen = [""]
        for part in re.split(r"(\x1b\[[?\d;]*[A-Za-z]|\r|\n)", self.getvalue()):
            if part == "\n":
                seen.append("")
            elif part == "\x1b[1A":
                seen.pop()
            elif part in ("\r", "\x1b[2K"):
                seen[-1] = "" if part != "\r" else seen[-1]
            elif not part.startswith("\x1b"):
                seen[-1] += part
        return [line for line in seen if line]


@pytest.fixture
def log():
    """The package's log as a command sets it up, put back afterwards."""
    logger = logging.getLogger("wfrpde")
    kept, level = list(logger.handlers), logger.level
    stream = io.StringIO()
    configure_logging(stream=stream)
    yield stream
    logger.handlers[:] = kept
    logger.setLevel(level)


@pytest.fixture
def self_comm():
    return pytest.importorskip("mpi4py.MPI").COMM_SELF


def test_one_process_raises_its_own_error(self_comm):
    for comm in (None, self_comm):
        with pytest.raises(InputError, match=r"flow\.t_end"), collectively(comm):
            raise InputError("flow.t_end", "-1", "a positive number")
        with collectively(comm):
            pass


def test_leaving_alone_gives_the_code_back(self_comm):
    assert leave_together(None, 2) == 2
    assert leave_together(self_comm, 1) == 1


def test_a_stop_is_requested_by_a_signal_and_the_handler_is_put_back(self_comm):
    before = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        assert not stop.requested()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested()
        assert stop.requested(self_comm)
    assert signal.getsignal(signal.SIGINT) is before
    with StopRequest() as stop:
        assert not stop.requested(), "a new request begins anew"


def test_a_stop_is_seen_by_the_caller_too(monkeypatch):
    monkeypatch.delenv("OMPI_COMM_WORLD_SIZE", raising=False)
    with StopRequest() as outer:
        with StopRequest() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            assert inner.requested()
        assert outer.requested()


def test_work_that_may_stay_unfinished_is_broken_off():
    done = []

    def work(stop):
        with stop.at_once():
            done.append("before")
            os.kill(os.getpid(), signal.SIGINT)
            done.append("after")

    with StopRequest() as stop:
        with pytest.raises(Stopped):
            work(stop)
        assert stop.requested()
        with pytest.raises(Stopped), StopRequest() as inner, inner.at_once():
            done.append("not even begun")
    assert done == ["before"]


def test_an_import_is_finished_first(tmp_path, monkeypatch):
    """A compiled module whose import is broken off may crash later."""
    (tmp_path / "asking.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nfinished = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "asking", raising=False)

    def work(stop):
        with stop.at_once():
            import asking

            assert asking.finished
            while True:
                time.sleep(0.01)

    with StopRequest() as stop, pytest.raises(Stopped):
        work(stop)
    assert "asking" in sys.modules


def test_a_stop_outside_of_such_work_only_asks():
    with StopRequest() as stop:
        with stop.at_once():
            pass
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested()


def test_on_several_ranks_work_is_finished():
    ranks = SimpleNamespace(size=2)
    with StopRequest() as stop:
        with stop.at_once(ranks):
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested()


def test_a_second_interrupt_ends_the_process():
    script = (
        "import os, signal\n"
        "from wfrpde.parallel import StopRequest\n"
        "with StopRequest():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('once', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('twice', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == -signal.SIGINT
    assert done.stdout == "once\n"


def test_log_lines_come_at_intervals_and_with_new_phases(log):
    reporter = ProgressReporter(label="WFR", interval=60.0)
    for k in range(100):
        reporter(Event(t=0.01 * k))
    reporter(Event(t=1.0, phase="certifying"))
    lines = log.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("WFR stepping: t = 0 of 2")
    assert "KL 0.5" in lines[0]
    assert lines[1].startswith("WFR certifying: t = 1 of 2")


def test_other_ranks_are_silent(log):
    ProgressReporter(rank=1)(Event(t=1.0))
    assert log.getvalue() == ""
    stream = io.StringIO()
    assert configure_logging(rank=1, stream=stream) is None
    logging.getLogger("wfrpde").warning("from rank 1")
    assert stream.getvalue() == ""


def test_a_terminal_has_one_line_that_is_taken_away(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    bar = configure_logging(stream=stream)
    reporter = ProgressReporter(bar, label="WFR")
    reporter(Event(t=1.0))
    (line,) = stream.lines()
    assert len(line) <= 40
    assert "WFR stepping: t = 1 of" in line
    assert line.endswith("…"), "what does not fit is cut"
    logging.getLogger("wfrpde").info("a note " + 6 * "of [bold]many words[/] ")
    *notes, line = stream.lines()
    assert " ".join(notes).split() == ["a", "note"] + 6 * ["of", "[bold]many", "words[/]"]
    assert all(len(note) <= 40 for note in notes)
    assert "WFR stepping" in line, "the bar stays below"
    reporter.finish()
    assert not any("WFR stepping" in line for line in stream.lines())
    before = stream.getvalue()
    reporter.finish()
    assert stream.getvalue() == before
    assert before.rindex("\x1b[?25h") > before.rindex("\x1b[?25l"), "the cursor is there"


def test_a_run_that_takes_longer_than_the_interval_is_told_each(monkeypatch, log):
    clock = iter([0.0, 0.0, 16.0, 32.0, 48.0])
    monkeypatch.setattr("wfrpde.parallel.progress.time.monotonic", lambda: next(clock))
    reporter = ProgressReporter(label="converge")
    for done in range(4):
        reporter(Progress.count("run", done, 3, "runs"))
    lines = log.getvalue().splitlines()
    assert [line.split(": ")[1].split(" (")[0] for line in lines] == [
        f"runs {done} of 3" for done in range(4)
    ]
    assert "32 s left" in lines[1]
    assert "0.062 runs/s" in lines[1]


def test_the_cursor_is_never_hidden(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    TerminalBar(stream).show("at work", 0.5)
    text = stream.getvalue()
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")


def test_a_terminal_that_is_closed_does_not_end_the_run(monkeypatch):
    class Closed(Terminal):
        def write(self, text):
            raise OSError

    monkeypatch.setenv("TERM", "xterm")
    bar = configure_logging(stream=Closed())
    bar.show("at work", 0.5)
    bar.clear()


def test_outside_of_a_notebook_the_observer_is_the_callers():
    with watched(None, None, "WFR") as observer:
        assert observer is None
    with watched(print, None, "WFR") as observer:
        assert observer is print


def test_what_is_done_soon_needs_no_bar(monkeypatch):
    clock = iter([0.0, 0.0, 0.5, 2.0])
    monkeypatch.setattr("wfrpde.parallel.progress.time.monotonic", lambda: next(clock))
    shown = []
    bar = SimpleNamespace(show=lambda *what: shown.append(what), clear=lambda: None)
    reporter = ProgressReporter(bar, patience=1.0)
    reporter(Event(t=0.5))
    assert not shown
    reporter(Event(t=1.0))
    assert len(shown) == 1


def test_rate_and_remaining_time_are_estimated(monkeypatch, log):
    clock = iter([0.0, 10.0])
    monkeypatch.setattr("wfrpde.parallel.progress.time.monotonic", lambda: next(clock))
    ProgressReporter()(Event(t=0.5, fraction=0.25))
    text = log.getvalue()
    assert "(25 %), 30 s left" in text
    assert "0.05 time units/s" in text


def test_what_is_not_known_yet_is_left_out(log):
    ProgressReporter()(Event(t=0.0, dt=0.0, kl=float("nan"), phase="setting up", fraction=0.0))
    assert log.getvalue() == "setting up: t = 0 of 2 (0 %)\n"


def test_quiet_leaves_warnings(log):
    stream = io.StringIO()
    configure_logging(quiet=True, stream=stream)
    logging.getLogger("wfrpde").info("nothing of note")
    logging.getLogger("wfrpde").warning("the box is small")
    assert stream.getvalue() == "warning: the box is small\n"


def test_endless_notes_are_cut_but_not_warnings(log):
    logging.getLogger("wfrpde").info("the potential spans %s kT", "9" * 500)
    assert len(log.getvalue()) == 201
    assert log.getvalue().endswith("9…\n")
    logging.getLogger("wfrpde").warning("9" * 500)
    assert "9" * 500 in log.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (59.4, "59 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 5 min")],
)
def test_durations_as_people_say_them(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize("module", ["wfrpde.parallel.mpi", "wfrpde.engine.petsc"])
def test_a_hangup_that_is_ignored_stays_so_whatever_mpi_loads(module):
    """Libraries of network cards take SIGHUP over, and end a run under nohup with it."""
    if module.endswith("petsc"):
        pytest.importorskip("petsc4py")
    script = (
        "import signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        f"import os, {module}\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('alive')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
