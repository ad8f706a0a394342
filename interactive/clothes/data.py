"""Makes the weights and pictures that the figure of the network loads when opened."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path

import numpy as np

from d2lutils import fashion_mnist


def scripts() -> dict[str, str]:
    """Return the text of each script by file name.

    ``weights`` holds the parameters in 16 bits, low byte first. ``images`` holds the
    labels of 200 test images, then the images. ``training`` holds the labels of 3,000
    training images and of the next 1,000 test images, then the images of both.
    Everything is compressed by gzip and written in base64.
    """
    data = fashion_mnist.load()
    with np.load(Path(__file__).with_name("mlp-scratch.npz")) as arrays:
        params = [arrays[name].astype("<f2") for name in ("W1", "b1", "W2", "b2")]
    few, more = slice(0, 200), slice(200, 1200)
    images = [data.test_labels[few], data.test_images[few]]
    training = [data.train_labels[:3000], data.test_labels[more],
                data.train_images[:3000], data.test_images[more]]  # fmt: skip
    return {
        "weights.js": _assign("weights", params) + _assign("images", images),
        "training.js": _assign("training", training),
    }


def _assign(name: str, parts: list[np.ndarray]) -> str:
    packed = gzip.compress(b"".join(part.tobytes() for part in parts), mtime=0)
    return f'bookClothes.{name} = "{base64.b64encode(packed).decode()}";\n'
