"""The three frameworks behind one small interface, for tests that run on all."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

FACES = ("mxnet", "torch", "tensorflow")
REDUCTIONS = ("none", "mean", "sum")


def open_face(name: str) -> Face:
    """Return a framework's face; skip the test where it cannot run."""
    kinds = {"mxnet": MXNetFace, "torch": TorchFace, "tensorflow": TensorFlowFace}
    try:
        return kinds[name]()
    except ImportError as error:
        pytest.skip(str(error))


class Face:
    """What tests need of a framework beside its module ``d2l``."""

    name: str
    d2l: ModuleType
    label_dtype: str
    channel_axis: int
    layers_transpose: bool  # whether layers keep weights as (outputs, inputs)

    def tensor(self, values: Any, dtype: Any = np.float32) -> Any:
        """A tensor of these values."""
        raise NotImplementedError

    def numpy(self, tensor: Any) -> np.ndarray:
        """The values of a tensor."""
        raise NotImplementedError

    def parameters(self, *values: np.ndarray) -> list[Any]:
        """Trainable tensors that start at these values."""
        raise NotImplementedError

    def affine(self, W: Any, b: Any) -> Callable[[Any], Any]:
        """The model ``flatten(X) W + b`` over these parameters."""
        raise NotImplementedError

    def own_updater(self, params: list[Any], lr: float) -> Any:
        """The updater of ``d2lutils`` on these parameters."""
        raise NotImplementedError

    def layer(self, W: np.ndarray, b: np.ndarray) -> Any:
        """The same model made of the framework's own layer."""
        raise NotImplementedError

    def optimizer(self, layer: Any, lr: float) -> Any:
        """The framework's own gradient descent on a layer."""
        raise NotImplementedError

    def layer_weights(self, layer: Any) -> tuple[np.ndarray, np.ndarray]:
        """Weights ``(inputs, outputs)`` and biases of a layer, as arrays."""
        raise NotImplementedError

    def tensors(self, model: Any) -> list[Any]:
        """The parameters of a model made of layers, weights before biases."""
        raise NotImplementedError

    def assign(self, tensor: Any, values: np.ndarray) -> None:
        """Put values into a parameter, in place."""
        raise NotImplementedError

    def losses(self, loss: Any, y_hat: Any, y: Any) -> Any:
        """What a loss gives, whichever of its arguments it wants first."""
        return loss(y_hat, y)

    def gradients(self, net: Any, loss: Any, X: Any, y: Any, params: list) -> list[Any]:
        """Gradients of the mean loss by the framework's automatic differentiation."""
        raise NotImplementedError

    def loss(self, reduction: str) -> Any:
        """Cross-entropy on logits, or a skip where there is none so reduced."""
        raise NotImplementedError

    def batches(self, *pairs: tuple[np.ndarray, np.ndarray]) -> list[tuple[Any, Any]]:
        """Batches of images ``(B, 28, 28)`` and labels as a loader gives them."""
        return [
            (
                self.tensor(np.expand_dims(X, self.channel_axis)),
                self.tensor(y, self.label_dtype),
            )
            for X, y in pairs
        ]


class TorchFace(Face):
    name, label_dtype, channel_axis = "torch", "int64", 1
    layers_transpose = True

    def __init__(self):
        from d2lutils import torch as d2l

        self.d2l, self.torch = d2l, d2l.torch

    def tensor(self, values, dtype=np.float32):
        return self.torch.tensor(np.asarray(values, dtype))

    def numpy(self, tensor):
        return tensor.detach().numpy()

    def parameters(self, *values):
        return [self.torch.nn.Parameter(self.tensor(v)) for v in values]

    def affine(self, W, b):
        return lambda X: X.reshape((len(X), -1)) @ W + b

    def own_updater(self, params, lr):
        return lambda batch_size: self.d2l.sgd(params, lr, batch_size)

    def layer(self, W, b):
        nn = self.torch.nn
        linear = nn.Linear(*W.shape)
        linear.weight.data = self.tensor(W.T)
        linear.bias.data = self.tensor(b)
        return nn.Sequential(nn.Flatten(), linear)

    def optimizer(self, layer, lr):
        return self.torch.optim.SGD(layer.parameters(), lr=lr)

    def layer_weights(self, layer):
        return self.numpy(layer[1].weight).T, self.numpy(layer[1].bias)

    def tensors(self, model):
        return list(model.parameters())

    def assign(self, tensor, values):
        with self.torch.no_grad():
            tensor.copy_(self.tensor(values))
        tensor.grad = None  # or the next backward would add to it

    def gradients(self, net, loss, X, y, params):
        return self.torch.autograd.grad(self.losses(loss, net(X), y).mean(), params)

    def loss(self, reduction):
        return self.torch.nn.CrossEntropyLoss(reduction=reduction)


class MXNetFace(Face):
    name, label_dtype, channel_axis = "mxnet", "int32", 1
    layers_transpose = True

    def __init__(self):
        from d2lutils import mxnet as d2l

        self.d2l, self.mxnet = d2l, d2l.mxnet
        self.mxnet.npx.set_np()

    def tensor(self, values, dtype=np.float32):
        return self.mxnet.np.array(np.asarray(values), dtype=dtype)

    def numpy(self, tensor):
        return tensor.asnumpy()

    def parameters(self, *values):
        params = [self.tensor(v) for v in values]
        for param in params:
            param.attach_grad()
        return params

    def affine(self, W, b):
        return lambda X: self.mxnet.np.dot(X.reshape((len(X), -1)), W) + b

    def own_updater(self, params, lr):
        return lambda batch_size: self.d2l.sgd(params, lr, batch_size)

    def layer(self, W, b):
        dense = self.mxnet.gluon.nn.Dense(W.shape[1], in_units=W.shape[0])
        dense.initialize()
        dense.weight.set_data(self.tensor(W.T))
        dense.bias.set_data(self.tensor(b))
        return dense

    def optimizer(self, layer, lr):
        params = layer.collect_params()
        return self.mxnet.gluon.Trainer(params, "sgd", {"learning_rate": lr})

    def layer_weights(self, layer):
        return self.numpy(layer.weight.data()).T, self.numpy(layer.bias.data())

    def tensors(self, model):
        return [param.data() for param in model.collect_params().values()]

    def assign(self, tensor, values):
        tensor[:] = self.tensor(values)

    def gradients(self, net, loss, X, y, params):
        with self.mxnet.autograd.record():
            mean = self.losses(loss, net(X), y).mean()
        mean.backward()
        return [param.grad for param in params]

    def loss(self, reduction):
        per_example = self.mxnet.gluon.loss.SoftmaxCrossEntropyLoss()
        if reduction == "sum":
            pytest.skip("Gluon has no summed loss: every loss is per example")
        if reduction == "mean":
            return lambda y_hat, y: per_example(y_hat, y).mean()
        return per_example


class TensorFlowFace(Face):
    name, label_dtype, channel_axis = "tensorflow", "int32", 3
    layers_transpose = False

    def __init__(self):
        from d2lutils import tensorflow as d2l

        self.d2l, self.tf = d2l, d2l.tf

    def tensor(self, values, dtype=np.float32):
        return self.tf.constant(np.asarray(values, dtype))

    def numpy(self, tensor):
        return tensor.numpy()

    def parameters(self, *values):
        return [self.tf.Variable(self.tensor(v)) for v in values]

    def affine(self, W, b):
        return lambda X: self.tf.reshape(X, (len(X), -1)) @ W + b

    def own_updater(self, params, lr):
        return self.d2l.Updater(params, lr)

    def layer(self, W, b):
        layers = self.tf.keras.layers
        dense = layers.Dense(W.shape[1])
        model = self.tf.keras.Sequential([layers.Flatten(), dense])
        model.build((None, 28, 28, 1))
        dense.set_weights([W, b])
        return model

    def optimizer(self, layer, lr):
        return self.tf.keras.optimizers.SGD(lr)

    def layer_weights(self, layer):
        return tuple(layer.layers[-1].get_weights())

    def tensors(self, model):
        return list(model.trainable_variables)

    def assign(self, tensor, values):
        tensor.assign(values)

    def losses(self, loss, y_hat, y):
        if isinstance(loss, self.tf.keras.losses.Loss):
            return loss(y, y_hat)
        return loss(y_hat, y)

    def gradients(self, net, loss, X, y, params):
        with self.tf.GradientTape() as tape:
            mean = self.tf.reduce_mean(self.losses(loss, net(X), y))
        return tape.gradient(mean, params)

    def loss(self, reduction):
        names = {"none": "none", "mean": "sum_over_batch_size", "sum": "sum"}
        return self.tf.keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction=names[reduction]
        )
