"""PETSc's matrices and linear solvers, and SLEPc's eigensolvers.

PETSc reads no options file (``.petscrc`` of the working folder, say): it could name programs to run
and files to write. Nor is any such option taken from a case, see `wfrpde.case.petsc_options`.
"""

import petsc4py

petsc4py.init(["wfrpde", "-skip_petscrc"])
