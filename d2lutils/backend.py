"""The public functions, written once for all frameworks.

The module of a framework holds one subclass of :class:`Backend`, which supplies what
differs. It exports the bound methods of one instance as its functions, as the standard
library's ``random`` does.
"""

from __future__ import annotations

import functools
import inspect
import math
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np
from tqdm import tqdm

from d2lutils import fashion_mnist, minibatches
from d2lutils.arguments import check, check_function, check_whole, shown, to_numpy
from d2lutils.metrics import Accumulator, History
from d2lutils.minibatches import Minibatches
from d2lutils.plotting import Animator, in_notebook, show_images

Net = Callable[[Any], Any]
Loss = Callable[[Any, Any], Any]
Batches = Iterable[tuple[Any, Any]]
# Trains on one batch (X, y), given its labels as an array too. Returns the summed loss
# and the scores from before the update, in memory that the net won't write to again.
Step = Callable[[Any, Any, np.ndarray], tuple[Any, Any]]

# Seconds between two drawings of the curves. Each takes some hundredths of a second,
# and nobody sees more than a few a second.
DRAWING_INTERVAL = 0.25
# What a loss may call its mean. The last two are Keras' words.
MEANS = ("mean", "sum_over_batch_size", "mean_with_sample_weight")


class Backend(ABC):
    """What the chapters import, built on what a framework supplies."""

    channel_axis: ClassVar[int]  # the axis of X that holds the channels
    label_dtype: ClassVar[type]  # the type of y, as NumPy calls it

    @abstractmethod
    def from_numpy(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        """Turn a batch into tensors, which may keep the arrays' memory."""

    @abstractmethod
    def training_step(self, net: Net, loss: Loss, updater: Any) -> Step:
        """Return a function that trains on one batch."""

    @abstractmethod
    def seed(self, seed: int) -> None:
        """Seed the framework's own generators."""

    @abstractmethod
    def draw_seed(self) -> int:
        """Draw a number, at least 0, from the framework's own generator."""

    @abstractmethod
    def devices(self) -> tuple[list[Any], Any]:
        """Return all GPUs, and the CPU."""

    @abstractmethod
    def loader(self, arrays: Sequence[Any], batch_size: int, shuffle: bool) -> Batches:
        """Return the framework's own loader of tensors in memory, or one like it."""

    def inference(self, net: Net) -> AbstractContextManager[Net]:
        """Open a context that yields a function from ``X`` to the scores of ``net``."""
        return nullcontext(net)

    def end_training(self, net: Net) -> None:  # noqa: B027 (most keep no mode)
        """Put a model that has an evaluation mode into it."""

    def labels_first(self, loss: Loss) -> bool:
        """Return whether ``loss`` takes ``(y, y_hat)``, and gives both one shape."""
        return False

    def sum(self, losses: Any) -> Any:
        """Return the sum of a tensor's entries."""
        return losses.sum()

    def reshape(self, tensor: Any, shape: tuple[int, ...]) -> Any:
        """Return the same numbers in another shape."""
        return tensor.reshape(shape)

    def normal(self, scale: float, shape: tuple[int, ...]) -> Any:
        """Draw normal numbers with this standard deviation, if that takes no key."""
        raise NotImplementedError

    # Data

    def to_tensors(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        """Turn images ``(B, side, side)`` and labels ``(B,)`` into a batch."""
        return self.from_numpy(np.expand_dims(X, self.channel_axis), y)

    def load_data_fashion_mnist(
        self, batch_size: int, resize: int | None = None
    ) -> tuple[Minibatches, Minibatches]:
        """Return minibatches of the training examples and of the test examples.

        The training examples come in a new order in every epoch, the test examples in
        the order of the file. The order follows :func:`set_seed`. If you didn't call
        it, it follows the framework's own generator (``np.random`` for JAX).

        Args:
            batch_size: Examples per batch. The last batch holds the rest.
            resize: Side of the images in pixels, or ``None`` to keep 28.

        Returns:
            ``(train_iter, test_iter)``. Both yield pairs of ``X``, float32 in [0, 1],
            ``(B, 1, side, side)`` in MXNet and PyTorch and ``(B, side, side, 1)``
            elsewhere, and ``y``, ``(B,)``, int64 in PyTorch and int32 elsewhere.
            ``len`` is the number of batches. You can pickle both, and read them in
            several threads.

        Raises:
            TypeError, ValueError: ``batch_size`` or ``resize`` is not a positive
                whole number.
        """
        data = fashion_mnist.load()
        convert, draw_seed = self.to_tensors, self.draw_seed

        def batches(images: np.ndarray, labels: np.ndarray, shuffle: bool):
            labels = labels.astype(self.label_dtype)
            settings = batch_size, shuffle, convert, resize, draw_seed
            return Minibatches(images, labels, *settings)

        return (
            batches(data.train_images, data.train_labels, shuffle=True),
            batches(data.test_images, data.test_labels, shuffle=False),
        )

    # Evaluation

    def accuracy(self, y_hat: Any, y: Any) -> float:
        """Return the **number** of right predictions, not their share.

        Args:
            y_hat: Scores, ``(n, classes)``, or predicted classes, ``(n,)``. For
                regression, predictions, ``(n, 1)``, which are right if they equal the
                targets after conversion to the dtype of ``y``.
            y: Labels, ``(n,)``. For regression, targets, ``(n,)`` or ``(n, 1)``.

        Raises:
            ValueError: The shapes don't fit together.
        """
        predicted, labels = to_numpy(y_hat), to_numpy(y)
        found, n = predicted.shape, labels.size
        if predicted.ndim == 2 and found[1] > 1 and labels.ndim == 1:
            predicted = predicted.argmax(axis=1)
        if not {predicted.shape, labels.shape} <= {(n,), (n, 1)}:
            _labels(labels)  # perhaps y is wrong itself
            raise ValueError(
                "y_hat must hold one row of scores or one class per label of y, "
                f"which has shape {labels.shape}, but y_hat has shape {found}"
            )
        right = predicted.reshape(n).astype(labels.dtype) == labels.reshape(n)
        return float(np.count_nonzero(right))

    def evaluate_accuracy(self, net: Net, data_iter: Batches) -> float:
        """Return the share of right predictions on a data set.

        A model that has an evaluation mode is put into it, and afterwards back into
        the mode that it was in.

        Args:
            net: A model or any function that maps ``X`` to scores ``(n, classes)``, or
                to predictions of regression ``(n, 1)``.
            data_iter: Yields batches ``(X, y)``.

        Raises:
            TypeError: ``net`` returns no tensor, or a batch is no pair.
            ValueError: ``data_iter`` or one of its batches is empty, or the shapes
                don't fit together.
        """
        metric = Accumulator(2)
        with self.inference(net) as scores:
            for X, y in _batches("data_iter", data_iter):
                labels = _labels(y)
                y_hat = _check_tensor(scores(X))
                metric.add(self.accuracy(y_hat, labels), len(labels))
        return metric[0] / metric[1]

    def predict_ch3(self, net: Net, test_iter: Batches, n: int = 6) -> None:
        """Show the first test images, with their true and their predicted labels.

        Args:
            net: Maps ``X`` to scores ``(n, classes)``.
            test_iter: Yields batches ``(X, y)`` of images.
            n: How many images, in rows of three.

        Raises:
            TypeError, ValueError: ``n`` isn't a positive whole number, ``test_iter``
                yields fewer examples, or what it or ``net`` returns doesn't fit.
        """
        n = check_whole("n", n, least=1)
        images: list[np.ndarray] = []
        titles: list[str] = []
        with self.inference(net) as scores:
            for X, y in _batches("test_iter", test_iter):
                y_hat = scores(X)
                check_scores(y_hat, _labels(y))
                classes = to_numpy(y_hat).argmax(axis=1)
                guesses = fashion_mnist.get_fashion_mnist_labels(classes)
                truth = fashion_mnist.get_fashion_mnist_labels(y)
                images += list(np.moveaxis(to_numpy(X), self.channel_axis, -1))
                titles += [f"{a}\n{b}" for a, b in zip(truth, guesses, strict=True)]
                if len(titles) >= n:
                    show_images(images[:n], -(-n // 3), min(n, 3), titles=titles[:n])
                    return
        raise ValueError(
            f"n asks for {n} examples, but test_iter yields only {len(titles)}"
        )

    # Training

    def train_epoch_ch3(
        self, net: Net, train_iter: Batches, loss: Loss, updater: Any
    ) -> tuple[float, float]:
        """Train for one epoch.

        Every updater takes a step along the gradient of the batch's **mean** loss. An
        optimizer gets that gradient. An updater of your own, like MXNet's trainer,
        gets the gradient of the sum, and the number of examples to divide it by.

        Args:
            net: A model or any function that maps ``X`` to scores ``(n, classes)``, or
                to predictions of regression ``(n, 1)``. What a Keras model adds to the
                loss, such as regularizers, is minimized and reported too.
            train_iter: Yields batches ``(X, y)``. For regression, ``y`` holds floats,
                ``(n,)`` or ``(n, 1)``.
            loss: A loss of the framework with any reduction, or a function that maps
                scores and labels to one loss per example, ``(n,)`` or ``(n, 1)``. If it
                returns a single number, it must say whether that is the mean or the
                sum. Set ``loss.reduction`` to ``"mean"`` or ``"sum"``, or give it a
                parameter ``reduction`` with a default, or bind that parameter with
                ``functools.partial``.
            updater: An optimizer of the framework, or a function of ``batch_size``,
                such as ``lambda batch_size: sgd(params, lr, batch_size)``. In
                TensorFlow, an object that has ``params`` and is called with
                ``(batch_size, grads)``, such as ``Updater(params, lr)``.

        Returns:
            Mean loss (in nats for cross-entropy) and accuracy over the epoch, with
            each batch measured before its own update.

        Raises:
            TypeError: ``updater`` or ``loss`` is none of these, ``net`` returns no
                tensor, or a batch is no pair.
            ValueError: ``train_iter`` or one of its batches is empty, a shape doesn't
                fit, a label is out of range, a parameter has no gradient, or ``loss``
                returned a single number without saying what it is.
        """
        return self._train_epoch(train_iter, self.training_step(net, loss, updater))

    def _train_epoch(self, train_iter: Batches, step: Step) -> tuple[float, float]:
        metric = Accumulator(3)
        waiting: list[tuple[Any, Any, np.ndarray]] = []

        def count(*batches: tuple[Any, Any, np.ndarray]) -> None:
            for total, y_hat, labels in batches:
                metric.add(total, self.accuracy(y_hat, labels), len(labels))

        for X, y in _batches("train_iter", train_iter):
            labels = _labels(y)
            total, y_hat = step(X, y, labels)
            # One step late: a framework that works in the background would otherwise
            # sit idle while we prepare the next step.
            count(*waiting)
            waiting = [(total, y_hat, labels)]
        count(*waiting)
        return metric[0] / metric[2], metric[1] / metric[2]

    def objective(
        self, loss: Loss, y_hat: Any, y: Any, summed: bool, added: Iterable[Any] = ()
    ) -> tuple[Any, Any]:
        """Return what to differentiate, and the summed loss of a batch.

        Args:
            loss: See :func:`train_epoch_ch3`.
            y_hat, y: A batch.
            summed: Whether to differentiate the sum, because the updater divides by
                the number of examples itself, or the mean.
            added: What the model itself adds to the mean loss.

        Raises:
            TypeError, ValueError: ``loss`` returned something else.
        """
        check_function("loss", loss, "a function, such as an instance of a loss class")
        losses = loss(y, y_hat) if self.labels_first(loss) else loss(y_hat, y)
        n, found = y.shape[0], _check_losses(losses, y.shape[0])
        # Otherwise each prediction may have been compared with each target.
        alike = y_hat.shape == y.shape or self.labels_first(loss)
        if found:
            total = self.sum(losses)
            mean = total / n
        elif not alike and y_hat.shape[1:] in ((), (1,)):
            raise ValueError(
                f"net(X) has shape {tuple(y_hat.shape)}, but y has shape "
                f"{tuple(y.shape)}. Their difference is a square matrix, and a loss "
                "that returns a single number hides that. Give y the shape of net(X), "
                "or let loss return one number per example"
            )
        elif (reduction := _reduction(loss)) == "sum":
            mean, total = losses / n, losses
        elif reduction in MEANS or n == 1:
            mean, total = losses, losses * n
        else:
            raise ValueError(
                "loss returned one number for a whole batch, but doesn't say whether "
                "it is the sum or the mean. The step and the reported loss depend on "
                "that. Return one loss per example, or say which it is with "
                'loss.reduction = "mean" or "sum"'
            )
        for each in added:
            mean, total = mean + each, total + each * n
        return (total if summed else mean), total

    def train_ch3(
        self,
        net: Net,
        train_iter: Batches,
        test_iter: Batches,
        loss: Loss,
        num_epochs: int,
        updater: Any,
        draw: bool = True,
    ) -> History:
        """Train, draw the curves as they grow, and print the final numbers.

        Afterwards, a model that has an evaluation mode is in it. No result is an
        error, but a message tells you when the loss is no longer finite.

        Args:
            net, train_iter, loss, updater: See :func:`train_epoch_ch3`.
            test_iter: Yields the batches on which accuracy is measured after each
                epoch.
            num_epochs: Passes over the training examples, at least 1.
            draw: Whether to draw and print, or only to return the losses and
                accuracies.

        Returns:
            The losses and accuracies of every epoch.

        Raises:
            KeyboardInterrupt: You stopped it. The curves are drawn as far as they
                got, and the exception's ``history`` holds their numbers.
            TypeError, ValueError: An argument is wrong. See :func:`train_epoch_ch3`.
        """
        num_epochs = check_whole("num_epochs", num_epochs, least=1)
        history, step = History(), self.training_step(net, loss, updater)
        animator = draw and Animator(
            xlabel="epoch",
            xlim=(1, max(num_epochs, 2)),
            legend=["train loss", "train acc", "test acc"],
            figsize=(4.5, 3),
        )
        # In a notebook the figure shows the progress; a terminal needs a bar.
        hidden = in_notebook() or not draw
        bar = tqdm(range(1, num_epochs + 1), unit="epoch", disable=hidden or None)
        drawn, last_loss = -math.inf, 0.0
        try:
            for epoch in bar:
                train_loss, train_accuracy = self._train_epoch(train_iter, step)
                test_batches = _batches("test_iter", test_iter)
                test_accuracy = self.evaluate_accuracy(net, test_batches)
                history.add(train_loss, train_accuracy, test_accuracy)
                if not animator:
                    continue
                due = time.perf_counter() - drawn >= DRAWING_INTERVAL
                figures = (train_loss, train_accuracy, test_accuracy)
                animator.add(epoch, figures, redraw=due or epoch == num_epochs)
                if due:
                    drawn = time.perf_counter()
                if not math.isfinite(train_loss) and math.isfinite(last_loss):
                    print(
                        f"epoch {epoch}: the train loss is {train_loss} and no longer "
                        "a finite number. Usually the steps are too long, and a "
                        "smaller learning rate helps."
                    )
                last_loss = train_loss
        except KeyboardInterrupt as interruption:
            bar.close()
            if animator:
                animator.redraw()
                print(f"interrupted; {history}")
            interruption.history = history
            raise
        finally:
            if animator:
                animator.close()
        self.end_training(net)
        if draw:
            print(history)
        return history

    # Regression

    def load_array(
        self, data_arrays: Sequence[Any], batch_size: int, is_train: bool = True
    ) -> Batches:
        """Return the framework's own loader of tensors that are in memory.

        JAX has none, so there it is a simple one that shuffles with ``np.random``.

        Args:
            data_arrays: Tensors ``(n, ...)``, such as features and targets.
            batch_size: Examples per batch. The last batch holds the rest.
            is_train: Whether each pass draws a new order.

        Raises:
            TypeError, ValueError: The tensors differ in length, or the batch size isn't
                a positive whole number.
        """
        fits = not hasattr(data_arrays, "shape") and len({*map(len, data_arrays)}) == 1
        expected = "a tuple of tensors of equal length, such as (X, y)"
        check(fits, "data_arrays", expected, data_arrays)
        return self.loader(data_arrays, batch_size, is_train)

    def synthetic_data(self, w: Any, b: float, num_examples: int) -> tuple[Any, Any]:
        """Draw the features and targets of a linear model with noise.

        Args:
            w, b: Weights ``(d,)`` or ``(d, 1)``, and bias.
            num_examples: How many examples to draw.

        Returns:
            ``X``, ``(num_examples, d)``, standard normal; and ``y = X w + b`` with
            noise of standard deviation 0.01, ``(num_examples, 1)``.
        """
        X = self.normal(1.0, (num_examples, len(w)))
        noise = self.normal(0.01, (num_examples, 1))
        return X, X @ self.reshape(w, (-1, 1)) + b + noise

    def linreg(self, X: Any, w: Any, b: Any) -> Any:
        """Return ``X w + b``, the predictions of linear regression, ``(n, 1)``.

        Args:
            X, w, b: Features ``(n, d)``, weights ``(d, 1)``, and bias.
        """
        return X @ w + b

    def squared_loss(self, y_hat: Any, y: Any) -> Any:
        """Return half of each prediction's squared error, in the shape of ``y_hat``."""
        return (y_hat - self.reshape(y, y_hat.shape)) ** 2 / 2

    def evaluate_loss(self, net: Net, data_iter: Batches, loss: Loss) -> float:
        """Return the mean loss of a model, in evaluation mode, on a data set.

        For the arguments and the errors, see :func:`train_epoch_ch3`.
        """
        metric = Accumulator(2)
        with self.inference(net) as predict:
            for X, y in _batches("data_iter", data_iter):
                y_hat = predict(X)
                check_scores(y_hat, _labels(y))
                if y_hat.shape[1:] == (1,):  # else (n, 1) and (n,) make a square
                    y = self.reshape(y, y_hat.shape)
                _, total = self.objective(loss, y_hat, y, summed=True)
                metric.add(to_numpy(total), len(y))
        return metric[0] / metric[1]

    # Seeds and devices

    def set_seed(self, seed: int) -> None:
        """Make weights, shuffling and dropout the same in every run.

        It seeds the framework on every device, NumPy, Python and the order of the
        training batches. That order is then the same in every framework.

        Args:
            seed: A whole number from 0 to 2**32 - 1.

        Raises:
            TypeError, ValueError: It is another value.
        """
        seed = check_whole("seed", seed, least=0)
        if seed >= 2**32:
            raise ValueError(f"seed must be below 2**32 (NumPy's limit), got {seed}")
        random.seed(seed)
        np.random.seed(seed)
        minibatches.seed_shuffling(seed)
        self.seed(seed)

    def try_gpu(self, i: int = 0) -> Any:
        """Return GPU number ``i`` if there is one, else the CPU.

        Apple's GPU counts in PyTorch, and in TensorFlow and JAX with Apple's plugins.
        If PyTorch says that an operation is not implemented for "MPS", set the
        environment variable ``PYTORCH_ENABLE_MPS_FALLBACK=1`` before you start Python,
        and the CPU does that operation.
        """
        i, (gpus, cpu) = check_whole("i", i, least=0), self.devices()
        return gpus[i] if i < len(gpus) else cpu

    def try_all_gpus(self) -> list[Any]:
        """Return all GPUs, or only the CPU if there is none; see :func:`try_gpu`."""
        gpus, cpu = self.devices()
        return gpus or [cpu]


def _reduction(loss: Loss) -> str | None:
    """Return what a loss says about the single number it returns, if anything.

    It may have an attribute ``reduction``, as the frameworks' own losses do, or a
    parameter of that name with a default, which ``functools.partial`` may replace.
    """
    said = getattr(loss, "reduction", None)
    if said is None:
        try:
            said = inspect.signature(loss).parameters["reduction"].default
        except (KeyError, TypeError, ValueError):  # no such parameter; no signature
            if isinstance(loss, functools.partial):
                return _reduction(loss.func)
    return said


def _check_losses(losses: Any, n: int) -> tuple[int, ...]:
    """Return the shape of what a loss returned for ``n`` examples, if it is allowed."""
    if not hasattr(losses, "shape"):
        raise TypeError(f"loss must return a tensor, got {shown(losses)}")
    shape = tuple(losses.shape)
    if shape not in ((n,), (n, 1), ()):
        raise ValueError(
            f"loss must return one number per example, of shape ({n},) or ({n}, 1), or "
            f"a single number, but it returned shape {shape}. (It is a square matrix "
            "if net(X) and y have different shapes.)"
        )
    return shape


def _labels(y: Any) -> np.ndarray:
    """Check the labels or targets of a batch, and return a copy.

    A loader may reuse its memory before we count them.
    """
    labels = np.array(to_numpy(y))
    if labels.ndim != 1 and labels.shape[1:] != (1,):
        raise ValueError(f"y must hold one label per example, got shape {labels.shape}")
    if not len(labels):
        raise ValueError("y holds no label, but every batch needs at least one row")
    return labels


def _check_tensor(y_hat: Any) -> Any:
    """Return what a model returned if it is a single tensor, or raise an error."""
    if isinstance(y_hat, (tuple, list)) or not hasattr(y_hat, "shape"):
        raise TypeError(
            "net(X) must return one tensor of scores, of shape (n, number of classes), "
            f"but it returned a {type(y_hat).__name__}"
        )
    return y_hat


def check_scores(y_hat: Any, labels: np.ndarray) -> None:
    """Check what ``net(X)`` returned against the labels or targets of its batch.

    Some frameworks would clip labels or broadcast scores silently.

    Raises:
        TypeError: ``y_hat`` isn't a tensor.
        ValueError: Its shape is neither ``(n, number of classes)`` nor, if the labels
            are floats, one prediction per example; or a label has no score.
    """
    shape, n = tuple(_check_tensor(y_hat).shape), len(labels)
    whole = labels.dtype.kind in "iub"
    if not whole and shape in ((n,), (n, 1)):
        return  # regression
    if len(shape) != 2 or shape[0] != n:
        raise ValueError(
            "net(X) must return one row of scores per example, of shape "
            f"({n}, number of classes), but it returned shape {shape}, and y holds "
            f"{n} labels"
        )
    if labels.ndim != 1:
        raise ValueError(f"y must hold one label per example, got shape {labels.shape}")
    if not whole and (fractions := labels[labels % 1 != 0]).size:  # NaN too
        raise ValueError(
            f"y holds {fractions[0]}, which isn't a class, but net(X) returns scores "
            f"for {shape[1]} classes. For regression, it must return one column"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= shape[1]:
        advice = "" if shape[1] > 1 else ". For regression, y must hold floats"
        raise ValueError(
            f"y holds label {low if low < 0 else high}, but net(X) has scores for "
            f"classes 0 to {shape[1] - 1} only{advice}"
        )


def _batches(name: str, data_iter: Batches) -> Iterator[tuple[Any, Any]]:
    """Yield batches, and check that there are some and that each is a pair."""
    batch = None
    for batch in data_iter:
        fits = isinstance(batch, (tuple, list)) and len(batch) == 2
        check(fits, f"Each batch of {name}", "a pair (X, y)", batch)
        yield batch
    if batch is None:
        raise ValueError(
            f"{name} yielded no batch. Pass something that we can iterate over in "
            "every epoch, such as a list or a data loader (a generator is used up "
            "after one pass)"
        )
