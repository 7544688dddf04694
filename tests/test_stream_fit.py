"""A fit of a stream is Algorithm 1 on its rows in the order of the passes, and survives being killed."""

import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import certificate_oracles as oracle
import tightwidth as tw
from tightwidth.data.rows import open_rows, survey
from tightwidth.data.rows.files import rows_of_arrays
from tightwidth.data.rows.order import groups_of_pass, order_in_group
from tightwidth.errors import DataError, InputError
from tightwidth.estimators import DepthTwoClassifier, DepthTwoRegressor, NTKRegressor, stream_run
from tightwidth.estimators.stream_checkpoint import Checkpoint
from tightwidth.estimators.stream_fit import fit_stream
from tightwidth.estimators.stream_run import StreamWarning

M, D, BUFFER, BATCH = 4500, 6, 4096, 32


class Killed(BaseException):
    """Stands for SIGKILL: nothing may run after it."""


def rows(n_classes: int = 2, dtype: Any = np.float64):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((M, D)) * [1, 2, 3, 4, 5, 0] + [0, 0, 5, 0, 0, 7]
    places = np.digitize(X[:, 0] * X[:, 1], np.linspace(-1, 1, n_classes - 1))
    return X.astype(dtype), places


def classifier(**given: Any) -> DepthTwoClassifier:
    return DepthTwoClassifier(7, batch_size=BATCH, random_state=3, **given)


def in_order_of_pass(X, y, which):
    """The batches of a pass: rows of each group, shuffled, cut in thirty-twos."""
    source = rows_of_arrays(X, y)
    reading = survey(source, is_classes=True, seed=0)
    while True:
        try:
            next(reading)
        except StopIteration as stop:
            known = stop.value
            break
    seed = DepthTwoClassifier(random_state=3)._new_seed()
    batches = []
    for g, group in enumerate(groups_of_pass(known.pieces, BUFFER, seed=seed, which=which)):
        places = np.concatenate(
            [np.arange(known.pieces[p].first_row, known.pieces[p].first_row + known.pieces[p].n_rows) for p in group]
        )
        places = places[order_in_group(len(places), seed=seed, which=which, group=g)]
        batches += [places[at : at + BATCH] for at in range(0, len(places), BATCH)]
    return batches


def sphere_points(X):
    Z = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    constant = math.sqrt(np.mean((Z**2).sum(axis=1)))
    Z = np.column_stack([Z, np.full(len(Z), constant)])
    return Z / np.linalg.norm(Z, axis=1, keepdims=True)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_is_algorithm_1_in_the_order_of_the_passes(n_classes):
    X, y = rows(n_classes)
    model = fit_stream(classifier(), rows_of_arrays(X, y), n_passes=2, buffer_rows=BUFFER)
    Psi = oracle.features(sphere_points(X), model.W_half_, "relu")
    batches = [batch for which in range(2) for batch in in_order_of_pass(X, y, which)]
    assert model.n_steps_ == len(batches)
    assert sorted(np.concatenate(batches)) == sorted([*range(M), *range(M)])
    assert [len(b) for b in batches].count(BATCH) < len(batches)  # some are not full
    signs = np.where(y[:, None] == (np.arange(n_classes) if n_classes > 2 else [1]), 1.0, -1.0)
    missed = []
    for k, norm in enumerate(model.plan_.norms):
        v, mean, squares, reach, weight = np.zeros(Psi.shape[1]), 0.0, 0.0, norm, 0.0
        outputs = []
        for batch in batches:
            h = Psi[batch] @ v
            outputs.append(h)
            g = oracle.SLOPE["hinge"](h, signs[batch, k]) @ Psi[batch] / len(batch)
            squares += g @ g
            reach = max(reach, math.sqrt(v @ v))
            weight += reach
            mean = mean + (v - mean) * reach / weight
            v = v - reach / math.sqrt(squares) * g
        np.testing.assert_allclose(math.sqrt(7) * model.trained_[0][k].ravel(), mean, atol=1e-9)
        missed.append(outputs)
    first = len(in_order_of_pass(X, y, 0))
    shares = []
    for t, batch in enumerate(batches[:first]):
        h = np.array([outputs[t] for outputs in missed])
        wrong = h.argmax(axis=0) != y[batch] if n_classes > 2 else signs[batch, 0] * h[0] <= 0
        shares.append(wrong.mean())
    assert model.certificate_.misses == pytest.approx(np.mean(shares), rel=1e-9)
    assert model.certificate_.misses_interval is not None
    low, high = model.certificate_.misses_interval
    assert low < np.mean(shares) < high
    assert model.certificate_.intervals == ()  # rows have been seen twice


def same_model(a: Any, b: Any) -> bool:
    return all(
        np.array_equal(x, y)
        for x, y in zip([*a.trained_, *a._stream.values()], [*b.trained_, *b._stream.values()], strict=True)
    )


@pytest.mark.slow
def test_killed_after_every_checkpoint_it_ends_with_the_same_bits(tmp_path, monkeypatch):
    X, y = rows(3, np.float32)
    source = [(X[at : at + 500], y[at : at + 500]) for at in range(0, M, 500)]
    settings: Any = {"n_passes": 2, "buffer_rows": 1024}
    unbroken = fit_stream(classifier(class_weight="balanced"), source, **settings)
    path, write, written = tmp_path / "c", Checkpoint.write, []

    def write_and_die(self: Checkpoint, to: Path) -> None:
        write(self, to)
        written.append(self.position)
        raise Killed

    monkeypatch.setattr(Checkpoint, "write", write_and_die)
    kills = 0
    while True:
        try:
            model = fit_stream(
                classifier(class_weight="balanced"), source, **settings, checkpoint=path, checkpoint_seconds=0
            )
            break
        except Killed:
            kills += 1
    assert kills == len(set(written)) >= 8
    assert same_model(model, unbroken)
    monkeypatch.undo()
    again = fit_stream(classifier(class_weight="balanced"), source, **settings, checkpoint=path)
    assert same_model(again, unbroken)  # a finished run is not run again
    held = Checkpoint.read(path)
    assert held is not None
    assert held.position.rows == 2 * M


def test_an_interrupt_writes_a_checkpoint(tmp_path, monkeypatch):
    X, y = rows()
    path, source = tmp_path / "c", rows_of_arrays(X, y)
    monkeypatch.setattr(stream_run, "SECONDS_A_LOOK", -1.0)

    def stop(event: Any) -> None:
        if event.doing == "fit" and event.rows > M:
            raise KeyboardInterrupt

    settings: Any = {"n_passes": 3, "buffer_rows": 1024, "checkpoint": path}
    with pytest.raises(KeyboardInterrupt):
        fit_stream(classifier(), source, **settings, progress=stop)
    held = Checkpoint.read(path)
    assert held is not None
    assert M < held.position.rows < 2 * M
    assert same_model(
        fit_stream(classifier(), source, **settings),
        fit_stream(classifier(), source, **{**settings, "checkpoint": None}),
    )


def test_a_checkpoint_of_another_job_is_not_gone_on_from(tmp_path):
    X, y = rows()
    path, source = tmp_path / "c", rows_of_arrays(X, y)
    fit_stream(classifier(), source, n_passes=1, checkpoint=path)
    for other, given, said in (
        (classifier(loss="logistic"), {}, "loss hinge instead of logistic"),
        (classifier(), {"n_passes": 2}, "n_passes 1 instead of 2"),
        (classifier(), {"dtype": np.float32}, "dtype float64 instead of float32"),
    ):
        with pytest.raises(InputError, match=rf"belongs to another job \({said}\).*--anew"):
            fit_stream(other, source, checkpoint=path, **{"n_passes": 1, **given})
    changed = X.copy()
    changed[7, 1] += 1e-9
    with pytest.raises(InputError, match=r"another job \(other rows\)"):
        fit_stream(classifier(), rows_of_arrays(changed, y), n_passes=1, checkpoint=path)
    fit_stream(classifier(), rows_of_arrays(changed, y), n_passes=1, checkpoint=path, anew=True)


@pytest.mark.slow
def test_values_and_several_of_them():
    X, _ = rows()
    Y = np.column_stack([np.sin(X[:, 0]), 100 + X[:, 1]])
    batches = [(X[at : at + 600], Y[at : at + 600]) for at in range(0, M, 600)]
    model = fit_stream(DepthTwoRegressor(30, random_state=0), batches, n_passes=20)
    assert model.score(X, Y) > 0.9
    assert model.predict(X).shape == (M, 2)
    assert 0 < model.certificate_.misses < 1
    more = model.partial_fit(X[:100], Y[:100])  # a stream can be gone on with by hand
    assert more.n_steps_ == model.n_steps_


def test_rows_that_are_sorted_are_remarked_on():
    X, y = rows()
    order = np.argsort(y, kind="stable")
    with pytest.warns(StreamWarning, match="targets change along the file"):
        fit_stream(classifier(), [(X[part], y[part]) for part in np.array_split(order, 9)], n_passes=1)


def test_what_is_not_for_streams():
    X, y = rows()
    source = rows_of_arrays(X, y)
    with pytest.raises(InputError, match="fitted by a DepthTwoClassifier or DepthTwoRegressor, not by NTKRegressor"):
        fit_stream(NTKRegressor(), source)
    with pytest.raises(InputError, match=r"n_steps=9 is not for streams.*give n_steps='auto'"):
        fit_stream(classifier(n_steps=9), source)
    with pytest.raises(InputError, match="early_stopping=True is not for streams"):
        fit_stream(classifier(early_stopping=True), source)
    for name, value in (("n_passes", 0), ("buffer_rows", -3), ("n_passes", "twice")):
        with pytest.raises(InputError, match=f"{name}={value!r} must be 'auto' or a whole number of at least 1"):
            fit_stream(classifier(), source, progress=None, **{name: value})
    with pytest.raises(InputError, match=r"checkpoint_seconds=-1\.0 must be a number of at least 0"):
        fit_stream(classifier(), source, checkpoint_seconds=-1.0)
    with pytest.raises(InputError, match="target and labels are for files"):
        fit_stream(classifier(), [(X, y)], target="y")
    with pytest.raises(InputError, match="class_weight='all' is unknown"):
        fit_stream(classifier(class_weight="all"), source)
    with pytest.raises(DataError, match="cannot be started again"):
        fit_stream(classifier(), iter([(X, y), (X, y)]))


@pytest.mark.slow
def test_twenty_kills_of_the_command_end_with_the_same_bits(tmp_path):
    rng = np.random.default_rng(11)
    m = 300_000
    X = rng.standard_normal((m, 20), dtype=np.float32)
    np.save(tmp_path / "X.npy", np.column_stack([X, X[:, 0] * X[:, 1] > 0]).astype(np.float32))
    command = [sys.executable, "-c", "from tightwidth.cli import main; main()", "fit", "X.npy", "--target", "-1"]
    command += ["--task", "classify", "--passes", "6", "--pairs", "64", "--checkpoint-seconds", "0.2"]
    began = time.monotonic()
    subprocess.run([*command, "-o", "unbroken"], cwd=tmp_path, check=True, capture_output=True)
    whole = time.monotonic() - began
    kills, tries = 0, 0
    while kills < 20:
        run = subprocess.Popen([*command, "-o", "killed"], cwd=tmp_path, stdout=-3, stderr=-3)
        try:
            run.wait(timeout=rng.uniform(0.2, 1.0) * whole)
            (tmp_path / "killed").unlink()  # it was through before the kill: begin again
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            kills += 1
        tries += 1
        assert tries < 60
    subprocess.run([*command, "-o", "killed"], cwd=tmp_path, check=True, capture_output=True)
    assert same_model(tw.load(tmp_path / "killed"), tw.load(tmp_path / "unbroken"))
    assert not (tmp_path / "killed.checkpoint").exists()


def test_a_file_can_be_opened_once_and_fitted_twice(tmp_path):
    X, y = rows()
    np.savez(tmp_path / "data.npz", X=X, y=y)
    source = open_rows(tmp_path / "data.npz")
    assert same_model(
        fit_stream(classifier(), source, n_passes=1), fit_stream(classifier(), tmp_path / "data.npz", n_passes=1)
    )
