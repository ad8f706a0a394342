"""The TensorFlow face: ``from d2lutils import tensorflow as d2l``."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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

# The C++ library greets on standard error, past Python; that is no news.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Torch's CUDA build loads Triton when it first needs an optimizer. Once TensorFlow is
# loaded, that ends the process: both bring an LLVM.
if importlib.util.find_spec("triton"):
    importlib.import_module("triton")
tf = require("tensorflow")
from d2lutils import tracing  # noqa: E402  after the framework, which it needs

__all__ = [
    "Accumulator",
    "Animator",
    "History",
    "Timer",
    "Updater",
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

# Of how many bytes the address of an array must be a multiple.
ALIGNMENT = 64

Net = Callable[[tf.Tensor], tf.Tensor]
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Batches = Iterable[tuple[tf.Tensor, tf.Tensor]]


def set_seed(seed: int) -> None:
    """Make all that is random repeat itself: weights, shuffling, dropout.

    Seeds TensorFlow and Keras, NumPy, Python and the order of the training
    batches, which is then the same in every framework.

    Args:
        seed: A whole number from 0 to 2**32 - 1.
    """
    training.seed_everything_else(seed)
    # Keras 3 draws from generators of its own that tf.random.set_seed misses.
    tf.keras.utils.set_random_seed(seed)


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
        ``(train_iter, test_iter)``. Both yield ``X``, ``(B, side, side, 1)``
        float32 in [0, 1], and ``y``, ``(B,)`` int32; ``len`` is the number of
        batches.

    Raises:
        TypeError, ValueError: ``batch_size`` or ``resize`` is not a positive
            whole number.
    """

    def to_tensors(X: np.ndarray, y: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
        return _without_copy(X[..., None]), tf.convert_to_tensor(y)

    return fashion_mnist_minibatches(batch_size, resize, np.int32, to_tensors, _scale)


def _scale(images: np.ndarray) -> np.ndarray:
    """Divide gray values by 255, into memory that TensorFlow can work on.

    NumPy's own begins at a multiple of 16 bytes only, and would have to be copied.
    """
    room = np.empty(images.size + ALIGNMENT // 4, np.float32)
    start = -room.ctypes.data % ALIGNMENT // 4
    X = room[start : start + images.size].reshape(images.shape)
    return np.divide(images, np.float32(255), out=X)


def _without_copy(X: np.ndarray) -> tf.Tensor:
    """Make an array a tensor in the same memory, where TensorFlow can work on it.

    Nobody else may hold the array: TensorFlow's tensors never change.
    """
    on_processor = not tf.config.list_physical_devices("GPU")
    if on_processor and X.flags.c_contiguous and X.ctypes.data % ALIGNMENT == 0:
        return tf.experimental.dlpack.from_dlpack(X.__dlpack__())
    return tf.convert_to_tensor(X)


def accuracy(y_hat: tf.Tensor, y: tf.Tensor) -> float:
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
    training.check_predictions(tuple(y_hat.shape), tuple(y.shape))
    return float(_count_right(y_hat, y))


def _count_right(y_hat: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    if len(y_hat.shape) == 2:
        y_hat = tf.argmax(y_hat, axis=1)
    return tf.math.count_nonzero(tf.cast(y_hat, y.dtype) == y)


def evaluate_accuracy(net: Net, data_iter: Batches) -> float:
    """Return the share of right predictions on a data set.

    A Keras model called by itself is in inference mode.

    Args:
        net: Maps ``X`` to scores ``(n, classes)``.
        data_iter: Yields batches ``(X, y)``.

    Raises:
        ValueError: ``data_iter`` yields nothing, or the shapes do not fit.
    """
    return training.mean_accuracy(data_iter, lambda X, y: accuracy(net(X), y))


def _sum_of_losses(loss: Loss, y_hat: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Return the batch's summed loss, however ``loss`` reduces it.

    Keras' losses take the labels first and, unless told otherwise, average.
    """
    is_keras = isinstance(loss, tf.keras.losses.Loss)
    losses = loss(y, y_hat) if is_keras else loss(y_hat, y)
    if losses.shape.rank:
        return tf.reduce_sum(losses)
    if is_keras and loss.reduction == "sum":
        return losses
    return losses * float(y.shape[0])


def train_epoch_ch3(
    net: Net,
    train_iter: Batches,
    loss: Loss,
    updater: tf.keras.optimizers.Optimizer | Updater,
) -> tuple[float, float]:
    """Train for one epoch.

    Every updater takes a step along the gradient of the batch's **mean** loss: an
    optimizer of Keras is given that gradient, an :class:`Updater` the summed one
    and the number of examples to divide it by.

    Args:
        net: Maps ``X`` to scores ``(n, classes)``.
        train_iter: Yields batches ``(X, y)``.
        loss: A loss of Keras with any ``reduction``, or a function that maps
            scores and labels to one loss per example or to their mean.
        updater: An optimizer of ``tf.keras.optimizers``, which then trains
            whatever trainable variables ``net`` uses, or an :class:`Updater`, or
            anything that has ``params`` and is called with ``(batch_size,
            grads)``.

    Returns:
        Mean loss (in nats for cross-entropy) and accuracy over the epoch, each
        batch taken before its own update.

    Raises:
        TypeError: ``updater`` is neither.
        ValueError: ``train_iter`` yields nothing, a shape does not fit, or a label
            is out of range.
    """
    return training.run_epoch(train_iter, _Step(net, loss, updater))


class _Step:
    """Trains on one batch: eagerly, or by a graph where nobody can tell.

    An eager step spends most of its time on handing single operations to TensorFlow;
    a graph hands over forward and backward at once. It is made after the first batch,
    and used as long as the code of ``net`` and ``loss`` only computes
    (:mod:`d2lutils.tracing`), all that they refer to is what it was, and the batch has
    the same size. The update is always eager: the graph changes nothing, so that
    after any failure the batch can be taken anew.
    """

    def __init__(self, net: Net, loss: Loss, updater: Any) -> None:
        self.is_optimizer = isinstance(updater, tf.keras.optimizers.Optimizer)
        if not self.is_optimizer and not hasattr(updater, "params"):
            raise TypeError(
                "updater must be an optimizer of tf.keras.optimizers or have the "
                f"attribute params, as d2l.Updater(params, lr) has; got {updater!r}"
            )
        self.net, self.loss, self.updater = net, loss, updater
        self.graph: _Graph | None = None
        # Where something changes with every batch, no graph lives long enough to pay.
        self.graphs_left = 5

    def __call__(self, X: tf.Tensor, y: tf.Tensor) -> tuple[float, float, int]:
        params = () if self.is_optimizer else self.updater.params
        found = tracing.look(self.net, self.loss, params)
        if self.graph and not (found and tracing.same(found, self.graph.found)):
            self.graph = None
        result = self._by_graph(X, y)
        if result is None:
            result = self._backward(
                X, y, lambda shape: training.check_scores(shape, y.numpy())
            )
        grads, params, total, right = result
        if self.is_optimizer:
            self.updater.apply_gradients(zip(grads, params, strict=True))
        else:
            self.updater(len(y), grads)
        if found and not self.graph and self.graphs_left:
            self._make_graph(X, y)
        return float(total), float(right), len(y)

    def _backward(
        self, X: tf.Tensor, y: tf.Tensor, check: Callable[[tuple[int, ...]], None]
    ) -> tuple[Any, Any, tf.Tensor, tf.Tensor]:
        """Return gradients, their variables, the summed loss, the number of hits."""
        net, is_model = self.net, isinstance(self.net, tf.keras.Model)
        with tf.GradientTape() as tape:
            y_hat = net(X, training=True) if is_model else net(X)
            check(tuple(y_hat.shape))
            total = _sum_of_losses(self.loss, y_hat, y)
            mean = total / y.shape[0]
        if self.is_optimizer:
            params = net.trainable_variables if is_model else tape.watched_variables()
            grads = tape.gradient(mean, params)
        else:
            params = self.updater.params
            grads = tape.gradient(total, params)
        return grads, params, total, _count_right(y_hat, y)

    def _make_graph(self, X: tf.Tensor, y: tf.Tensor) -> None:
        """Make a graph for batches like this one, or decide to do without."""
        self.graphs_left -= 1
        # A debugger steps through the reader's code; a graph would pass it by.
        if sys.gettrace() or tf.config.functions_run_eagerly():
            return
        noted = {}

        def compute(X: tf.Tensor, y: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor]:
            check = functools.partial(noted.__setitem__, "scores_shape")
            grads, noted["params"], total, right = self._backward(X, y, check)
            return grads, total, right

        try:
            # autograph would rewrite the reader's branches; here they shall fail.
            # Fixed shapes, because the code may ask for X.shape.
            run = tf.function(compute, autograph=False).get_concrete_function(
                tf.TensorSpec(X.shape, X.dtype), tf.TensorSpec(y.shape, y.dtype)
            )
        except Exception:  # whatever it was: the eager step works, or tells
            self.graphs_left = 0
            return
        params = () if self.is_optimizer else self.updater.params
        found = tracing.look(self.net, self.loss, params)
        if found:
            like = (X.shape, X.dtype, y.shape, y.dtype)
            self.graph = _Graph(run, found, like, **noted)

    def _by_graph(self, X: tf.Tensor, y: tf.Tensor) -> tuple[Any, ...] | None:
        """Return what :meth:`_backward` does, or ``None`` where no graph can."""
        graph = self.graph
        if not graph or not isinstance(X, tf.Tensor) or not isinstance(y, tf.Tensor):
            return None
        if (X.shape, X.dtype, y.shape, y.dtype) != graph.like:
            return None
        training.check_scores(graph.scores_shape, y.numpy())
        try:
            grads, total, right = graph.run(X, y)
        except Exception:  # the eager step will say it in the reader's terms
            self.graph, self.graphs_left = None, 0
            return None
        return grads, graph.params, total, right


@dataclass(frozen=True)
class _Graph:
    """Forward and backward of one batch as a graph, and what it was made from."""

    run: Callable[..., tuple[Any, tf.Tensor, tf.Tensor]]
    found: list[Any]
    like: tuple[Any, ...]
    scores_shape: tuple[int, ...]
    params: Any


def train_ch3(
    net: Net,
    train_iter: Batches,
    test_iter: Batches,
    loss: Loss,
    num_epochs: int,
    updater: tf.keras.optimizers.Optimizer | Updater,
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
    step = _Step(net, loss, updater)
    return training.train(
        lambda: training.run_epoch(train_iter, step),
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
    predicted = tf.concat([tf.argmax(net(X), axis=1) for X, _ in batches], axis=0)
    X, y = (tf.concat(part, axis=0) for part in zip(*batches, strict=True))
    training.show_predictions(X[:n, :, :, 0], y[:n], predicted[:n])


def sgd(
    params: Iterable[tf.Variable],
    grads: Iterable[tf.Tensor],
    lr: float,
    batch_size: int,
) -> None:
    """Take one step of minibatch stochastic gradient descent.

    Each parameter moves by ``-lr / batch_size`` times its gradient, which must be
    that of the **summed** loss.

    Args:
        params: Variables; changed in place.
        grads: Their gradients, in the same order.
        lr: Learning rate.
        batch_size: Number of examples behind the gradients.

    Raises:
        ValueError: There are not as many gradients as parameters.
    """
    rate = lr / batch_size
    for param, grad in zip(params, grads, strict=True):
        if isinstance(param, tf.Variable) and isinstance(grad, tf.Tensor):
            # One operation, in place. To multiply, divide and subtract one after the
            # other takes five times as long: a quarter of a step of training.
            tf.raw_ops.ResourceApplyGradientDescent(
                var=param.handle,
                alpha=tf.convert_to_tensor(rate, grad.dtype),
                delta=grad,
            )
        else:
            param.assign_sub(rate * grad)


class Updater:
    """Minibatch stochastic gradient descent on fixed parameters.

    Args:
        params: The variables to train.
        lr: Learning rate.
    """

    def __init__(self, params: Sequence[tf.Variable], lr: float) -> None:
        self.params = params
        self.lr = lr

    def __call__(self, batch_size: int, grads: Iterable[tf.Tensor]) -> None:
        """Take one step; see :func:`sgd`."""
        sgd(self.params, grads, self.lr, batch_size)


def try_gpu(i: int = 0) -> tf.device:
    """Return GPU number ``i`` if there is one, else the CPU, as a device scope."""
    if len(tf.config.list_physical_devices("GPU")) > i:
        return tf.device(f"/GPU:{i}")
    return tf.device("/CPU:0")


def try_all_gpus() -> Sequence[tf.device]:
    """Return all GPUs, or the CPU alone if there is none, as device scopes."""
    gpus = tf.config.list_physical_devices("GPU")
    return [tf.device(f"/GPU:{i}") for i in range(len(gpus))] or [tf.device("/CPU:0")]
