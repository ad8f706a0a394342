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
from small_book import ROOT

X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1], [-1, 0.5]])
Y = np.array([0, 1, 1, 0, 2])

# We pass text, because Playwright is slow with many numbers.
RUN = """text => {
  const [widths, activation, params, X, y, steps] = JSON.parse(text);
  const net = { widths, activation, params: params.map(p => Float32Array.from(p)) };
  const inputs = Float32Array.from(X);
  const { gradients } = bookNetwork.gradients(net, inputs, y, y.length);
  const losses = Array.from({ length: steps }, () =>
    bookNetwork.step(net, inputs, y, y.length, 0.1).loss);
  const plain = arrays => arrays.map(array => [...array]);
  return JSON.stringify([plain(gradients), losses, plain(net.params)]);
}"""


@pytest.fixture(scope="module")
def page(used_page):
    used_page.goto("about:blank")
    used_page.add_script_tag(path=ROOT / "interactive" / "network.js")
    return used_page


def run(page, params, activation, steps=0):
    """Return the gradients, and the losses and final parameters of some steps."""
    widths = [len(params[0]), *(len(b) for b in params[1::2])]
    flat = [np.ravel(p).tolist() for p in params]
    asked = [widths, activation, flat, np.ravel(X).tolist(), Y.tolist(), steps]
    return json.loads(page.evaluate(RUN, json.dumps(asked)))


def parameters(*widths: int, seed: int = 0) -> list[np.ndarray]:
    """Draw weights and biases that float32 represents exactly."""
    rng = np.random.default_rng(seed)
    shapes = [shape for pair in pairwise(widths) for shape in (pair, pair[1])]
    return [rng.normal(size=s).astype(np.float32).astype(float) for s in shapes]


ACTIVATIONS = {
    "none": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}


def mean_loss(params, activation) -> float:
    H = X
    *hidden, (W, b) = reference.layers(params)
    for W_k, b_k in hidden:
        H = ACTIVATIONS[activation](H @ W_k + b_k)
    return reference.losses(H @ W + b, Y).mean()


@pytest.mark.parametrize(
    ("activation", "widths"),
    [*((each, (2, 18, 3)) for each in ACTIVATIONS), ("relu", (2, 3))],
)
def test_gradients_match_finite_differences(page, activation, widths):
    params = parameters(*widths)
    gradients, *_ = run(page, params, activation)
    h = 1e-5
    for param, gradient in zip(params, gradients, strict=True):
        values = param.reshape(-1)  # a view
        for i, kept in enumerate(values.copy()):
            values[i] = kept + h
            above = mean_loss(params, activation)
            values[i] = kept - h
            below = mean_loss(params, activation)
            values[i] = kept
            assert gradient[i] == pytest.approx((above - below) / (2 * h), abs=1e-6)


def test_a_thousand_steps_match_the_reference(page):
    # With other seeds, rounding moves a unit over its kink some steps earlier.
    params = parameters(2, 18, 3, seed=7)
    _, losses, ends = run(page, params, "relu", steps=1000)
    for step, loss in enumerate(losses):
        assert loss == pytest.approx(mean_loss(params, "relu"), rel=1e-4), step
        reference.step(X, Y, params, 0.1)
    assert losses[-1] < 0.1 < losses[0]
    for end, param in zip(ends, params, strict=True):
        np.testing.assert_allclose(end, param.ravel(), rtol=0, atol=1e-4)


def test_random_numbers_are_normal_and_repeat(page):
    drawn = "seed => Array.from({ length: 20000 }, bookNetwork.random(seed).normal)"
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
