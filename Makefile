# Every target runs its command through tools/env, which makes the place that it needs if there is none.

.DEFAULT_GOAL := help
.PHONY: help demo test test-pip test-pip-quick test-pip-collect package test-browser test-mpi test-latest lint docs bench lock clean-env

ENV := tools/env
# A worker that dies ends the run: one that took its place would be waited for without end. Files are
# taken in the order that tests/conftest.py gives them.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

demo:  ## two targets with a barrier: writes a report that you open in a browser
	$(ENV) --quick wfrpde demo --force

test:  ## the tests, a file at a time on every core
	$(ENV) python -m pytest $(PARALLEL) --note-engine

test-browser:  ## the pages in a headless Chromium, which is installed if there is none
	tools/browser $(ENV) python -m pytest tests/report/test_explorer.py -q

test-pip:  ## the quick tests where only pip has installed something: no DOLFINx, PETSc, MPI
	$(ENV) --pip-test python -m pytest $(PARALLEL) -m "not slow" \
		--ignore tests/mpi --ignore tests/tools --ignore tests/convergence

# What the linear algebra and the missing packages change. What pip's own versions of NumPy and SciPy may change in the others
# only `make test-pip` tells.
# Of flows, operators and verdicts it takes the tests that `make test` has seen make a matrix, or start a process.
engine_rooms := tests/engine tests/flow tests/operators tests/studies tests/extensions tests/parallel \
	tests/comparison/test_validation.py tests/commands/test_commands.py tests/commands/test_spectrum_command.py \
	tests/report/test_views.py tests/test_house.py

test-pip-quick:  ## of them those in which another engine, or a missing package, makes a difference
	$(ENV) --pip-test python -m pytest $(PARALLEL) -m "not slow" \
		--by-engine tests/flow --by-engine tests/operators --by-engine tests/comparison $(engine_rooms)

test-pip-collect:  ## whether every file of the tests can be imported there
	$(ENV) --pip-test python -m pytest -qq --collect-only --ignore tests/mpi --ignore tests/tools

package:  ## sdist and wheel, installed in an empty virtual environment, run the demo there
	tools/check_package

test-mpi:  ## the tests in tests/mpi on two and on three processes, a part of them on four
	$(ENV) mpirun -n 2 python -m pytest tests/mpi -q
	$(ENV) mpirun -n 3 python -m pytest tests/mpi -q
	$(ENV) mpirun -n 4 python -m pytest tests/mpi/test_same_numbers.py -q
	$(ENV) mpirun -n 4 python -m pytest tests/mpi/test_memory_on_ranks.py -q

test-latest:  ## the tests on the newest DOLFINx (0.11, from Debian sid)
	$(ENV) --latest python -m pytest $(PARALLEL)
	$(ENV) --latest mpirun -n 3 python -m pytest tests/mpi -q

lint:  ## ruff (rules and layout) and mypy (strict on the package)
	$(ENV) ruff check
	$(ENV) ruff format --check
	$(ENV) mypy

docs:  ## the documentation, in docs/_build/html; warnings are errors
	$(ENV) sphinx-build -W --keep-going -b html docs docs/_build/html

bench:  ## work against precision beside other tools, what bounds it, scaling (15 min)
	$(ENV) sh -c 'exec python validation/benchmarks/work_precision.py \
		--peers "$$(validation/benchmarks/make_peers.sh)"'
	OMP_NUM_THREADS=1 $(ENV) python validation/benchmarks/shares.py
	$(ENV) python validation/benchmarks/mpi_scaling.py
	cd validation/benchmarks/results && cp *.md *.csv *.png ../../../docs/measured/

lock:  ## pin PyPI's packages anew, with their hashes (tools/packages.lock)
	tools/lock

clean-env:  ## delete what tools/env has made in the cache
	$(ENV) --remove
