"""The sample that `tightwidth memorize` was asked for: random points, a built-in set, or a file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tightwidth import data as loaders
from tightwidth import sphere
from tightwidth.cli.memorize import DEFAULT_DIM, DEFAULT_POINTS
from tightwidth.errors import InputError
from tightwidth.memory import check_fits
from tightwidth.sampling import random_points

DTYPES = {"float32": np.float32, "float64": np.float64}
MOST = 2**31 - 2  # indices are 32-bit


@dataclass(frozen=True)
class Sample:
    """Hold a name, unit rows [m, d] and labels +-1 [m]."""

    name: str
    X: np.ndarray
    y: np.ndarray


def load_sample(
    source: str | None,
    *,
    points: int | None,
    dim: int | None,
    target: str | None,
    labels: Path | None,
    positive: str | None,
    random_labels: bool,
    standardize: bool | None,
    on_sphere: str,
    dtype: str,
    seed: int,
) -> Sample:
    """Return the sample; the rows are standardised (files and built-in sets) and on the sphere.

    Raises
    ------
    InputError
        If options do not go together or are out of range.
    DataError
        If the data cannot be used.
    """
    if on_sphere not in sphere.WAYS:
        message = f"--on-sphere {on_sphere} is unknown; known: {', '.join(sphere.WAYS)}"
        raise InputError(message)
    if dtype not in DTYPES:
        message = f"--dtype {dtype} is unknown; known: {', '.join(DTYPES)}"
        raise InputError(message)
    if not 0 <= seed < 2**32:
        message = f"seed={seed} must be a whole number from 0 to {2**32 - 1}; it names the random numbers of the run"
        raise InputError(message)
    if source is None:
        for option, value in (("--target", target), ("--labels", labels), ("--positive", positive)):
            if value is not None:
                message = f"{option} {value} needs DATA to apply to; give a file, or leave it out for random points"
                raise InputError(message)
        return _random_points(_default(points, DEFAULT_POINTS), _default(dim, DEFAULT_DIM), dtype, seed)
    for option, value in (("--points", points), ("--dim", dim)):
        if value is not None:
            message = f"{option} {value} is for random points, but DATA is {source}; leave one of the two out"
            raise InputError(message)
    if random_labels and positive is not None:
        message = f"--positive {positive} and --random-labels exclude each other; leave one out"
        raise InputError(message)
    table = loaders.load(source, target=target, labels=labels)
    if random_labels:
        y = loaders.random_labels(len(table.X), seed)
    else:
        y = loaders.binary_labels(table.target, positive=positive)
    X = table.X if standardize is False else loaders.standardize(table.X)
    name = f"{table.name}, random labels" if random_labels else table.name
    X = sphere.to_sphere(X, on_sphere).astype(DTYPES[dtype])
    return Sample(name, X, y.astype(X.dtype))


def _default(value: int | None, default: int) -> int:
    return default if value is None else value


def _random_points(m: int, d: int, dtype: str, seed: int) -> Sample:
    for option, value, least in (("points", m, 2), ("dim", d, 1)):
        if not least <= value <= MOST:
            message = f"{option}={value} must be a whole number from {least} to {MOST}; give such a --{option}"
            raise InputError(message)
    check_fits(16.0 * m * d, f"drawing {m} points in {d} dimensions", "give fewer --points or a smaller --dim")
    return Sample("random points", *random_points(m, d, seed=seed, dtype=DTYPES[dtype]))
