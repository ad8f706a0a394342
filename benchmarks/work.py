"""The measurements, which run in a kernel with either library."""

from __future__ import annotations

import functools
import itertools
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any


class Work:
    """A section that has run up to its training run.

    Each framework has a subclass. All times are in seconds.

    Args:
        names: The names that the section's cells defined, such as ``net``.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        for name in ("d2l", "net", "params", "loss", "train_iter", "test_iter"):
            setattr(self, name, names.get(name))
        self.updater = names.get("updater", names.get("trainer"))

    # What differs between frameworks

    @property
    def model(self) -> tuple[Any, ...]:
        """What the library's functions take as the model."""
        return (self.net,)

    def finish(self) -> None:
        """Wait for work in the background."""

    def compile(self, on: bool) -> bool:
        """Compile the model, or turn compiling off; return whether that is possible."""
        raise NotImplementedError

    def plain(self) -> None:
        """Train for an epoch with plain steps, on batches in memory."""
        raise NotImplementedError

    # Measurements

    def clock(self, work: Callable[[], Any]) -> float:
        """Measure a call."""
        begun = time.perf_counter()
        work()
        self.finish()
        return time.perf_counter() - begun

    def train_epoch(self, batches: Iterable[Any]) -> None:
        """Train for an epoch."""
        self.d2l.train_epoch_ch3(*self.model, batches, self.loss, self.updater)

    def epochs(self, batches: Iterable[Any], times: int) -> list[float]:
        """Measure each of some epochs in one training run.

        The first includes what happens only once, such as compiling.
        """
        marks = [time.perf_counter()]

        def passes() -> Iterable[Any]:
            for _ in range(times):
                yield from batches
                self.finish()
                marks.append(time.perf_counter())

        self.train_epoch(passes())
        return [after - before for before, after in itertools.pairwise(marks)]

    def whole_epoch(self, num_epochs: int) -> float:
        """Measure an epoch of a training run that also evaluates and draws."""
        rest = self.train_iter, self.test_iter, self.loss, num_epochs, self.updater

        def train() -> None:
            # The original asserts at the end that the loss is low.
            with suppress(AssertionError):
                self.d2l.train_ch3(*self.model, *rest)

        return self.clock(train) / num_epochs

    def parts(self) -> dict[str, float]:
        """Measure each part of an epoch by itself."""
        evaluated = *self.model, self.test_iter
        return {
            "iterate": self.clock(lambda: [None for _ in self.train_iter]),
            "train": self.epochs(self.train_iter, 2)[1],
            "evaluate": self.clock(lambda: self.d2l.evaluate_accuracy(*evaluated)),
        }

    @functools.cached_property
    def ready(self) -> list[Any]:
        """All batches of an epoch, in memory."""
        return list(self.train_iter)

    def plain_epoch(self) -> float:
        """Measure an epoch of plain steps, which keep no statistics."""
        self.plain()  # compiles in JAX
        return self.clock(self.plain)

    def compiling(self, name: str, on: bool) -> dict[str, float]:
        """Measure the first epoch, which includes compiling, and the later ones."""
        if not self.compile(on):
            return {}
        first, *later = self.epochs(self.ready, 3)
        return {name: statistics.median(later), f"{name}_first": first}

    def growth(self, num_batches: int) -> dict[str, float]:
        """Measure an epoch of only some batches, in memory."""
        _, *later = self.epochs(self.ready[:num_batches], 4)
        return {"epoch": statistics.median(later)}

    def whole(self) -> dict[str, float]:
        """Run the rest of the section with five epochs; return the peak memory."""
        self.whole_epoch(5)
        self.d2l.predict_ch3(*self.model, self.test_iter)
        import resource  # not on Windows

        return {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
