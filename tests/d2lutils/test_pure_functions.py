"""What JAX asks for beyond the other frameworks: pure functions of parameters."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from booktools import missing_modules

if missing := missing_modules("jax"):
    pytest.skip(f"not installed: {', '.join(missing)}", allow_module_level=True)

# The first to load JAX: it silences what XLA would say.
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


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda X: X, "too many positional arguments"),
        (lambda params, X, key: X, "missing a required argument: 'key'"),
    ],
)
def test_a_net_that_cannot_be_called_is_named(wrong, said):
    expected = rf"net must be a function net\(params, X\) \({said}\); bind all else"
    with pytest.raises(TypeError, match=expected):
        d2l.evaluate_accuracy(wrong, start(), BATCHES)
    with pytest.raises(TypeError, match=expected):
        d2l.train_epoch_ch3(wrong, start(), BATCHES, LOSS, optax.sgd(0.1))


@pytest.mark.parametrize("wrong", [None, [], [1.0], {"W": np.ones(3, int)}, "W"])
def test_params_that_are_no_arrays_of_floats_are_named(wrong):
    expected = "params must be a pytree of float arrays; here is "
    with pytest.raises(TypeError, match=expected):
        d2l.evaluate_accuracy(net, wrong, BATCHES)


def test_an_updater_must_return_parameters():
    with pytest.raises(TypeError, match=r"params must be a pytree .* here is None"):
        d2l.train_epoch_ch3(
            net, start(), BATCHES, LOSS, lambda params, grads, batch_size: None
        )


def test_training_changes_nothing_in_place():
    params = start()
    new, (loss, rate) = d2l.train_epoch_ch3(
        net, params, BATCHES, LOSS, partial(d2l.sgd, lr=0.01)
    )
    assert equal(params, start())
    assert not equal(params, new)
    assert 2 < loss < 3
    assert 0 <= rate <= 1


def test_an_optimizer_goes_on_from_its_state():
    """Momentum after the first epoch is lost without it."""
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


def test_a_step_is_traced_once_for_each_shape_and_anew_for_each_training():
    traced = []

    def noted(params, X):
        traced.append((X.shape[0], scale))
        return scale * net(params, X)

    updater, results = partial(d2l.sgd, lr=0.1), []
    for scale in (1, 2):  # noqa: B007 which `noted` finds outside
        results.append(d2l.train_epoch_ch3(noted, start(), BATCHES, LOSS, updater)[0])
    assert traced == [(8, 1), (3, 1), (8, 2), (3, 2)]
    assert not equal(*results)


def test_an_interruption_keeps_the_parameters():
    passes = []

    class Interrupted:
        def __iter__(self):
            passes.append(1)
            yield BATCHES[0]
            if len(passes) == 2:
                raise KeyboardInterrupt
            yield BATCHES[1]

    updater = partial(d2l.sgd, lr=0.1)
    with pytest.raises(KeyboardInterrupt) as stopped:
        d2l.train_ch3(net, start(), Interrupted(), BATCHES, LOSS, 5, updater)
    seen = [BATCHES[0], BATCHES[1], BATCHES[0]]
    expected, _ = d2l.train_epoch_ch3(net, start(), seen, LOSS, updater)
    assert equal(stopped.value.params, expected)
    assert len(stopped.value.history.train_loss) == 1
