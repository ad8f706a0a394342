"""Tests of the reference itself, against finite differences and plain definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import reference

WIDTHS = {"softmax": [6, 4], "mlp": [6, 5, 4], "deep": [6, 5, 3, 4]}
N = 7


def problem(
    widths: list[int], seed: int = 0
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return images, labels and parameters, all random, with random biases too."""
    rng = np.random.default_rng(seed)
    params = []
    for d_in, d_out in itertools.pairwise(widths):
        params += [rng.normal(0, 0.7, (d_in, d_out)), rng.normal(0, 0.7, d_out)]
    X = rng.normal(size=(N, 2, widths[0] // 2))
    return X, rng.integers(0, widths[-1], N), params


def mean_loss(X: np.ndarray, y: np.ndarray, params: list[np.ndarray]) -> float:
    return float(reference.losses(reference.forward(X, params)[1], y).mean())


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("seed", range(2))
def test_gradients_match_central_differences(name, seed):
    """Compare with (L(w + h) - L(w - h)) / 2h for every parameter."""
    X, y, params = problem(WIDTHS[name], seed)
    # The truncation error is h^2 L'''/6, and the rounding error is u L / h with u =
    # 1.1e-16. With h near the cube root of u, about 1e-5, both are about 1e-11.
    h = 1e-5
    for k, gradient in enumerate(reference.gradients(X, y, params)):
        assert gradient.shape == params[k].shape
        numeric = np.empty_like(gradient)
        for index in np.ndindex(gradient.shape):
            moved = []
            for sign in (1, -1):
                nudged = [p.copy() for p in params]
                nudged[k][index] += sign * h
                moved.append(mean_loss(X, y, nudged))
            numeric[index] = (moved[0] - moved[1]) / (2 * h)
        # No h steps over a kink of the ReLU. That would give an error of about 0.1.
        np.testing.assert_allclose(gradient, numeric, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", WIDTHS)
def test_scores_match_plain_loops(name):
    X, _, params = problem(WIDTHS[name])
    scores = reference.forward(X, params)[1]
    for i in range(N):
        values = [float(x) for x in X[i].ravel()]
        pairs = reference.layers(params)
        for k, (W, b) in enumerate(pairs):
            values = [
                sum(v * W[m, j] for m, v in enumerate(values)) + b[j]
                for j in range(len(b))
            ]
            if k < len(pairs) - 1:
                values = [max(v, 0.0) for v in values]
        # Each score has six products of order 1, so errors are a few times 2.2e-16.
        np.testing.assert_allclose(scores[i], values, atol=1e-14, rtol=0)


def test_the_slope_of_the_relu_is_zero_at_zero_and_one_above():
    """The frameworks also use 0 if a hidden unit is exactly 0."""
    X, y, params = problem(WIDTHS["mlp"])
    params[0][:] = params[1][:] = 0
    W1, b1, W2, _ = reference.gradients(X, y, params)
    assert not W1.any()
    assert not b1.any()
    assert not W2.any()
    params[1][:] = 1e-6
    assert reference.gradients(X, y, params)[1].all()


def test_losses_are_negative_log_probabilities():
    scores = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [-1.0, 4.0, 0.5]])
    y = np.array([2, 0, 1])
    expected = [
        -math.log(math.exp(row[label]) / sum(map(math.exp, row)))
        for row, label in zip(scores, y, strict=True)
    ]
    np.testing.assert_allclose(reference.losses(scores, y), expected, atol=1e-15)
