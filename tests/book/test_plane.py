"""Tests of the network that runs in the pages, ``interactive/network.js``.

We run it in the browser and compare it with :mod:`reference` in float64, or with finite
differences if the activation isn't ReLU.
"""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

import reference
from d2lutils import fashion_mnist
from small_book import ROOT

XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])

# We pass text, because Playwright is slow with many numbers.
RUN = """text => {
  const [widths, activation, params, X, y, rate, steps] = JSON.parse(text);
  const net = { widths, activation, params: params.map(p => Float32Array.from(p)) };
  const inputs = Float32Array.from(X);
  const { loss, right, gradients } = bookNetwork.gradients(net, inputs, y, y.length);
  const losses = Array.from({ length: steps }, () =>
    bookNetwork.step(net, inputs, y, y.length, rate).loss);
  const plain = arrays => arrays.map(array => [...array]);
  return JSON.stringify([loss, right, plain(gradients), losses, plain(net.params)]);
}"""


@pytest.fixture(scope="module")
def page(used_page):
    used_page.goto("about:blank")
    used_page.add_script_tag(path=ROOT / "interactive" / "network.js")
    return used_page


def run(page, params, activation, X, y, rate=0.1, steps=0):
    """Return loss, number correct and gradients, then losses and final parameters."""
    widths = [len(params[0]), *(len(b) for b in params[1::2])]
    flat = [np.ravel(p).tolist() for p in params]
    asked = [widths, activation, flat, np.ravel(X).tolist(), y.tolist(), rate, steps]
    found = json.loads(page.evaluate(RUN, json.dumps(asked)))
    for k in (2, 4):
        pairs = zip(found[k], params, strict=True)
        found[k] = [np.reshape(values, p.shape) for values, p in pairs]
    return found


def parameters(*widths: int, scale: float = 1, seed: int = 0) -> list[np.ndarray]:
    """Draw weights and biases that float32 represents exactly."""
    rng = np.random.default_rng(seed)
    shapes = [shape for pair in pairwise(widths) for shape in (pair, pair[1])]
    return [rng.normal(0, scale, s).astype(np.float32).astype(float) for s in shapes]


def test_gradients_match_the_reference(page):
    """The network is as wide as the section's, for every fourth pixel."""
    params = parameters(196, 256, 10, scale=0.05)
    data = fashion_mnist.load()
    X = np.float32(data.train_images[:64, ::2, ::2]).reshape(64, -1) / np.float32(255)
    X = X.astype(float)
    # An input near 0 may have another sign in float32.
    keep = np.abs(X @ params[0] + params[1]).min(axis=1) > 1e-5
    X, y = X[keep], data.train_labels[:64][keep]
    assert len(y) > 32
    scores = reference.forward(X, params)[1]
    loss, right, gradients, *_ = run(page, params, "relu", X, y)
    # float32 rounds each of up to 784 + 256 additions to 6e-8 of a partial sum.
    assert loss == pytest.approx(reference.losses(scores, y).mean(), rel=1e-5)
    assert right == (scores.argmax(axis=1) == y).sum()
    expected = reference.gradients(X, y, params)
    for found, gradient in zip(gradients, expected, strict=True):
        atol = 1e-5 * np.abs(gradient).max()
        np.testing.assert_allclose(found, gradient, rtol=0, atol=atol)


ACTIVATIONS = {
    "none": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}


def mean_loss(params, activation) -> float:
    H, y = XOR
    *hidden, (W, b) = reference.layers(params)
    for W_k, b_k in hidden:
        H = ACTIVATIONS[activation](H @ W_k + b_k)
    return reference.losses(H @ W + b, y).mean()


@pytest.mark.parametrize(
    ("activation", "widths"),
    [*((each, (2, 16, 2)) for each in ACTIVATIONS), ("relu", (2, 2))],
)
def test_gradients_match_finite_differences(page, activation, widths):
    params = parameters(*widths)
    _, _, gradients, *_ = run(page, params, activation, *XOR)
    h = 1e-5
    for param, gradient in zip(params, gradients, strict=True):
        for where in np.ndindex(param.shape):
            kept = param[where]
            param[where] = kept + h
            above = mean_loss(params, activation)
            param[where] = kept - h
            below = mean_loss(params, activation)
            param[where] = kept
            assert gradient[where] == pytest.approx((above - below) / (2 * h), abs=1e-6)


def test_a_thousand_steps_match_the_reference(page):
    params = parameters(2, 16, 2, seed=2)
    *_, losses, ends = run(page, params, "relu", *XOR, rate=0.1, steps=1000)
    for step, loss in enumerate(losses):
        assert loss == pytest.approx(mean_loss(params, "relu"), rel=1e-4), step
        reference.step(*XOR, params, 0.1)
    assert losses[-1] < 0.1 < losses[0]
    for end, param in zip(ends, params, strict=True):
        np.testing.assert_allclose(end, param, rtol=0, atol=1e-4)


def test_random_numbers_are_normal_and_repeat(page):
    drawn = """seed => Array.from({ length: 20000 }, bookNetwork.random(seed).normal)"""
    numbers = np.array(page.evaluate(drawn, 1))
    assert page.evaluate(drawn, 1) == numbers.tolist()
    assert page.evaluate(drawn, 2) != numbers.tolist()
    assert abs(numbers.mean()) < 0.03
    assert abs(numbers.std() - 1) < 0.03
    assert abs((np.abs(numbers) < 1).mean() - 0.6827) < 0.015


COUNT = """width => {
  const X = Float32Array.from([0, 0, 0, 1, 1, 0, 1, 1]);
  const y = [0, 1, 1, 0];
  let solved = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const net = bookNetwork.create([2, width, 2], "relu", 1, seed, 3);
    for (let step = 0; step < 1000; step++) bookNetwork.step(net, X, y, 4, 0.5);
    if (bookNetwork.gradients(net, X, y, 4).right === 4) solved++;
  }
  return solved;
}"""


@pytest.mark.parametrize(("width", "percent"), [(2, 19), (4, 61), (8, 93)])
def test_xor_success_rates_match_the_text(page, width, percent):
    assert f"{percent}%" in (ROOT / "chapters/mlp.md").read_text("utf-8")
    # Borderline starts may end differently on another processor.
    assert page.evaluate(COUNT, width) == pytest.approx(4 * percent, abs=4)
