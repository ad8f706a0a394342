"""The data of the package: official, verified, shared."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
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


def test_the_files_are_those_that_their_authors_published():
    found = {
        name: hashlib.md5((PACKAGE / "data" / name).read_bytes()).hexdigest()
        for name in fashion_mnist.FILES
    }
    assert found == MD5
    assert "Zalando SE" in (PACKAGE / "data" / "LICENSE").read_text("utf-8")


def test_the_arrays_are_the_data_set():
    data = fashion_mnist.load()
    assert data.train_images.shape == (60000, 28, 28)
    assert data.test_images.shape == (10000, 28, 28)
    for labels, each in ((data.train_labels, 6000), (data.test_labels, 1000)):
        np.testing.assert_array_equal(np.bincount(labels), [each] * 10)
    # Read by other means: the header of an IDX file of images has 16 bytes.
    raw = gzip.decompress((PACKAGE / "data" / "t10k-images-idx3-ubyte.gz").read_bytes())
    assert data.test_images.tobytes() == raw[16:]
    # What the authors' README shows: the first training image is an ankle boot.
    assert fashion_mnist.LABELS[data.train_labels[0]] == "ankle boot"
    assert np.mean(data.train_images[:, 0, 0] == 0) > 0.99  # corners are black


def test_the_arrays_are_read_only():
    data = fashion_mnist.load()
    for array in vars(data).values():
        assert array.dtype == np.uint8
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_all_callers_share_them(monkeypatch):
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


def load_a_copy(folder: Path, change) -> subprocess.CompletedProcess:
    """Load the data of a copy of the package, changed, in a process of its own."""
    shutil.copytree(
        PACKAGE, folder / "d2lutils", ignore=shutil.ignore_patterns("__pycache__")
    )
    change(folder / "d2lutils" / "data")
    return subprocess.run(
        [sys.executable, "-c", "from d2lutils.fashion_mnist import load; load()"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


def damaged(data: Path) -> None:
    path = data / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def cut_short(data: Path) -> None:
    path = data / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1])


def a_pointer_of_git_lfs(data: Path) -> None:
    path = data / "train-labels-idx1-ubyte.gz"
    path.write_text("version https://git-lfs.github.com/spec/v1\n", encoding="ascii")


def without_a_file(data: Path) -> None:
    (data / "t10k-images-idx3-ubyte.gz").unlink()


def a_folder_in_its_place(data: Path) -> None:
    without_a_file(data)
    (data / "t10k-images-idx3-ubyte.gz").mkdir()


@pytest.mark.parametrize(
    ("change", "name", "wrong"),
    [
        (damaged, "t10k-labels-idx1-ubyte.gz", "is damaged (its SHA-256 is "),
        (cut_short, "train-images-idx3-ubyte.gz", "is damaged (its SHA-256 is "),
        (a_pointer_of_git_lfs, "train-labels-idx1-ubyte.gz", "is damaged ("),
        (without_a_file, "t10k-images-idx3-ubyte.gz", "is missing"),
        (a_folder_in_its_place, "t10k-images-idx3-ubyte.gz", "cannot be read ("),
    ],
)
def test_a_file_that_is_not_as_published_is_named(tmp_path, change, name, wrong):
    done = load_a_copy(tmp_path, change)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        f"d2lutils.fashion_mnist.DataError: The file d2lutils/data/{name} {wrong}"
    )
    assert "Install the package again" in last


def test_a_copy_that_is_whole_loads(tmp_path):
    done = load_a_copy(tmp_path, lambda data: None)
    assert (done.returncode, done.stderr) == (0, "")
