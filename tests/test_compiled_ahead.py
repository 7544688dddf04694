"""The steps of a stream are compiled once, beside the thread that needs them, for what a fit of a stream then calls."""

import threading
from typing import Any

import jax.monitoring
import numpy as np
import pytest

from tightwidth.data.rows.files import rows_of_arrays
from tightwidth.estimators import DepthTwoClassifier, DepthTwoRegressor
from tightwidth.estimators.stream_fit import fit_stream

COMPILED = "/jax/core/compile/backend_compile_duration"


def compilations_of_steps(model: Any, y: np.ndarray, X: np.ndarray) -> list[bool]:
    """Return for each compilation of the program of the steps whether it was beside the calling thread."""
    caller, beside = threading.get_ident(), []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == COMPILED and duration_secs >= 0 and "_follow" in str(kwargs.get("fun_name")):
            beside.append(threading.get_ident() != caller)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        fit_stream(model, rows_of_arrays(X, y), n_passes=2)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return beside


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("output_scale", [float("inf"), 3.0])
def test_the_program_that_a_fit_calls_is_the_one_compiled_ahead(dtype, output_scale):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 7)).astype(dtype)
    for model, y in (
        (DepthTwoClassifier(23, output_scale=output_scale, random_state=0), rng.integers(0, 3, 300)),
        (DepthTwoRegressor(23, output_scale=output_scale, random_state=0), rng.standard_normal(300)),
    ):
        # a second compilation would be one of other shapes, dtypes or settings, and in the calling thread
        assert compilations_of_steps(model, y, X) == [True]
