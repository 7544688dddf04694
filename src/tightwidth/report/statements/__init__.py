"""The statements of the paper that `tightwidth reproduce` measures, in the paper's order."""

import importlib

from tightwidth.report.statement import Statement

MODULES = (
    "memorization_plane",
    "memorization_steps",
    "smallest_width",
    "finite_scale",
    "baselines",
    "bounded_distributions",
    "initialization",
    "weight_changes",
    "approximation",
    "learning",
    "polynomials",
    "constant_polynomial",
    "label_norms",
)


def all_statements() -> tuple[Statement, ...]:
    """Return the statements; a module holds one or more of them, as STATEMENTS."""
    found: list[Statement] = []
    for name in MODULES:
        found += importlib.import_module(f"tightwidth.report.statements.{name}").STATEMENTS
    return tuple(found)
