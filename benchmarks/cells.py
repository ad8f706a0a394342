"""The cells that are measured, the same for this project and for the original.

``d2l`` is the library under test. A cell reports by ``report(name=seconds, ...)``.
"""

from __future__ import annotations

from benchmarks.kernels import MARK

BATCH_SIZE = 256

TOOLS = f'''
import json, os, statistics, time

def now():
    """Seconds: of the clock, or of the processors for this process and its workers."""
    if os.environ.get("BENCHMARK_CLOCK") != "processor":
        return time.perf_counter()
    import psutil, resource
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + ended.ru_utime + ended.ru_stime
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
            total += times.user + times.system
        except psutil.Error:  # it has just ended
            pass
    return total

def report(**figures):
    print({MARK!r} + json.dumps(figures), flush=True)

def clock(work, times=1):
    """The median time of some calls, in seconds."""
    seconds = []
    for _ in range(times):
        start = now()
        work()
        finish()
        seconds.append(now() - start)
    return statistics.median(seconds)

def finish():
    """Wait for work that goes on in the background (MXNet's)."""
'''

# The section's code, written with functions that both libraries have. The model can
# be of another width, for the growth curves.
IMPORTS = {
    "mxnet": """
from {library} import mxnet as d2l
import mxnet
from mxnet import autograd, gluon, np, npx
npx.set_np()
def finish(): mxnet.nd.waitall()
""",
    "torch": """
from {library} import torch as d2l
import torch
from torch import nn
""",
    "tensorflow": """
from {library} import tensorflow as d2l
import tensorflow as tf
""",
}

MODEL = {
    "mxnet": """
num_inputs, num_outputs, num_hiddens = 784, 10, {width}
W1 = np.random.normal(scale=0.01, size=(num_inputs, num_hiddens))
b1 = np.zeros(num_hiddens)
W2 = np.random.normal(scale=0.01, size=(num_hiddens, num_outputs))
b2 = np.zeros(num_outputs)
params = [W1, b1, W2, b2]
for param in params:
    param.attach_grad()

def relu(X):
    return np.maximum(X, 0)

def net(X):
    X = X.reshape((-1, num_inputs))
    H = relu(np.dot(X, W1) + b1)
    return np.dot(H, W2) + b2

loss = gluon.loss.SoftmaxCrossEntropyLoss()
lr = 0.1
updater = lambda batch_size: d2l.sgd(params, lr, batch_size)
""",
    "torch": """
num_inputs, num_outputs, num_hiddens = 784, 10, {width}
W1 = nn.Parameter(torch.randn(num_inputs, num_hiddens) * 0.01)
b1 = nn.Parameter(torch.zeros(num_hiddens))
W2 = nn.Parameter(torch.randn(num_hiddens, num_outputs) * 0.01)
b2 = nn.Parameter(torch.zeros(num_outputs))
params = [W1, b1, W2, b2]

def relu(X):
    return torch.maximum(X, torch.zeros_like(X))

def net(X):
    X = X.reshape((-1, num_inputs))
    H = relu(X @ W1 + b1)
    return H @ W2 + b2

loss = nn.CrossEntropyLoss(reduction="none")
lr = 0.1
updater = torch.optim.SGD(params, lr=lr)
""",
    "tensorflow": """
num_inputs, num_outputs, num_hiddens = 784, 10, {width}
W1 = tf.Variable(tf.random.normal((num_inputs, num_hiddens), stddev=0.01))
b1 = tf.Variable(tf.zeros(num_hiddens))
W2 = tf.Variable(tf.random.normal((num_hiddens, num_outputs), stddev=0.01))
b2 = tf.Variable(tf.zeros(num_outputs))
params = [W1, b1, W2, b2]

def relu(X):
    return tf.maximum(X, 0)

def net(X):
    X = tf.reshape(X, (-1, num_inputs))
    H = relu(tf.matmul(X, W1) + b1)
    return tf.matmul(H, W2) + b2

def loss(y_hat, y):
    return tf.keras.losses.sparse_categorical_crossentropy(
        y, y_hat, from_logits=True)

lr = 0.1
updater = d2l.Updater(params, lr)
""",
}

LOAD = f"train_iter, test_iter = d2l.load_data_fashion_mnist({BATCH_SIZE})\n"

# All drawing of a training goes through the Animator's constructor and `add`.
WATCH_DRAWING = """
drawing = [0.0]
def watched(method):
    def timed(*args, **kwargs):
        start = now()
        try:
            return method(*args, **kwargs)
        finally:
            drawing[0] += now() - start
    return timed
d2l.Animator.__init__ = watched(d2l.Animator.__init__)
d2l.Animator.add = watched(d2l.Animator.add)
"""

WARM_UP = "_ = d2l.train_epoch_ch3(net, train_iter, loss, updater)\n"

ROUND = """
report(
    iterate=clock(lambda: [None for _ in train_iter]),
    train=clock(lambda: d2l.train_epoch_ch3(net, train_iter, loss, updater)),
    evaluate=clock(lambda: d2l.evaluate_accuracy(net, test_iter)),
)
"""

# One epoch and nothing else, to be measured beside one of NumPy's.
TRAIN_ONCE = """
report(train=clock(lambda: d2l.train_epoch_ch3(net, train_iter, loss, updater)))
"""
NUMPY_ONCE = "report(train=clock(train))"

# In place of the section's own one; `net` finds it by its name.
BUILT_IN_RELU = {
    "mxnet": "relu = npx.relu\n",
    "torch": "relu = torch.relu\n",
    "tensorflow": "relu = tf.nn.relu\n",
}

TRAINING = """
drawing[0] = 0.0
seconds = clock(
    lambda: d2l.train_ch3(net, train_iter, test_iter, loss, {epochs}, updater))
report(epoch=seconds / {epochs}, drawing_share=drawing[0] / seconds)
"""

DRAW = """
animator = d2l.Animator(xlabel="epoch", xlim=[1, 10], ylim=[0.3, 0.9],
                        legend=["train loss", "train acc", "test acc"])
for epoch in range(1, 10):
    animator.add(epoch, (1 / epoch, 0.8, 0.7))
report(draw=clock(lambda: animator.add(10, (0.1, 0.8, 0.7))))
"""

# What the framework's own tools do: its loader over arrays in memory, and the plain
# step without any accounting, over batches that are ready.
PEER = {
    "mxnet": """
own = gluon.data.DataLoader(
    gluon.data.ArrayDataset(all_images[:, None] / 255, all_labels), 256, shuffle=True)
ready = [(np.array(X), np.array(y)) for X, y in train_iter]
def plain():
    for X, y in ready:
        with autograd.record():
            l = loss(net(X), y)
        l.backward()
        updater(len(y))
""",
    "torch": """
own = torch.utils.data.DataLoader(
    torch.utils.data.TensorDataset(
        torch.from_numpy(all_images[:, None] / 255), torch.from_numpy(all_labels)),
    256, shuffle=True)
ready = list(train_iter)
def plain():
    for X, y in ready:
        updater.zero_grad()
        loss(net(X), y).mean().backward()
        updater.step()
""",
    "tensorflow": """
own = tf.data.Dataset.from_tensor_slices(
    (all_images[..., None] / 255, all_labels)).shuffle(60000).batch(256)
ready = list(train_iter)
def plain():
    for X, y in ready:
        with tf.GradientTape() as tape:
            l = loss(net(X), y)
        updater(len(y), tape.gradient(l, params))
""",
}

PEER_DATA = """
from d2lutils import fashion_mnist
import numpy
all_images = fashion_mnist.load().train_images.astype("float32")
all_labels = fashion_mnist.load().train_labels.astype("int64")
"""

PEER_ROUND = """
report(own_loader=clock(lambda: [None for _ in own]), plain=clock(plain))
"""

# The same network by hand, in float32, and its five matrix products alone: two
# forward, three backward (there is no gradient of the images).
NUMPY = f"""
import numpy as np
from d2lutils import minibatches
train_iter, test_iter = minibatches.fashion_mnist_minibatches(
    {BATCH_SIZE}, None, np.int64, lambda X, y: (X, y))
"""

NUMPY_MODEL = """
rng = np.random.default_rng(0)
W1 = rng.normal(0, 0.01, (784, {width})).astype(np.float32)
b1 = np.zeros({width}, np.float32)
W2 = rng.normal(0, 0.01, ({width}, 10)).astype(np.float32)
b2 = np.zeros(10, np.float32)

def train():
    total = right = 0
    for X, y in train_iter:
        n = np.arange(len(y))
        X = X.reshape(len(y), 784)
        H = np.maximum(X @ W1 + b1, 0)
        O = H @ W2 + b2
        O -= O.max(axis=1, keepdims=True)
        P = np.exp(O)
        S = P.sum(axis=1, keepdims=True)
        total += float((np.log(S[:, 0]) - O[n, y]).sum())
        right += int((O.argmax(axis=1) == y).sum())
        P /= S
        P[n, y] -= 1
        P *= np.float32(0.1 / len(y))
        D = (P @ W2.T) * (H > 0)
        np.subtract(W2, H.T @ P, out=W2)
        np.subtract(b2, P.sum(axis=0), out=b2)
        np.subtract(W1, X.T @ D, out=W1)
        np.subtract(b1, D.sum(axis=0), out=b1)

def evaluate():
    return sum(
        int(((np.maximum(X.reshape(-1, 784) @ W1 + b1, 0) @ W2 + b2).argmax(axis=1)
             == y).sum())
        for X, y in test_iter)

def products():
    for n in sizes:
        X, H, P = rows[:n], hidden[:n], scores[:n]
        X @ W1
        H @ W2
        H.T @ P
        P @ W2.T
        X.T @ H

sizes = [len(y) for _, y in train_iter]
rows = rng.random((max(sizes), 784), np.float32)
hidden = rng.random((max(sizes), {width}), np.float32)
scores = rng.random((max(sizes), 10), np.float32)
"""

NUMPY_ROUND = """
report(iterate=clock(lambda: [None for _ in train_iter]), train=clock(train),
       evaluate=clock(evaluate), products=clock(products))
"""

# -- fresh processes -------------------------------------------------------------

START = """
start = now()
import {framework}
framework = now()
from {library} import {framework} as d2l
imported = now()
for name in sorted(os.listdir(os.environ["BENCHMARK_DATA"])):
    with open(os.path.join(os.environ["BENCHMARK_DATA"], name), "rb") as file:
        file.read()
read = now()
d2l.load_data_fashion_mnist(256)
first = now()
d2l.load_data_fashion_mnist(256)
later = now()
report(import_framework=framework - start, import_beyond=imported - framework,
       read=read - imported, load_first=first - read, load_later=later - first)
"""

SCRIPT = """
d2l.train_ch3(net, train_iter, test_iter, loss, {epochs}, updater)
d2l.predict_ch3(net, test_iter)
import resource
report(memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
       memory_worker=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""

# -- growth ----------------------------------------------------------------------

# `whole` is the iterator that the library gave.
GROWTH_PART = """
from d2lutils import minibatches
train_iter = minibatches.Minibatches(
    whole._images[:{n}], whole._labels[:{n}], {batch_size}, True, whole._to_tensors,
    scale=whole._scale)
"""

# One step for all epochs, as in train_ch3: TensorFlow's graph is made only once.
EPOCH = {
    "mxnet": "epoch = lambda: d2l.train_epoch_ch3(net, train_iter, loss, updater)\n",
    "torch": "epoch = lambda: d2l.train_epoch_ch3(net, train_iter, loss, updater)\n",
    "tensorflow": """
from d2lutils import training
step = d2l._Step(net, loss, updater)
epoch = lambda: training.run_epoch(train_iter, step)
""",
}

GROWTH_ROUND = """
epoch()
report(train=clock(epoch, 3))
"""

GROWTH_NUMPY = """
train()
report(train=clock(train, 3), products=clock(products, 3))
"""
