"""The options of PETSc and SLEPc that a case may set: solvers and their numbers, nothing else.

PETSc itself takes options that run a Python file, read other options from a file or write to any
file. So a name has to be in `OPTIONS`, and its value of the kind that stands there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from wfrpde.errors import InputError
from wfrpde.fields.complaints import meant, short

Value = str | int | float | bool

INNER = re.compile(
    r"(st_)?((redundant|sub|mg_coarse|mg_coarse_sub|mg_levels(_\d+)?)_)*(?=ksp_|pc_)"
)
"""Prefixes of the solvers within solvers, which take the options of any other."""

MUMPS = re.compile(
    r"(st_)?((redundant|sub|mg_coarse)_)*mat_mumps_(?P<kind>icntl|cntl)_(?P<number>\d+)"
)
"""MUMPS' controls; `MUMPS_NUMBERS` says which: those of files and streams are left out."""

MUMPS_NUMBERS = {"icntl": {6, 7, 8, 10, 13, 14, 23, 24, 28, 29, 35}, "cntl": {1, 2, 3, 4, 5, 7}}

NUMBER, WHOLE, FLAG = "a number", "a whole number", "true or false"
SHOWN = "true, for what is then shown on the screen"

_PATTERNS = {
    NUMBER: re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"),
    WHOLE: re.compile(r"[+-]?\d+"),
}
_FLAGS = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}
_KINDS: Final = {
    NUMBER: """
        ksp_rtol ksp_atol ksp_divtol ksp_richardson_scale pc_sor_omega pc_gamg_threshold
        pc_gamg_threshold_scale pc_factor_fill pc_factor_shift_amount pc_factor_zeropivot
        pc_hypre_boomeramg_strong_threshold pc_hypre_boomeramg_tol pc_hypre_boomeramg_max_row_sum
        eps_tol eps_krylovschur_restart eps_jd_fix eps_lobpcg_restart""",
    WHOLE: """
        ksp_max_it ksp_gmres_restart ksp_bcgsl_ell ksp_chebyshev_esteig_steps pc_sor_its
        pc_sor_lits pc_gamg_agg_nsmooths pc_gamg_aggressive_coarsening pc_gamg_coarse_eq_limit
        pc_gamg_process_eq_limit pc_mg_multiplicative_cycles pc_factor_levels pc_asm_overlap
        pc_asm_blocks pc_bjacobi_blocks pc_redundant_number pc_hypre_boomeramg_max_iter
        pc_hypre_boomeramg_agg_nl pc_hypre_boomeramg_P_max eps_max_it eps_ncv eps_mpd
        eps_gd_blocksize eps_gd_minv eps_gd_plusk eps_gd_initial_size eps_jd_blocksize eps_jd_minv
        eps_jd_plusk eps_jd_initial_size eps_lobpcg_blocksize eps_rqcg_reset""",
    FLAG: """
        ksp_initial_guess_nonzero ksp_error_if_not_converged ksp_richardson_self_scale
        ksp_cg_single_reduction pc_gamg_repartition pc_gamg_reuse_interpolation
        pc_gamg_symmetrize_graph pc_factor_in_place pc_factor_reuse_ordering pc_factor_reuse_fill
        pc_sor_symmetric eps_krylovschur_locking eps_arnoldi_delayed eps_lobpcg_locking
        eps_gd_krylov_start eps_gd_double_expansion eps_jd_krylov_start eps_jd_const_correction_tol
        eps_true_residual eps_purify""",
    SHOWN: """
        ksp_monitor ksp_monitor_true_residual ksp_converged_reason ksp_view pc_view eps_monitor
        eps_monitor_all eps_converged_reason eps_view eps_error_relative""",
}
_TYPES: Final = {
    "ksp_type": """
        preonly none richardson chebyshev cg groppcg pipecg pipecgrr fcg pipefcg minres symmlq cr
        pipecr gcr pipegcr gmres fgmres lgmres dgmres pgmres bcgs bcgsl ibcgs fbcgs qmrcgs cgs
        tfqmr tcqmr bicg cgne cgls lsqr""",
    "ksp_norm_type": "none preconditioned unpreconditioned natural",
    "ksp_pc_side": "left right symmetric",
    "pc_type": """
        none jacobi pbjacobi vpbjacobi bjacobi sor eisenstat ilu icc lu cholesky asm gasm redundant
        gamg hypre ml svd kaczmarz""",
    "pc_jacobi_type": "diagonal rowl1 rowmax rowsum",
    "pc_factor_mat_solver_type": """
        petsc mumps superlu superlu_dist strumpack umfpack cholmod klu pastix mkl_pardiso
        mkl_cpardiso""",
    "pc_factor_mat_ordering_type": "natural nd 1wd rcm qmd rowlength wbm spectral amd metisnd",
    "pc_factor_shift_type": "none nonzero positive_definite inblocks",
    "pc_asm_type": "basic restrict interpolate none",
    "pc_mg_type": "multiplicative additive full kaskade",
    "pc_mg_cycle_type": "v w",
    "pc_gamg_type": "agg geo classical",
    "pc_hypre_type": "boomeramg euclid parasails pilut",
    "pc_hypre_boomeramg_coarsen_type": "CLJP Ruge-Stueben modifiedRuge-Stueben Falgout PMIS HMIS",
    "pc_hypre_boomeramg_interp_type": "classical direct multipass standard ext ext+i FF FF1",
    "eps_type": """
        krylovschur arnoldi lanczos subspace power gd jd rqcg lobpcg lapack arpack trlan blopex
        primme scalapack elpa""",
    "eps_lanczos_reorthog": "local full selective periodic partial delayed",
}

OPTIONS: Final[dict[str, str | tuple[str, ...]]] = {
    **{name: kind for kind, names in _KINDS.items() for name in names.split()},
    **{name: tuple(types.split()) for name, types in _TYPES.items()},
}
"""What each option takes: a kind of value in words, or the names to choose from."""


def checked_options(
    options: Mapping[str, Value | None], where: str = "numerics.petsc_options"
) -> dict[str, str]:
    """Return options as PETSc reads them, ``""`` for those that take no value.

    Raises
    ------
    InputError
        If a name is not in the list, or its value not of its kind; the message names `where`.
    """
    texts = {}
    for name, value in options.items():
        kind, found = _kind(name), f"{name} = {short(value)}"
        if kind is None:
            needed = "an option that chooses or tunes a linear solver or an eigensolver"
            advice = "Those that run, read or write files are refused; see docs/case-files.md."
            raise InputError(where, found, needed, meant(name, OPTIONS) or advice)
        text = _text(value, kind)
        if text is None:
            needed = kind if isinstance(kind, str) else f"one of {', '.join(kind)}"
            raise InputError(where, found, needed)
        if kind != SHOWN:
            texts[name] = text
        elif text == "true":
            texts[name] = ""  # a value would be the file to write to
    return texts


def _kind(name: str) -> str | tuple[str, ...] | None:
    """Return what the option takes, a solver's within others like any other; None if unknown."""
    control = MUMPS.fullmatch(name)
    if control is not None:
        kind = control["kind"]
        known = int(control["number"]) in MUMPS_NUMBERS[kind]
        return (WHOLE if kind == "icntl" else NUMBER) if known else None
    inner = INNER.match(name)
    return OPTIONS.get(name[inner.end() :] if inner else name)


def _text(value: Value | None, kind: str | tuple[str, ...]) -> str | None:
    """Return a value of that kind as PETSc reads it, or None."""
    text = "" if value is None else str(value).strip()
    if isinstance(kind, tuple):
        return text if text in kind else None
    if kind in _PATTERNS:
        fits = not isinstance(value, bool) and _PATTERNS[kind].fullmatch(text)
        return text if fits else None
    return _FLAGS.get(text.lower() or "true")
