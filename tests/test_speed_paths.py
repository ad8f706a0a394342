"""What makes training fast may not change what it does."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from faces import open_face

from d2lutils import plotting, training

# -- TensorFlow: a graph only where nobody can tell ----------------------------

PLAIN = """
    def relu(X):
        return tf.maximum(X, 0)

    def net(X):
        X = tf.reshape(X, (-1, 784))
        return tf.matmul(relu(tf.matmul(X, W1) + b1), W2) + b2

    def loss(y_hat, y):
        return tf.keras.losses.sparse_categorical_crossentropy(
            y, y_hat, from_logits=True)

    mlp = net
"""


class Reader:
    """A notebook's namespace, with the parameters of an MLP and some batches in it."""

    def __init__(self, code: str = PLAIN, num_batches: int = 6, last: int = 16):
        self.face = open_face("tensorflow")
        self.d2l, self.tf = self.face.d2l, self.face.tf
        self.names = {"tf": self.tf, "d2l": self.d2l, "np": np}
        self.new_parameters(seed=1)
        self.run(PLAIN)
        self.run(code)
        rng = np.random.default_rng(2)
        sizes = [16] * (num_batches - 1) + [last]
        self.batches = self.face.batches(
            *((rng.random((n, 28, 28)), rng.integers(0, 10, n)) for n in sizes)
        )

    def __getitem__(self, name: str):
        return self.names[name]

    def run(self, code: str) -> None:
        """Run a cell."""
        exec(compile(textwrap.dedent(code), "<cell>", "exec"), self.names)

    def new_parameters(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        shapes = [(784, 32), (32,), (32, 10), (10,)]
        params = self.face.parameters(*(rng.normal(0, 0.1, s) for s in shapes))
        self.names |= dict(zip(("W1", "b1", "W2", "b2"), params, strict=True))
        self.updater = self.d2l.Updater(params, 0.1)

    def step(self):
        return self.d2l._Step(self["net"], self["loss"], self.updater)

    def epoch(self) -> tuple[float, float]:
        return self.d2l.train_epoch_ch3(
            self["net"], self.batches, self["loss"], self.updater
        )

    def parameters(self) -> list[np.ndarray]:
        return [p.numpy() for p in self.updater.params]


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes for each batch that a graph computed how many examples it had."""
    d2l = open_face("tensorflow").d2l
    # Under a debugger or a coverage tool no graphs are made.
    monkeypatch.setattr(d2l.sys, "gettrace", lambda: None)
    noted, by_graph = [], d2l._Step._by_graph

    def note(self, X, y):
        result = by_graph(self, X, y)
        if result is not None:
            noted.append(len(y))
        return result

    monkeypatch.setattr(d2l._Step, "_by_graph", note)
    return noted


def train(reader: Reader, cells: tuple[str, ...] = ()) -> list[tuple[float, float]]:
    figures = [reader.epoch()]
    for cell in cells:
        reader.run(cell)
        figures.append(reader.epoch())
    return figures


def eagerly(code: str, cells: tuple[str, ...] = (), **options):
    """What the same notebook gives without graphs."""
    reader = Reader(code, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader.d2l._Step, "_make_graph", lambda *_: None)
        figures = train(reader, cells)
    return figures, reader.parameters()


def assert_same(reader: Reader, figures, expected) -> None:
    # Not bit for bit: a graph may fuse two operations that round once each.
    np.testing.assert_allclose(figures, expected[0], rtol=1e-6)
    for got, want in zip(reader.parameters(), expected[1], strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


COMPILED = {
    "the chapter's own": PLAIN,
    "closures": """
        def make(W1, b1, W2, b2):
            def net(X):
                H = relu(tf.reshape(X, (-1, 784)) @ W1 + b1)
                return H @ W2 + b2
            return net
        net = make(W1, b1, W2, b2)
    """,
    "a lambda and a loop over layers": """
        layers = [(W1, b1), (W2, b2)]
        def net(X):
            H = tf.reshape(X, (X.shape[0], -1))
            for i, (W, b) in enumerate(layers):
                H = (relu(H) if i > 0 else H) @ W + b
            return H
        loss = lambda y_hat, y: tf.nn.sparse_softmax_cross_entropy_with_logits(
            y, y_hat)
    """,
    "a loss object": """
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    """,
}


@pytest.mark.parametrize("code", COMPILED.values(), ids=COMPILED)
def test_plain_code_becomes_a_graph_and_gives_the_same(graphs, code):
    expected = eagerly(code)
    assert graphs == []
    reader = Reader(code)
    figures = train(reader)
    assert graphs == [16] * 5  # the first batch is taken eagerly
    assert_same(reader, figures, expected)


def test_a_smaller_last_batch_is_taken_eagerly(graphs):
    expected = eagerly(PLAIN, last=5)
    reader = Reader(last=5)
    assert_same(reader, train(reader), expected)
    assert graphs == [16] * 4


def test_a_graph_serves_all_epochs_of_one_training(graphs):
    reader = Reader()
    reader.d2l.train_ch3(
        reader["net"], reader.batches, reader.batches, reader["loss"], 3, reader.updater
    )
    assert graphs == [16] * 17


EAGER = {
    "print": """
        def net(X):
            print("here")
            return mlp(X)
    """,
    "print of TensorFlow's": """
        def net(X):
            tf.print("here")
            return mlp(X)
    """,
    "a branch on data": """
        def net(X):
            if tf.reduce_sum(X) > 6270:
                return mlp(X)
            return 2 * mlp(X)
    """,
    "a caught branch on data": """
        def net(X):
            try:
                large = bool(tf.reduce_sum(X) > 6270)
            except Exception:
                large = False
            return mlp(X) if large else 2 * mlp(X)
    """,
    "randomness": """
        def net(X):
            return mlp(X + np.random.default_rng(3).random())
    """,
    "a counter": """
        calls = []
        def net(X):
            calls.append(len(calls))
            return mlp(X) * (1.0 + len(calls))
    """,
    "a list that grows in place": """
        calls = []
        def net(X):
            seen = calls
            seen += [1]
            return mlp(X) * (1.0 + len(calls))
    """,
    "a global": """
        calls = 0
        def net(X):
            global calls
            calls = calls + 1
            return mlp(X) * float(calls)
    """,
    "a free variable": """
        def make():
            calls = 0
            def net(X):
                nonlocal calls
                calls = calls + 1
                return mlp(X) * float(calls)
            return net
        net = make()
    """,
    "an object": """
        class Net:
            calls = 0
            def __call__(self, X):
                self.calls += 1
                return mlp(X) * float(self.calls)
        net = Net()
    """,
    "NumPy": """
        def net(X):
            return mlp(X) * float(X.numpy().mean())
    """,
    "a helper that prints": """
        def help(X):
            print("here")
            return X
        def net(X):
            return help(mlp(X))
    """,
    "len of a tensor": """
        def net(X):
            return mlp(tf.reshape(X, (len(X), -1)))
    """,
}


@pytest.mark.parametrize("code", EAGER.values(), ids=EAGER)
def test_code_that_does_more_stays_eager(graphs, code, capfd):
    expected = eagerly(code)
    words = capfd.readouterr()
    reader = Reader(code)
    figures = train(reader)
    assert graphs == []
    assert_same(reader, figures, expected)
    assert capfd.readouterr() == words
    assert words.out.count("here") + words.err.count("here") == (
        6 if "here" in code else 0
    )


CHANGES = {
    "net": """
        def net(X):
            return 2 * mlp(X)
    """,
    "a helper": "def relu(X): return tf.minimum(X, 0)",
    "the loss": """
        def loss(y_hat, y):
            return 2 * tf.nn.sparse_softmax_cross_entropy_with_logits(y, y_hat)
    """,
    "a parameter": "W1.assign(tf.ones_like(W1) * 0.01)",
}


@pytest.mark.parametrize("cell", CHANGES.values(), ids=CHANGES)
def test_a_later_cell_is_heeded(graphs, cell):
    expected = eagerly(PLAIN, (cell,))
    reader = Reader()
    figures = train(reader, (cell,))
    assert graphs == [16] * 10
    assert_same(reader, figures, expected)
    assert abs(figures[1][0] - train(reader)[0][0]) > 1e-3  # it did train on


def test_new_parameters_between_epochs_are_trained(graphs):
    reader = Reader()
    first = reader.epoch()
    reader.new_parameters(seed=1)
    assert reader.epoch() == first
    assert graphs == [16] * 10


def test_what_changes_within_an_epoch_is_heeded(graphs):
    """An updater of the reader's own may change what net refers to."""
    code = """
        scale, count = 1.0, 0
        def net(X):
            return mlp(X) * scale
        class Updater(d2l.Updater):
            def __call__(self, batch_size, grads):
                global scale, count
                super().__call__(batch_size, grads)
                count += 1
                if count == 3:
                    scale = 2.0
    """

    def run() -> Reader:
        reader = Reader(code)
        reader.updater = reader["Updater"](reader.updater.params, 0.1)
        return reader

    eager = run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eager.d2l._Step, "_make_graph", lambda *_: None)
        expected = [eager.epoch()], eager.parameters()
    reader = run()
    assert_same(reader, [reader.epoch()], expected)
    assert len(graphs) == 4  # without the first batch, and the first after the change


def array_at(address: int) -> np.ndarray:
    """Some images, at so many bytes beyond a multiple of 64."""
    room = np.zeros(3 * 5 * 5 + 32, np.float32)
    start = (address - room.ctypes.data) % 64 // 4
    images = room[start : start + 75].reshape(3, 5, 5, 1)
    images[:] = np.random.default_rng(6).random(images.shape)
    return images


@pytest.fixture
def no_graphics_card(monkeypatch: pytest.MonkeyPatch) -> None:
    tf = open_face("tensorflow").tf
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])


@pytest.mark.usefixtures("no_graphics_card")
def test_images_become_tensors_without_a_copy_where_that_is_safe():
    d2l = open_face("tensorflow").d2l
    images = array_at(0)
    tensor = d2l._without_copy(images)
    expected = images.copy()
    np.testing.assert_array_equal(tensor.numpy(), expected)
    images[0] = 7  # which nobody but this test could do
    assert (tensor.numpy()[0] == 7).all()
    del images
    array_at(0)  # where the images were, if they were given back
    np.testing.assert_array_equal(tensor.numpy()[1:], expected[1:])

    for copied in (array_at(4), array_at(32), array_at(0)[::2], array_at(0)[:, :3]):
        tensor = d2l._without_copy(copied)
        expected = copied.copy()
        copied[0] = 7
        np.testing.assert_array_equal(tensor.numpy(), expected)


@pytest.mark.usefixtures("no_graphics_card")
def test_the_loader_of_tensorflow_copies_no_images(monkeypatch):
    d2l = open_face("tensorflow").d2l
    shared = []
    share = d2l._without_copy

    def note(images):
        tensor = share(images)
        images[0, 0, 0] = 0.5
        shared.append(bool(tensor[0, 0, 0, 0] == 0.5))
        return tensor

    monkeypatch.setattr(d2l, "_without_copy", note)
    for batch_size in (1, 7, 256):
        for data_iter in d2l.load_data_fashion_mnist(batch_size):
            next(iter(data_iter))
    assert shared == [True] * 6


def test_a_graphics_card_gets_a_copy(monkeypatch):
    face = open_face("tensorflow")
    monkeypatch.setattr(face.tf.config, "list_physical_devices", lambda kind: [kind])
    images = array_at(0)
    tensor = face.d2l._without_copy(images)
    expected = images.copy()
    images[0] = 7
    np.testing.assert_array_equal(tensor.numpy(), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("rate", [float, np.float64, "tensor", "variable"])
def test_gradient_descent_in_one_operation_is_that_in_three(rate, dtype):
    face = open_face("tensorflow")
    tf = face.tf
    kinds = {
        "tensor": lambda number: tf.constant(number, dtype),
        "variable": lambda number: tf.Variable(number, dtype=dtype),
    }
    lr = kinds.get(rate, rate)(0.3)
    rng = np.random.default_rng(5)
    start, grads = rng.normal(size=(2, 4, 3)).astype(dtype)
    param = tf.Variable(start)
    face.d2l.sgd([param], [tf.constant(grads)], lr, batch_size=7)
    np.testing.assert_allclose(
        param.numpy(), start - 0.3 * grads / 7, rtol=4 * np.finfo(dtype).eps
    )
    assert not np.array_equal(param.numpy(), start)


def test_gradient_descent_takes_variables_of_keras_and_graphs():
    face = open_face("tensorflow")
    tf, sgd = face.tf, face.d2l.sgd
    of_keras, of_a_graph = tf.keras.Variable(np.ones(3)), tf.Variable(tf.ones(3))
    sgd([of_keras], [tf.ones(3)], 0.5, 4)
    descend = tf.function(lambda grad: sgd([of_a_graph], [grad], 0.5, 4))
    descend(tf.ones(3))
    descend(tf.ones(3))
    np.testing.assert_array_equal(of_keras.numpy(), [0.875] * 3)
    np.testing.assert_array_equal(of_a_graph.numpy(), [0.75] * 3)


def test_a_graph_that_fails_applies_nothing_twice(graphs):
    expected = eagerly(PLAIN)
    reader = Reader()
    step, failures = reader.step(), []
    totals = []
    for i, (X, y) in enumerate(reader.batches):
        if i == 3:
            run = step.graph.run

            def fail(X, y, run=run):
                run(X, y)
                failures.append(len(totals))
                raise reader.tf.errors.InternalError(None, None, "out of order")

            step.graph = dataclasses.replace(step.graph, run=fail)
        totals.append(step(X, y)[:2])
    assert failures == [3]
    assert len(graphs) == 2
    sums = np.sum(totals, axis=0) / (6 * 16)
    assert_same(reader, [sums], expected)


def test_a_wrong_label_is_named_before_a_graph_sees_it(graphs):
    reader = Reader()
    X, y = reader.batches[4]
    reader.batches[4] = X, y + 10
    with pytest.raises(ValueError, match="y holds label 1"):
        reader.epoch()
    assert len(graphs) == 3


def test_a_debugger_sees_every_batch(graphs, monkeypatch):
    reader = Reader()
    monkeypatch.setattr(reader.d2l.sys, "gettrace", lambda: print)
    reader.epoch()
    assert graphs == []


def keras_model(tf, *more):
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [layers.Flatten(), layers.Dense(8, activation="relu"), *more, layers.Dense(10)]
    )
    model.build((None, 28, 28, 1))
    rng = np.random.default_rng(4)
    model.set_weights([rng.normal(0, 0.1, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_a_model_of_plain_layers_becomes_a_graph(graphs, optimizer):
    results = []
    for forbidden in (True, False):
        reader = Reader()
        reader.names["net"] = keras_model(reader.tf)
        reader.updater = getattr(reader.tf.keras.optimizers, optimizer)(0.01)
        with pytest.MonkeyPatch.context() as patch:
            if forbidden:
                patch.setattr(reader.d2l._Step, "_make_graph", lambda *_: None)
            results.append((reader.epoch(), reader["net"].get_weights()))
    assert graphs == [16] * 5
    np.testing.assert_allclose(*(figures for figures, _ in results), rtol=1e-6)
    for a, b in zip(*(weights for _, weights in results), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_a_model_with_more_than_plain_layers_stays_eager(graphs):
    reader = Reader()
    layers = reader.tf.keras.layers
    for layer in (layers.Dropout(0.5), layers.Lambda(lambda X: X)):
        reader.names["net"] = keras_model(reader.tf, layer)
        reader.updater = reader.tf.keras.optimizers.SGD(0.1)
        reader.epoch()
    assert graphs == []


# -- MXNet: a choice made before it starts -------------------------------------


@pytest.fixture
def mxnet_face():
    return open_face("mxnet").d2l


def test_mxnet_alone_sees_the_choice_of_code(mxnet_face, monkeypatch):
    monkeypatch.setattr(mxnet_face, "_has_avx2", lambda: True)
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    with mxnet_face._fast_openblas():
        assert os.environ["OPENBLAS_CORETYPE"] == "HASWELL"
    assert "OPENBLAS_CORETYPE" not in os.environ
    with pytest.raises(ImportError), mxnet_face._fast_openblas():
        raise ImportError
    assert "OPENBLAS_CORETYPE" not in os.environ


def test_a_choice_of_the_users_own_stays(mxnet_face, monkeypatch):
    monkeypatch.setattr(mxnet_face, "_has_avx2", lambda: True)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "SANDYBRIDGE")
    with mxnet_face._fast_openblas():
        assert os.environ["OPENBLAS_CORETYPE"] == "SANDYBRIDGE"
    assert os.environ["OPENBLAS_CORETYPE"] == "SANDYBRIDGE"


@pytest.mark.parametrize(
    ("system", "machine", "flags", "expected"),
    [
        ("linux", "x86_64", "fpu avx2 fma", True),
        ("linux", "x86_64", "fpu avx fma", False),
        ("linux", "aarch64", "avx2 fma", False),
        ("darwin", "x86_64", "avx2 fma", False),
        ("linux", "x86_64", None, False),
    ],
)
def test_no_choice_is_made_for_unknown_processors(
    mxnet_face, monkeypatch, system, machine, flags, expected
):
    def read(path):
        if flags is None:
            raise FileNotFoundError(path)
        return f"flags\t\t: {flags}\n"

    monkeypatch.setattr(mxnet_face.sys, "platform", system)
    monkeypatch.setattr(mxnet_face.platform, "machine", lambda: machine)
    monkeypatch.setattr(Path, "read_text", read)
    assert mxnet_face._has_avx2() is expected


CORE_NAMES = """
import ctypes, os, pathlib, mxnet
path = pathlib.Path(mxnet.__file__).parent / "libopenblas.so.0"
name = ctypes.CDLL(str(path)).openblas_get_corename
name.restype = ctypes.c_char_p
print(name().decode(), os.environ.get("OPENBLAS_CORETYPE"))
"""


@pytest.mark.parametrize("first", ["d2lutils", "mxnet"])
def test_the_library_of_mxnet_obeys(mxnet_face, first):
    if not mxnet_face._has_avx2():
        pytest.skip("this processor has no AVX2, or its flags cannot be read")
    if not (Path(mxnet_face.mxnet.__file__).parent / "libopenblas.so.0").exists():
        pytest.skip("this build of MXNet carries no OpenBLAS of its own")
    imports = ["from d2lutils import mxnet as d2l", "from mxnet import np, npx"]
    if first == "mxnet":
        imports.reverse()
    environment = {k: v for k, v in os.environ.items() if "OPENBLAS" not in k}
    result = subprocess.run(
        [sys.executable, "-c", "\n".join([*imports, CORE_NAMES])],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    core, left_behind = result.stdout.split()
    assert left_behind == "None"
    if first == "d2lutils":
        assert core == "Haswell"


# -- PyTorch: the faster of its two libraries, where it is as exact -------------


AMD = {"cpu_name": "AMD EPYC", "avx512_f": True, "amx_tile": False, "amx_bf16": False}


@pytest.fixture
def torch_face():
    """The face of PyTorch, which does not know yet what processor it is on."""
    face = open_face("torch").d2l
    if not hasattr(face.torch.backends.mkldnn, "matmul"):
        pytest.skip("this release of PyTorch has no such choice")
    asked = face._onednn_is_exact
    asked.cache_clear()
    yield face
    asked.cache_clear()
    assert face.torch.backends.mkldnn.matmul.fp32_precision == "none"


def precision(torch):
    return torch.backends.mkldnn.matmul.fp32_precision


def test_products_are_as_exact_as_float32_allows(torch_face):
    torch = torch_face.torch
    generator = torch.Generator().manual_seed(0)
    for n, d, q in (256, 784, 256), (96, 784, 256), (256, 256, 10), (784, 256, 256):
        A = torch.rand(n, d, generator=generator)
        B = torch.rand(d, q, generator=generator)
        exact = A.double() @ B.double()
        with torch_face._fast_products():
            products = (
                A @ B,
                A.T.contiguous().T @ B,
                torch.addmm(torch.ones(q), A, B) - 1,
            )
        for product in products:
            # A sum of up to 784 positive terms, each rounded to 2**-24 of the sum at
            # most; bfloat16 would be off by 1e-4 and more.
            assert ((product - exact).abs() / exact).max() < 5e-6


def test_the_choice_ends_with_the_epoch(torch_face, monkeypatch):
    torch = torch_face.torch
    monkeypatch.setattr(torch_face, "_onednn_is_exact", lambda: True)
    seen = []

    def net(X):
        seen.append(precision(torch))
        return X @ W

    W = torch.nn.Parameter(torch.zeros(4, 3))
    batches = [(torch.ones(2, 4), torch.tensor([0, 2]))]
    loss = torch.nn.CrossEntropyLoss(reduction="none")
    torch_face.train_epoch_ch3(net, batches, loss, torch.optim.SGD([W], lr=0.1))
    torch_face.evaluate_accuracy(net, batches)
    assert seen == ["bf16", "bf16"]
    assert precision(torch) == "none"
    assert torch.get_float32_matmul_precision() == "highest"
    with pytest.raises(ValueError, match="one row of scores"):
        torch_face.train_epoch_ch3(lambda X: X[0], batches, loss, None)
    assert precision(torch) == "none"


def test_a_precision_of_the_users_own_stays(torch_face, monkeypatch):
    torch = torch_face.torch
    monkeypatch.setattr(torch_face, "_onednn_is_exact", lambda: True)
    torch.backends.mkldnn.matmul.fp32_precision = "ieee"
    try:
        with torch_face._fast_products():
            assert precision(torch) == "ieee"
        assert precision(torch) == "ieee"
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = "none"


@pytest.mark.parametrize(
    "processor",
    [
        {},
        AMD | {"cpu_name": "Intel(R) Xeon(R)"},
        AMD | {"avx512_f": False},
        AMD | {"amx_bf16": True},
    ],
)
def test_other_processors_are_left_to_mkl(torch_face, monkeypatch, processor):
    torch = torch_face.torch
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor, raising=False)
    assert not torch_face._onednn_is_exact()
    with torch_face._fast_products():
        assert precision(torch) == "none"


def test_a_library_that_rounds_is_noticed(torch_face, monkeypatch):
    """Were AMD's processors to round one day, a product would tell."""
    torch = torch_face.torch
    multiply = torch.Tensor.__matmul__

    def rounding(A, B):
        if precision(torch) == "bf16":
            A, B = A.bfloat16().float(), B.bfloat16().float()
        return multiply(A, B)

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AMD, raising=False)
    monkeypatch.setattr(torch.Tensor, "__matmul__", rounding)
    assert not torch_face._onednn_is_exact()


# -- drawing: no more than its share -------------------------------------------


@pytest.mark.parametrize(
    ("epoch_seconds", "drawn"),
    [(0.4, [1, 10]), (1.0, [1, 5, 8, 10]), (30, list(range(1, 11)))],
)
def test_redrawing_keeps_to_its_share_of_the_time(monkeypatch, epoch_seconds, drawn):
    now, shown = 0.0, []

    def work(figures):
        nonlocal now
        now += epoch_seconds / 2
        return figures

    def show(animator):
        nonlocal now
        now += 0.04
        shown.append(len(animator.X[0]))

    monkeypatch.setattr(training.time, "perf_counter", lambda: now)
    monkeypatch.setattr(plotting.Animator, "_show", show)
    history = training.train(lambda: work((0.5, 0.8)), lambda: work(0.7), 10, None)
    assert shown == drawn
    assert len(history.epochs) == 10
    assert 0.04 * len(drawn) <= 0.02 * now
