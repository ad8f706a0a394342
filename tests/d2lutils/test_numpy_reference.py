"""The reference itself, against finite differences and plain definitions."""

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
    """Images, labels and parameters; every number is drawn, the biases too."""
    rng = np.random.default_rng(seed)
    params = []
    for d_in, d_out in itertools.pairwise(widths):
        params += [rng.normal(0, 0.7, (d_in, d_out)), rng.normal(0, 0.7, d_out)]
    X = rng.normal(size=(N, 2, widths[0] // 2))
    return X, rng.integers(0, widths[-1], N), params


def mean_loss(X: np.ndarray, y: np.ndarray, params: list[np.ndarray]) -> float:
    return float(reference.losses(reference.forward(X, params)[1], y).mean())


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("seed", range(5))
def test_gradients_are_those_of_central_differences(name, seed):
    """(L(w + h) - L(w - h)) / 2h for every single parameter."""
    X, y, params = problem(WIDTHS[name], seed)
    # The truncation h^2 L'''/6 and the rounding u L / h are balanced by the cube
    # root of u = 1.1e-16, near 1e-5; both are then near 1e-11.
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
        # No draw lies so near a kink of the ReLU that h would step over it: that
        # would leave an error near 0.1.
        np.testing.assert_allclose(gradient, numeric, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", WIDTHS)
def test_scores_are_those_of_loops(name):
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
        # Six products each, all of order 1: a few units of 2.2e-16.
        np.testing.assert_allclose(scores[i], values, atol=1e-14, rtol=0)


def test_the_slope_of_the_relu_at_zero_is_zero():
    """As in all three frameworks, where a hidden unit is exactly 0."""
    X, y, params = problem(WIDTHS["mlp"])
    params[0][:] = params[1][:] = 0
    W1, b1, W2, _ = reference.gradients(X, y, params)
    assert not W1.any()
    assert not b1.any()
    assert not W2.any()


def test_the_slope_of_the_relu_is_one_from_the_smallest_number_on():
    X, y, params = problem(WIDTHS["mlp"])
    params[0][:], params[1][:] = 0, 1e-6
    assert reference.gradients(X, y, params)[1].all()


def test_losses_are_minus_the_logarithm_of_the_probability():
    scores = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [-1.0, 4.0, 0.5]])
    y = np.array([2, 0, 1])
    expected = [
        -math.log(math.exp(row[label]) / sum(map(math.exp, row)))
        for row, label in zip(scores, y, strict=True)
    ]
    np.testing.assert_allclose(reference.losses(scores, y), expected, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_neither_overflow_nor_underflow(dtype):
    scores = np.array([[1e4, 0, -1e4], [-1e4, 0, 1e4]], dtype)
    found = reference.losses(scores, np.array([0, 0]))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, [0, 2e4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_goes_down_the_gradient_in_its_own_dtype(dtype):
    X, y, params = problem(WIDTHS["mlp"])
    params = [p.astype(dtype) for p in params]
    before, slope = [p.copy() for p in params], reference.gradients(X, y, params)
    reference.step(X, y, params, 0.125)
    for param, old, gradient in zip(params, before, slope, strict=True):
        assert param.dtype == gradient.dtype == dtype
        # A power of 2 as learning rate leaves the subtraction as the only rounding.
        np.testing.assert_array_equal(param, old - gradient * dtype(0.125))


def test_float32_follows_float64():
    X, y, params = problem(WIDTHS["deep"])
    single = reference.gradients(X, y, [p.astype(np.float32) for p in params])
    for a, b in zip(single, reference.gradients(X, y, params), strict=True):
        # Sums of at most seven products of order 1, u = 6e-8, three layers deep.
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_an_epoch_averages_over_examples_and_takes_a_step_per_batch():
    X, y, params = problem(WIDTHS["mlp"])
    batches = [(X[:4], y[:4]), (X[4:], y[4:])]
    expected = [p.copy() for p in params]
    total = right = 0.0
    for images, labels in batches:
        scores = reference.forward(images, expected)[1]
        total += reference.losses(scores, labels).sum()
        right += int((scores.argmax(axis=1) == labels).sum())
        reference.step(images, labels, expected, 0.5)
    loss, rate = reference.train_epoch(batches, params, 0.5)
    assert loss == pytest.approx(total / N, rel=1e-15)
    assert rate == right / N
    for a, b in zip(params, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_accuracy_counts_examples():
    X, y, params = problem(WIDTHS["mlp"])
    scores = reference.forward(X, params)[1]
    right = sum(int(np.argmax(s)) == c for s, c in zip(scores, y, strict=True))
    assert 0 < right < N
    batches = [(X[:6], y[:6]), (X[6:], y[6:])]
    assert reference.accuracy(batches, params) == right / N
