"""Tests of the network that runs in the pages, ``interactive/network.js``.

We run it in the browser and compare it with :mod:`reference` in float64, or with finite
differences if the activation isn't ReLU.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

import reference
from d2lutils import fashion_mnist
from small_book import ROOT

XOR = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
# float32 rounds each of up to 784 + 256 additions to 6e-8 of a partial sum.
GRADIENT = 1e-5

# We pass text, because Playwright is slow with many numbers.
RUN = """text => {
  const [widths, activation, params, X, y, rate, steps] = JSON.parse(text);
  const net = { widths, activation, params: params.map((p) => Float32Array.from(p)) };
  const n = y.length;
  const inputs = Float32Array.from(X);
  const { loss, right, gradients } = bookNetwork.gradients(net, inputs, y, n);
  const losses = [];
  for (let i = 0; i < steps; i++)
    losses.push(bookNetwork.step(net, inputs, y, n, rate).loss);
  const plain = (arrays) => arrays.map((array) => [...array]);
  return JSON.stringify([loss, right, plain(gradients), losses, plain(net.params)]);
}"""


@pytest.fixture(scope="module")
def page(chromium):
    page = chromium.new_page()
    page.goto("about:blank")
    page.add_script_tag(path=ROOT / "interactive" / "network.js")
    yield page
    page.close()


def run(page, params, activation, X, y, rate=0.1, steps=0):
    """Return loss, number correct and gradients, then losses and final parameters."""
    widths = [len(params[0]), *(len(b) for b in params[1::2])]
    flat = [np.ravel(p).tolist() for p in params]
    inputs, labels = np.ravel(X).tolist(), list(map(int, y))
    asked = json.dumps([widths, activation, flat, inputs, labels, rate, steps])
    loss, right, gradients, losses, ends = json.loads(page.evaluate(RUN, asked))
    shaped = [
        [np.reshape(v, p.shape) for v, p in zip(values, params, strict=True)]
        for values in (gradients, ends)
    ]
    return loss, right, shaped[0], losses, shaped[1]


def small(activation: str, seed=0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = [(2, 16), 16, (16, 2), 2] if activation else [(2, 2), 2]
    return [rng.normal(size=s).astype(np.float32).astype(float) for s in shapes]


def clothes(n: int) -> tuple[np.ndarray, np.ndarray]:
    data = fashion_mnist.load()
    X = (data.train_images[:n, ::2, ::2] / np.float32(255)).reshape(n, -1)
    return X.astype(float), data.train_labels[:n]


def large() -> list[np.ndarray]:
    """Return parameters as wide as the section's, for every fourth pixel."""
    rng = np.random.default_rng(1)
    shapes = (196, 256), 256, (256, 10), 10
    return [rng.normal(0, 0.05, s).astype(np.float32).astype(float) for s in shapes]


def test_gradients_and_a_step_match_the_sections_network(page):
    params = large()
    X, y = clothes(64)
    inputs = X @ params[0] + params[1]
    keep = np.abs(inputs).min(axis=1) > 1e-5
    X, y = X[keep], y[keep]
    assert len(y) > 32
    scores = reference.forward(X, params)[1]
    loss, right, gradients, _, ends = run(page, params, "relu", X, y, 0.1, steps=1)
    assert loss == pytest.approx(reference.losses(scores, y).mean(), rel=GRADIENT)
    assert right == (scores.argmax(axis=1) == y).sum()
    expected = reference.gradients(X, y, params)
    for found, gradient in zip(gradients, expected, strict=True):
        atol = GRADIENT * np.abs(gradient).max()
        np.testing.assert_allclose(found, gradient, rtol=0, atol=atol)
    for end, param, gradient in zip(ends, params, expected, strict=True):
        assert not np.array_equal(end, param)
        atol = GRADIENT * np.abs(gradient).max() * 0.1 + 6e-8 * np.abs(param).max()
        np.testing.assert_allclose(end, param - 0.1 * gradient, rtol=0, atol=atol)


ACTIVATIONS = {
    "none": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}


def mean_loss(params, activation, X, y) -> float:
    H = np.array(X, float)
    *hidden, (W, b) = reference.layers(params)
    for W_k, b_k in hidden:
        H = ACTIVATIONS[activation](H @ W_k + b_k)
    return reference.losses(H @ W + b, np.array(y)).mean()


@pytest.mark.parametrize("activation", [*ACTIVATIONS, ""])
def test_gradients_match_finite_differences(page, activation):
    params = small(activation)
    _, _, gradients, *_ = run(page, params, activation or "relu", *XOR)
    h = 1e-5
    for param, gradient in zip(params, gradients, strict=True):
        for where in np.ndindex(param.shape):
            kept = param[where]
            param[where] = kept + h
            above = mean_loss(params, activation, *XOR)
            param[where] = kept - h
            below = mean_loss(params, activation, *XOR)
            param[where] = kept
            assert gradient[where] == pytest.approx((above - below) / (2 * h), abs=1e-6)


def test_a_thousand_steps_match_the_reference(page):
    params = small("relu", seed=2)
    X, y = np.array(XOR[0], float), np.array(XOR[1])
    *_, losses, ends = run(page, params, "relu", *XOR, rate=0.1, steps=1000)
    for step, loss in enumerate(losses):
        expected = mean_loss(params, "relu", X, y)
        assert loss == pytest.approx(expected, rel=1e-4), step
        reference.step(X, y, params, 0.1)
    assert losses[-1] < 0.1 < losses[0]
    for end, param in zip(ends, params, strict=True):
        np.testing.assert_allclose(end, param, rtol=0, atol=1e-4)


def test_random_numbers_are_normal_and_repeat(page):
    drawn = "seed => { const { normal } = bookNetwork.random(seed);"
    drawn += " return Array.from({ length: 20000 }, normal); }"
    numbers = np.array(page.evaluate(drawn, 1))
    assert page.evaluate(drawn, 1) == numbers.tolist()
    assert page.evaluate(drawn, 2) != numbers.tolist()
    assert abs(numbers.mean()) < 0.03
    assert abs(numbers.std() - 1) < 0.03
    assert abs((np.abs(numbers) < 1).mean() - 0.6827) < 0.015


COUNT = """([width, seeds]) => {
  const X = Float32Array.from([0, 0, 0, 1, 1, 0, 1, 1]);
  const y = [0, 1, 1, 0];
  let solved = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const net = bookNetwork.create([2, width, 2], "relu", 1, seed, 3);
    for (let step = 0; step < 1000; step++) bookNetwork.step(net, X, y, 4, 0.5);
    const O = bookNetwork.forward(net, X, 4).at(-1);
    if (y.every((label, i) => O[2 * i + 1] > O[2 * i] === (label === 1))) solved++;
  }
  return solved;
}"""


@pytest.mark.parametrize(("width", "percent"), [(2, 19), (4, 61), (8, 93)])
def test_xor_success_rates_match_the_text(page, width, percent):
    assert f"{percent}%" in (ROOT / "chapters/mlp.md").read_text("utf-8")
    # Borderline starts may end differently on another processor.
    assert page.evaluate(COUNT, [width, 400]) == pytest.approx(4 * percent, abs=4)
