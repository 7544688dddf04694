"""The excess loss of SGD, term by term: what the theorems about learning bound."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExcessLoss:
    """Hold a bound on ``E L_D(h) - L_D(f)``, f being any function of norm at most M, as a sum of named terms.

    Parameters
    ----------
    approximation
        The random features stand for the kernel: falls like ``1/sqrt(q)``.
    distance
        SGD starts at 0 and has to reach f: ``M^2/(2 eta T)``.
    noise
        SGD never rests: ``eta G^2/2``.
    linearisation
        The network is not linear in its weights: falls with B, and is 0 at infinity.
    """

    approximation: float
    distance: float
    noise: float
    linearisation: float = 0.0

    @property
    def terms(self) -> dict[str, float]:
        """The terms by name."""
        return {
            "approximation": self.approximation,
            "distance": self.distance,
            "noise": self.noise,
            "linearisation": self.linearisation,
        }

    @property
    def total(self) -> float:
        """The bound."""
        return self.approximation + self.distance + self.noise + self.linearisation

    @property
    def dominant(self) -> str:
        """The name of the largest term."""
        return max(self.terms, key=self.terms.__getitem__)


@dataclass(frozen=True)
class Sizing:
    """Hold a width, a number of steps and a rate that suffice, and the bound that they reach.

    ``learning_rate`` is the embedding's; ``B`` the size of the output weights.
    """

    q: int
    n_steps: int
    batch_size: int
    learning_rate: float
    B: float
    bound: ExcessLoss
