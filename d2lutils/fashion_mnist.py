"""Fashion-MNIST as NumPy arrays: found, downloaded, verified, decoded."""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["LABELS", "DataError", "FashionMNIST", "current_source", "load"]

LABELS: tuple[str, ...] = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

SOURCES = ("auto", "official", "standin")


@dataclass(frozen=True)
class _File:
    """One of the four files: its name, SHA-256, size in bytes, array shape."""

    name: str
    sha256: str
    size: int
    shape: tuple[int, ...]


# Checksums of the files as their authors published them (github.com/
# zalandoresearch/fashion-mnist). In the order of the fields of FashionMNIST.
FILES = (
    _File(
        "train-images-idx3-ubyte.gz",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        26421880,
        (60000, 28, 28),
    ),
    _File(
        "train-labels-idx1-ubyte.gz",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        29515,
        (60000,),
    ),
    _File(
        "t10k-images-idx3-ubyte.gz",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        4422102,
        (10000, 28, 28),
    ),
    _File(
        "t10k-labels-idx1-ubyte.gz",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        5148,
        (10000,),
    ),
)


class DataError(RuntimeError):
    """The official data is not to be had; the message says why and what to do."""


@dataclass(frozen=True)
class FashionMNIST:
    """The dataset, as read-only arrays that all callers share.

    Attributes:
        train_images: (60000, 28, 28) uint8, 0 is background, 255 full ink.
        train_labels: (60000,) uint8, indices into `LABELS`.
        test_images: (10000, 28, 28) uint8.
        test_labels: (10000,) uint8.
        source: 'official' or 'standin'.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    source: str


def _inflate(data: bytes, size: int) -> np.ndarray:
    """The `size` bytes that gzip `data` holds; never inflates more than that.

    Raises ValueError if `data` is no gzip file or holds another number of bytes.
    """
    # One spare byte tells "too long" from "just right".
    out = np.empty(size + 1, dtype=np.uint8)
    inflater = zlib.decompressobj(wbits=31)  # 31: gzip header and checksum
    view, length, step = memoryview(data), 0, 1 << 18
    for start in range(0, len(data), step):
        try:
            # A limit of 0 would mean none, but `length` never exceeds `size` here.
            piece = inflater.decompress(view[start : start + step], size + 1 - length)
        except zlib.error as error:
            raise ValueError(f"is not a valid gzip file ({error})") from None
        out[length : length + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
        length += len(piece)
        if length > size:
            raise ValueError(f"holds more than the expected {size:,} bytes")
        if inflater.eof:
            extra = len(inflater.unused_data) + max(0, len(data) - start - step)
            if extra:
                raise ValueError(f"has {extra:,} bytes after its end")
            break
    if not inflater.eof:
        raise ValueError("ends too early: the gzip stream is cut short")
    if length < size:
        raise ValueError(f"holds {length:,} bytes, expected {size:,}")
    return out[:size]


def read_idx(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Decode a gzip-compressed IDX file of unsigned bytes.

    Args:
        data: the whole file. The format is described at the end of
            yann.lecun.com/exdb/mnist: two zero bytes, the type (8 is an unsigned
            byte), the number of dimensions, each dimension as a 32-bit big-endian
            number, then the values.
        shape: the shape that the file must have.

    Returns:
        A read-only uint8 array of that shape.

    Raises:
        ValueError: the bytes are not a gzip file, or not an IDX file of that shape.
    """
    header = bytes([0, 0, 8, len(shape)])
    dims = np.array(shape, dtype=">u4").tobytes()
    start = len(header) + len(dims)
    raw = _inflate(data, start + int(np.prod(shape)))
    found = raw[: len(header)].tobytes()
    if found != header:
        raise ValueError(
            f"begins with the magic number 0x{found.hex()}, expected 0x{header.hex()}"
        )
    if raw[len(header) : start].tobytes() != dims:
        found_shape = tuple(raw[len(header) : start].view(">u4").tolist())
        raise ValueError(f"has shape {found_shape}, expected {shape}")
    array = raw[start:].reshape(shape)
    array.flags.writeable = False
    return array


def _read_verified(folder: Path, file: _File) -> bytes:
    """The bytes of a file in the folder, known to be the official ones.

    Raises FileNotFoundError if it is missing, ValueError if it is another file.
    """
    path = folder / file.name
    size = path.stat().st_size
    if size != file.size:
        raise ValueError(f"has {size:,} bytes, expected {file.size:,}")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != file.sha256:
        raise ValueError(f"has SHA-256 {digest}, expected {file.sha256}")
    return data


_lock = threading.Lock()
_loaded: dict[tuple[str, str], FashionMNIST] = {}
_current: str | None = None


def current_source() -> str | None:
    """'official' or 'standin': what `load` gave last; None before the first call."""
    return _current


def load() -> FashionMNIST:
    """Give the dataset; all callers of a process share the same arrays."""
    global _current
    source = os.environ.get("D2LUTILS_SOURCE", "auto")
    folder = os.environ.get("D2LUTILS_DATA", "")
    with _lock:
        data = _loaded.get((source, folder))
        if data is None:
            data = _loaded[source, folder] = _load(source, folder)
        _current = data.source
    return data


def _load(source: str, folder: str) -> FashionMNIST:
    if not folder:
        import pooch

        folder = str(pooch.os_cache("d2lutils"))
    arrays = [
        read_idx(_read_verified(Path(folder), file), file.shape) for file in FILES
    ]
    return FashionMNIST(*arrays, source="official")
