"""Minibatches of images and labels, the same for every framework.

The images are in memory once, as bytes. To make a batch takes two operations: pick the
rows, and divide.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from d2lutils.arguments import check_whole

# Once seeded, one generator orders the examples in every framework, so the same seed
# gives the same batches in all of them. NumPy locks it while it draws.
_shuffling: np.random.Generator | None = None


def seed_shuffling(seed: int) -> None:
    """Fix the order in which all later training epochs visit the examples."""
    global _shuffling
    _shuffling = np.random.default_rng(seed)


def get_dataloader_workers() -> int:
    """Return a sensible number of worker processes for a framework's own loader.

    That is four, or fewer if there are fewer processors. This package's own loaders use
    none.
    """
    return min(4, os.cpu_count() or 1)


class Minibatches:
    """A re-iterable, sized sequence of minibatches ``(X, y)``.

    Several threads may read from it, or from one pass over it. You can pickle it if you
    can pickle ``to_tensors`` and ``draw_seed``.

    Args:
        images: ``(n, 28, 28)`` uint8, gray values from 0 to 255.
        labels: ``(n,)``, one class per image, in the dtype of ``y``.
        batch_size: Examples per batch. The last batch holds the rest.
        shuffle: Whether each pass draws a new order of the examples.
        to_tensors: Turns a batch of images ``(B, side, side)`` float32 in [0, 1]
            and labels ``(B,)`` into the framework's tensors.
        resize: Side of the images in pixels, or ``None`` to keep 28. Bilinear, as
            in Pillow.
        draw_seed: Draws a number that seeds the order of a pass, unless you called
            ``set_seed``. Without it, that order differs from process to process.

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
        draw_seed: Callable[[], int] | None = None,
    ) -> None:
        self.batch_size = check_whole("batch_size", batch_size, least=1)
        self.num_examples = len(images)
        self.shuffle = shuffle
        self._images, self._labels = images, labels
        self._to_tensors, self._resize = to_tensors, resize
        self._draw_seed = draw_seed
        self._weights = None
        if resize is not None:
            side = check_whole("resize", resize, least=1)
            self._weights = _interpolation_weights(images.shape[1], side)

    def split(self, n: int) -> tuple[Minibatches, Minibatches]:
        """Return minibatches of the first ``n`` examples, and of the rest.

        The first part is shuffled if these minibatches are. The second is meant for
        validation and keeps the order of the file.

        Raises:
            TypeError, ValueError: ``n`` isn't a whole number that leaves examples for
                both parts.
        """
        if check_whole("n", n, least=1) >= self.num_examples:
            raise ValueError(
                f"n must be less than the number of examples, {self.num_examples}, "
                f"got {n}"
            )

        def part(rows: slice, shuffle: bool) -> Minibatches:
            images, labels = self._images[rows], self._labels[rows]
            settings = shuffle, self._to_tensors, self._resize, self._draw_seed
            return Minibatches(images, labels, self.batch_size, *settings)

        return part(slice(n), self.shuffle), part(slice(n, None), False)

    def __len__(self) -> int:
        """Return the number of batches in one pass."""
        return -(-self.num_examples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        # The order is drawn when the pass begins, not at its first batch: two passes
        # that begin together do not depend on how they are interleaved.
        order = self._draw_order() if self.shuffle else None
        # Unlike a generator, this can be read by several threads.
        starts = range(0, self.num_examples, self.batch_size)
        return map(partial(self._batch, order), starts)

    def _draw_order(self) -> np.ndarray:
        generator = _shuffling
        if generator is None:
            generator = np.random.default_rng(self._draw_seed and self._draw_seed())
        return generator.permutation(self.num_examples)

    def _batch(self, order: np.ndarray | None, start: int) -> tuple[Any, Any]:
        rows: Any = slice(start, start + self.batch_size)
        if order is not None:
            rows = order[rows]
        X = np.divide(self._images[rows], np.float32(255), dtype=np.float32)
        if self._weights is not None:
            X = self._weights @ X @ self._weights.T
            np.clip(X, 0, 1, out=X)  # rounding may lead just past 1
        # A copy, because a framework may hand out its memory to be written to.
        return self._to_tensors(X, self._labels[rows].copy())


def _interpolation_weights(size: int, side: int) -> np.ndarray:
    """Return bilinear weights ``(side, size)`` float32, with rows that sum to 1.

    Pillow resizes the identity matrix: the result is the weights it uses for an image.
    """
    identity = Image.fromarray(np.eye(size, dtype=np.float32))
    weights = np.asarray(identity.resize((size, side), Image.Resampling.BILINEAR))
    return weights / weights.sum(axis=1, keepdims=True)
