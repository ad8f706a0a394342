"""Fashion-MNIST as NumPy arrays, which come with this package and are verified."""

from __future__ import annotations

import functools
import gzip
import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from d2lutils.arguments import to_numpy

LABELS = (
    "t-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip

# The files as their authors published them (github.com/zalandoresearch/fashion-mnist)
# and the SHA-256 of each, in the order of the fields of FashionMNIST.
FILES = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",  # noqa: E501
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",  # noqa: E501
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",  # noqa: E501
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",  # noqa: E501
}
DATA = resources.files("d2lutils") / "data"

_lock = threading.Lock()


class DataError(RuntimeError):
    """A file of the data set is missing from the package, or damaged."""


@dataclass(frozen=True)
class FashionMNIST:
    """The data set, as read-only arrays that all callers share.

    Attributes:
        train_images: (60000, 28, 28) uint8, from 0 (background) to 255.
        train_labels: (60000,) uint8, indices into `LABELS`.
        test_images: (10000, 28, 28) uint8.
        test_labels: (10000,) uint8.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load() -> FashionMNIST:
    """Return Fashion-MNIST. Only the first call reads and verifies the files.

    Raises:
        DataError: A file is missing or damaged.
    """
    with _lock:  # or each thread would read them
        return _read()


@functools.cache
def _read() -> FashionMNIST:
    return FashionMNIST(*map(_read_file, FILES))


def _read_file(name: str) -> np.ndarray:
    """Read a file in the IDX format (yann.lecun.com/exdb/mnist).

    It holds two zero bytes, the type, the number of axes, their lengths as 32-bit
    big-endian numbers, and then the values. The checksum proves all of that.
    """
    try:
        data = DATA.joinpath(name).read_bytes()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        wrong = "is missing" if missing else f"cannot be read ({error.strerror})"
    else:
        found = hashlib.sha256(data).hexdigest()
        if found == FILES[name]:
            idx = gzip.decompress(data)
            shape = np.frombuffer(idx, ">u4", count=idx[3], offset=4)
            return np.frombuffer(idx, np.uint8, offset=4 + 4 * idx[3]).reshape(shape)
        wrong = f"is damaged (its SHA-256 is {found}, expected {FILES[name]})"
    raise DataError(
        f"The file d2lutils/data/{name} {wrong}. Install the package again, as "
        "you did before, with pip's option --force-reinstall. In a clone of the "
        "repository, restore the file with: git checkout -- d2lutils/data"
    )


def get_fashion_mnist_labels(labels: Iterable[Any]) -> list[str]:
    """Translate class numbers, from 0 to 9, into names such as ``"ankle boot"``.

    Args:
        labels: A tensor of any framework, or a sequence.

    Raises:
        ValueError: A label is not one of the ten classes.
    """
    names = dict(enumerate(LABELS))
    numbers = to_numpy(labels).ravel().tolist()
    for label in numbers:
        if label not in names:
            raise ValueError(
                f"labels must be whole numbers from 0 to 9, but one is {label!r}"
            )
    return [names[label] for label in numbers]
