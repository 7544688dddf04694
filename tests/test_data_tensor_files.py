"""Arrays in one file: round trip, and what is refused."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tightwidth.data import tensor_files
from tightwidth.data.tensor_files import read_tensors, write_tensors
from tightwidth.errors import DataError, InputError


def written(path: Path) -> dict[str, np.ndarray]:
    tensors = {
        "W": np.arange(6.0).reshape(2, 3),
        "V": np.array([[1.5, 2.5]], np.float32),
        "t": np.array(3, np.int32),
        "rows": np.zeros((0, 4), np.uint32),
        "is_last": np.array([True, False]),
    }
    write_tensors(path, tensors, {"B": "inf", "names": ["a", "b"]}, kind="model")
    return tensors


def test_what_is_written_is_read_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    tensors = written(path)
    found, content = read_tensors(path, kind="model")
    assert content == {"B": "inf", "names": ["a", "b"]}
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)
    assert list(tmp_path.iterdir()) == [path]


def test_every_truncation_and_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    written(path)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"is damaged|is not a file of tightwidth"):
            read_tensors(path, kind="model")
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(DataError):
            read_tensors(path, kind="model")


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(DataError, match=r"cannot be read \(No such file or directory\)"):
        read_tensors(path, kind="model")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        read_tensors(tmp_path, kind="model")
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is not a file of tightwidth; a model that tightwidth wrote is needed"):
        read_tensors(path, kind="model")
    save_file({"a": np.ones(3)}, path, metadata={"format": "np"})
    with pytest.raises(DataError, match="is a safetensors file of another program"):
        read_tensors(path, kind="model")
    written(path)
    with pytest.raises(DataError, match="is a model and a checkpoint is needed"):
        read_tensors(path, kind="checkpoint")


def test_a_newer_format_is_not_guessed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    monkeypatch.setattr(tensor_files, "FORMAT", 7)
    written(path)
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"in format 7, and this is .* formats up to 1; install a newer tightwidth"):
        read_tensors(path, kind="model")


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    written(path)
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"No space left on device\); the file that was there before is kept"):
        write_tensors(path, {"W": np.ones(2)}, {}, kind="model")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_content_makes_the_same_bytes(tmp_path: Path) -> None:
    found = set()
    for place in range(12):
        written(tmp_path / f"{place}")
        found.add((tmp_path / f"{place}").read_bytes())
    assert len(found) == 1


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be written \(No such file or directory\); make the folder .*nowhere"):
        write_tensors(tmp_path / "nowhere" / "m", {"W": np.ones(2)}, {}, kind="model")


def test_only_strict_json_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float values"):
        write_tensors(tmp_path / "m", {}, {"B": float("inf")}, kind="model")
    assert not list(tmp_path.iterdir())
