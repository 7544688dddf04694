"""Kernels of the norms of two points and the angle between them: tk, NNGP, of any depth (section 2.5).

A depth-two network has ``tk = tk^h + tk^o``; a deeper one follows the recursion

    K^1 = T^1 = <x,z>,    K^{l+1} = w^2 dual(sigma)(K^l) + c^2,    T^{l+1} = w^2 T^l dual(sigma')(K^l) + K^{l+1},

in which K^l is the NNGP kernel and T^l the tangent kernel.  Off the unit sphere the duals are those of a Gaussian
pair with the variances of K^l; a homogeneous sigma then scales.  The recursion carries ``1 - rho`` and not rho from
layer to layer, so that a small angle stays exact.

One product of all points with all points gives the correlations.  Pairs with ``1 - |rho| < 0.01`` are computed again,
one by one, in float64 from the half-chords of the points themselves.
"""

import functools
import math
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth import activations, duals
from tightwidth.activation_checks import check_elementwise
from tightwidth.activations import Activation
from tightwidth.angles import FarPair, GaussianPair, sine_of, unit_chords
from tightwidth.errors import DataError, InputError
from tightwidth.kernel_layers import Layer, Recursion, common_std, layer_of
from tightwidth.kernel_tiles import Kernel, Tiling
from tightwidth.precision import is_concrete
from tightwidth.sphere import norms_and_directions

Part = Literal["both", "hidden", "output"]
PARTS = ("both", "hidden", "output")
NEAR = 0.01  # of 1 - |rho|: where a product alone would lose digits of the angle
ALIKE = {"float32": 4e-7, "float64": 4e-15}  # spread of norms, relative, that counts as none
CHUNK = 4096  # pairs that are computed one by one in one compiled call


class AngularKernel(Kernel):
    """Hold a tangent kernel or NNGP kernel: an activation, a depth, and the weights of its parts.

    ``weights`` are those of the recursion's inner layers, (w^2, c^2); ``last`` those of the last, for the hidden part,
    the output part, and the constant: (w^2, w^2, c^2) for the recursion, (1, 1/B^2, 0) for depth two.
    """

    activation: Activation = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    part: Part = eqx.field(static=True)
    weights: tuple[Any, Any]
    last: tuple[Any, Any, Any]

    def of_points(self, x: Float[Array, " d"], z: Float[Array, " d"]) -> Float[Array, ""]:
        """Return k(x, z); traced where sigma has a closed form, else for concrete points.

        Raises
        ------
        InputError
            If the points are traced and sigma has no closed form.
        """
        pair = GaussianPair(*unit_chords(x, z))
        recursion = self.recursion(None).for_near_pairs()
        if recursion.is_traced:
            return recursion(pair)
        if not is_concrete(pair.rho):
            message = (
                f"the kernel of {self.activation.name!r} is integrated by quadrature and cannot be traced for points "
                f"of any norm; call it with concrete points, use kernels.gram, or trace duals.dual on the sphere"
            )
            raise InputError(message)
        return jnp.asarray(on_host(recursion, GaussianPair(*(np.asarray(part).reshape(1) for part in pair)))[0])

    def recursion(self, common: float | None) -> Recursion:
        """Return the recursion over the layers, for points of a common norm or (None) of any norms."""
        layers: list[Layer] = []
        std = common
        for index in range(self.depth - 1):
            layers.append(layer_of(self.activation, std, slope=self.part != "output"))
            if std is not None and index < self.depth - 2:
                std = common_std(self.weights, layers[-1], std)
        return Recursion(tuple(layers), self.weights, self.last, self.part)

    def diagonal(self, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
        """Return k(x, x), in the dtype of X, computed in float64."""
        norms, _ = norms_and_directions(X)
        return self._of_norms(self.recursion(common_norm(norms, X.dtype)), norms).astype(X.dtype)

    def _of_norms(self, recursion: Recursion, norms: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """Return k(x, x) of points of these norms, in float64."""
        same = GaussianPair(norms, norms, (norms > 0).astype(np.float64), (norms == 0).astype(np.float64))
        return self._of_pairs(recursion, same)

    def _of_pairs(self, recursion: Recursion, pair: GaussianPair) -> Float[np.ndarray, " k"]:
        """Return k of pairs whose angles are known exactly, in float64, [k]."""
        recursion = recursion.for_near_pairs()
        if not recursion.is_traced:
            return on_host(recursion, pair)
        n = len(np.asarray(pair.rho))
        parts = []
        with jax.enable_x64(True):
            for start in range(0, n, CHUNK):
                piece = GaussianPair(*(_padded(np.asarray(part[start : start + CHUNK])) for part in pair))
                parts.append(np.asarray(_evaluated(recursion, piece))[: n - start])
        return np.concatenate(parts) if parts else np.zeros(0)

    def of_near_pairs(
        self, recursion: Recursion, x: Float[np.ndarray, "k d"], z: Float[np.ndarray, "k d"]
    ) -> Float[np.ndarray, " k"]:
        """Return k(x_i, z_i) in float64 from the half-chords of the points themselves."""
        chords = []
        with jax.enable_x64(True):
            for start in range(0, len(x), CHUNK):
                ends = (_padded(part[start : start + CHUNK].astype(np.float64)) for part in (x, z))
                chords.append([np.asarray(part)[: len(x) - start] for part in _chords(*ends)])
        pair = GaussianPair(*(np.concatenate(part) for part in zip(*chords, strict=True)))
        return self._of_pairs(recursion, pair)

    def tiling(self, X: Float[np.ndarray, "m d"], Z: Float[np.ndarray, "n d"] | None) -> Tiling:
        """Return tiles by one product each, near pairs computed again."""
        norms = np.concatenate([norms_and_directions(part)[0] for part in (X, Z) if part is not None])
        check_norms(norms, X.dtype)
        recursion = self.recursion(common_norm(norms, X.dtype))
        dtype = np.dtype(np.float64) if recursion.is_double else X.dtype
        is_traced = recursion.is_traced
        diagonal = self._of_norms(recursion, norms if Z is None else np.sort(norms)[-1:]).astype(X.dtype)
        if not np.isfinite(diagonal).all():
            raise DataError(_too_long(norms, X.dtype))

        def prepare(points: np.ndarray) -> tuple[Any, Any]:
            norms, directions = norms_and_directions(points)
            if not is_traced:
                return directions.astype(dtype), norms.astype(dtype)
            with jax.enable_x64(dtype == np.float64):
                return jnp.asarray(directions, dtype), jnp.asarray(norms, dtype)

        def compute(x: Any, z: Any, on_diagonal: bool) -> Any:
            with jax.enable_x64(dtype == np.float64):
                if is_traced:
                    return _tile(recursion, x, z, on_diagonal)
                return _correlations(x, z, on_diagonal), x, z

        def finish(started: Any, x: np.ndarray, z: np.ndarray, on_diagonal: bool) -> np.ndarray:
            if is_traced:
                values, nearest = np.asarray(started[0]), float(started[1])
            else:
                (rho, nearest), (_, r), (_, t) = started
                rho, nearest = np.asarray(rho), float(nearest)
                wanted = np.abs(rho) <= 1 - NEAR  # the others follow below
                wanted = np.triu(wanted, 1) if on_diagonal else wanted
                parts = np.broadcast_arrays(r[:, None], t[None, :], rho, np.sqrt(1 - rho * rho))
                values = np.zeros(rho.shape)
                values[wanted] = on_host(recursion, GaussianPair(*(part[wanted] for part in parts)))
            values = values.astype(X.dtype, copy=False)
            if nearest > 1 - NEAR:
                values = np.array(values)  # what JAX returned may not be written to
                with jax.enable_x64(dtype == np.float64):
                    rho = np.abs(np.asarray(_correlations(prepare(x), prepare(z), on_diagonal)[0]))
                i, j = np.nonzero(np.triu(rho > 1 - NEAR, 1) if on_diagonal else rho > 1 - NEAR)
                values[i, j] = self.of_near_pairs(recursion, x[i], z[j])
            return values

        return Tiling(
            X,
            Z,
            prepare=prepare,
            compute=compute,
            finish=finish,
            diagonal=lambda rows: diagonal[rows],
            may_be_large=is_traced,  # not where every pair is integrated, which can be interrupted after a tile
        )


def on_host(recursion: Recursion, pair: GaussianPair) -> Float[np.ndarray, " k"]:
    """Return the kernel of pairs [k] where the recursion cannot be traced."""
    if len(np.asarray(pair.rho)) == 0:
        return np.zeros(0)
    with jax.enable_x64(True):
        return np.asarray(recursion(pair), np.float64)


def check_norms(norms: Float[np.ndarray, " m"], dtype: Any) -> None:
    """Raise if the square of a norm is beyond the dtype.

    Raises
    ------
    DataError
        If it is.
    """
    with np.errstate(over="ignore"):
        if not np.square(norms.max(initial=0)) <= np.finfo(dtype).max:
            raise DataError(_too_long(norms, dtype))


def _too_long(norms: Float[np.ndarray, " m"], dtype: Any) -> str:
    wider = ", or give them in float64" if np.dtype(dtype) == np.float32 else ""
    return (
        f"the kernel of points of norms up to {norms.max():.3g} is beyond {np.dtype(dtype)}; scale the points, for "
        f"example to the unit sphere{wider}"
    )


def common_norm(norms: Float[np.ndarray, " m"], dtype: Any) -> float | None:
    """Return the norm that all points have up to rounding, exactly 1 if it is that, or None."""
    top = float(norms.max(initial=0))
    spread = ALIKE[str(np.dtype(dtype))]
    if top == 0 or top - float(norms.min()) > spread * top:
        return None
    middle = float(np.median(norms))
    return 1.0 if abs(middle - 1) <= spread else middle


def _padded(part: np.ndarray) -> np.ndarray:
    return np.concatenate([part, np.repeat(part[-1:], CHUNK - len(part), axis=0)])


_chords = jax.jit(jax.vmap(unit_chords))


@jax.jit
def _evaluated(recursion: Recursion, pair: GaussianPair) -> Array:
    return recursion(pair)


def _product(x: tuple[Array, Array], z: tuple[Array, Array], on_diagonal: bool) -> tuple[Array, Array]:
    """Return the correlations, and the largest size of one off the diagonal of the sample."""
    product = x[0] @ z[0].T
    size = jnp.abs(product)  # not of what is clipped, which would be computed twice
    if on_diagonal:
        index = jnp.arange(product.shape[0])
        size = jnp.where(index[:, None] == index[None, :], 0, size)
    return jnp.clip(product, -1, 1), jnp.max(size)


@functools.partial(jax.jit, static_argnames="on_diagonal")
def _correlations(x: Any, z: Any, on_diagonal: bool) -> tuple[Array, Array]:
    return _product(x, z, on_diagonal)


@functools.partial(jax.jit, static_argnames="on_diagonal")
def _tile(recursion: Recursion, x: Any, z: Any, on_diagonal: bool) -> tuple[Array, Array]:
    rho, nearest = _product(x, z, on_diagonal)
    return recursion(FarPair(x[1][:, None], z[1][None, :], rho, sine_of(rho))), nearest


def tangent(activation: str | Activation, *, B: float = math.inf, part: Part = "both") -> AngularKernel:
    """Return the expected tangent kernel of a depth-two network, ``tk = tk^h + tk^o``, or one part of it.

    Parameters
    ----------
    activation
        Decent or not.
    B
        Size of the output weights at the start; ``tk^o = dual(sigma)/B^2`` is 0 at infinity.
    part
        "both", "hidden" for tk^h, "output" for tk^o.

    Raises
    ------
    InputError
        If the activation or the part is unknown, or B is not positive.
    HypothesisError
        If the hidden part is meant and sigma jumps: it does not exist.

    References
    ----------
    Daniely (2020), Equation (1).
    """
    found = _checked(activation, 2, part)
    if not B > 0:
        message = f"output_scale={B:g} must be positive; give a number above 0, or inf"
        raise InputError(message)
    if part == "both" and math.isinf(B):
        part = "hidden"
    return AngularKernel(found, 2, part, (1.0, 0.0), (1.0, 1 / B / B, 0.0))


def deep_tangent(
    activation: str | Activation,
    depth: int,
    *,
    weight_variance: float = 1.0,
    bias_variance: float = 0.0,
    part: Part = "both",
) -> AngularKernel:
    """Return the tangent kernel T^depth of a fully connected network, or one part of it.

    Parameters
    ----------
    activation
        Decent or not, the same in all hidden layers.
    depth
        Layers of weights, at least 2; depth 2 has one hidden layer.
    weight_variance, bias_variance
        w^2 and c^2 of every layer after the first.
    part
        "output" for K^depth, the NNGP kernel; "hidden" for T^depth - K^depth.

    Raises
    ------
    InputError
        If the activation or the part is unknown, the depth is below 2, w^2 is not positive, or c^2 is negative.
    HypothesisError
        If more than the output part is meant and sigma jumps: it does not exist.
    """
    found = _checked(activation, depth, part)
    if not (0 < weight_variance < math.inf and 0 <= bias_variance < math.inf):
        message = (
            f"weight_variance={weight_variance:g}, bias_variance={bias_variance:g}: the first must be positive and "
            f"the second not negative, both finite"
        )
        raise InputError(message)
    w2, c2 = float(weight_variance), float(bias_variance)
    return AngularKernel(found, depth, part, (w2, c2), (w2, w2, c2))


def nngp(
    activation: str | Activation, depth: int, *, weight_variance: float = 1.0, bias_variance: float = 0.0
) -> AngularKernel:
    """Return K^depth, the kernel of the network's outputs at random weights in the limit of infinite width.

    Raises
    ------
    InputError
        As `deep_tangent`.
    """
    return deep_tangent(activation, depth, weight_variance=weight_variance, bias_variance=bias_variance, part="output")


def _checked(activation: str | Activation, depth: int, part: str) -> Activation:
    found = activations.get(activation)
    if found is not activations.REGISTRY.get(found.name):
        check_elementwise(found)
    check_part(part)
    if isinstance(depth, bool) or not isinstance(depth, (int, np.integer)) or depth < 2:
        message = f"depth={depth!r} must be a whole number of at least 2: the layers of weights; depth=2 has one hidden"
        raise InputError(message)
    if part != "output":
        duals.dual_prime(found)  # refuses an activation that jumps
    return found


def check_part(part: str) -> None:
    """Raise unless part is "both", "hidden" or "output".

    Raises
    ------
    InputError
        If it is none of them.
    """
    if part not in PARTS:
        message = f"part={part!r} is unknown; known: {', '.join(PARTS)}"
        raise InputError(message)
