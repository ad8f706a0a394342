"""Fashion-MNIST as NumPy arrays: found, downloaded, verified, decoded."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from d2lutils import cache, standin
from d2lutils.download import Downloader, DownloadError, import_pooch

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


# Folders on the web that hold the four files: the dataset's own repository, a copy that
# Google keeps for Keras, and the bucket of its authors, which offers no https. Whatever
# they send is judged by its checksum.
MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)

_STANDIN_NAME = "d2lutils-standin.bin"


class DataError(RuntimeError):
    """The official data cannot be had; the message says why and what to do.

    Attributes:
        reason: the same in a few words, on one line.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


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


def _settings() -> tuple[str, Path]:
    """What D2LUTILS_SOURCE and D2LUTILS_DATA say: source and absolute folder."""
    source = os.environ.get("D2LUTILS_SOURCE") or "auto"
    if source not in SOURCES:
        raise ValueError(
            f"the environment variable D2LUTILS_SOURCE is {source!r}, expected one of "
            f"{', '.join(map(repr, SOURCES))}"
        )
    folder = os.environ.get("D2LUTILS_DATA")
    if not folder:
        folder = import_pooch().os_cache("d2lutils")
    return source, Path(os.path.abspath(os.path.expanduser(folder)))


def _load_official(folder: Path) -> FashionMNIST:
    """Read the four files, downloading what is missing or bad; or raise DataError."""
    data, wrong = _read_official(folder)
    if wrong:
        with cache.locked(folder):
            # Another process may have put them there meanwhile.
            data, wrong = _read_official(folder)
            if wrong:
                data |= _download(folder, wrong)
    arrays = [read_idx(data.pop(file), file.shape) for file in FILES]
    return FashionMNIST(*arrays, source="official")


def _read_official(folder: Path) -> tuple[dict[_File, bytes], dict[_File, str]]:
    """The verified files of the folder, and what is wrong with the others."""
    data, wrong = {}, {}
    for file in FILES:
        content, why = cache.read(folder / file.name, file.size, file.sha256)
        if content is None:
            wrong[file] = why
        else:
            data[file] = content
    return data, wrong


def _download(folder: Path, wrong: dict[_File, str]) -> dict[_File, bytes]:
    """Fetch files and put them into the folder, as far as it can be written."""
    downloader = Downloader(MIRRORS)
    data = {}
    # The smallest first: it shows soonest which address answers.
    for file in sorted(wrong, key=lambda file: file.size):
        try:
            data[file] = downloader.fetch(file.name, file.size, file.sha256)
        except DownloadError as error:
            raise _data_error(folder, wrong, error.reasons) from None
        _replace(folder / file.name, data[file], wrong[file])
    return data


def _replace(path: Path, data: bytes, why: str) -> None:
    """Put a good file in the place of a missing or bad one, and say what was done."""
    try:
        aside = cache.store(path, [data], keep_old=True)
    except OSError as error:
        cache.tell(
            f"{path.name} was downloaded and is in use, but cannot be kept in "
            f"{path.parent} ({error.strerror}); set D2LUTILS_DATA to a folder with "
            "room that you may write, or each new process downloads it again"
        )
    else:
        if aside:
            cache.tell(
                f"{path} {why}; it was replaced by a fresh download and is kept as "
                f"{aside.name}"
            )


def _data_error(
    folder: Path, wrong: dict[_File, str], reasons: dict[str, str]
) -> DataError:
    """The error for files that are neither in the folder nor to be downloaded."""
    files = "\n".join(f"  {file.name} {why}" for file, why in wrong.items())
    tried = "\n".join(f"  {url}: {why}" for url, why in reasons.items())
    message = (
        "The official Fashion-MNIST data cannot be had.\n"
        f"In the folder {folder}:\n{files}\n"
        f"Addresses tried:\n{tried}\n"
        "What to do: connect to the network and try again. Or download the four files "
        "on another machine, from the folder data/fashion of "
        "https://github.com/zalandoresearch/fashion-mnist, and put them as they are, "
        f"still compressed, into {folder}; or set D2LUTILS_DATA to the folder that "
        "holds them. Or set D2LUTILS_SOURCE=standin to go on with images drawn by rule."
    )
    bad = [
        f"{folder / file.name} {why}"
        for file, why in wrong.items()
        if why != "is missing"
    ]
    failures = ", ".join(dict.fromkeys(reasons.values()))
    reason = "; ".join([*bad, f"it could not be downloaded ({failures})"])
    return DataError(message, reason)


def _load_standin(folder: Path) -> FashionMNIST:
    """Read the stand-in from the folder, or draw it and keep it there if possible."""
    path = folder / _STANDIN_NAME
    arrays, why = _read_standin(path)
    if arrays is None:
        with cache.locked(folder):
            # Another process may have drawn it meanwhile.
            arrays, why = _read_standin(path)
            if arrays is None:
                arrays = standin.make()
                _keep_standin(path, arrays, why)
    for array in arrays:
        array.flags.writeable = False
    return FashionMNIST(*arrays, source="standin")


def _read_standin(path: Path) -> tuple[Sequence[np.ndarray] | None, str]:
    """The arrays of a verified file, or None and what is wrong with it."""
    sizes = [math.prod(shape) for shape in standin.SHAPES]
    data, why = cache.read(path, sum(sizes), standin.SHA256)
    if data is None:
        return None, why
    flat = np.split(np.frombuffer(data, dtype=np.uint8), np.cumsum(sizes)[:-1])
    return [
        part.reshape(shape) for part, shape in zip(flat, standin.SHAPES, strict=True)
    ], ""


def _keep_standin(path: Path, arrays: Sequence[np.ndarray], why: str) -> None:
    """Store the stand-in; where that fails it is drawn anew by each process."""
    with contextlib.suppress(OSError):
        cache.store(path, arrays)
        if why != "is missing":
            cache.tell(f"{path} {why}; the stand-in was drawn anew in its place")


@dataclass(frozen=True)
class _Kept:
    """What `load` found: the data, and for the stand-in why it is used."""

    data: FashionMNIST
    reason: str
    files: tuple  # the state of the official files then


_lock = threading.Lock()
_kept: dict[tuple[str, Path], _Kept] = {}
_current: str | None = None


def current_source() -> str | None:
    """'official' or 'standin': what `load` gave last; None before the first call."""
    return _current


def load() -> FashionMNIST:
    """Give Fashion-MNIST, or in its absence, never in silence, the stand-in.

    Two environment variables decide. D2LUTILS_DATA names the folder of the four
    official files (default: the user's cache folder); what is missing there or bad is
    downloaded, verified by SHA-256. D2LUTILS_SOURCE is 'auto' (the default: the
    stand-in where the official data cannot be had), 'official' (never the stand-in)
    or 'standin' (nothing else).

    The wait is bounded: each of the three addresses has 8 s to answer, then 20 s for
    each further piece, and all files together half an hour; a server that is busy is
    asked once more within 10 s. An address that does not answer is asked only once.

    Each call that gives the stand-in prints one line that begins with
    '[stand-in data]'. All callers in a process share the same arrays. The stand-in
    stays in use until the process ends or the files in the folder change.

    Returns:
        The dataset; its `source` says which.

    Raises:
        ValueError: D2LUTILS_SOURCE has an unknown value.
        DataError: D2LUTILS_SOURCE is 'official' and the official data cannot be had.
    """
    global _current
    source, folder = _settings()
    with _lock:
        kept = _kept.get((source, folder))
        if kept and (not kept.reason or kept.files == _state(folder)):
            if kept.reason:
                _announce(kept.reason)
        else:
            _kept.clear()
            kept = _kept[source, folder] = _find(source, folder)
        _current = kept.data.source
    return kept.data


def _find(source: str, folder: Path) -> _Kept:
    """Load what the settings ask for; announces the stand-in before it is drawn."""
    files = _state(folder)
    if source == "standin":
        reason = "D2LUTILS_SOURCE=standin asks for them."
    else:
        try:
            return _Kept(_load_official(folder), "", files)
        except DataError as error:
            if source == "official":
                raise
            reason = (
                f"{error.reason}. Connect to the network and start anew, or put the "
                f"official files into {folder}; D2LUTILS_SOURCE=official tells more."
            )
    _announce(reason)
    return _Kept(_load_standin(folder), reason, files)


def _state(folder: Path) -> tuple:
    """Changes when a file of the folder does."""
    state = []
    for file in FILES:
        try:
            status = (folder / file.name).stat()
        except OSError:
            state.append(None)
        else:
            state.append((status.st_size, status.st_mtime_ns))
    return tuple(state)


def _announce(reason: str) -> None:
    cache.show(
        f"[stand-in data] Images drawn by rule stand in for Fashion-MNIST: {reason}",
        sys.stdout,
    )
