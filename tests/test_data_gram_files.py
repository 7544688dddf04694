"""Kernel matrices on disk: the bits of the one in memory, whatever interrupts the writing; no mix of two jobs."""

import json
import shutil
import signal
import subprocess
import sys
import textwrap
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from tightwidth import kernels, linear_solves, memory
from tightwidth.angular_kernels import deep_tangent, tangent
from tightwidth.data import open_gram, save_gram, save_gram_steps
from tightwidth.errors import DataError, InputError, MemoryEstimateError

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it

N, D = 1300, 5  # two tiles of 512 rows, and a part of a third


def points(n=N, seed=0, dtype: Any = np.float64):
    return (1.3 * oracles.sphere(np.random.default_rng(seed), n, D)).astype(dtype)


class Power(kernels.Kernel):
    """A user's own kernel: ``g(<x, z>)``."""

    offset: float
    g: Any = eqx.field(static=True, default=lambda t: t**3)

    def of_points(self, x, z):
        return self.g(self.offset + x @ z)


class Seen:
    """Record what a callback is told."""

    def __init__(self):
        self.rows = []

    def __call__(self, done, total):
        self.rows.append((done, total))


def stop_after(blocks, path, *args, **settings):
    """Write some blocks and stop, as an interrupt does."""
    steps = save_gram_steps(path, *args, **settings)
    rows = [next(steps) for _ in range(blocks + 1)]
    steps.close()
    return rows[-1]


def partial(path):
    return path.with_name(path.name + ".partial")


def journal(path):
    return path.with_name(path.name + ".journal")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_file_is_the_matrix_bit_for_bit(tmp_path, dtype):
    X, Z, kernel = points(dtype=dtype), points(700, 1, dtype), tangent("relu", B=2.0)
    for left, right in ((X, None), (Z, X)):
        path = tmp_path / f"{len(left)}.npy"
        seen = Seen()
        assert save_gram(path, kernel, left, right, block_rows=300, progress=seen) == path
        K = kernels.gram(kernel, left, right)
        np.save(tmp_path / "reference.npy", K)
        assert path.read_bytes() == (tmp_path / "reference.npy").read_bytes()
        assert seen.rows == [(done, len(left)) for done in (*range(0, len(left), 300), len(left))]
        stored = open_gram(path)
        assert isinstance(stored, np.memmap)
        assert not stored.flags.writeable
        np.testing.assert_array_equal(stored, K)
        assert stored.dtype == dtype
        assert not partial(path).exists()
        assert not journal(path).exists()
    np.testing.assert_array_equal(open_gram(tmp_path / f"{N}.npy"), open_gram(tmp_path / f"{N}.npy").T)


def test_a_stored_matrix_serves_in_a_solve(tmp_path):
    X, kernel = points(80), tangent("relu", B=2.0)
    y = np.random.default_rng(1).standard_normal(80)
    path = save_gram(tmp_path / "K.npy", kernel, X)
    found = linear_solves.solve(open_gram(path), y, ridge=0.1)
    np.testing.assert_allclose(found.alpha, np.linalg.solve(kernels.gram(kernel, X) + 0.1 * np.eye(80), y), rtol=1e-9)


CHILD = """
    import sys, time
    import numpy as np
    from tightwidth.angular_kernels import tangent
    from tightwidth.data import save_gram_steps

    for rows in save_gram_steps(sys.argv[1], tangent("relu", B=2.0), np.load(sys.argv[2]), block_rows=200):
        if rows.done == 600:
            with open(sys.argv[1] + ".partial", "ab") as torn:
                torn.write(bytes(range(100)) * 37)
            print(rows.done, flush=True)
            time.sleep(600)
"""


def test_a_killed_run_is_gone_on_with_in_the_bits_of_an_unbroken_one(tmp_path):
    X, kernel = points(dtype=np.float32), tangent("relu", B=2.0)
    np.save(tmp_path / "X.npy", X)
    path = tmp_path / "K.npy"
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(path), str(tmp_path / "X.npy")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "600\n"
        finally:
            child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert not path.exists()
    assert partial(path).stat().st_size == 128 + 600 * N * X.itemsize + 3700  # a header, three blocks, and a torn one
    with pytest.raises(DataError, match=r"K\.npy is unfinished, 600 of 1300 rows are written; call save_gram with"):
        open_gram(path)
    seen = Seen()
    save_gram(path, kernel, X, block_rows=200, progress=seen)
    assert seen.rows[0] == (600, N)
    np.testing.assert_array_equal(open_gram(path), kernels.gram(kernel, X))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["K.npy", "X.npy"]


@pytest.mark.parametrize("blocks", [0, 1, 3, 6])
def test_an_interrupted_run_is_gone_on_with_also_in_blocks_of_another_size(tmp_path, blocks):
    X, kernel, path = points(), tangent("relu", B=2.0), tmp_path / "K.npy"
    rows = stop_after(blocks, path, kernel, X, block_rows=220)
    assert rows == (min(blocks * 220, N), N)
    assert not path.exists()
    seen = Seen()
    save_gram(str(path), kernel, X.tolist(), block_rows=500, progress=seen)
    assert seen.rows[0] == rows
    np.testing.assert_array_equal(open_gram(path), kernels.gram(kernel, X))


def test_a_finished_file_is_replaced_only_on_demand_and_only_when_the_new_one_is_done(tmp_path):
    X, path = points(30), tmp_path / "K.npy"
    old, new = tangent("relu", B=2.0), tangent("erf")
    save_gram(path, old, X)
    with pytest.raises(DataError, match=r"K\.npy exists; a matrix is not written over; give overwrite=True or another"):
        save_gram(path, new, X)
    stop_after(1, path, new, X, block_rows=10, overwrite=True)
    np.testing.assert_array_equal(open_gram(path), kernels.gram(old, X))
    save_gram(path, new, X, block_rows=10, overwrite=True)
    np.testing.assert_array_equal(open_gram(path), kernels.gram(new, X))


class Case(NamedTuple):
    """A job that is not ``save_gram(path, tangent("relu", B=2.0), X)``."""

    said: str
    kernel: Any = None
    X: Any = None
    Z: Any = None


MOVED = points(30)
MOVED[17, 2] = np.nextafter(MOVED[17, 2], 2)
OTHERS = {
    "one coordinate, by its last bit": Case("other points", X=MOVED),
    "rows": Case("another shape, other points", X=points(29)),
    "dtype": Case("another dtype, other points, another kernel", X=points(30, dtype=np.float32)),
    "the same points as a second table": Case("other points, another kernel", Z=points(30)),
    "activation": Case("another kernel", kernel=tangent("erf", B=2.0)),
    "B": Case("another kernel", kernel=tangent("relu", B=2.5)),
    "part": Case("another kernel", kernel=tangent("relu", B=2.0, part="hidden")),
    "depth": Case("another kernel", kernel=deep_tangent("relu", 3)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_job_is_refused(tmp_path, name):
    case, path = OTHERS[name], tmp_path / "K.npy"
    kernel, X = tangent("relu", B=2.0), points(30)
    stop_after(2, path, kernel, X, block_rows=10)
    held = partial(path).read_bytes()
    text = (
        rf"K\.npy\.partial belongs to another job \({case.said}\), with 20 of 30 rows done; delete it or give another"
    )
    with pytest.raises(DataError, match=text):
        save_gram(path, case.kernel or kernel, X if case.X is None else case.X, case.Z, overwrite=True)
    assert partial(path).read_bytes() == held
    save_gram(path, kernel, X)
    np.testing.assert_array_equal(open_gram(path), kernels.gram(kernel, X))


def test_a_users_formula_belongs_to_the_job(tmp_path):
    X, path = points(30), tmp_path / "K.npy"
    stop_after(1, path, Power(0.5, lambda t: t**3), X, block_rows=10)
    for kernel in (Power(0.6, lambda t: t**3), Power(0.5, lambda t: t**4), Power(0.5, lambda t: jnp.exp(t))):
        with pytest.raises(DataError, match=r"another job \(another kernel\)"):
            save_gram(path, kernel, X)
    save_gram(path, Power(0.5, lambda t: t**3), X)
    np.testing.assert_allclose(open_gram(path), (0.5 + X @ X.T) ** 3, rtol=1e-12, atol=1e-13)


def test_another_version_is_another_job(tmp_path):
    X, path, kernel = points(30), tmp_path / "K.npy", tangent("relu", B=2.0)
    stop_after(1, path, kernel, X, block_rows=10)
    held = json.loads(journal(path).read_text())
    assert held["rows"] == 10
    journal(path).write_text(json.dumps({**held, "made_by": held["made_by"].replace("tightwidth ", "tightwidth 9")}))
    with pytest.raises(DataError, match=r"another job \(another version or device\)"):
        save_gram(path, kernel, X)


def test_a_job_without_a_row_done_holds_nothing_back(tmp_path):
    X, path, kernel = points(30), tmp_path / "K.npy", tangent("relu", B=2.0)
    stop_after(0, path, tangent("erf"), X)
    save_gram(path, kernel, X)
    np.testing.assert_array_equal(open_gram(path), kernels.gram(kernel, X))


def test_what_is_damaged_is_refused(tmp_path):
    X, path, kernel = points(30), tmp_path / "K.npy", tangent("relu", B=2.0)
    stop_after(2, path, kernel, X, block_rows=10)
    held = partial(path).read_bytes()
    partial(path).write_bytes(held[:-8])
    with pytest.raises(
        DataError, match=r"\.partial is damaged: it has 4\.92 kB, less than the 20 rows that were writt"
    ):
        save_gram(path, kernel, X)
    partial(path).write_bytes(held)
    for text in ("nonsense", "[]", "{}", '{"rows": 1}'):
        journal(path).write_text(text)
        with pytest.raises(DataError, match=r"K\.npy\.journal is no journal of a kernel matrix; .* delete both files"):
            save_gram(path, kernel, X)
    journal(path).unlink()
    with pytest.raises(DataError, match=r"K\.npy\.partial lies there without its journal, .*; delete it"):
        save_gram(path, kernel, X)


def test_a_matrix_that_another_process_writes_is_left_alone(tmp_path):
    pytest.importorskip("fcntl")
    X, path, kernel = points(30), tmp_path / "K.npy", tangent("relu", B=2.0)
    running = save_gram_steps(path, kernel, X, block_rows=10)
    next(running)
    with pytest.raises(DataError, match="is being written by another process; wait for it, or give another path"):
        save_gram(path, kernel, X)
    running.close()
    save_gram(path, kernel, X)


def test_room_is_looked_for_before_it_is_taken(tmp_path, monkeypatch):
    X, path, kernel = points(30), tmp_path / "K.npy", tangent("relu", B=2.0)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=7000))
    with pytest.raises(
        MemoryEstimateError, match=r"needs 7\.33 kB on disk and .* has room for 7 kB; make room, give an"
    ):
        save_gram(path, kernel, X)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=7328))
    stop_after(2, path, kernel, X, block_rows=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2400))  # the third block
    save_gram(path, kernel, X)
    monkeypatch.undo()
    monkeypatch.setattr(memory, "machine_memory", lambda: 10_000.0)
    with pytest.raises(
        MemoryEstimateError, match=r"a block of 64 rows of 30 entries needs about 30\.7 kB and this machi"
    ):
        save_gram(tmp_path / "other.npy", kernel, X)


def test_what_is_no_matrix_or_no_place_for_one_is_refused(tmp_path):
    X, kernel = points(30), tangent("relu", B=2.0)
    with pytest.raises(
        DataError, match=r"K\.bin has the suffix '\.bin'; a kernel matrix is kept in a \.npy file; rename"
    ):
        save_gram(tmp_path / "K.bin", kernel, X)
    with pytest.raises(DataError, match=r"there is no directory .*nowhere; an existing one is needed"):
        save_gram(tmp_path / "nowhere" / "K.npy", kernel, X)
    (tmp_path / "taken.npy.partial").mkdir()
    with pytest.raises(
        DataError, match=r"taken\.npy\.partial cannot be written \(.*\); give a path where files may be"
    ):
        save_gram(tmp_path / "taken.npy", kernel, X)
    with pytest.raises(DataError, match="X has 0 points; give at least one"):
        save_gram(tmp_path / "K.npy", kernel, X[:0])
    with pytest.raises(DataError, match="X has 30 points and Z 0; give at least one"):
        save_gram(tmp_path / "K.npy", kernel, X, X[:0])
    with pytest.raises(DataError, match="X holds 150 NaN"):
        save_gram(tmp_path / "K.npy", kernel, np.nan * X)
    with pytest.raises(InputError, match="block_rows=0, first_row=0: blocks need a whole number of rows"):
        save_gram(tmp_path / "K.npy", kernel, X, block_rows=0)
    with pytest.raises(DataError, match=r"there is no file .*absent\.npy; a matrix written by save_gram is needed"):
        open_gram(tmp_path / "absent.npy")
    (tmp_path / "empty.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.npy cannot be read as a matrix"):
        open_gram(tmp_path / "empty.npy")
    for name, array in (("cube", np.ones((2, 2, 2))), ("whole", np.ones((2, 2), int))):
        np.save(tmp_path / name, array)
        with pytest.raises(DataError, match=rf"{name}\.npy holds no matrix of float32 or float64 numbers"):
            open_gram(tmp_path / f"{name}.npy")
    save_gram(tmp_path / "cut.npy", kernel, X)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-8])
    with pytest.raises(DataError, match=r"cut\.npy cannot be read as a matrix"):
        open_gram(tmp_path / "cut.npy")


LARGE = """
    import re, resource, sys
    from pathlib import Path
    import numpy as np
    from tightwidth.angular_kernels import tangent
    from tightwidth.data import save_gram

    save_gram(sys.argv[1], tangent("relu"), np.load(sys.argv[2]))
    status = Path("/proc/self/status")
    if status.exists():  # Linux lets ru_maxrss begin at the size of the process that started this one
        print(int(re.search(r"VmHWM:\\s*([0-9]+) kB", status.read_text())[1]) * 1024)
    else:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.slow
def test_a_matrix_of_40000_points_takes_less_than_two_gigabytes(tmp_path):
    n, path = 40_000, tmp_path / "K.npy"
    if shutil.disk_usage(tmp_path).free < 8e9:
        pytest.skip("the matrix takes 6.4 GB on disk")  # a disk without room says nothing about memory
    X = oracles.sphere(np.random.default_rng(0), n, 20).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    try:
        command = [sys.executable, "-c", textwrap.dedent(LARGE), str(path), str(tmp_path / "X.npy")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert path.stat().st_size == 128 + 4 * n * n
        assert int(done.stdout) < 2e9
        K = open_gram(path)
        for i, j in ((0, 0), (3, 39_999), (20_480, 511), (39_999, 3)):
            rho = np.clip(X[i].astype(np.float64) @ X[j], -1, 1) if i != j else 1.0
            assert abs(K[i, j] - rho * (np.pi - np.arccos(rho)) / (2 * np.pi)) < 1e-6
            assert K[i, j] == K[j, i]
    finally:
        path.unlink(missing_ok=True)
        partial(path).unlink(missing_ok=True)
