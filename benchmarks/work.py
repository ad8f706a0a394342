"""The measurements, which run in a kernel or a process, with either library.

This module imports no framework and no library until it measures that.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

MARK = "BENCHMARK "


def report(figures: dict[str, float]) -> None:
    """Print figures for the process that measures."""
    print(MARK + json.dumps(figures), flush=True)


def start(module: str, library: str) -> dict[str, float]:
    """Measure imports and loading the data, in a fresh process."""
    marks = [time.perf_counter()]

    def lap(work: Callable[[], Any]) -> float:
        work()
        marks.append(time.perf_counter())
        return marks[-1] - marks[-2]

    def load() -> None:
        importlib.import_module(f"{library}.{module}").load_data_fashion_mnist(256)

    files = sorted(Path(os.environ["BENCHMARK_DATA"]).iterdir())
    return {
        "import_framework": lap(lambda: importlib.import_module(module)),
        "import_beyond": lap(lambda: importlib.import_module(f"{library}.{module}")),
        "read": lap(lambda: [file.read_bytes() for file in files]),
        "load_first": lap(load),
        "load_later": lap(load),
    }


class Work:
    """A section that has run up to its training run.

    Each framework has a subclass. Like a further cell, its methods can change the
    names that the section defines.

    Args:
        names: The names that the section's cells defined, such as ``net``.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        names.setdefault("updater", names.get("trainer"))  # some sections' name for it

    def __getattr__(self, name: str) -> Any:
        if name not in self.names:
            raise AttributeError(name)
        return self.names[name]

    # What differs between frameworks

    def finish(self) -> None:
        """Wait for work in the background."""

    def train_epoch(self, batches: Iterable[Any]) -> None:
        """Train for an epoch."""
        self.d2l.train_epoch_ch3(self.net, batches, self.loss, self.updater)

    def train(self, num_epochs: int) -> None:
        """Train, evaluate and draw."""
        rest = self.test_iter, self.loss, num_epochs, self.updater
        self.d2l.train_ch3(self.net, self.train_iter, *rest)

    def evaluate(self) -> None:
        """Measure the accuracy."""
        self.d2l.evaluate_accuracy(self.net, self.test_iter)

    def predict(self) -> None:
        """Show some predictions."""
        self.d2l.predict_ch3(self.net, self.test_iter)

    def as_written(self, from_layers: bool) -> None:
        """Turn off the library's own compiling."""

    def compile(self, from_layers: bool) -> bool:
        """Compile the model; return whether that is possible."""
        raise NotImplementedError

    def counting(self) -> None:
        """Use the page's model that prints and counts."""

    def plain(self) -> None:
        """Train for an epoch with plain steps, on batches in memory."""
        raise NotImplementedError

    def use_built_in_relu(self) -> None:
        """Replace ``relu`` by the framework's own."""
        raise NotImplementedError

    def loader(self, images: Any, labels: Any) -> Iterable[Any] | None:
        """Return the framework's own loader for arrays in memory, if it has one."""
        return None

    # Measurements

    def clock(self, work: Callable[[], Any], times: int = 1) -> float:
        """Return the median time of some calls, in seconds."""
        seconds = []
        for _ in range(times):
            begun = time.perf_counter()
            work()
            self.finish()
            seconds.append(time.perf_counter() - begun)
        return statistics.median(seconds)

    def epoch(self) -> float:
        """Measure an epoch other than the first, in seconds."""
        return self.clock(lambda: self.train_epoch(self.train_iter))

    def parts(self) -> dict[str, float]:
        """Measure each part of an epoch by itself."""
        return {
            "iterate": self.clock(lambda: [None for _ in self.train_iter]),
            "train": self.epoch(),
            "evaluate": self.clock(self.evaluate),
        }

    def training(self, num_epochs: int) -> float:
        """Measure a whole epoch, in seconds."""
        return self.clock(lambda: self.train(num_epochs)) / num_epochs

    def drawing(self) -> float:
        """Measure drawing the curves of ten epochs once, in seconds."""
        legend = ["train loss", "train acc", "test acc"]
        limits = {"xlim": [1, 10], "ylim": [0.3, 0.9]}
        animator = self.d2l.Animator(xlabel="epoch", legend=legend, **limits)
        for epoch in range(1, 10):
            animator.add(epoch, (1 / epoch, 0.8, 0.7))
        return self.clock(lambda: animator.add(10, (0.1, 0.8, 0.7)))

    def epochs(self, name: str) -> dict[str, float]:
        """Measure the first epoch, which includes compiling, and the later ones."""
        ready, marks = list(self.train_iter), [time.perf_counter()]

        def passes() -> Iterable[Any]:
            for _ in range(5):
                yield from ready
                self.finish()
                marks.append(time.perf_counter())

        self.train_epoch(passes())
        first, *later = (b - a for a, b in itertools.pairwise(marks))
        return {name: statistics.median(later), f"{name}_first": first}

    def state(self, name: str) -> dict[str, float]:
        """Train a ``net`` that prints a line and adds 1 to ``count`` at each call."""
        self.names["count"], printed = 0, io.StringIO()
        with contextlib.redirect_stdout(printed):
            self.train_epoch(self.train_iter)
        lines = printed.getvalue().splitlines()
        return {f"{name}_printed": len(lines), f"{name}_counted": self.count}

    def prepare_peers(self) -> None:
        """Prepare for :meth:`peers`."""
        from d2lutils import fashion_mnist

        data = fashion_mnist.load()
        images = data.train_images.astype("float32") / 255
        self.own = self.loader(images, data.train_labels.astype("int64"))
        self.ready = list(self.train_iter)
        self.plain()

    def peers(self) -> dict[str, float]:
        """Measure plain steps, which keep no statistics, and the framework's loader."""
        found = {"plain": self.clock(self.plain)}
        if self.own is not None:
            found["own_loader"] = self.clock(lambda: [None for _ in self.own])
        return found

    def keep(self, num_examples: int, batch_size: int) -> None:
        """Keep batches of some examples in memory, and train on them once."""
        batches = itertools.islice(self.train_iter, -(-num_examples // batch_size))
        self.names["train_iter"] = list(batches)
        self.train_epoch(self.train_iter)

    def whole(self) -> dict[str, float]:
        """Run the rest of the section with five epochs; return the peak memory."""
        self.train(5)
        self.predict()
        import resource  # not on Windows

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"memory": peak * 1024}
