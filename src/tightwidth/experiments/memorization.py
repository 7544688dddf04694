"""Memorization of random labels by Algorithm 1, over the plane of m/d and q d/m, and at any B (Theorem 7).

The cells of a plane differ in every shape.  Cells whose padded shapes agree are run side by side in one compiled
program (`tightwidth.padded_runs`); the numbers are those of single runs.
"""

import math
from collections.abc import Hashable, Iterator, Sequence

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from pydantic import Field, model_validator

from tightwidth import activations, losses
from tightwidth.activations import Activation, check_decent
from tightwidth.experiments.experiment import Config, Experiment, OutputScale, Values
from tightwidth.experiments.samples import SPHERE, check_inputs, n_features_of, random_labels_on
from tightwidth.long_jobs import finished
from tightwidth.network import draw_W_half, gates_of, n_parameters
from tightwidth.padded_runs import Finished, RunSpec, Shape, can_pad_pairs, padded_size, run_side_by_side
from tightwidth.run_settings import weights_key

LANES = 4  # runs side by side: enough to hide what a step costs beside its products
SHARES = (0.4, 0.2, 0.1, 0.05, 0.02, 0.01)  # whose steps are reported
LARGEST = 2**24
MOST_STEPS = 2**31 - 1  # they are counted in 32 bits
FEWEST_LOOKS, MOST_LOOKS = 8, 40


class MemorizationConfig(Config):
    """Hold the sample, the network, and Algorithm 1's numbers.

    The dimension is given by itself or as m/d, the width by itself or as q d/m.
    """

    n_samples: int = Field(default=1024, ge=2, le=LARGEST, description="m, the number of points")
    n_features: int | None = Field(default=None, ge=1, le=LARGEST, description="d, their dimension [32]")
    samples_per_feature: float | None = Field(
        default=None, ge=1 / LARGEST, le=LARGEST, description="m/d, instead of n_features"
    )
    n_pairs: int | None = Field(default=None, ge=1, le=LARGEST, description="q, half the hidden neurons [2 m/d]")
    density: float | None = Field(default=None, gt=0, le=LARGEST, description="q d/m, instead of n_pairs")
    inputs: str = Field(
        default=SPHERE, description="sphere, or the rows of digits, breast_cancer, wine; labels are random"
    )
    output_scale: OutputScale = Field(default=math.inf, description="B; inf is the linear limit")
    activation: str = Field(default="relu", description="such as relu, tanh, gelu")
    loss: str = Field(default="perceptron", description="perceptron, hinge, logistic, ...")
    batch_size: int = Field(default=64, ge=1, le=LARGEST, description="b, points a step")
    n_epochs: float = Field(
        default=100, gt=0, le=LARGEST, description="T b/m: how often each point is drawn, on average"
    )
    learning_rate: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="eta [epsilon/G^2, of Theorem 7; 1 for the perceptron]"
    )
    final_rate: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="to which eta falls geometrically [constant]"
    )
    epsilon: float = Field(default=0.05, gt=0, lt=1, description="of the automatic eta")

    label_norm: bool = Field(default=False, description="whether to compute M_W^2, the squared norm of the labels")

    @model_validator(mode="after")
    def _shapes(self) -> "MemorizationConfig":
        """Fill in what follows from the rest, so that a config holds d and q as numbers."""
        check_decent(activations.get(self.activation))
        losses.get(self.loss)
        check_inputs(self.inputs, self.n_samples)
        d = self.n_features
        if self.inputs != SPHERE:
            if d not in (None, n_features_of(self.inputs)) or self.samples_per_feature is not None:
                message = f"{self.inputs} has its own {n_features_of(self.inputs)} features; leave n_features out"
                raise ValueError(message)
            d = n_features_of(self.inputs)
        elif self.samples_per_feature is not None:
            derived = max(1, round(self.n_samples / self.samples_per_feature))
            if d not in (None, derived):
                message = f"n_features = {d} and samples_per_feature = {self.samples_per_feature:g} differ; give one"
                raise ValueError(message)
            d = derived
        d = 32 if d is None else d
        q, derived = self.n_pairs, max(1, round((2 if self.density is None else self.density) * self.n_samples / d))
        if q is not None and self.density is not None and q != derived:
            message = f"n_pairs = {q} and density = {self.density:g} differ; give one"
            raise ValueError(message)
        object.__setattr__(self, "n_features", d)
        object.__setattr__(self, "n_pairs", derived if q is None else q)
        for name, size, most in (("d", d, LARGEST), ("q", self.n_pairs, LARGEST), ("T", self.n_steps, MOST_STEPS)):
            if size is not None and size > most:
                message = f"{name} = {size:,} exceeds {most:,}; take smaller sizes or fewer epochs"
                raise ValueError(message)
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers m, d, q."""
        assert self.n_features is not None
        assert self.n_pairs is not None
        return self.n_samples, self.n_features, self.n_pairs

    @property
    def n_steps(self) -> int:
        """T."""
        return max(1, math.ceil(self.n_epochs * self.n_samples / self.batch_size))

    def rate(self, sigma: Activation) -> float:
        """Return eta: that given, or ``epsilon/G²`` with ``G² = C² (1/b + (1 - 1/b)/d)``, of which T is best.

        The path of a perceptron at B = infinity only scales with eta, and 1 is as good as any.
        """
        if self.learning_rate is not None:
            return self.learning_rate
        if self.loss == "perceptron" and math.isinf(self.output_scale):
            return 1.0
        b, d = self.batch_size, self.shape[1]
        return self.epsilon / (sigma.C**2 * (1 / b + (1 - 1 / b) / d))


def padded_shape(config: MemorizationConfig) -> Shape:
    """Return the shape that a cell is padded to."""
    m, d, q = config.shape
    pads = can_pad_pairs(activations.get(config.activation), config.output_scale)
    M = 1 << max(5, math.ceil(math.log2(m)))  # padded points cost no steps
    return Shape(M, padded_size(d), padded_size(q) if pads else q, LANES)


def group(config: MemorizationConfig) -> Hashable:
    """Return what cells that share a compiled program have in common."""
    form = math.isinf(config.output_scale)
    length = config.n_steps, n_looks(config)  # so that all are looked at at the same steps, whoever is beside them
    return padded_shape(config), config.activation, config.loss, config.batch_size, form, length


def spec_of(config: MemorizationConfig) -> RunSpec:
    """Return the run of a cell: its sample, labels and numbers."""
    m, d, q = config.shape
    X, y = random_labels_on(config.inputs, m, d, config.seed)
    rate = config.rate(activations.get(config.activation))
    return RunSpec(X, y, q, config.output_scale, rate, config.n_steps, config.seed, config.final_rate)


def n_looks(config: MemorizationConfig) -> int:
    """Return how often the whole sample is looked at: a look costs about as much as a third of an epoch."""
    return int(min(MOST_LOOKS, max(FEWEST_LOOKS, config.n_epochs / 5)))


def run(configs: Sequence[MemorizationConfig]) -> Iterator[tuple[int, Values]]:
    """Run the cells of one group, some side by side, those of like shape together."""
    order = sorted(range(len(configs)), key=lambda place: (configs[place].shape, place))
    for start in range(0, len(order), LANES):
        places = order[start : start + LANES]
        first = configs[places[0]]
        running = run_side_by_side(
            [spec_of(configs[place]) for place in places],
            padded_shape(first),
            activation=activations.get(first.activation),
            loss=losses.get(first.loss),
            batch_size=first.batch_size,
            n_looks=n_looks(first),
        )
        for place, done in zip(places, finished(running), strict=True):
            yield place, values_of(configs[place], done)


def values_of(config: MemorizationConfig, done: Finished) -> Values:
    """Return what was measured: shares memorized, steps, and for several shares how many steps they took.

    ``steps_to_X`` is the first look at which the mean over the iterates so far leaves at most X unmemorized, or where
    nothing moves any more the step at which it will.
    """
    m, d, q = config.shape
    steps_to: Values = {}
    for share in SHARES:
        reached = [look.step for look in done.looks if look.mean_fraction >= 1 - share]
        if not reached and done.ended == "no_gradient" and done.fraction == 1:
            last = done.looks[-1]  # no mistake is made any more, and the mean goes on falling
            reached = [math.ceil((1 - last.mean_fraction) * last.step / share)]
        steps_to[f"steps_to_{share:g}"] = reached[0] if reached else None
    return {
        "n_features": d,
        "n_pairs": q,
        "n_parameters": n_parameters(q, d),
        "parameters_per_sample": n_parameters(q, d) / m,
        "fraction": done.fraction,
        "fraction_mean": done.mean_fraction,
        "ended": done.ended,
        "n_steps": done.n_steps,
        "n_steps_planned": config.n_steps,
        **steps_to,
        "label_norm_squared": label_norm_squared(config) if config.label_norm else None,
        "look_steps": [look.step for look in done.looks],
        "look_fractions": [look.fraction for look in done.looks],
    }


def label_norm_squared(config: MemorizationConfig) -> float | None:
    """Return ``M_W² = yᵀ K_W⁻¹ y`` for the weights of the cell; None if K_W has no inverse."""
    m, d, q = config.shape
    X, y = random_labels_on(config.inputs, m, d, config.seed)
    sigma = activations.get(config.activation)
    W_half = draw_W_half(weights_key(config.seed), q, d)
    gates = np.asarray(gates_of(W_half, jnp.asarray(X), sigma), np.float64)
    K = (gates @ gates.T / q) * (X.astype(np.float64) @ X.T.astype(np.float64))
    try:
        root = scipy.linalg.cholesky(K, lower=True)
    except scipy.linalg.LinAlgError:
        return None
    return float(np.sum(scipy.linalg.solve_triangular(root, y.astype(np.float64), lower=True) ** 2))


def bytes_needed(config: MemorizationConfig) -> float:
    """Estimate the memory of the cells that run side by side: gates of the samples, and weights with their steps."""
    shape = padded_shape(config)
    sample = shape.M * (shape.D + 3 * shape.Q)
    norm = 24.0 * config.n_samples**2 if config.label_norm else 0.0
    return 4.0 * LANES * (2 * sample + 8 * shape.Q * shape.D) + norm + 2e8


EXPERIMENT = Experiment(
    "memorization",
    "the share of random labels that Algorithm 1 memorizes, over width, dimension and B",
    MemorizationConfig,
    run,
    bytes_needed,
    group,
)
