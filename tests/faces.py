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

    def loss(self, reduction):
        return self.torch.nn.CrossEntropyLoss(reduction=reduction)


class MXNetFace(Face):
    name, label_dtype, channel_axis = "mxnet", "int32", 1

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

    def loss(self, reduction):
        per_example = self.mxnet.gluon.loss.SoftmaxCrossEntropyLoss()
        if reduction == "sum":
            pytest.skip("Gluon has no summed loss: every loss is per example")
        if reduction == "mean":
            return lambda y_hat, y: per_example(y_hat, y).mean()
        return per_example


class TensorFlowFace(Face):
    name, label_dtype, channel_axis = "tensorflow", "int32", 3

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

    def loss(self, reduction):
        names = {"none": "none", "mean": "sum_over_batch_size", "sum": "sum"}
        return self.tf.keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction=names[reduction]
        )
