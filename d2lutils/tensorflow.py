"""The TensorFlow face: ``from d2lutils import tensorflow as d2l``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

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
tf = require("tensorflow")

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
        return tf.convert_to_tensor(X[..., None]), tf.convert_to_tensor(y)

    return fashion_mnist_minibatches(batch_size, resize, np.int32, to_tensors)


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
    if len(y_hat.shape) == 2:
        y_hat = tf.argmax(y_hat, axis=1)
    return float(tf.math.count_nonzero(tf.cast(y_hat, y.dtype) == y))


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
    return losses * float(len(y))


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
    is_optimizer = isinstance(updater, tf.keras.optimizers.Optimizer)
    if not is_optimizer and not hasattr(updater, "params"):
        raise TypeError(
            "updater must be an optimizer of tf.keras.optimizers or have the "
            f"attribute params, as d2l.Updater(params, lr) has; got {updater!r}"
        )
    is_model = isinstance(net, tf.keras.Model)

    def step(X: tf.Tensor, y: tf.Tensor) -> tuple[float, float, int]:
        with tf.GradientTape() as tape:
            y_hat = net(X, training=True) if is_model else net(X)
            training.check_scores(tuple(y_hat.shape), y.numpy())
            total = _sum_of_losses(loss, y_hat, y)
            mean = total / len(y)
        if is_optimizer:
            params = net.trainable_variables if is_model else tape.watched_variables()
            grads = tape.gradient(mean, params)
            updater.apply_gradients(zip(grads, params, strict=True))
        else:
            updater(len(y), tape.gradient(total, updater.params))
        return float(total), accuracy(y_hat, y), len(y)

    return training.run_epoch(train_iter, step)


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
    for param, grad in zip(params, grads, strict=True):
        param.assign_sub(lr * grad / batch_size)


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
