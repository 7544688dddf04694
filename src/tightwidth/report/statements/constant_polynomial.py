"""Erratum 2: the constant polynomial has a norm of about sqrt(2 pi d)."""

import math

import numpy as np

from tightwidth.cell_records import Verdict
from tightwidth.experiments.constant_polynomial import ConstantConfig
from tightwidth.plots import constant_polynomial as figures
from tightwidth.report.comparison import compare, exact, exponent, farthest, simultaneous_mean
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME, LABEL = "constant_polynomial", "Erratum 2"
DIMENSIONS = {"quick": (8, 32, 128), "full": (8, 16, 32, 64, 128, 256)}
SEEDS = {"quick": 10, "full": 20}
EXPONENT_TOLERANCE = 0.05
FLAT = math.sqrt(math.pi)  # what the power series bounds the norm of x_1 x_2 by, in every dimension


def cells(level: Level) -> list[Cell]:
    """Return spheres of several dimensions."""
    return [(NAME, ConstantConfig(n_features=d, seed=seed)) for d in DIMENSIONS[level] for seed in range(SEEDS[level])]


def verdicts(records: Records) -> list[Verdict]:
    """Compare the mean of the kernel with 1 over the squared norm, and the exponent of the norm in d with 1/2."""
    dimensions = sorted({r["n_features"] for r in of(records, NAME)})
    estimates, products = {}, []
    for d in dimensions:
        rows = of(records, NAME, n_features=d)
        eigenvalue = simultaneous_mean(np.array([r["mean_kernel"] for r in rows]), len(dimensions))
        estimates[str(d)] = eigenvalue, rows[0]["exact_norm"] ** -2
        products.append(rows[0]["product_norm"])
    at, estimate, predicted = farthest(estimates)
    slope = exponent(of(records, NAME), "n_features", "sampled_norm")
    claim = f"mean of tk^h over pairs of points, 1/‖1‖², in {at} dimensions, where it is farthest from the formula"
    return [
        compare(LABEL, claim, "covers", predicted, estimate),
        compare(LABEL, "exponent of ‖1‖ in d", "within", 0.5, slope, EXPONENT_TOLERANCE),
        compare(LABEL, "‖x₁x₂‖, of degree 2, in every dimension", "below", FLAT, exact(products, "by Funk and Hecke")),
    ]


def tables(records: Records) -> list[Table]:
    """Return the norms by dimension."""
    lines = []
    for d in sorted({r["n_features"] for r in of(records, NAME)}):
        rows = of(records, NAME, n_features=d)
        sampled = float(np.mean([r["mean_kernel"] for r in rows])) ** -0.5
        exact_norm, product = rows[0]["exact_norm"], rows[0]["product_norm"]
        lines.append((str(d), *(f"{v:.3f}" for v in (sampled, exact_norm, math.sqrt(2 * math.pi * d), product))))
    columns = ("d", "‖1‖ sampled", "‖1‖ exact", "√(2πd)", "‖x₁x₂‖")
    return [Table("Norms in the space of relu's tk^h on the sphere", columns, tuple(lines))]


STATEMENTS = [
    Statement(
        label=LABEL,
        title="The constant polynomial",
        says="Printed: all even polynomials with coefficients of norm M have norm O(M) under relu. It holds for the "
        "degrees 2, 4, ...; the constant 1 has the norm √(2πd), about, since the kernel's series has no constant term.",
        measured="On the sphere ‖1‖² is 1 over the mean of the kernel, here over random pairs of points; ‖x₁x₂‖ for "
        "comparison.",
        cells=cells,
        verdicts=verdicts,
        figures={"constant_polynomial": (figures.draw, "Norm of the constant and of x₁x₂ over the dimension.")},
        tables=tables,
    )
]
