"""Tests that the package has the official data, verifies it and shares it."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from d2lutils import fashion_mnist

PACKAGE = Path(fashion_mnist.__file__).parent
MD5 = {  # as the README of the data set gives them
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}


def test_the_files_are_the_published_ones():
    found = {
        name: hashlib.md5((PACKAGE / "data" / name).read_bytes()).hexdigest()
        for name in fashion_mnist.FILES
    }
    assert found == MD5
    assert "Zalando SE" in (PACKAGE / "data" / "LICENSE").read_text("utf-8")


def test_the_arrays_hold_the_data_set():
    data = fashion_mnist.load()
    assert data.train_images.shape == (60000, 28, 28)
    assert data.test_images.shape == (10000, 28, 28)
    for labels, each in ((data.train_labels, 6000), (data.test_labels, 1000)):
        np.testing.assert_array_equal(np.bincount(labels), [each] * 10)
    # The header of an IDX file of images has 16 bytes.
    raw = gzip.decompress((PACKAGE / "data" / "t10k-images-idx3-ubyte.gz").read_bytes())
    assert data.test_images.tobytes() == raw[16:]
    # According to the authors' README, the first training image is an ankle boot.
    assert fashion_mnist.LABELS[data.train_labels[0]] == "ankle boot"
    assert np.mean(data.train_images[:, 0, 0] == 0) > 0.99  # corners are black


def test_the_arrays_are_read_only():
    data = fashion_mnist.load()
    for array in vars(data).values():
        assert array.dtype == np.uint8
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_all_callers_share_the_arrays(monkeypatch):
    fresh = fashion_mnist._read.__wrapped__
    reads = []

    def read(name, read_file=fashion_mnist._read_file):
        reads.append(name)
        return read_file(name)

    monkeypatch.setattr(fashion_mnist, "_read_file", read)
    monkeypatch.setattr(fashion_mnist, "_read", fashion_mnist.functools.cache(fresh))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(fashion_mnist.load()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(data is found[0] for data in found)
    assert reads == list(fashion_mnist.FILES)


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def a_pointer_of_git_lfs(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\n", encoding="ascii")


def a_folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (damaged, "is damaged (its SHA-256 is "),
        (cut_short, "is damaged (its SHA-256 is "),
        (a_pointer_of_git_lfs, "is damaged (its SHA-256 is "),
        (Path.unlink, "is missing"),
        (a_folder_in_its_place, "cannot be read ("),
    ],
)
def test_a_damaged_file_is_named(tmp_path, monkeypatch, change, wrong):
    name = "t10k-labels-idx1-ubyte.gz"
    for file in fashion_mnist.FILES:
        (tmp_path / file).symlink_to(PACKAGE / "data" / file)
    (tmp_path / name).unlink()
    shutil.copy(PACKAGE / "data" / name, tmp_path)
    change(tmp_path / name)
    monkeypatch.setattr(fashion_mnist, "DATA", tmp_path)
    monkeypatch.setattr(fashion_mnist, "_read", fashion_mnist._read.__wrapped__)
    with pytest.raises(fashion_mnist.DataError) as error:
        fashion_mnist.load()
    said = str(error.value)
    assert said.startswith(f"The file d2lutils/data/{name} {wrong}")
    assert "Install the package again" in said
