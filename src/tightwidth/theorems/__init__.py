"""The numbered results, one a file: hypotheses, bound, sizing; floats in, floats out."""

from tightwidth.theorems import (
    a5_bounded_distributions,
    cor3_random_features,
    excess_loss,
    hypotheses,
    lower_bounds,
    prior_work,
    thm4_vector_features,
    thm5_networks,
    thm6_polynomials,
    thm7_memorization,
    thm10_embedding,
)

__all__ = [
    "a5_bounded_distributions",
    "cor3_random_features",
    "excess_loss",
    "hypotheses",
    "lower_bounds",
    "prior_work",
    "thm4_vector_features",
    "thm5_networks",
    "thm6_polynomials",
    "thm7_memorization",
    "thm10_embedding",
]
