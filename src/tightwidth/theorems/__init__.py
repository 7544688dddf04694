"""The numbered results, one a file: hypotheses, bound, sizing; floats in, floats out."""

from tightwidth.theorems import thm7_memorization

__all__ = ["thm7_memorization"]
