"""A multilayer perceptron in NumPy alone, with its backward pass written by hand.

Tests compare the book's networks with it. Softmax regression has one layer, and the
section's MLP has two. It computes in the dtype of its parameters, and its float64
results serve as the truth for the frameworks' float32.

Notation: a minibatch has n examples. Layer k has weights ``W_k``, ``(d_k, d_{k+1})``,
and biases ``b_k``, ``(d_{k+1},)``. ``params`` is a list ``[W_1, b_1, W_2, b_2, ...]``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Array = np.ndarray
Params = list[Array]


def layers(params: Params) -> list[tuple[Array, Array]]:
    """Return the parameters in pairs ``(W, b)``, first layer first."""
    return list(zip(params[::2], params[1::2], strict=True))


def forward(X: Array, params: Params) -> tuple[list[Array], Array]:
    """Return the inputs of every layer, ``H_k``, and the scores, ``(n, classes)``.

    ``H_1`` is ``X``, flattened, ``H_{k+1} = max(H_k W_k + b_k, 0)``, and the last layer
    gives the scores ``H_K W_K + b_K``.
    """
    H = X.reshape(len(X), -1).astype(params[0].dtype, copy=False)
    inputs = [H]
    *hidden, (W, b) = layers(params)
    for W_k, b_k in hidden:
        H = np.maximum(H @ W_k + b_k, 0)
        inputs.append(H)
    return inputs, H @ W + b


def log_softmax(scores: Array) -> Array:
    """Return the logarithms of the predicted probabilities, ``(n, classes)``."""
    shifted = scores - scores.max(axis=1, keepdims=True)  # so that nothing overflows
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def losses(scores: Array, y: Array) -> Array:
    """Return each example's cross-entropy, ``(n,)``, in nats: ``-log softmax(o)_y``."""
    return -log_softmax(scores)[np.arange(len(y)), y]


def gradients(X: Array, y: Array, params: Params) -> Params:
    """Return the gradients of the **mean** loss, each in the shape of its parameter.

    With respect to the scores, the gradient is ``D = (softmax(O) - Y) / n``, where
    ``Y`` holds the one-hot labels. A layer ``H W + b`` turns the gradient ``D`` of its
    outputs into ``H^T D`` for ``W``, the sum of the rows of ``D`` for ``b``, and ``D
    W^T`` for ``H``. Its ReLU lets that pass just where ``H > 0``.
    """
    inputs, scores = forward(X, params)
    D = np.exp(log_softmax(scores))
    D[np.arange(len(y)), y] -= 1
    D /= len(y)
    found: Params = []
    for H, (W, _) in zip(reversed(inputs), reversed(layers(params)), strict=True):
        found[:0] = [H.T @ D, D.sum(axis=0)]
        D = (D @ W.T) * (H > 0)
    return found


def step(X: Array, y: Array, params: Params, lr: float) -> None:
    """Move each parameter, in place, by ``-lr`` times its gradient."""
    for param, gradient in zip(params, gradients(X, y, params), strict=True):
        # Round lr to the dtype of the parameters, as a framework does.
        param -= param.dtype.type(lr) * gradient


def train_epoch(
    batches: Iterable[tuple[Array, Array]], params: Params, lr: float
) -> tuple[float, float]:
    """Train for one epoch; return mean loss and accuracy, measured before each step."""
    found = []
    for X, y in batches:
        scores = forward(X, params)[1]
        found += zip(losses(scores, y), scores.argmax(axis=1) == y, strict=True)
        step(X, y, params, lr)
    loss, rate = np.mean(found, axis=0)
    return float(loss), float(rate)
