"""The PyTorch face: ``from d2lutils import torch as d2l``."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

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

torch = require("torch")
nn = torch.nn

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

Net = Callable[[torch.Tensor], torch.Tensor]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


def _fast_products() -> contextlib.AbstractContextManager[None]:
    """Let oneDNN multiply float32 matrices in here, where that is faster and as exact.

    PyTorch leaves these products to MKL, which does without AVX-512 on processors of
    AMD. oneDNN, a part of PyTorch as well, does not, and takes half the time. Where
    that is of no use, or the user has made a choice, nothing changes.
    """
    matmul = getattr(torch.backends.mkldnn, "matmul", None)  # since PyTorch 2.9
    if getattr(matmul, "fp32_precision", None) != "none" or not _onednn_is_exact():
        return contextlib.nullcontext()
    return _onednn_multiplies()


@contextlib.contextmanager
def _onednn_multiplies() -> Iterator[None]:
    """Let oneDNN multiply float32 matrices in here, whether or not it is exact.

    PyTorch asks it only where it may round to bfloat16 first. On a processor that has
    no use for that leave, to give it costs nothing.
    """
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = "none"


@functools.cache
def _onednn_is_exact() -> bool:
    """Whether oneDNN does not round here, and MKL is slow.

    Only instructions named AMX make oneDNN round, and no processor of AMD has them
    as yet. So that one which has them some day is not taken for exact, a product is
    tried: bfloat16 keeps 8 bits of a number, float32 24.
    """
    has = getattr(torch.cpu, "get_capabilities", dict)()
    if not has.get("cpu_name", "").startswith("AMD") or not has.get("avx512_f"):
        return False
    if any(has[name] for name in has if name.startswith("amx")):
        return False
    values = torch.linspace(0, 1, 256 * 256).reshape(256, 256)
    exact = values.double() @ values.double()
    with _onednn_multiplies():
        error = (values @ values - exact).abs().max() / exact.max()
    return bool(error < 1e-5)


def set_seed(seed: int) -> None:
    """Make all that is random repeat itself: weights, shuffling, dropout.

    Seeds PyTorch (on every device), NumPy, Python and the order of the training
    batches, which is then the same in every framework.

    Args:
        seed: A whole number from 0 to 2**32 - 1.
    """
    training.seed_everything_else(seed)
    torch.manual_seed(seed)


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
        float32 in [0, 1], and ``y``, ``(B,)`` int64; ``len`` is the number of
        batches.

    Raises:
        TypeError, ValueError: ``batch_size`` or ``resize`` is not a positive
            whole number.
    """

    def to_tensors(X: np.ndarray, y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(X).unsqueeze(1), torch.from_numpy(y)

    return fashion_mnist_minibatches(batch_size, resize, np.int64, to_tensors)


def accuracy(y_hat: torch.Tensor, y: torch.Tensor) -> float:
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
    if y_hat.ndim == 2:
        y_hat = y_hat.argmax(dim=1)
    return float((y_hat.to(y.dtype) == y).sum())


def evaluate_accuracy(net: Net, data_iter: Batches) -> float:
    """Return the share of right predictions on a data set.

    A module is put into evaluation mode for the time, and left in the mode in
    which it came.

    Args:
        net: Maps ``X`` to scores ``(n, classes)``.
        data_iter: Yields batches ``(X, y)``.

    Raises:
        ValueError: ``data_iter`` yields nothing, or the shapes do not fit.
    """
    is_module = isinstance(net, nn.Module)
    modes = {m: m.training for m in net.modules()} if is_module else {}
    if is_module:
        net.eval()
    try:
        with _fast_products(), torch.no_grad():
            return training.mean_accuracy(data_iter, lambda X, y: accuracy(net(X), y))
    finally:
        for module, mode in modes.items():
            module.training = mode


def _mean_and_sum(
    losses: torch.Tensor, loss: Loss, n: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the batch's mean and summed loss, whichever of them ``loss`` gives.

    ``losses`` holds one loss per example, ``(n,)``, or is reduced to one number: to
    the mean, unless ``loss`` says that its ``reduction`` is the sum.
    """
    if losses.ndim:
        return losses.mean(), losses.sum()
    if getattr(loss, "reduction", "mean") == "sum":
        return losses / n, losses
    return losses, losses * n


def train_epoch_ch3(
    net: Net,
    train_iter: Batches,
    loss: Loss,
    updater: torch.optim.Optimizer | Callable[[int], None],
) -> tuple[float, float]:
    """Train for one epoch.

    Every updater takes a step along the gradient of the batch's **mean** loss:
    an optimizer is given that gradient, a function the summed one and the number
    of examples to divide it by.

    Args:
        net: Maps ``X`` to scores ``(n, classes)``.
        train_iter: Yields batches ``(X, y)``.
        loss: Maps scores and labels to one loss per example, or to their mean or
            sum (a loss of ``torch.nn`` with any ``reduction``).
        updater: An optimizer of ``torch.optim``, or a function of the batch size
            such as ``lambda batch_size: sgd(params, lr, batch_size)``.

    Returns:
        Mean loss (in nats for cross-entropy) and accuracy over the epoch, each
        batch taken before its own update.

    Raises:
        ValueError: ``train_iter`` yields nothing, a shape does not fit, or a label
            is out of range.
    """
    if isinstance(net, nn.Module):
        net.train()

    def step(X: torch.Tensor, y: torch.Tensor) -> tuple[float, float, int]:
        y_hat = net(X)
        training.check_scores(y_hat.shape, y.numpy(force=True))
        mean, total = _mean_and_sum(loss(y_hat, y), loss, len(y))
        if isinstance(updater, torch.optim.Optimizer):
            updater.zero_grad()
            mean.backward()
            updater.step()
        else:
            total.backward()
            updater(len(y))
        return float(total.detach()), accuracy(y_hat, y), len(y)

    with _fast_products():
        return training.run_epoch(train_iter, step)


def train_ch3(
    net: Net,
    train_iter: Batches,
    test_iter: Batches,
    loss: Loss,
    num_epochs: int,
    updater: torch.optim.Optimizer | Callable[[int], None],
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
    with torch.no_grad():
        predicted = torch.cat([net(X).argmax(dim=1) for X, _ in batches])
    X, y = (torch.cat(part) for part in zip(*batches, strict=True))
    training.show_predictions(X[:n, 0], y[:n], predicted[:n])


def sgd(params: Iterable[torch.Tensor], lr: float, batch_size: int) -> None:
    """Take one step of minibatch stochastic gradient descent, and clear gradients.

    Each parameter moves by ``-lr / batch_size`` times its gradient, which must be
    that of the **summed** loss. PyTorch adds to the gradients at every
    ``backward``; this sets them to zero for the next.

    Args:
        params: Tensors with gradients; changed in place.
        lr: Learning rate.
        batch_size: Number of examples behind the gradients.
    """
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


def try_gpu(i: int = 0) -> torch.device:
    """Return GPU number ``i`` if there is one, else the CPU."""
    if torch.cuda.device_count() > i:
        return torch.device(f"cuda:{i}")
    return torch.device("cpu")


def try_all_gpus() -> Sequence[torch.device]:
    """Return all GPUs, or the CPU alone if there is none."""
    gpus = [torch.device(f"cuda:{i}") for i in range(torch.cuda.device_count())]
    return gpus or [torch.device("cpu")]
