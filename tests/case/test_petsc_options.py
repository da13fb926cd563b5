"""What a case may tell PETSc and SLEPc: solvers and numbers, never a file or a program."""

import pytest

from wfrpde.case import Case
from wfrpde.case.petsc_options import checked_options
from wfrpde.errors import InputError

GOOD = {
    "ksp_type": ("cg", "cg"),
    "pc_type": ("gamg", "gamg"),
    "ksp_rtol": (1e-11, "1e-11"),
    "ksp_max_it": ("2000", "2000"),
    "ksp_error_if_not_converged": (True, "true"),
    "pc_factor_mat_solver_type": ("mumps", "mumps"),
    "pc_factor_mat_ordering_type": ("nd", "nd"),
    "sub_pc_type": ("icc", "icc"),
    "redundant_pc_type": ("cholesky", "cholesky"),
    "st_ksp_type": ("bcgsl", "bcgsl"),
    "st_pc_type": ("jacobi", "jacobi"),
    "st_pc_gamg_threshold": ("0.01", "0.01"),
    "st_sub_pc_factor_levels": (1, "1"),
    "st_mg_levels_2_ksp_max_it": (3, "3"),
    "st_mg_levels_pc_type": ("sor", "sor"),
    "mat_mumps_icntl_14": (80, "80"),
    "st_mat_mumps_cntl_1": ("1e-2", "1e-2"),
    "eps_type": ("jd", "jd"),
    "eps_tol": (1e-4, "0.0001"),
    "eps_ncv": (18, "18"),
    "eps_purify": (False, "false"),
    "ksp_monitor": (True, ""),
}

BAD = {
    # what runs programs, and what writes to or reads files
    "pc_type": ["python", "shell", "composite", "GAMG", 3, True, "none such", "cg\npc_type"],
    "pc_python_type": ["evil.PC"],
    "ksp_type": ["python", ""],
    "st_type": ["shell"],
    "eps_type": ["none such", "ciss"],
    "st_pc_type": ["python"],
    "ksp_monitor": ["ascii:/tmp/x", ":/tmp/x", "draw", 2],
    "eps_view": ["binary:/tmp/x"],
    "ksp_view_mat": ["binary:/tmp/x", True],
    "ksp_view_solution": ["ascii:/tmp/x"],
    "log_view": [True, ":/tmp/x"],
    "log_trace": ["/tmp/x"],
    "options_file": ["/tmp/x"],
    "options_file_yaml": ["/tmp/x"],
    "prefix_push": ["x_"],
    "on_error_attach_debugger": [True],
    "start_in_debugger": [True],
    "dll_append": ["/tmp/x.so"],
    "mat_mumps_ooc_tmpdir": ["/tmp"],
    "mat_mumps_icntl_22": [1],
    "mat_mumps_icntl_1": [6],
    "mat_mumps_icntl_14": ["1.5"],
    "malloc_dump": ["/tmp/x"],
    "-ksp_type": ["cg"],
    "ksp_type cg -log_view": [":/tmp/x"],
    # numbers that are none
    "ksp_rtol": ["small", "nan", "inf", "1_000", True, ""],
    "ksp_max_it": [2.5, "2e3", "x"],
    "eps_purify": ["maybe"],
}


def test_solvers_and_their_numbers_are_accepted():
    given = {name: value for name, (value, _) in GOOD.items()}
    assert checked_options(given) == {name: text for name, (_, text) in GOOD.items()}
    assert checked_options({"ksp_monitor": None, "ksp_view": False}) == {"ksp_monitor": ""}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_everything_else_is_refused_when_the_case_is_read(name, value):
    with pytest.raises(InputError) as caught:
        Case.model_validate(
            {
                "target": {"potential": "x**2/2"},
                "initial": {"kind": "gaussian", "mean": [0.0], "covariance": [[1.0]]},
                "numerics": {"petsc_options": {name: value}},
            }
        )
    assert caught.value.where == "numerics.petsc_options"
    assert caught.value.found == f"{name} = {value!r}"


def test_what_to_do_instead():
    with pytest.raises(InputError, match=r"one of none, jacobi, .*gamg"):
        checked_options({"pc_type": "amg"})
    with pytest.raises(InputError, match=r"Did you mean ksp_rtol\?"):
        checked_options({"ksp_rtoll": 1e-3})
    with pytest.raises(InputError, match=r"^PETSC_OPTIONS: found log_view = ':/x'"):
        checked_options({"log_view": ":/x"}, "PETSC_OPTIONS")
