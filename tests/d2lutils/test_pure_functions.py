"""Tests that are specific to JAX: networks are pure functions of parameters."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from booktools import missing_modules

if missing := missing_modules("jax"):
    pytest.skip(f"not installed: {', '.join(missing)}", allow_module_level=True)

# Import d2lutils before JAX, because it silences XLA.
from d2lutils import jax as d2l  # isort: skip

import optax

jax = d2l.jax
jnp = jax.numpy
LOSS = optax.softmax_cross_entropy_with_integer_labels
RNG = np.random.default_rng(0)
BATCHES = [
    (jnp.asarray(RNG.random((n, 28, 28, 1)), "float32"),
     jnp.asarray(RNG.integers(0, 10, n)))
    for n in (8, 8, 3)
]  # fmt: skip


def net(params, X):
    return X.reshape((len(X), -1)) @ params["W"] + params["b"]


def start():
    W = np.random.default_rng(1).normal(0, 0.05, (784, 10))
    return {"W": jnp.asarray(W, "float32"), "b": jnp.zeros(10)}


def equal(one, other):
    leaves = jax.tree_util.tree_leaves
    both = zip(leaves(one), leaves(other), strict=True)
    return all(np.allclose(a, b, rtol=0, atol=1e-6) for a, b in both)


SGD = optax.sgd(0.1)


def test_a_net_with_wrong_parameters_is_reported():
    for wrong, said in [
        (lambda X: X, "too many positional arguments"),
        (lambda params, X, key: X, "missing a required argument: 'key'"),
    ]:
        expected = rf"net must be a function net\(params, X\) \({said}\)"
        with pytest.raises(TypeError, match=expected):
            d2l.evaluate_accuracy(wrong, start(), BATCHES)
    arguments, key = (net, start(), BATCHES, LOSS, SGD), jax.random.key(0)
    expected = r"net must be a function net\(params, X, key=None\) \(got an unexpected"
    with pytest.raises(TypeError, match=expected):
        d2l.train_epoch_ch3(*arguments, key=key)


@pytest.mark.parametrize("wrong", [None, [], [1.0], {"W": np.ones(3, int)}, "W"])
def test_params_must_be_float_arrays(wrong):
    expected = "params must be a pytree of float arrays"
    with pytest.raises(TypeError, match=expected):
        d2l.evaluate_accuracy(net, wrong, BATCHES)
    with pytest.raises(TypeError, match=expected):  # nor may an updater return these
        d2l.train_epoch_ch3(net, start(), BATCHES, LOSS, lambda *_, **__: wrong)


def test_an_optimizer_continues_from_its_state():
    """Without it, an epoch begins without momentum. Nothing changes in place."""
    optimizer, params = optax.sgd(0.1, momentum=0.9), start()
    whole, _ = d2l.train_ch3(net, params, BATCHES, BATCHES, LOSS, 2, optimizer)
    state = optimizer.init(params)
    going_on = forgetful = params
    for _ in range(2):
        going_on, state, figures = d2l.train_epoch_ch3(
            net, going_on, BATCHES, LOSS, optimizer, state
        )
        forgetful, _ = d2l.train_epoch_ch3(net, forgetful, BATCHES, LOSS, optimizer)
    assert len(figures) == 2
    assert equal(going_on, whole)
    assert not equal(forgetful, whole)
    assert equal(params, start())


def test_a_step_is_traced_once_per_shape_and_training_run():
    traced = []

    def noted(params, X):
        traced.append((X.shape[0], scale))
        return scale * net(params, X)

    updater, results = partial(d2l.sgd, lr=0.1), []
    for scale in (1, 2):  # noqa: B007 (`noted` uses it)
        results.append(d2l.train_epoch_ch3(noted, start(), BATCHES, LOSS, updater)[0])
    assert traced == [(8, 1), (3, 1), (8, 2), (3, 2)]
    assert not equal(*results)


def test_every_step_gets_its_own_key():
    """Otherwise equal batches would get equal noise, and have equal means."""

    def noisy(params, X, key=None):
        noise = 0 if key is None else jax.random.normal(key, (len(X), 10))
        return 0 * net(params, X) + noise

    def train(**options):
        arguments = start(), [BATCHES[0]] * 2, BATCHES, LOSS, 2, SGD
        return d2l.train_ch3(noisy, *arguments, draw=False, **options)[1]

    def mean(num_steps):
        arguments = start(), [BATCHES[0]] * num_steps, LOSS, SGD
        figures = d2l.train_epoch_ch3(noisy, *arguments, key=jax.random.key(0))[1]
        return figures[0]

    first = train(key=jax.random.key(0))
    assert first == train(key=jax.random.key(0)) != train(key=jax.random.key(1))
    assert first.train_loss[0] != first.train_loss[1]
    assert mean(1) != pytest.approx(mean(2))
    # Without a key there is no noise, for example in evaluation.
    silent = train()
    assert silent.train_loss == pytest.approx([np.log(10)] * 2)
    assert silent.test_accuracy == first.test_accuracy
