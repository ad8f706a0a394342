"""Gives tests one small interface to all frameworks.

To add a framework, write another subclass of :class:`BackendKit`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from booktools import FRAMEWORKS
from d2lutils.arguments import to_numpy

MODULES = tuple(framework.module for framework in FRAMEWORKS.values())


def open_backend(name: str) -> BackendKit:
    """Return a framework's kit; skip the test if the framework can't be imported."""
    (kit,) = (each for each in BackendKit.__subclasses__() if each.name == name)
    try:
        return kit()
    except ImportError as error:
        if (error.name or "").startswith("d2lutils"):  # a bug, not a missing framework
            raise
        pytest.skip(str(error))


@dataclass
class Cell:
    """Stands in for a tensor that can change in place, because JAX has none."""

    value: Any


def contents(tensor: Any) -> Any:
    return tensor.value if isinstance(tensor, Cell) else tensor


class BackendKit:
    """Everything tests need from a framework besides its module ``d2l``.

    A subclass adds these methods:
        tensor: Returns a tensor with these values.
        parameters: Returns trainable tensors that start at these values.
        dense: Returns a model that flattens its input, with one layer of these widths.
        tensors: Returns the parameters of such a model, weights before biases.
        assign: Sets a parameter to values, in place.
        optimizer: Returns the framework's own gradient descent for a model.
        loss: Returns its cross-entropy on logits, with one of its ``reductions``.
        squared_error: Returns its squared error, one number per example.
    """

    name: str
    module: ModuleType  # of d2lutils
    d2l: Any  # the same module, adapted
    label_dtype = "int32"
    channel_axis = 1
    layers_transpose = True  # whether layers keep weights as (outputs, inputs)
    reductions: tuple[str, ...] = ("none",)

    def numpy(self, tensor: Any) -> np.ndarray:
        """Return the values of a tensor."""
        return to_numpy(contents(tensor))

    def affine(self, W: Any, b: Any) -> Callable[[Any], Any]:
        """Return the model ``flatten(X) W + b`` with these parameters."""
        flatten = lambda X: self.module.reshape(X, (len(X), -1))  # noqa: E731
        return lambda X: flatten(X) @ contents(W) + contents(b)

    def own_updater(self, params: list[Any], lr: float) -> Any:
        """Return the updater of ``d2lutils`` for parameters."""
        return lambda batch_size: self.d2l.sgd(params, lr, batch_size)

    def adapt(self, module: Any) -> Any:
        """Return a module, such as a section's, with calls that suit all frameworks."""
        return module

    def training(self, *arguments: Any) -> tuple[Any, ...]:
        """Return the arguments of a section's ``train_ch3`` for an adapted module."""
        return arguments

    def layer(self, *values: np.ndarray) -> Any:
        """Return the model of :meth:`affine`, made of the framework's own layer."""
        model = self.dense(*values[0].shape)
        for tensor, each in zip(self.tensors(model), values, strict=True):
            self.assign(tensor, self.turned(each))
        return model

    def turned(self, values: np.ndarray) -> np.ndarray:
        """Convert weights between ``(inputs, outputs)`` and the layers' own shape."""
        return values.T if self.layers_transpose else values

    def per_example(self, y_hat: Any, y: Any) -> Any:
        """Return the cross-entropy of each example."""
        return self.loss("none")(y_hat, y)

    def batches(self, *pairs: tuple[np.ndarray, np.ndarray]) -> list[tuple[Any, Any]]:
        """Return batches of images ``(B, 28, 28)`` and labels as loaders do."""
        return [
            (
                self.tensor(np.expand_dims(X, self.channel_axis)),
                self.tensor(y, self.label_dtype),
            )
            for X, y in pairs
        ]


class TorchKit(BackendKit):
    name, label_dtype = "torch", "int64"
    reductions = ("none", "mean", "sum")

    def __init__(self):
        from d2lutils import torch as d2l

        self.d2l = self.module = d2l
        self.torch = d2l.torch

    def tensor(self, values, dtype=np.float32):
        return self.torch.tensor(np.asarray(values, dtype))

    def parameters(self, *values):
        return [self.torch.nn.Parameter(self.tensor(v)) for v in values]

    def dense(self, *widths):
        nn = self.torch.nn
        return nn.Sequential(nn.Flatten(), nn.Linear(*widths))

    def tensors(self, model):
        return list(model.parameters())

    def assign(self, tensor, values):
        tensor.data = self.tensor(values)
        tensor.grad = None  # otherwise the next backward adds to it

    def optimizer(self, model, lr):
        return self.torch.optim.SGD(model.parameters(), lr=lr)

    def loss(self, reduction):
        return self.torch.nn.CrossEntropyLoss(reduction=reduction)

    def squared_error(self):
        return self.torch.nn.MSELoss(reduction="none")


class MXNetKit(BackendKit):
    name = "mxnet"

    def __init__(self):
        from d2lutils import mxnet as d2l

        self.d2l = self.module = d2l
        self.mxnet = d2l.mxnet
        self.mxnet.npx.set_np()

    def tensor(self, values, dtype=np.float32):
        return self.mxnet.np.array(np.asarray(values), dtype=dtype)

    def parameters(self, *values):
        params = [self.tensor(v) for v in values]
        for param in params:
            param.attach_grad()
        return params

    def dense(self, inputs, outputs):
        model = self.mxnet.gluon.nn.Dense(outputs, in_units=inputs)
        model.initialize()
        return model

    def tensors(self, model):
        return [param.data() for param in model.collect_params().values()]

    def assign(self, tensor, values):
        tensor[:] = self.tensor(values)

    def optimizer(self, model, lr):
        params = model.collect_params()
        return self.mxnet.gluon.Trainer(params, "sgd", {"learning_rate": lr})

    def loss(self, reduction):
        return self.mxnet.gluon.loss.SoftmaxCrossEntropyLoss()

    def squared_error(self):
        return self.mxnet.gluon.loss.L2Loss(weight=2)  # by default it is halved


class TensorFlowKit(BackendKit):
    name, channel_axis = "tensorflow", 3
    layers_transpose = False
    reductions = ("none", "mean", "sum")

    def __init__(self):
        from d2lutils import tensorflow as d2l

        self.d2l = self.module = d2l
        self.tf = d2l.tf

    def tensor(self, values, dtype=np.float32):
        return self.tf.constant(np.asarray(values, dtype))

    def parameters(self, *values):
        return [self.tf.Variable(self.tensor(v)) for v in values]

    def own_updater(self, params, lr):
        return self.d2l.Updater(params, lr)

    def dense(self, inputs, outputs):
        layers = self.tf.keras.layers
        model = self.tf.keras.Sequential([layers.Flatten(), layers.Dense(outputs)])
        model.build((None, 28, 28, 1))
        return model

    def tensors(self, model):
        return list(model.trainable_variables)

    def assign(self, tensor, values):
        tensor.assign(values)

    def optimizer(self, model, lr):
        return self.tf.keras.optimizers.SGD(lr)

    def loss(self, reduction):
        names = {"mean": "sum_over_batch_size"}
        return self.tf.keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction=names.get(reduction, reduction)
        )

    def per_example(self, y_hat, y):
        return self.loss("none")(y, y_hat)

    def squared_error(self):
        return self.tf.keras.losses.MeanSquaredError(reduction="none")


@dataclass
class CellUpdater:
    """Updates cells by a function from parameters and gradients to new parameters."""

    cells: list[Cell]
    function: Any


def fill(cells: list[Cell], values: list[Any]) -> None:
    for cell, value in zip(cells, values, strict=False):
        cell.value = value


class CellNet:
    """Makes a function of ``X`` from a pure function and cells for its parameters."""

    def __init__(self, function: Callable[[Any, Any], Any], params: Any, tree: Any):
        leaves, structure = tree.tree_flatten(params)
        self.cells = [Cell(leaf) for leaf in leaves]
        self.function = function
        self.restored = functools.partial(tree.tree_unflatten, structure)

    def __call__(self, X: Any) -> Any:
        return self.function(self.restored([cell.value for cell in self.cells]), X)


class JaxKit(BackendKit):
    """Keeps parameters in cells, because the tests change them in place."""

    name, channel_axis = "jax", 3

    def __init__(self):
        import equinox
        import jax
        import optax

        from d2lutils import jax as module

        self.module, self.jax, self.eqx, self.optax = module, jax, equinox, optax
        self.d2l = self.adapt(module)

    def adapt(self, module):
        nothing = [self.jax.numpy.zeros(1)]

        def pure(net, cells):
            def function(params, X):
                fill(cells, params)
                return net(X)

            return function

        def using(function):
            return lambda net, *rest, **options: function(
                pure(net, []), nothing, *rest, **options
            )

        def training(function):
            def train(net, *rest, **options):
                *rest, updater = rest
                cells = getattr(updater, "cells", [])
                params = [cell.value for cell in cells] or nothing
                rest.append(getattr(updater, "function", updater))
                try:
                    params, found = function(pure(net, cells), params, *rest, **options)
                except KeyboardInterrupt as interruption:
                    params = interruption.params
                    raise
                finally:
                    fill(cells, params)
                return found

            return train

        adapted = SimpleNamespace(**vars(module))
        for name, adapt in {
            "evaluate_accuracy": using,
            "predict_ch3": using,
            "train_epoch_ch3": training,
            "train_ch3": training,
        }.items():
            if name in vars(module):
                setattr(adapted, name, adapt(vars(module)[name]))
        return adapted

    def training(self, net, params, *rest):
        *rest, updater = rest
        tree = self.jax.tree_util
        net = CellNet(net, params, tree)

        def update(leaves, grads, batch_size):
            params, grads = net.restored(leaves), net.restored(grads)
            return tree.tree_leaves(updater(params, grads, batch_size=batch_size))

        is_optimizer = hasattr(updater, "init")
        return net, *rest, CellUpdater(net.cells, updater if is_optimizer else update)

    def tensor(self, values, dtype=np.float32):
        return self.jax.numpy.asarray(np.asarray(values, dtype))

    def parameters(self, *values):
        return [Cell(self.tensor(v)) for v in values]

    def own_updater(self, params, lr):
        return CellUpdater(params, functools.partial(self.d2l.sgd, lr=lr))

    def dense(self, *widths):
        eqx, jax = self.eqx, self.jax
        linear = eqx.nn.Linear(*widths, key=jax.random.key(0))
        model = eqx.nn.Sequential([eqx.nn.Lambda(jax.numpy.ravel), linear])
        params, static = eqx.partition(model, eqx.is_array)
        apply = lambda params, X: jax.vmap(eqx.combine(params, static))(X)  # noqa: E731
        return CellNet(apply, params, jax.tree_util)

    def tensors(self, model):
        return model.cells

    def assign(self, tensor, values):
        tensor.value = self.tensor(values)

    def optimizer(self, model, lr):
        return CellUpdater(model.cells, self.optax.sgd(lr))

    def loss(self, reduction):
        return self.optax.softmax_cross_entropy_with_integer_labels

    def squared_error(self):
        return self.optax.squared_error
