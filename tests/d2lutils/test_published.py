"""Tests that notebooks published for d2l work: imports, names and regression."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from frameworks import BackendKit, open_backend

# The first cells of published notebooks, which import the framework before the package.
IMPORTS = {
    "mxnet": """
        from mxnet import autograd, gluon, init, np, npx
        import mxnet as mx
        npx.set_np()
    """,
    "torch": """
        import torch
        from torch import nn
    """,
    "tensorflow": "import tensorflow as tf",
    "jax": """
        import jax
        from jax import numpy as jnp
    """,
}
PACKAGE = "from d2lutils import {} as d2l"
# A small regression with d2l's names.
DATA = """
    X, y = d2l.synthetic_data(d2l.tensor([2.0, -3.4]), 4.2, 100)
    batches = d2l.load_array((X, y), 10)
"""
TRAINING = {
    "mxnet": """
        w, b = d2l.normal(0, 0.01, (2, 1)), d2l.zeros(1)
        w.attach_grad(); b.attach_grad()
        for X, y in [*batches] * 3:
            with autograd.record():
                l = d2l.squared_loss(d2l.linreg(X, w, b), y)
            l.backward()
            d2l.sgd([w, b], 0.3, len(y))
    """,
    "torch": """
        w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
        b = d2l.zeros(1, requires_grad=True)
        for X, y in [*batches] * 3:
            d2l.reduce_sum(d2l.squared_loss(d2l.linreg(X, w, b), y)).backward()
            d2l.sgd([w, b], 0.3, len(y))
        optimizer = torch.optim.SGD([w, b], lr=0.1)
    """,
    "tensorflow": """
        w = tf.Variable(d2l.normal((2, 1), stddev=0.01))
        b = tf.Variable(d2l.zeros(1))
        for X, y in [*batches] * 3:
            with tf.GradientTape() as tape:
                l = d2l.squared_loss(d2l.linreg(X, w, b), y)
            d2l.sgd([w, b], tape.gradient(l, [w, b]), 0.3, len(y))
    """,
    "jax": """
        w, b = d2l.zeros((2, 1)), d2l.zeros(1)
        def total(params, X, y):
            return d2l.reduce_sum(d2l.squared_loss(d2l.linreg(X, *params), y))
        for X, y in [*batches] * 3:
            grads = jax.grad(total)([w, b], X, y)
            w, b = d2l.sgd([w, b], grads, 0.3, len(y))
    """,
}
END = """
    print(*d2l.numpy(w).ravel().round(1), *d2l.numpy(b).round(1))
"""


def run(*cells: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Execute cells in a new process."""
    return subprocess.run(
        [sys.executable, "-c", "\n".join(map(textwrap.dedent, cells))],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def cells(name: str) -> list[str]:
    more = ", jax.random.PRNGKey(0)" if name == "jax" else ""
    return [DATA.replace("100)", f"100{more})"), TRAINING[name], END]


@pytest.mark.parametrize("step", [1, -1])
def test_frameworks_can_be_imported_together_in_any_order(step):
    """They contain libraries with the same names, and some orders can crash.

    Import and use one after the other, each before its package, or (in reverse order)
    import all after their packages, and then use them.
    """
    order = [name for name in IMPORTS if importlib.util.find_spec(name)][::step]
    imports = {name: [IMPORTS[name], PACKAGE.format(name)] for name in order}
    parts = [part for each in imports.values() for part in each[::-1] if step < 0]
    for name in order:
        parts += [*imports[name], *cells(name)]
    # TensorFlow reads this at import. Newer releases print a greeting anyway.
    done = run(*parts, **({"TF_CPP_MIN_LOG_LEVEL": "3"} if step > 0 else {}))
    assert done.stdout == "2.0 -3.4 4.2\n" * len(order), done.stderr
    assert step > 0 or done.stderr == ""


# -- TensorFlow: before and during the import ----------------------------------------


@pytest.mark.parametrize("fails", [True, False])
def test_messages_of_an_import_are_shown_only_if_it_fails(capfd, fails):
    module = open_backend("tensorflow").module
    with contextlib.suppress(OSError), module._without_greeting():
        os.write(2, b"reason\n")
        if fails:
            raise OSError
    assert capfd.readouterr().err == "reason\n" * fails


def test_triton_is_loaded_and_a_crash_explained(tmp_path):
    """Triton crashes if it is imported after TensorFlow, so we import it before."""
    for name, code in {
        "triton": "print('loaded', flush=True)",
        "tensorflow": """
            import os, sys
            os.write(2, b"reason\\n")
            if "d2lutils" in sys.modules:
                os.abort()
        """,
    }.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code), encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    package = PACKAGE.format("tensorflow")
    crashed = run(package, PYTHONPATH=path)
    assert crashed.stdout == "loaded\n"
    assert crashed.stderr.startswith("reason\n")
    assert run("import tensorflow", package, PYTHONPATH=path).stdout == ""


# -- MXNet: settings made before its import --------------------------------------


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx2 fma", True), ("fpu avx fma", False), (None, False)],
)
def test_avx2_is_read_from_the_processor_flags(monkeypatch, flags, expected):
    module = open_backend("mxnet").module

    def read(path):
        if flags is None:
            raise FileNotFoundError(path)
        return f"flags\t\t: {flags}\n"

    monkeypatch.setattr(Path, "read_text", read)
    assert module._has_avx2() is expected


CORE_NAMES = """
    import ctypes, os, pathlib, mxnet
    path = pathlib.Path(mxnet.__file__).parent / "libopenblas.so.0"
    name = ctypes.CDLL(str(path)).openblas_get_corename
    name.restype = ctypes.c_char_p
    print(name().decode(), os.environ.get("OPENBLAS_CORETYPE"))
"""


def test_mxnets_openblas_uses_the_chosen_kernels(monkeypatch):
    """The user's choice wins, and so does MXNet's if it was imported first."""
    module = open_backend("mxnet").module
    if not module._has_avx2():
        pytest.skip("this processor has no AVX2, or its flags cannot be read")
    if not (Path(module.mxnet.__file__).parent / "libopenblas.so.0").exists():
        pytest.skip("this build of MXNet contains no OpenBLAS")
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    imports = PACKAGE.format("mxnet"), IMPORTS["mxnet"]
    assert run(*imports, CORE_NAMES).stdout == "Haswell None\n"
    done = run(*imports[::-1], CORE_NAMES, OPENBLAS_CORETYPE="SANDYBRIDGE")
    assert done.stdout.endswith(" SANDYBRIDGE\n")


# -- names -----------------------------------------------------------------------


def test_short_names_work_the_same_in_every_framework(backend: BackendKit):
    d2l, values = backend.module, np.arange(6, dtype=np.float32).reshape(2, 3)
    X = d2l.tensor(values)
    for found, expected in [
        (d2l.reshape(X, (3, 2)), values.reshape(3, 2)),
        (d2l.reduce_sum(X, 0), values.sum(0)),
        (d2l.reduce_mean(X, 1), values.mean(1)),
        (d2l.argmax(X, 1), [2, 2]),
        (d2l.transpose(X), values.T),
        (d2l.matmul(X, d2l.transpose(X)), values @ values.T),
        (d2l.concat([X, X], 1), np.hstack([values, values])),
        (d2l.stack([X, X]), np.stack([values, values])),
        (d2l.log(d2l.exp(X)), values),
        (d2l.abs(-d2l.arange(3)), [0, 1, 2]),
        (d2l.astype(X, d2l.int32), values),
        (d2l.ones((2, 3)) + d2l.zeros((2, 3)), np.ones((2, 3))),
        (d2l.eye(2), np.eye(2)),
    ]:
        np.testing.assert_allclose(d2l.numpy(found), expected, rtol=1e-5)
    assert d2l.size(X) == 6
    assert d2l.numpy(d2l.astype(X, d2l.int32)).dtype == np.int32
    if backend.name != "jax":
        assert d2l.numpy(backend.parameters(values)[0]).tolist() == values.tolist()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("train_ch6", "it belongs to the chapter Convolutional Neural Networks"),
        ("Vocab", "it belongs to the chapter Recurrent Neural Networks"),
        ("DATA_HUB", "the downloads of the section on house prices"),
        ("Trainer", "release 1.0"),
        ("no_such_name", "This module has what"),
    ],
)
def test_a_missing_name_says_where_to_look(backend: BackendKit, name, said):
    with pytest.raises(AttributeError, match=said) as error:
        getattr(backend.module, name)
    assert f"{backend.module.__name__!r} has no attribute {name!r}" in str(error.value)


# -- regression ------------------------------------------------------------------


def test_linear_data_have_noise_and_a_loss(backend: BackendKit):
    """The last batch is smaller, and targets may be a column or not."""
    d2l, w = backend.module, backend.tensor([1.0, -2.0, 0.5])
    key = [backend.jax.random.PRNGKey(0)] if backend.name == "jax" else []
    tensors = d2l.synthetic_data(w, 3.0, 5005, *key)
    X, y = map(backend.numpy, tensors)
    assert (X.shape, y.shape) == ((5005, 3), (5005, 1))
    noise = y[:, 0] - X @ [1.0, -2.0, 0.5] - 3
    assert X.std() == pytest.approx(1, abs=0.02)
    assert noise.std() == pytest.approx(0.01, rel=0.05)
    ones = backend.tensor(np.ones((3, 1)))
    model = [lambda w, X: X @ w, ones] if key else [lambda X: X @ ones]
    for targets in (tensors[1], backend.tensor(y[:, 0])):
        batches = d2l.load_array((tensors[0], targets), 1000, is_train=False)
        found = d2l.evaluate_loss(*model, batches, d2l.squared_loss)
        expected = ((X.sum(1) - y[:, 0]) ** 2 / 2).mean()
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("is_train", [True, False])
def test_every_pass_yields_all_of_an_array(backend: BackendKit, is_train):
    X = np.arange(250, dtype=np.float32)
    arrays = backend.tensor(X), backend.tensor(-X)
    loader = backend.module.load_array(arrays, 100, is_train)
    passes = []
    for _ in range(2):
        xs, ys = zip(*(map(backend.numpy, batch) for batch in loader), strict=True)
        assert [*map(len, xs)] == [100, 100, 50]
        passes.append(np.concatenate(xs))
        np.testing.assert_array_equal(passes[-1], -np.concatenate(ys))
        np.testing.assert_array_equal(np.sort(passes[-1]), X)
    assert np.array_equal(*passes) is not is_train
    if is_train:  # shuffled over all examples
        assert passes[0][:100].max() > 200
