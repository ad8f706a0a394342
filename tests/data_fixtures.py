"""A small dataset with checksums of its own, in place of the official one."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from d2lutils import cache, download, fashion_mnist, standin

TRAIN, TEST = 60, 20


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim])
    return header + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def make_arrays() -> list[np.ndarray]:
    bits = np.random.RandomState(1)
    return [
        bits.randint(0, 256, (TRAIN, 28, 28)).astype(np.uint8),
        (np.arange(TRAIN) % 10).astype(np.uint8),
        bits.randint(0, 256, (TEST, 28, 28)).astype(np.uint8),
        (np.arange(TEST) % 10).astype(np.uint8),
    ]


def make_files(arrays: Iterable[np.ndarray]) -> dict[str, bytes]:
    names = [file.name for file in fashion_mnist.FILES]
    return {
        name: gzip.compress(idx(array), mtime=0)
        for name, array in zip(names, arrays, strict=True)
    }


def describe(
    files: dict[str, bytes], arrays: Iterable[np.ndarray]
) -> tuple[fashion_mnist._File, ...]:
    return tuple(
        fashion_mnist._File(
            name, hashlib.sha256(data).hexdigest(), len(data), array.shape
        )
        for (name, data), array in zip(files.items(), arrays, strict=True)
    )


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def digest(data: fashion_mnist.FashionMNIST) -> str:
    total = hashlib.sha256()
    for array in (
        data.train_images,
        data.train_labels,
        data.test_images,
        data.test_labels,
    ):
        total.update(array.tobytes())
    return total.hexdigest()


def small_standin() -> list[np.ndarray]:
    return [255 - array for array in make_arrays()]


def settings(mirrors: Iterable[str], **seconds: float) -> str:
    """For `apply` in another process, as JSON."""
    return json.dumps({"mirrors": list(mirrors), "seconds": seconds})


def apply(config: str, set_attribute=setattr) -> None:
    """Put the small dataset, its mirrors and short waits in place."""
    config = json.loads(config)
    arrays = make_arrays()
    files = make_files(arrays)
    set_attribute(fashion_mnist, "FILES", describe(files, arrays))
    set_attribute(fashion_mnist, "MIRRORS", tuple(config["mirrors"]))
    drawn = small_standin()
    total = hashlib.sha256(b"".join(array.tobytes() for array in drawn))
    set_attribute(standin, "SHAPES", tuple(array.shape for array in drawn))
    set_attribute(standin, "SHA256", total.hexdigest())
    set_attribute(standin, "make", small_standin)
    waits = {
        "ANSWER_SECONDS": 0.6,
        "STALL_SECONDS": 0.6,
        "TOTAL_SECONDS": 20.0,
        "PAUSE_SECONDS": 0.05,
        "LONGEST_PAUSE_SECONDS": 1.5,
    } | config["seconds"]
    for name, value in waits.items():
        module = cache if name.startswith("LOCK") else download
        set_attribute(module, name, value)
