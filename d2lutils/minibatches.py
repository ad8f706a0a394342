"""Minibatches of Fashion-MNIST, the same for every framework.

The images stay in memory once, as uint8; a batch is one vectorised gather and
one division. A framework's face adds only the conversion to its own tensors.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from d2lutils import fashion_mnist

# One generator orders the examples in every framework, so that the same seed
# gives the same batches in all of them.
_shuffling = np.random.default_rng()


def seed_shuffling(seed: int) -> None:
    """Fix the order in which all later training epochs visit the examples.

    Args:
        seed: A whole number, at least 0.
    """
    global _shuffling
    _shuffling = np.random.default_rng(check_whole("seed", seed, least=0))


def check_whole(name: str, value: Any, least: int) -> int:
    """Return an argument as an ``int``, or say what is wrong with it.

    Args:
        name: The argument's name, for the message.
        value: Whatever the caller passed.
        least: The smallest allowed value.

    Raises:
        TypeError: ``value`` is not a whole number (a ``bool`` is not one here).
        ValueError: ``value`` is smaller than ``least``.
    """
    expected = f"{name} must be a whole number of at least {least}"
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{expected}, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{expected}, got {value!r}") from None
    if number < least:
        raise ValueError(f"{expected}, got {value!r}")
    return number


def _scale(images: np.ndarray) -> np.ndarray:
    """Divide gray values by 255."""
    return np.divide(images, np.float32(255), dtype=np.float32)


class Minibatches:
    """A re-iterable, sized sequence of minibatches ``(X, y)``.

    Args:
        images: ``(n, 28, 28)`` uint8, gray values 0 to 255.
        labels: ``(n,)``, one class per image, in the dtype that ``y`` shall have.
        batch_size: Examples per batch; the last batch holds what is left.
        shuffle: Whether each pass draws a new order of the examples.
        to_tensors: Turns a batch of images ``(B, side, side)`` float32 in [0, 1]
            and labels ``(B,)`` into the framework's tensors.
        resize: Side of the images in pixels, or ``None`` for 28. Bilinear, as
            Pillow does it.
        source: Where the data come from: ``"official"`` or ``"standin"``.
        scale: Divides a batch of images, uint8, by 255, into float32 in new memory;
            by default as NumPy does it.

    Attributes:
        num_examples: Examples in one pass.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        shuffle: bool,
        to_tensors: Callable[[np.ndarray, np.ndarray], tuple[Any, Any]],
        resize: int | None = None,
        source: str | None = None,
        scale: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.batch_size = check_whole("batch_size", batch_size, least=1)
        self.num_examples = len(images)
        self.shuffle = shuffle
        self.source = source
        self._images, self._labels = images, labels
        self._to_tensors, self._scale = to_tensors, scale or _scale
        self._weights = None
        if resize is not None:
            side = check_whole("resize", resize, least=1)
            self._weights = _interpolation_weights(images.shape[1], side)

    def __len__(self) -> int:
        """Number of batches in one pass."""
        return -(-self.num_examples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        # The order is drawn when the pass begins, not at its first batch:
        # two passes begun together do not depend on how they are interleaved.
        order = _shuffling.permutation(self.num_examples) if self.shuffle else None
        return self._batches(order)

    def _batches(self, order: np.ndarray | None) -> Iterator[tuple[Any, Any]]:
        for start in range(0, self.num_examples, self.batch_size):
            rows: Any = slice(start, start + self.batch_size)
            if order is not None:
                rows = order[rows]
            X = self._scale(self._images[rows])
            if self._weights is not None:
                X = self._weights @ X @ self._weights.T
                np.clip(X, 0, 1, out=X)  # rounding may lead just past 1
            # A copy, because a framework may hand its memory on to be written to.
            yield self._to_tensors(X, self._labels[rows].copy())


def _interpolation_weights(size: int, side: int) -> np.ndarray:
    """Bilinear weights ``(side, size)`` float32; each row sums to 1.

    Pillow resizes the identity, so the weights are exactly those that it would
    use for an image (with its area averaging when the image shrinks).
    """
    identity = Image.fromarray(np.eye(size, dtype=np.float32))
    weights = np.asarray(identity.resize((size, side), Image.Resampling.BILINEAR))
    return weights / weights.sum(axis=1, keepdims=True)


def fashion_mnist_minibatches(
    batch_size: int,
    resize: int | None,
    label_dtype: Any,
    to_tensors: Callable[[np.ndarray, np.ndarray], tuple[Any, Any]],
    scale: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[Minibatches, Minibatches]:
    """Training and test minibatches; see :class:`Minibatches`.

    The arguments are checked before the data are looked for, so that a wrong
    batch size is told at once and not after a download.
    """
    check_whole("batch_size", batch_size, least=1)
    if resize is not None:
        check_whole("resize", resize, least=1)
    data = fashion_mnist.load()
    train, test = (
        Minibatches(
            images,
            labels.astype(label_dtype),
            batch_size,
            shuffle,
            to_tensors,
            resize,
            data.source,
            scale,
        )
        for images, labels, shuffle in (
            (data.train_images, data.train_labels, True),
            (data.test_images, data.test_labels, False),
        )
    )
    return train, test
