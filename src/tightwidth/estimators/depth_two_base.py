"""What the two depth-two estimators share: their parameters, planning, training, and what is kept."""

import math
import numbers
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tightwidth import activations, losses, sphere
from tightwidth.activation_checks import check_activation
from tightwidth.activations import Activation, check_decent
from tightwidth.comparators import find_certificate
from tightwidth.embedding import GATES_SHARE, embed
from tightwidth.errors import InputError
from tightwidth.estimators.fit_plan import LEAST_BATCH, FitPlan, Patience, plan_fit
from tightwidth.estimators.inputs import Inputs, checked_weights, dense_blocks, validated
from tightwidth.estimators.kept_state import kept_state, restored_state
from tightwidth.estimators.training import (
    STEPS_A_LOOK,
    FitCertificate,
    Stopping,
    online_intervals,
    online_misses,
    settings_of,
    train,
)
from tightwidth.losses import Loss, check_loss
from tightwidth.memory import check_fits, fits
from tightwidth.online_loss import Interval
from tightwidth.precision import in_precision_of
from tightwidth.run_settings import weights_key
from tightwidth.shared_outputs import Outputs, init_outputs, predict_outputs
from tightwidth.shared_run import SharedState
from tightwidth.weighted_sampling import in_order, weighted, whole

ITERATES = ("average", "last", "random")
CERTIFIED_EPSILON = 0.05
MOST_SEED = np.iinfo(np.int32).max

Targets = Float[np.ndarray, "m K"]


def _auto_or(name: str, value: Any, least: float, *, whole_number: bool) -> Any:
    """Return None for "auto", else the number."""
    if isinstance(value, str) and value == "auto":
        return None
    kind: Any = numbers.Integral if whole_number else numbers.Real
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    number: Any = value
    if not is_number or not least <= number < math.inf or number <= 0:
        what = f"a whole number of at least {least:g}" if whole_number else "a positive number"
        message = f"{name}={value!r} must be 'auto' or {what}; leave it at 'auto' for what theory chooses"
        raise InputError(message)
    return value


class DepthTwo(BaseEstimator):
    """Train K networks from one W' by Algorithm 1: what `DepthTwoClassifier` and `DepthTwoRegressor` do alike."""

    # the parameters, which the two constructors keep as they are given
    n_pairs: Any
    output_scale: Any
    activation: Any
    loss: Any
    batch_size: Any
    n_steps: Any
    learning_rate: Any
    epsilon: Any
    iterate: Any
    standardize: Any
    on_sphere: Any
    validation_fraction: Any
    n_iter_no_change: Any
    tol: Any
    warm_start: Any
    certify: Any
    verbose: Any
    random_state: Any
    _patience: Patience

    def _checked(self) -> tuple[Activation, Loss, dict[str, Any]]:
        """Return the activation, the loss, and the numbers that the user fixed; check every parameter.

        Raises
        ------
        InputError
            If a parameter is out of its range or unknown.
        HypothesisError
            If the activation is not decent, or has not the constants it claims.
        """
        sigma, loss = activations.get(self.activation), losses.get(self.loss)
        check_decent(sigma)
        if sigma is not activations.REGISTRY.get(sigma.name):
            check_activation(sigma)
        if loss is not losses.REGISTRY.get(loss.name):
            check_loss(loss)
        for name, low, high in (("epsilon", 0, math.inf), ("output_scale", 0, None), ("validation_fraction", 0, 1)):
            value: Any = getattr(self, name)
            kind: Any = numbers.Real
            if isinstance(value, bool) or not isinstance(value, kind) or not value > low:
                message = f"{name}={value!r} must be a number above {low}; see the class for its meaning"
                raise InputError(message)
            if high is not None and not value < high:
                message = f"{name}={value!r} must be below {high:g}; see the class for its meaning"
                raise InputError(message)
        if self.iterate not in ("auto", *ITERATES):
            message = f"iterate={self.iterate!r} is unknown; known: auto, {', '.join(ITERATES)}"
            raise InputError(message)
        _auto_or("n_iter_no_change", self.n_iter_no_change, 1, whole_number=True)
        return (
            sigma,
            loss,
            {
                "n_pairs": _auto_or("n_pairs", self.n_pairs, 1, whole_number=True),
                "n_steps": _auto_or("n_steps", self.n_steps, 1, whole_number=True),
                "batch_size": _auto_or("batch_size", self.batch_size, 1, whole_number=True),
                "learning_rate": _auto_or("learning_rate", self.learning_rate, 0, whole_number=False),
            },
        )

    @property
    def _judged(self) -> str:
        """When a row counts as missed."""
        return "loss"

    @property
    def _iterate(self) -> str:
        """Which iterate is kept: at B = infinity the mean, which Theorem 10 is about, else the last."""
        if self.iterate != "auto":
            return self.iterate
        return "average" if math.isinf(self.output_scale) else "last"

    def _new_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(MOST_SEED))

    def _split_seed(self) -> int:
        """Return a seed of the held-out part, the same for the same random_state."""
        return int(self.random_state) if isinstance(self.random_state, numbers.Integral) else self._new_seed()

    def _say(self) -> Callable[[str], None] | None:
        if not self.verbose:
            return None
        return lambda line: print(f"[{type(self).__name__}] {line}", flush=True)  # noqa: T201 (progress that verbose=True asks for)

    def _fit(
        self,
        X: Float[np.ndarray, "m d"],
        Y: Targets,
        weights: Float[np.ndarray, " m"] | None,
        held_out: tuple[Float[np.ndarray, "n d"], Callable[[Targets], float]] | None,
    ) -> None:
        """Plan, train and keep; X are checked rows with positive weights, Y their targets."""
        sigma, loss, fixed = self._checked()
        goes_on = self.warm_start and hasattr(self, "trained_")
        if not goes_on:
            self._seed = self._new_seed()
            settings: Any = {name: getattr(self, name) for name in ("standardize", "on_sphere")}
            self.inputs_ = Inputs.fit(X, weights, **settings)
        points = self.inputs_.transform(X)
        if goes_on:
            fixed["n_pairs"] = len(self.W_half_)
        plan = self._plan(points, Y, weights, sigma, loss, fixed)
        start = self._networks(self.trained_) if goes_on else self._start(points, Y.shape[1], plan, sigma)
        keeps = fits(float(len(points)) * plan.n_pairs * points.itemsize, GATES_SHARE)
        with in_precision_of(points.dtype):
            cached = start.cache(points) if keeps else None
        source = (whole if plan.is_whole else weighted)(points, Y, weights, cached)
        stopping = None
        if held_out is not None:
            rows, score = self.inputs_.transform(held_out[0]), held_out[1]
            stopping = Stopping(
                lambda trained: score(predict_outputs(self._networks(trained, start), rows)),
                self.n_iter_no_change,
                self.tol,
            )
        run = settings_of(plan, loss, self._seed, points.dtype, judged=self._judged)
        found = train(
            run,
            start,
            source,
            plan,
            iterate=self._iterate,
            seed=self._seed,
            steps_an_epoch=STEPS_A_LOOK if plan.is_whole else math.ceil(len(points) / plan.batch_size),
            stopping=stopping,
            say=self._say(),
        )
        self._keep(start, found.kept)
        self.plan_, self.n_steps_ = plan, int(found.state.t)
        self.validation_scores_ = found.scores or None
        memorized = self._memorized(plan, loss, points, Y) if self.certify and weights is None else None
        self.certificate_ = self._certificate(found.state, plan, loss, points.shape[1], memorized)
        self.__dict__.pop("_stream", None)

    def _plan(
        self,
        points: Float[np.ndarray, "m e"],
        Y: Targets,
        weights: Float[np.ndarray, " m"] | None,
        sigma: Activation,
        loss: Loss,
        fixed: dict[str, Any],
    ) -> FitPlan:
        return plan_fit(
            points,
            Y,
            weights,
            activation=sigma,
            loss=loss,
            epsilon=float(self.epsilon),
            adapts=not self.certify,
            patience=self._patience,
            seed=self._seed,
            **fixed,
        )

    def _start(self, points: Float[np.ndarray, "m e"], K: int, plan: FitPlan, sigma: Activation) -> Outputs:
        q, d = plan.n_pairs, points.shape[1]
        check_fits(
            8.0 * points.itemsize * K * q * d + 40.0 * q,
            f"{K} outputs of {q} pairs in {d} dimensions",
            "give a smaller n_pairs",
        )
        return init_outputs(
            weights_key(self._seed),
            d=d,
            q=q,
            K=K,
            B=float(self.output_scale),
            activation=sigma,
            dtype=points.dtype,
        )

    def _keep(self, start: Outputs, trained: Any) -> None:
        """Keep weights as NumPy arrays, which can be pickled whatever the activation is."""
        self.W_half_ = np.asarray(start.W_half)
        self.trained_ = tuple(np.asarray(array) for array in trained)
        self.n_pairs_ = len(self.W_half_)

    def _networks(self, trained: Any, start: Outputs | None = None) -> Outputs:
        """Return the networks that have trained this."""
        dtype = self.W_half_.dtype if start is None else start.W_half.dtype
        with in_precision_of(np.dtype(dtype)):
            W_half = jnp.asarray(self.W_half_) if start is None else start.W_half
            inverse_B = None if math.isinf(self.output_scale) else jnp.asarray(1 / self.output_scale, dtype)
            arrays = tuple(jnp.asarray(array) for array in trained)
            return Outputs(W_half, arrays, inverse_B, activations.get(self.activation))

    def _certificate(
        self, state: SharedState, plan: FitPlan, loss: Loss, d: int, memorized: tuple[float, ...] | None
    ) -> FitCertificate:
        T = int(state.t)
        excess = None
        norm = max(plan.norms)
        if math.isfinite(loss.L) and plan.learning_rate is not None and norm > 0:
            C = activations.get(self.activation).C
            excess = {
                "approximation": loss.L * C * norm * plan.R / math.sqrt(plan.n_pairs * d),
                "distance": norm**2 / (2 * plan.learning_rate * T),
                "noise": plan.learning_rate * plan.G_squared / 2,
            }
        misses = online_misses(state)
        return FitCertificate(
            misses=misses.mean,
            misses_interval=Interval(misses.mean, misses.mean) if plan.is_whole else misses.interval(),
            mean_online_loss=tuple((np.asarray(state.online_loss.total, np.float64) / T).tolist()),
            mean_online_mistakes=tuple((np.asarray(state.online_mistakes.total, np.float64) / T).tolist()),
            intervals=online_intervals(state, is_exact=plan.is_whole),
            excess_loss=excess,
            memorized=memorized,
        )

    def _memorized(
        self, plan: FitPlan, loss: Loss, points: Float[np.ndarray, "m e"], Y: Targets
    ) -> tuple[float, ...] | None:
        """Return the share of the training rows that each output is guaranteed, at B = infinity and for labels +-1."""
        if math.isfinite(self.output_scale) or plan.learning_rate is None or not np.isin(Y, (-1, 1)).all():
            return None
        R = sphere.R_of_sample(points, seed=self._seed)
        with in_precision_of(points.dtype):
            embedding = embed(points, jnp.asarray(self.W_half_), activations.get(self.activation))
            shares = []
            for k in range(Y.shape[1]):
                found = find_certificate(
                    embedding,
                    Y[:, k].astype(points.dtype),
                    loss=loss,
                    batch_size=MOST_SEED if plan.is_whole else plan.batch_size,
                    epsilon=CERTIFIED_EPSILON,
                    R=R,
                    seed=self._seed,
                )
                if found.certificate.why_none() is not None:
                    return None
                shares.append(found.certificate.fraction(plan.n_steps, plan.learning_rate, path_scales=True))
        return tuple(shares)

    def _partial_fit(self, X: Float[np.ndarray, "m d"], Y: Targets, weights: Float[np.ndarray, " m"] | None) -> None:
        """Take one pass over the rows in their order; the first call plans, and fixes what standardises later rows."""
        sigma, loss, fixed = self._checked()
        goes_on = hasattr(self, "trained_")
        if not goes_on:
            self._seed = self._new_seed()
            settings: Any = {name: getattr(self, name) for name in ("standardize", "on_sphere")}
            self.inputs_ = Inputs.fit(X, weights, **settings)
        points = self.inputs_.transform(X)
        if not hasattr(self, "_stream"):
            self.plan_ = self._plan(points, Y, weights, sigma, loss, self._for_a_stream(fixed, len(points)))
        if not goes_on:
            start = self._start(points, Y.shape[1], self.plan_, sigma)
            self._keep(start, start.trained)
        points = points.astype(self.W_half_.dtype)
        run = settings_of(self.plan_, loss, self._seed, self.W_half_.dtype, judged=self._judged, grows=True)
        networks = self._networks(self.trained_)
        state = restored_state(run, networks, self._stream) if hasattr(self, "_stream") else run.init(networks)
        b, m = self.plan_.batch_size, len(points)
        ones = np.ones(m) if weights is None else weights / weights.mean()
        source = in_order(points, Y, ones, batch_size=b, first=int(state.t))
        state = run.advance(state, source, math.ceil(m / b))
        self._keep_stream(state, loss, points.shape[1])

    def _keep_stream(self, state: SharedState, loss: Loss, d: int) -> None:
        """Keep what a stream has come to, and all that is needed to go on."""
        averages = state.averages if self._iterate == "average" else state.networks.trained
        self.trained_ = tuple(np.asarray(array) for array in averages)
        self._stream = kept_state(state)
        self.n_steps_ = int(state.t)
        self.certificate_ = self._certificate(state, self.plan_, loss, d, None)

    def _for_a_stream(self, fixed: dict[str, Any], m: int) -> dict[str, Any]:
        """Return the fixed numbers, with a batch size: rows in their order are never taken whole."""
        width = len(self.W_half_) if hasattr(self, "W_half_") else fixed["n_pairs"]
        return {**fixed, "batch_size": fixed["batch_size"] or min(m, LEAST_BATCH), "n_pairs": width}

    def _outputs(self, X: Any) -> Float[np.ndarray, "m K"]:
        """Return the outputs of the networks on later rows."""
        check_is_fitted(self)
        networks = self._networks(self.trained_)
        blocks = dense_blocks(validated(self, X, accept_sparse="csr"))
        return np.concatenate([predict_outputs(networks, self.inputs_.transform(block)) for block in blocks])

    def __sklearn_tags__(self) -> Any:
        """Return the tags: sparse rows are welcome, and made dense."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _weights(self, sample_weight: Any, m: int) -> Float[np.ndarray, " m"] | None:
        return checked_weights(sample_weight, m)
