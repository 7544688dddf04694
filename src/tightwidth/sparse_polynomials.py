"""Polynomials in many variables, stored by the variables of each monomial (section 3.2).

A polynomial of degree c with n monomials takes n c integers, whatever the number d of variables is.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from tightwidth.errors import DataError, InputError
from tightwidth.precision import float_array, in_precision_of

BLOCK_ELEMENTS = 1 << 22  # of the largest temporary, in numbers
BLOCK_MONOMIALS = 4096


class Polynomial(eqx.Module):
    """Hold ``p(x) = sum_alpha c_alpha x^alpha`` in d variables.

    A row of ``factors`` lists the variables whose product a monomial is, in ascending order, filled up with d: in
    three variables ``x_0^2 x_2`` is ``[0, 0, 2]`` and, in a polynomial of degree 5, ``[0, 0, 2, 3, 3]``.  Rows are in
    lexicographic order, each monomial occurs once, and no coefficient is 0.

    Parameters
    ----------
    factors
        Integers in 0..d, [n, c]; the order in a row does not matter.
    coefficients
        One for each row, [n]; those of equal monomials are added.
    d
        Number of variables.

    Raises
    ------
    InputError
        If d < 1, the factors are no table of integers in 0..d, or the coefficients are not as many finite numbers.

    Examples
    --------
    >>> p = Polynomial.of_exponents([[2, 0], [1, 1]], [1.0, -3.0])  # x_0^2 - 3 x_0 x_1
    >>> p(np.array([[2.0, 1.0]]))
    array([-2.])
    """

    factors: Int[Any, "n c"]
    coefficients: Float[Any, " n"]
    d: int = eqx.field(static=True)

    def __init__(self, factors: Any, coefficients: Any, d: int):
        check_variables(d)
        rows = _whole_numbers(factors, "factors")
        if rows.size and not (rows.min() >= 0 and rows.max() <= d):
            message = f"factors lie in {rows.min()}..{rows.max()}; needed are variables 0..{d - 1}, or {d} for none"
            raise InputError(message)
        self.factors, self.coefficients = _merged(rows, _coefficients(coefficients, len(rows)), d)
        self.d = d

    @classmethod
    def of_exponents(cls, exponents: Any, coefficients: Any) -> "Polynomial":
        """Return the polynomial with these exponents, [n, d], and coefficients, [n].

        Raises
        ------
        InputError
            If the exponents are no table of integers >= 0, or the coefficients are not as many finite numbers.
        """
        powers = _whole_numbers(exponents, "exponents")
        if powers.size and powers.min() < 0:
            message = f"exponents go down to {powers.min()}; needed are integers >= 0"
            raise InputError(message)
        n, d = powers.shape
        rows = np.full((n, int(powers.sum(axis=1).max(initial=0))), d)
        for row, power in zip(rows, powers, strict=True):
            row[: power.sum()] = np.repeat(np.arange(d), power)
        return cls(rows, coefficients, d)

    @property
    def exponents(self) -> Int[np.ndarray, "n d"]:
        """The exponents alpha, [n, d]: a dense table."""
        table = np.zeros((len(self.factors), self.d + 1), np.int64)
        np.add.at(table, (np.arange(len(table))[:, None], self.factors), 1)
        return table[:, : self.d]

    @property
    def degrees(self) -> Int[np.ndarray, " n"]:
        """The degree |alpha| of each monomial, [n]."""
        return np.sum(self.factors < self.d, axis=1)

    @property
    def degree(self) -> int:
        """The largest degree of a monomial; 0 for the polynomial 0."""
        return self.factors.shape[1]

    @property
    def is_even(self) -> bool:
        """Whether all degrees are even, so that p(-x) = p(x)."""
        return not np.any(self.degrees % 2)

    @property
    def coefficient_norm(self) -> float:
        """The norm ``sqrt(sum_alpha c_alpha^2)``."""
        return math.hypot(*self.coefficients)

    def parts(self) -> dict[int, "Polynomial"]:
        """Return the homogeneous parts that are not 0, by degree in ascending order."""
        degrees = self.degrees
        return {
            int(n): Polynomial(self.factors[degrees == n], self.coefficients[degrees == n], self.d)
            for n in np.unique(degrees)
        }

    def tensor_norms(self) -> Float[np.ndarray, " n"]:
        """Return ``||A_n||_F`` for n = 0..degree, where ``p(x) = sum_n <A_n, x^(*n)>`` with symmetric tensors A_n.

        ``||A_n||_F^2 = sum_alpha c_alpha^2 alpha!/n!`` over the monomials of degree n.
        """
        rows, degrees = self.factors, self.degrees
        share, run = np.ones(len(rows)), np.ones(len(rows))  # alpha!/n!: a run of r equal variables contributes r!
        for j in range(1, self.degree):
            run = np.where(rows[:, j] == rows[:, j - 1], run + 1, 1)
            share = np.where(rows[:, j] < self.d, share * run / (j + 1), share)
        entries = self.coefficients * np.sqrt(share)
        return np.array([math.hypot(*entries[degrees == n]) for n in range(self.degree + 1)])

    def times_squared_norm(self) -> "Polynomial":
        """Return ``|x|^2 p(x)``, which is p on the unit sphere; up to d times as many monomials."""
        n, c = self.factors.shape
        rows = np.empty((n, self.d, c + 2), np.int64)
        rows[:, :, :c] = self.factors[:, None, :]
        rows[:, :, c:] = np.arange(self.d)[:, None]
        return Polynomial(rows.reshape(n * self.d, c + 2), np.repeat(self.coefficients, self.d), self.d)

    def __call__(self, X: Any) -> Any:
        """Return ``p(x_i)`` for the rows of X, in the dtype of X.

        Parameters
        ----------
        X
            [m, d]: a NumPy table or what makes one; or a JAX array, which may be traced, so that a polynomial can label
            points inside a compiled loop.

        Returns
        -------
        array
            [m]; JAX for JAX, else NumPy.

        Raises
        ------
        DataError
            If X is no table of numbers with d columns, or, unless it is a JAX array, not finite.

        Notes
        -----
        Time O(m n c); temporaries of 4 million numbers, whatever m and n are.
        """
        with in_precision_of(X):
            table, xp = _table(X, self.d)
            padded = xp.concatenate([table, xp.ones((table.shape[0], 1), table.dtype)], axis=1)
            coefficients = xp.asarray(self.coefficients, table.dtype)
            n = len(self.factors)
            monomials = [slice(i, i + BLOCK_MONOMIALS) for i in range(0, n, BLOCK_MONOMIALS)]
            rows = max(1, BLOCK_ELEMENTS // max(1, min(BLOCK_MONOMIALS, n)))
            values = [xp.zeros(0, table.dtype)]
            for start in range(0, table.shape[0], rows):
                block = padded[start : start + rows]
                sums = [_products(block, self.factors[b], xp) @ coefficients[b] for b in monomials]
                values.append(sum(sums, start=xp.zeros(block.shape[0], table.dtype)))
            return xp.concatenate(values)


def check_variables(d: int) -> None:
    """Raise unless there is at least one variable.

    Raises
    ------
    InputError
        If d < 1.
    """
    if d < 1:
        message = f"d={d}: polynomials need at least one variable; give d >= 1"
        raise InputError(message)


def _products(X: Any, factors: Any, xp: Any) -> Any:
    """Return the values of monomials, [m, n], at points with a last coordinate 1."""
    values = xp.ones((X.shape[0], factors.shape[0]), X.dtype)
    for j in range(factors.shape[1]):
        values = values * X[:, factors[:, j]]
    return values


def _merged(rows: np.ndarray, values: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted rows, each once and as short as possible, with the sums of their coefficients, none of them 0."""
    rows = np.sort(np.pad(rows, ((0, 0), (0, 1)), constant_values=d), axis=1)
    unique, which = np.unique(rows, axis=0, return_inverse=True)
    sums = np.bincount(which.ravel(), values, len(unique))
    unique, sums = unique[sums != 0], sums[sums != 0]
    degree = int((unique < d).sum(axis=1).max(initial=0))
    return np.ascontiguousarray(unique[:, :degree], np.int32), sums


def _whole_numbers(values: Any, what: str) -> np.ndarray:
    """Return a table of integers."""
    try:
        table = np.asarray(values)
    except ValueError:  # rows of different lengths
        table = np.zeros(0)
    if table.ndim != 2 or table.dtype.kind not in "biuf" or not np.all(table == np.floor(table)):
        message = (
            f"{what} of shape {table.shape} and dtype {table.dtype} are no table of integers >= 0; give [n, d] of them"
        )
        raise InputError(message)
    return table.astype(np.int64)


def _coefficients(values: Any, n: int) -> np.ndarray:
    try:
        coefficients = float_array(values, np.float64)
    except (TypeError, ValueError):
        coefficients = np.full(0, np.nan)
    if coefficients.shape != (n,) or not np.isfinite(coefficients).all():
        message = f"the coefficients are not {n} finite numbers, one for each monomial; give as many"
        raise InputError(message)
    return coefficients


def _table(X: Any, d: int) -> tuple[Any, Any]:
    """Return X as a table of floats, and the array module it belongs to."""
    if isinstance(X, jax.Array):
        table, xp = (X if jnp.issubdtype(X.dtype, jnp.floating) else X.astype(jnp.float32)), jnp
    else:
        try:
            table, xp = float_array(X), np
        except (TypeError, ValueError) as error:
            message = f"X is no table of numbers ({error}); give an array [m, {d}]"
            raise DataError(message) from None
    if table.ndim != 2 or table.shape[1] != d:
        message = f"X has the shape {table.shape}; the polynomial has {d} variables and needs rows of {d} numbers"
        raise DataError(message)
    if xp is np and not np.isfinite(table).all():
        row = int(np.argmin(np.isfinite(table).all(axis=1)))
        message = f"row {row + 1} of X has an entry that is not finite; remove or mend it"
        raise DataError(message)
    return table, xp
