"""PETSc's matrices and linear solvers, and SLEPc's eigensolvers.

PETSc reads no options file (``.petscrc`` of the working folder, say): it could name programs to run
and files to write. Nor is any such option taken from a case, see `wfrpde.case.petsc_options`.
Signals stay Python's: PETSc's handlers would end a command whose output nobody reads any more, as
in ``wfrpde … | head``, with a call of MPI_Abort.
"""

import petsc4py

import wfrpde.parallel.mpi  # noqa: F401  # before PETSc loads MPI: see `ignore_what_is_ignored`

petsc4py.init(["wfrpde", "-skip_petscrc", "-no_signal_handler"])
