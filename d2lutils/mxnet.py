"""The MXNet face: ``from d2lutils import mxnet as d2l``."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy

from d2lutils import require, training
from d2lutils.minibatches import Minibatches, fashion_mnist_minibatches
from d2lutils.plotting import (
    Animator,
    plot,
    set_axes,
    set_figsize,
    show_images,
    use_svg_display,
)
from d2lutils.training import (
    Accumulator,
    History,
    Timer,
    get_dataloader_workers,
    get_fashion_mnist_labels,
)


@contextlib.contextmanager
def _fast_openblas() -> Iterator[None]:
    """Let the OpenBLAS that MXNet is about to load choose code for this processor.

    The release of 2021 that MXNet carries takes processors that are newer than itself
    for very old ones, and then multiplies matrices less than half as fast as it could.
    It reads its choice from the environment once, when it is loaded. A choice of
    the user's stays, and nothing is left behind for other libraries and processes.
    """
    name = "OPENBLAS_CORETYPE"
    if name in os.environ or not _has_avx2():
        yield
        return
    os.environ[name] = "HASWELL"  # the newest with AVX2 that this OpenBLAS knows
    try:
        yield
    finally:
        os.environ.pop(name, None)


def _has_avx2() -> bool:
    """Whether this is an x86-64 Linux whose processor has AVX2 and FMA."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    try:
        flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text()))
    except OSError:
        return False
    return {"avx2", "fma"} <= flags


with _fast_openblas():
    mxnet = require("mxnet")
autograd, gluon, np, npx = mxnet.autograd, mxnet.gluon, mxnet.np, mxnet.npx

__all__ = [
    "Accumulator",
    "Animator",
    "History",
    "Timer",
    "accuracy",
    "evaluate_accuracy",
    "get_dataloader_workers",
    "get_fashion_mnist_labels",
    "load_data_fashion_mnist",
    "plot",
    "predict_ch3",
    "set_axes",
    "set_figsize",
    "set_seed",
    "sgd",
    "show_images",
    "train_ch3",
    "train_epoch_ch3",
    "try_all_gpus",
    "try_gpu",
    "use_svg_display",
]

Net = Callable[[np.ndarray], np.ndarray]
Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]
Batches = Iterable[tuple[np.ndarray, np.ndarray]]


def set_seed(seed: int) -> None:
    """Make all that is random repeat itself: weights, shuffling, dropout.

    Seeds MXNet (on every device), NumPy, Python and the order of the training
    batches, which is then the same in every framework.

    Args:
        seed: A whole number from 0 to 2**32 - 1.
    """
    training.seed_everything_else(seed)
    npx.random.seed(seed)


def load_data_fashion_mnist(
    batch_size: int, resize: int | None = None
) -> tuple[Minibatches, Minibatches]:
    """Return minibatches of the training and of the test examples.

    The training examples come in a new order in every epoch, the test examples
    in that of the file; the last batch holds what is left.

    Args:
        batch_size: Examples per batch.
        resize: Side of the images in pixels, or ``None`` for 28.

    Returns:
        ``(train_iter, test_iter)``. Both yield ``X``, ``(B, 1, side, side)``
        float32 in [0, 1], and ``y``, ``(B,)`` int32; ``len`` is the number of
        batches.

    Raises:
        TypeError, ValueError: ``batch_size`` or ``resize`` is not a positive
            whole number.
    """

    def to_tensors(X: numpy.ndarray, y: numpy.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Shares NumPy's memory, where np.array would copy it.
        share = mxnet.nd.from_numpy
        return share(X[:, None]).as_np_ndarray(), share(y).as_np_ndarray()

    return fashion_mnist_minibatches(batch_size, resize, numpy.int32, to_tensors)


def accuracy(y_hat: np.ndarray, y: np.ndarray) -> float:
    """Count the right predictions.

    Args:
        y_hat: Scores, ``(n, classes)``, of which the largest counts, or predicted
            classes, ``(n,)``.
        y: Labels, ``(n,)``.

    Returns:
        Their **number**, not their share.

    Raises:
        ValueError: The shapes do not fit.
    """
    training.check_predictions(y_hat.shape, y.shape)
    return float(_count_right(y_hat, y))


def _count_right(y_hat: np.ndarray, y: np.ndarray) -> np.ndarray:
    if y_hat.ndim == 2:
        y_hat = y_hat.argmax(axis=1)
    # MXNet would add up booleans in 8 bits; 32-bit floats count to 16 million.
    return (y_hat.astype(y.dtype) == y).astype("float32").sum()


def evaluate_accuracy(net: Net, data_iter: Batches) -> float:
    """Return the share of right predictions on a data set.

    Outside ``autograd.record`` a Gluon block is in prediction mode by itself.

    Args:
        net: Maps ``X`` to scores ``(n, classes)``.
        data_iter: Yields batches ``(X, y)``.

    Raises:
        ValueError: ``data_iter`` yields nothing, or the shapes do not fit.
    """
    return training.mean_accuracy(data_iter, lambda X, y: accuracy(net(X), y))


def train_epoch_ch3(
    net: Net,
    train_iter: Batches,
    loss: Loss,
    updater: gluon.Trainer | Callable[[int], None],
) -> tuple[float, float]:
    """Train for one epoch.

    Every updater takes a step along the gradient of the batch's **mean** loss: it
    finds the gradient of the sum, and is told the number of examples to divide it
    by.

    Args:
        net: Maps ``X`` to scores ``(n, classes)``.
        train_iter: Yields batches ``(X, y)``.
        loss: Maps scores and labels to one loss per example, as the losses of
            Gluon do, or to their mean.
        updater: A ``gluon.Trainer``, or a function of the batch size such as
            ``lambda batch_size: sgd(params, lr, batch_size)``.

    Returns:
        Mean loss (in nats for cross-entropy) and accuracy over the epoch, each
        batch taken before its own update.

    Raises:
        ValueError: ``train_iter`` yields nothing, a shape does not fit, or a label
            is out of range.
    """
    update = updater.step if isinstance(updater, gluon.Trainer) else updater

    def step(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        n = len(y)
        with autograd.record():
            y_hat = net(X)
            training.check_scores(y_hat.shape, y.asnumpy())
            losses = loss(y_hat, y)
            # backward starts from the sum of what it is given.
            total = losses.sum() if losses.ndim else losses * n
        total.backward()
        update(n)
        return total, _count_right(y_hat, y), n

    return training.run_epoch(train_iter, step)


def train_ch3(
    net: Net,
    train_iter: Batches,
    test_iter: Batches,
    loss: Loss,
    num_epochs: int,
    updater: gluon.Trainer | Callable[[int], None],
) -> History:
    """Train, draw the curves as they grow, and print the final figures.

    Nothing is asserted of the result; a loss that is no longer finite is
    reported in words.

    Args:
        net, train_iter, loss, updater: See :func:`train_epoch_ch3`.
        test_iter: Yields the batches on which accuracy is measured after each
            epoch.
        num_epochs: Passes over the training examples, at least 1.

    Returns:
        The figures of every epoch.

    Raises:
        TypeError, ValueError: An argument is wrong; see :func:`train_epoch_ch3`.
    """
    return training.train(
        lambda: train_epoch_ch3(net, train_iter, loss, updater),
        lambda: evaluate_accuracy(net, test_iter),
        num_epochs,
        getattr(train_iter, "source", None),
    )


def predict_ch3(net: Net, test_iter: Batches, n: int = 6) -> None:
    """Show the first test images, each titled true label over predicted label.

    Args:
        net: Maps ``X`` to scores ``(n, classes)``.
        test_iter: Yields batches ``(X, y)`` of single-channel images.
        n: How many images.

    Raises:
        ValueError: ``test_iter`` yields fewer.
    """
    batches = training.first_examples(test_iter, n)
    predicted = np.concatenate([net(X).argmax(axis=1) for X, _ in batches])
    X, y = (np.concatenate(part) for part in zip(*batches, strict=True))
    training.show_predictions(X[:n, 0], y[:n], predicted[:n])


def sgd(params: Iterable[np.ndarray], lr: float, batch_size: int) -> None:
    """Take one step of minibatch stochastic gradient descent.

    Each parameter moves by ``-lr / batch_size`` times its gradient, which must be
    that of the **summed** loss. MXNet writes gradients anew at every
    ``backward``, so there is nothing to clear.

    Args:
        params: Arrays with gradients attached; changed in place.
        lr: Learning rate.
        batch_size: Number of examples behind the gradients.
    """
    for param in params:
        param[:] = param - lr * param.grad / batch_size


def try_gpu(i: int = 0) -> mxnet.Context:
    """Return GPU number ``i`` if there is one, else the CPU."""
    return npx.gpu(i) if npx.num_gpus() > i else npx.cpu()


def try_all_gpus() -> Sequence[mxnet.Context]:
    """Return all GPUs, or the CPU alone if there is none."""
    return [npx.gpu(i) for i in range(npx.num_gpus())] or [npx.cpu()]
