"""Tests of evaluation, arguments, devices and pictures in every framework."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from test_training import images_and_labels, run_train_ch3, softmax

from frameworks import BackendKit


def test_labels_have_names(backend: BackendKit):
    names = backend.d2l.get_fashion_mnist_labels
    labels = backend.tensor([9, 0, 6], backend.label_dtype)
    assert names(labels) == ["ankle boot", "t-shirt", "shirt"]
    for label in (-1, 10, 2.5):
        with pytest.raises(ValueError, match=f"from 0 to 9, .* {label}$"):
            names([1, label])


def test_accuracy_counts_scores_and_classes(backend: BackendKit):
    scores = backend.tensor([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5], [0.9, 0.0, 0.1]])
    y = backend.tensor([2, 1, 0], backend.label_dtype)
    count = backend.d2l.accuracy(scores, y)
    assert isinstance(count, float)
    assert count == 2
    classes = backend.tensor([2, 1, 1], backend.label_dtype)
    assert backend.d2l.accuracy(classes, y) == 2
    assert backend.d2l.accuracy(backend.tensor([2.0, 2.0, 0.0]), y) == 2
    # The rate doesn't depend on the batches, and more than eight bits can count.
    ones = backend.tensor(np.eye(3)[[0] * 997]), backend.tensor(np.zeros(997), "int32")
    rate = backend.d2l.evaluate_accuracy(lambda X: X, [(scores, y), ones])
    assert rate == 999 / 1000


def test_accuracy_compares_one_column_in_the_type_of_the_targets(backend: BackendKit):
    y_hat = backend.tensor([[0.0], [1.5], [2.0]])
    for shape in [(3,), (3, 1)]:
        real = backend.tensor(np.reshape([0, 1, 2], shape))
        whole = backend.tensor(np.reshape([0, 1, 2], shape), backend.label_dtype)
        assert backend.d2l.accuracy(y_hat, real) == 2
        assert backend.d2l.accuracy(y_hat, whole) == 3  # 1.5 becomes 1


@pytest.mark.parametrize("shape", [(2, 10), (2,), (3, 1, 10)])
def test_accuracy_refuses_mismatched_shapes(backend: BackendKit, shape):
    y = backend.tensor([0, 1, 2], backend.label_dtype)
    with pytest.raises(ValueError, match=r"y_hat must hold .* has shape \("):
        backend.d2l.accuracy(backend.tensor(np.zeros(shape)), y)
    ones = backend.tensor(np.eye(10)[:3], backend.label_dtype)
    with pytest.raises(ValueError, match=r"y must hold one label .* \(3, 10\)"):
        backend.d2l.accuracy(backend.tensor(np.zeros((3, 10))), ones)


def test_a_model_is_in_training_mode_only_while_training(backend: BackendKit):
    if backend.name != "torch":
        pytest.skip("only PyTorch keeps a mode in its modules")
    net, updater, _ = softmax(backend, "optimizer")
    modes = []
    net[1].register_forward_hook(lambda module, *_: modes.append(module.training))
    batches, loss = backend.batches(images_and_labels(4)), backend.loss("none")
    for outer, inner in [(True, True), (True, False), (False, False)]:
        net.training, net[1].training = outer, inner
        backend.d2l.evaluate_accuracy(net, batches)
        assert (net.training, net[1].training) == (outer, inner)
    assert modes == [False] * 3
    net.train()
    with pytest.raises(ValueError, match=r"yielded no batch"):
        backend.d2l.evaluate_accuracy(net, [])
    assert net.training
    backend.d2l.train_epoch_ch3(net.eval(), batches, loss, updater)
    assert all(module.training for module in net.modules())
    backend.d2l.train_ch3(net, batches, batches, loss, 2, updater)
    assert not any(module.training for module in net.modules())


def test_a_wrong_argument_is_reported(backend: BackendKit, small_data):
    load = backend.d2l.load_data_fashion_mnist
    train_iter, test_iter = load(16)
    X, y = next(iter(test_iter))
    load_array = lambda arrays: backend.d2l.load_array(arrays, 4)  # noqa: E731
    for name, function, wrong in [
        ("batch_size", load, (0, -1, 2.5, "8", None, True)),
        ("resize", lambda value: load(8, value), (0, -3, 9.5, (28, 28))),
        ("n", train_iter.split, (0, -1, 10**6, 2.5)),
        ("n", lambda n: backend.d2l.predict_ch3(None, test_iter, n=n), (0, 2.5)),
        (
            "num_epochs",
            lambda value: run_train_ch3(backend, train_iter, test_iter, value),
            (0, 1.5, None),
        ),
        ("seed", backend.d2l.set_seed, (-1, 2**32, 1.5, "a")),
        ("i", backend.d2l.try_gpu, (-1, "0")),
        ("data_arrays", load_array, (X, (X, y[:2]))),
    ]:
        for value in wrong:
            with pytest.raises((TypeError, ValueError), match=f"^{name} must be "):
                function(value)


def test_predict_ch3_titles_show_truth_above_prediction(
    backend: BackendKit, small_data
):
    _, test_iter = backend.d2l.load_data_fashion_mnist(4)
    # Scores that prefer class 1 for every image.
    net = backend.affine(*backend.parameters(np.zeros((784, 10)), np.eye(10)[1]))
    backend.d2l.predict_ch3(net, test_iter, n=6)  # more than one batch
    shown = plt.gcf().axes
    names = backend.d2l.get_fashion_mnist_labels(small_data.test_labels[:6])
    assert [ax.get_title() for ax in shown] == [f"{name}\ntrouser" for name in names]
    for ax, image in zip(shown, small_data.test_images, strict=False):
        expected = image / np.float32(255)
        np.testing.assert_array_equal(ax.images[0].get_array(), expected)
    with pytest.raises(ValueError, match=r"n asks for 31 examples, .* yields only 30"):
        backend.d2l.predict_ch3(net, test_iter, n=31)
    if backend.channel_axis == 1:  # else they have no such axis
        flat = [(X.reshape((len(X), -1)), y) for X, y in test_iter]
        with pytest.raises(ValueError, match=r"^imgs\[0\] must be a gray image"):
            backend.d2l.predict_ch3(net, flat, n=1)


def test_devices_fall_back_to_the_cpu(backend: BackendKit):
    assert len(backend.d2l.try_all_gpus()) >= 1
    if backend.name == "tensorflow":
        with backend.d2l.try_gpu(10**6):
            assert "CPU:0" in backend.tf.constant(1.0).device
    else:
        assert "cpu" in str(backend.d2l.try_gpu(10**6)).lower()


def test_apple_gpus_are_found(backend: BackendKit, monkeypatch):
    if backend.name == "torch":
        backends = backend.torch.backends
        monkeypatch.setattr(backends.mps, "is_available", lambda: True)
        expected = backend.torch.device("mps")
    elif backend.name == "jax":
        expected = SimpleNamespace(platform="METAL")
        own = backend.jax.devices
        found = lambda kind=None: own(kind) if kind else [expected]  # noqa: E731
        monkeypatch.setattr(backend.jax, "devices", found)
    else:
        pytest.skip("needs no code for Apple GPUs")
    assert backend.d2l.try_gpu() == expected
    assert backend.d2l.try_all_gpus() == [expected]


def test_tensors_can_be_drawn(backend: BackendKit):
    backend.d2l.plot(
        backend.tensor([0.0, 1.0]), [backend.tensor([1.0, 2.0]), [3.0, 4.0]]
    )
    lines = plt.gcf().axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[1, 2], [3, 4]]
    assert 1 <= backend.d2l.get_dataloader_workers() <= 4
