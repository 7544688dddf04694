"""How many parameters earlier proofs of memorization needed (section 1.1): powers of m, up to logarithms.

For activations that are no polynomials and data that are not linearly separable.  The constants and logarithms are
left out, so ratios between entries mean something for large m only.
"""

import math
import sys
from dataclasses import dataclass

from tightwidth.theorems.hypotheses import require_count

LARGEST_LOGARITHM = math.log(sys.float_info.max) - 1e-9


@dataclass(frozen=True)
class Entry:
    """Hold one result: ``m^exponent`` parameters memorize m points, up to logarithms."""

    authors: str
    year: str
    exponent: int

    def parameters(self, m: int) -> float:
        """Return ``m^exponent``, infinity where that is no float.

        Raises
        ------
        HypothesisError
            If m is below 1.
        """
        require_count("m", m)
        return float(m) ** self.exponent if self.exponent * math.log(m) < LARGEST_LOGARITHM else math.inf


RESULTS = (
    Entry("Allen-Zhu et al.", "2018", 24),
    Entry("Zou and Gu", "2019", 8),
    Entry("Du et al.", "2018a", 6),
    Entry("Wu et al.", "2019", 6),
    Entry("Du et al.", "2018b", 4),
    Entry("Song and Yang", "2019", 2),
    Entry("Oymak and Soltanolkotabi", "2019", 2),
    Entry("Daniely", "2020", 1),
)
"""In the order of the paper, which lists them from the largest exponent down, and the paper itself."""


def parameters(m: int) -> tuple[tuple[str, float], ...]:
    """Return each result's name and its number of parameters for m points, from the most to the fewest.

    Raises
    ------
    HypothesisError
        If m is below 1.

    References
    ----------
    Daniely (2020), Section 1.1.

    Examples
    --------
    >>> parameters(100)[-1]
    ('Daniely (2020)', 100.0)
    """
    return tuple((f"{entry.authors} ({entry.year})", entry.parameters(m)) for entry in RESULTS)
