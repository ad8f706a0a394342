"""What the training loop does in every framework: count, time, record, report."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from d2lutils import fashion_mnist, minibatches, plotting
from d2lutils.minibatches import check_whole

CURVES = ("train loss", "train acc", "test acc")

# How much of the time of a training may go into redrawing its curves. The first and
# the last point are always drawn.
DRAWING_SHARE = 0.02


class Timer:
    """Time several stretches of work, in seconds; starts at once."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start()

    def start(self) -> None:
        """Begin a stretch."""
        self._started = time.perf_counter()

    def stop(self) -> float:
        """End the stretch, record it, and return its length in seconds."""
        self.times.append(time.perf_counter() - self._started)
        return self.times[-1]

    def avg(self) -> float:
        """Return the mean length of the recorded stretches."""
        return self.sum() / len(self.times)

    def sum(self) -> float:
        """Return the total length of the recorded stretches."""
        return sum(self.times)

    def cumsum(self) -> list[float]:
        """Return the running totals, one per recorded stretch."""
        return np.cumsum(self.times).tolist()


class Accumulator:
    """Running sums of ``n`` quantities, in double precision."""

    def __init__(self, n: int) -> None:
        self.data = [0.0] * n

    def add(self, *args: Any) -> None:
        """Add one number to each sum.

        Raises:
            ValueError: There are not as many numbers as sums.
        """
        if len(args) != len(self.data):
            raise ValueError(
                f"add takes one number per sum: {len(self.data)}, got {len(args)}"
            )
        self.data = [a + float(b) for a, b in zip(self.data, args, strict=True)]

    def reset(self) -> None:
        """Set all sums to zero."""
        self.data = [0.0] * len(self.data)

    def __getitem__(self, index: int) -> float:
        return self.data[index]


@dataclass
class History:
    """The figures of a training, one entry per epoch.

    Attributes:
        train_loss: Mean loss over the training examples, in nats, averaged
            while the weights move.
        train_accuracy: Share of right predictions on them, likewise.
        test_accuracy: Share of right predictions on the test examples after the
            epoch.
        source: ``"official"``, ``"standin"``, or ``None`` for other data.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    source: str | None = None

    @property
    def epochs(self) -> list[int]:
        """The numbers of the epochs, counted from 1."""
        return list(range(1, len(self.train_loss) + 1))

    def add(self, train_loss: float, train_accuracy: float, test_accuracy: float):
        """Append the figures of one epoch."""
        self.train_loss.append(train_loss)
        self.train_accuracy.append(train_accuracy)
        self.test_accuracy.append(test_accuracy)

    def __str__(self) -> str:
        if not self.train_loss:
            return "no epoch yet"
        line = (
            f"epoch {len(self.train_loss)}: train loss {self.train_loss[-1]:.3f}, "
            f"train accuracy {self.train_accuracy[-1]:.3f}, "
            f"test accuracy {self.test_accuracy[-1]:.3f}"
        )
        return line + (f" {plotting.STANDIN_NOTE}" if self.source == "standin" else "")


def get_fashion_mnist_labels(labels: Iterable[Any]) -> list[str]:
    """Translate class numbers into names.

    Args:
        labels: Whole numbers from 0 to 9; a tensor of any framework or a sequence.

    Returns:
        One name per label, such as ``"ankle boot"``.

    Raises:
        ValueError: A label is not one of the ten classes.
    """
    names = []
    for label in plotting.to_numpy(labels).ravel().tolist():
        if label != int(label) or not 0 <= label < len(fashion_mnist.LABELS):
            raise ValueError(
                f"labels must be whole numbers from 0 to 9, one holds {label!r}"
            )
        names.append(fashion_mnist.LABELS[int(label)])
    return names


def get_dataloader_workers() -> int:
    """Return a sensible number of worker processes for a framework's own loader.

    Four as the book's original has it, or fewer where there are fewer processors.
    The loaders of this package use none.
    """
    return min(4, os.cpu_count() or 1)


def seed_everything_else(seed: int) -> None:
    """Seed Python, NumPy and the shuffling: all that belongs to no framework.

    Args:
        seed: A whole number from 0 to 2**32 - 1.

    Raises:
        TypeError, ValueError: ``seed`` is something else.
    """
    seed = check_whole("seed", seed, least=0)
    if seed >= 2**32:
        raise ValueError(f"seed must be below 2**32 (NumPy's limit), got {seed}")
    random.seed(seed)
    np.random.seed(seed)
    minibatches.seed_shuffling(seed)


def check_scores(scores_shape: tuple[int, ...], labels: np.ndarray) -> None:
    """Check a model's output against the labels of the same batch.

    Args:
        scores_shape: Shape of ``net(X)``.
        labels: The classes, as a NumPy array.

    Raises:
        ValueError: ``labels`` is not ``(n,)``, the scores are not
            ``(n, number of classes)``, or a label has no score. Some frameworks
            would clip such a label, or broadcast such scores, without a word.
    """
    n = len(labels) if labels.ndim else 0
    if labels.ndim != 1:
        raise ValueError(f"y must hold one label per example, got shape {labels.shape}")
    if len(scores_shape) != 2 or scores_shape[0] != n:
        raise ValueError(
            "net(X) must return one row of scores per example, of shape "
            f"({n}, number of classes); it returned shape {tuple(scores_shape)}"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= scores_shape[1]:
        raise ValueError(
            f"y holds label {low if low < 0 else high}, but net(X) scores the classes "
            f"0 to {scores_shape[1] - 1} only"
        )


def check_predictions(y_hat_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> None:
    """Check that predictions fit their labels: ``(n, classes)`` or ``(n,)``.

    Raises:
        ValueError: They do not.
    """
    if len(y_hat_shape) not in (1, 2) or y_hat_shape[:1] != y_shape:
        raise ValueError(
            "y_hat must hold one row of scores or one class per label of y, "
            f"whose shape is {tuple(y_shape)}; it has shape {tuple(y_hat_shape)}"
        )


def run_epoch(
    train_iter: Iterable[tuple[Any, Any]],
    step: Callable[[Any, Any], tuple[Any, Any, int]],
) -> tuple[float, float]:
    """Visit every batch once.

    Args:
        train_iter: Yields batches ``(X, y)``.
        step: Trains on one batch; returns its summed loss, the number of right
            predictions made before the update, and the number of examples; as
            numbers, or as tensors that ``float`` waits for.

    Returns:
        Mean loss and accuracy over all examples.

    Raises:
        ValueError: ``train_iter`` yields nothing.
    """
    metric, waiting = Accumulator(3), (0, 0, 0)
    for X, y in train_iter:
        # A step late: where a framework works in the background, asking for numbers
        # at once would let it stand idle while the next step is prepared.
        figures = step(X, y)
        metric.add(*waiting)
        waiting = figures
    metric.add(*waiting)
    _check_not_empty("train_iter", metric[2])
    return metric[0] / metric[2], metric[1] / metric[2]


def mean_accuracy(
    data_iter: Iterable[tuple[Any, Any]],
    count_right: Callable[[Any, Any], float],
) -> float:
    """Return the share of right predictions over all batches.

    Args:
        data_iter: Yields batches ``(X, y)``.
        count_right: Returns the number of right predictions on one batch.

    Raises:
        ValueError: ``data_iter`` yields nothing.
    """
    metric = Accumulator(2)
    for X, y in data_iter:
        metric.add(count_right(X, y), len(y))
    _check_not_empty("data_iter", metric[1])
    return metric[0] / metric[1]


def _check_not_empty(name: str, num_examples: float) -> None:
    if not num_examples:
        raise ValueError(
            f"{name} yielded no batch: pass something that can be iterated over anew "
            "in every epoch, such as a list or a data loader (a generator is used up "
            "after one pass)"
        )


def train(
    train_epoch: Callable[[], tuple[float, float]],
    evaluate: Callable[[], float],
    num_epochs: int,
    source: str | None,
) -> History:
    """Train for some epochs; draw the curves as they grow and say how it ended.

    Args:
        train_epoch: Trains for one epoch; returns mean loss and accuracy.
        evaluate: Returns the test accuracy.
        num_epochs: How many epochs, at least 1.
        source: Where the data come from; see :class:`History`.

    Returns:
        The figures of every epoch.
    """
    num_epochs = check_whole("num_epochs", num_epochs, least=1)
    history = History(source=source)
    animator = plotting.Animator(
        xlabel="epoch",
        xlim=(1, max(num_epochs, 2)),
        legend=CURVES,
        figsize=(4.5, 3),
        source=source,
    )
    # A notebook shows the progress by the figure; a terminal needs a bar.
    hidden = True if plotting.in_notebook() else None
    started, drawing, last_drawing = time.perf_counter(), 0.0, 0.0
    for epoch in tqdm(range(1, num_epochs + 1), unit="epoch", disable=hidden):
        figures = *train_epoch(), evaluate()
        history.add(*figures)
        elapsed = time.perf_counter() - started
        # What the last point will take is saved up for as well.
        needed = drawing + last_drawing * (1 + epoch / num_epochs)
        within_share = needed <= DRAWING_SHARE * elapsed
        redraw = epoch in (1, num_epochs) or within_share
        animator.add(epoch, figures, redraw=redraw)
        if redraw:
            last_drawing = time.perf_counter() - started - elapsed
            drawing += last_drawing
        if not math.isfinite(figures[0]) and not _reported(history):
            print(
                f"epoch {epoch}: the train loss is {figures[0]}, no longer a finite "
                "number: the scores overflowed. A smaller learning rate usually "
                "cures this."
            )
    print(history)
    return history


def _reported(history: History) -> bool:
    """Whether an epoch before the last had a loss that was not finite."""
    return not all(map(math.isfinite, history.train_loss[:-1]))


def first_examples(
    data_iter: Iterable[tuple[Any, Any]], n: int
) -> list[tuple[Any, Any]]:
    """Return as many of the first batches as ``n`` examples need.

    Raises:
        TypeError, ValueError: ``n`` is not a positive whole number, or
            ``data_iter`` yields fewer examples.
    """
    n = check_whole("n", n, least=1)
    batches, found = [], 0
    for X, y in data_iter:
        batches.append((X, y))
        found += len(y)
        if found >= n:
            return batches
    raise ValueError(f"n asks for {n} examples, but test_iter yields only {found}")


def show_predictions(images: Any, truth: Any, predicted: Any) -> None:
    """Show images ``(n, side, side)`` titled true label over predicted label."""
    titles = [
        f"{true}\n{guess}"
        for true, guess in zip(
            get_fashion_mnist_labels(truth),
            get_fashion_mnist_labels(predicted),
            strict=True,
        )
    ]
    plotting.show_images(images, 1, len(titles), titles=titles)
