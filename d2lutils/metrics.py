"""Counters, timers and records for training loops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from d2lutils.arguments import check

__all__ = ["Accumulator", "History", "Timer", "sweep"]


class Timer:
    """A stopwatch for several stretches of work, in seconds. It starts at once."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start()

    def start(self) -> None:
        """Begin a stretch."""
        self._started = time.perf_counter()

    def stop(self) -> float:
        """End the stretch, record it, and return its length."""
        self.times.append(time.perf_counter() - self._started)
        return self.times[-1]

    def avg(self) -> float:
        """Return the mean length of the stretches."""
        return self.sum() / len(self.times)

    def sum(self) -> float:
        """Return the total length of the stretches."""
        return sum(self.times)

    def cumsum(self) -> list[float]:
        """Return the running totals, one per stretch."""
        return np.cumsum(self.times).tolist()


class Accumulator:
    """Running sums of ``n`` quantities, in double precision."""

    def __init__(self, n: int) -> None:
        self.data = [0.0] * n

    def add(self, *args: Any) -> None:
        """Add one number to each sum, and raise ``ValueError`` if the counts differ."""
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
    """The losses and accuracies of a training run, one entry per epoch.

    Attributes:
        train_loss: Mean loss over the training examples, in nats for cross-entropy,
            averaged while the weights move.
        train_accuracy: Share of right predictions on them, averaged in the same way.
        test_accuracy: Share of right predictions after the epoch, on examples that
            the model doesn't learn from.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> list[int]:
        """The numbers of the epochs, counted from 1."""
        return list(range(1, len(self.train_loss) + 1))

    @property
    def validation_accuracy(self) -> list[float]:
        """Another name for ``test_accuracy``, if you pass validation examples."""
        return self.test_accuracy

    def add(self, *figures: float) -> None:
        """Append the train loss, train accuracy and test accuracy of an epoch."""
        curves = self.train_loss, self.train_accuracy, self.test_accuracy
        for curve, figure in zip(curves, figures, strict=True):
            curve.append(figure)

    def __str__(self) -> str:
        if not self.train_loss:
            return "no epoch yet"
        return (
            f"epoch {len(self.train_loss)}: train loss {self.train_loss[-1]:.3f}, "
            f"train accuracy {self.train_accuracy[-1]:.3f}, "
            f"test accuracy {self.test_accuracy[-1]:.3f}"
        )

    def __repr__(self) -> str:
        return f"History({len(self.train_loss)} epochs)"


def sweep(
    train: Callable[[Any, int], History],
    settings: Iterable[Any],
    seeds: Iterable[int] = range(3),
) -> np.ndarray:
    """Train with each setting from several seeds, and print means and ranges.

    Args:
        train: Called as ``train(setting, seed)``. Returns a :class:`History`.
        settings: What to compare. A dictionary names the settings by its keys.
        seeds: Each gives one training run per setting.

    Returns:
        Train loss, train accuracy and held-out accuracy after the last epoch of each
        training run, ``(settings, seeds, 3)``.
    """
    named = (
        settings.items() if isinstance(settings, dict) else ((s, s) for s in settings)
    )
    seeds, ends = list(seeds), []
    headings = "train loss", "held-out accuracy"
    print(f"{'':14}  {headings[0]:22}  {headings[1]}")
    for name, setting in named:
        runs = [train(setting, seed) for seed in seeds]
        for run in runs:
            check(isinstance(run, History), "train(setting, seed)", "a History", run)
        ends.append([[curve[-1] for curve in vars(run).values()] for run in runs])
        loss, _, accuracy = (
            f"{each.mean():.3f} ({each.min():.3f} to {each.max():.3f})"
            for each in np.array(ends[-1]).T
        )
        print(f"{name!s:14}  {loss:22}  {accuracy}")
    return np.array(ends)
