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
    """Return the inputs of every layer, and the scores.

    With ``H_1 = X``, flattened, each layer but the last computes ::

        Z_k = H_k W_k + b_k        (n, d_{k+1})
        H_{k+1} = max(Z_k, 0)      (n, d_{k+1})

    and the last one the scores ``O = H_K W_K + b_K``, ``(n, classes)``.

    Returns:
        ``[H_1, ..., H_K]`` and ``O``.
    """
    H = X.reshape(len(X), -1).astype(params[0].dtype, copy=False)
    inputs = [H]
    *hidden, (W, b) = layers(params)
    for W_k, b_k in hidden:
        H = np.maximum(H @ W_k + b_k, 0)
        inputs.append(H)
    return inputs, H @ W + b


def log_softmax(scores: Array) -> Array:
    """Return the logarithms of the predicted probabilities, ``(n, classes)``.

    ``log softmax(o)_j = o_j - log(sum_i exp(o_i))`` stays the same if we subtract a
    constant from all scores of a row. We subtract their maximum. Then every exponent
    is at most 0, so nothing overflows, and one is 0, so the sum is at least 1.
    """
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def losses(scores: Array, y: Array) -> Array:
    """Return each example's cross-entropy, ``(n,)``, in nats: ``-log softmax(o)_y``."""
    return -log_softmax(scores)[np.arange(len(y)), y]


def gradients(X: Array, y: Array, params: Params) -> Params:
    """Return the gradients of the **mean** loss, each in the shape of its parameter.

    Let ``L = 1/n sum_i l_i``. One example has the loss ``l = log(sum_j exp(o_j)) -
    o_y``. With respect to ``o_j``, the first term has the derivative ``exp(o_j) /
    sum_i exp(o_i)``, which is softmax, ``y_hat_j``. The second one has -1 if ``j = y``,
    else 0. So ::

        dL/dO = (Y_hat - Y) / n =: D_K               (n, classes)

    where ``Y`` holds the one-hot labels. A layer ``Z = H W + b`` means ``Z_ij = sum_m
    H_im W_mj + b_j``. By the chain rule, with ``D = dL/dZ``, ``(n, d_{k+1})``, ::

        dL/dW_mj = sum_i H_im D_ij,   dL/dW = H^T D      (d_k, d_{k+1})
        dL/db_j = sum_i D_ij,         dL/db = 1^T D      (d_{k+1},)
        dL/dH_im = sum_j D_ij W_mj,   dL/dH = D W^T      (n, d_k)

    The layer below computes ``H = max(Z, 0)``. Its slope is 1 for positive ``Z``, 0
    for negative ``Z``, and by convention 0 at ``Z = 0``, so it is 1 just where ``H >
    0``. The next ``D`` is therefore ``dL/dH`` where ``H > 0``, and 0 elsewhere.
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
    total = right = count = 0.0
    for X, y in batches:
        scores = forward(X, params)[1]
        total += float(losses(scores, y).sum())
        right += float((scores.argmax(axis=1) == y).sum())
        count += len(y)
        step(X, y, params, lr)
    return total / count, right / count


def accuracy(batches: Iterable[tuple[Array, Array]], params: Params) -> float:
    """Return the share of correct predictions over all batches."""
    right = [forward(X, params)[1].argmax(axis=1) == y for X, y in batches]
    return float(np.concatenate(right).mean())
