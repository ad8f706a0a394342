"""The cells that are measured, the same for this project and for the original.

``d2l`` is the library under test. A cell reports its figures by ``report(name=...)``.
What differs between frameworks lies in ``frameworks/``, one file for each and one for
NumPy, in parts that begin with ``# %% name``; a framework without a file is not
measured. Where it needs other calls, a part redefines what ``TOOLS`` defines.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks.kernels import MARK

FOLDER = Path(__file__).parent / "frameworks"
BATCH_SIZE = 256

TOOLS = f'''
import contextlib, importlib, io, itertools, json, os, resource, statistics, time

num_hiddens = 256

def report(**figures):
    print({MARK!r} + json.dumps(figures), flush=True)

def clock(work, times=1):
    """The median time of some calls, in seconds."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        finish()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)

def finish():
    """Wait for work that goes on in the background."""

def load(batch_size):
    return d2l.load_data_fashion_mnist(batch_size)[0]

def train_epoch(batches):
    d2l.train_epoch_ch3(net, batches, loss, updater)

def epoch_time(batches):  # that is not the first
    return clock(lambda: train_epoch(batches))

def train(num_epochs):
    d2l.train_ch3(net, train_iter, test_iter, loss, num_epochs, updater)

def evaluate():
    d2l.evaluate_accuracy(net, test_iter)

def predict():
    d2l.predict_ch3(net, test_iter)
'''


def parts(module: str) -> dict[str, str]:
    """Return a framework's own code by the names of its parts."""
    text = (FOLDER / f"{module}.txt").read_text("utf-8")
    names = re.split(r"^# %% (.*)\n", text, flags=re.M)[1:]
    return dict(zip(names[::2], names[1::2], strict=True))


def targets(module: str, processor: str) -> dict[str, float]:
    """Return how many times as fast as the original an epoch should be, at least.

    Or, for a NumPy, how many times as slow as by hand in it, at most. There may be a
    target for each maker of processors.
    """
    found = {}
    for name, target in json.loads(parts(module).get("targets", "{}")).items():
        if isinstance(target, dict):
            target = next((v for k, v in target.items() if k in processor), None)
        if target is not None:
            found[name] = target
    return found


def imports(module: str, library: str = "d2lutils") -> str:
    """Return the import of a library's module for a framework, and of the framework."""
    own = f"d2l = importlib.import_module('{library}.{module}')\n"
    return own + parts(module)["imports"]


LOAD = f"train_iter, test_iter = d2l.load_data_fashion_mnist({BATCH_SIZE})\n"

WARM_UP = "train_epoch(train_iter)\n"

ROUND = """
report(iterate=clock(lambda: [None for _ in train_iter]),
       train=epoch_time(train_iter), evaluate=clock(evaluate))
"""

EPOCH = "report(train=epoch_time(train_iter))"

TRAINING = "report({name}=clock(lambda: train({epochs})) / {epochs})"

DRAW = """
animator = d2l.Animator(xlabel="epoch", xlim=[1, 10], ylim=[0.3, 0.9],
                        legend=["train loss", "train acc", "test acc"])
for epoch in range(1, 10):
    animator.add(epoch, (1 / epoch, 0.8, 0.7))
report(draw=clock(lambda: animator.add(10, (0.1, 0.8, 0.7))))
"""

# Several epochs in one call: whatever is compiled is compiled in the first of them.
COMPILED = """
ready, marks = list(train_iter), [time.perf_counter()]
def passes():
    for _ in range(5):
        yield from ready
        finish()
        marks.append(time.perf_counter())
train_epoch(passes())
first, *later = (b - a for a, b in zip(marks, marks[1:]))
report({name}=statistics.median(later), {name}_first=first)
"""

# One epoch of a `net` that prints a line and adds 1 to `count` each time it runs.
STATEFUL = """
count, printed = 0, io.StringIO()
with contextlib.redirect_stdout(printed):
    train_epoch(train_iter)
report({name}_printed=len(printed.getvalue().splitlines()), {name}_counted=count)
"""

# The framework's own loader, over arrays in memory, and the plain step, without any
# accounting, over batches that are ready.
PEER_DATA = """
from d2lutils import fashion_mnist
all_images = fashion_mnist.load().train_images.astype("float32")
all_labels = fashion_mnist.load().train_labels.astype("int64")
ready = list(train_iter)
"""

PEER_ROUND = """
report(plain=clock(plain))
if own is not None:
    report(own_loader=clock(lambda: [None for _ in own]))
"""

NUMPY_ROUND = EPOCH + "\nreport(products=clock(products))"

# In fresh processes.
START = """
start = time.perf_counter()
importlib.import_module("{module}")
framework = time.perf_counter()
d2l = importlib.import_module("{library}.{module}")
imported = time.perf_counter()
for name in sorted(os.listdir(os.environ["BENCHMARK_DATA"])):
    with open(os.path.join(os.environ["BENCHMARK_DATA"], name), "rb") as file:
        file.read()
read = time.perf_counter()
d2l.load_data_fashion_mnist(256)
first = time.perf_counter()
d2l.load_data_fashion_mnist(256)
later = time.perf_counter()
report(import_framework=framework - start, import_beyond=imported - framework,
       read=read - imported, load_first=first - read, load_later=later - first)
"""

SECTION = """
train(5)
predict()
report(memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""

# Growth: batches of some of the examples, ready in memory.
GROWTH_PART = """
num_hiddens = {width}
train_iter = list(itertools.islice(load({batch_size}), -(-{n} // {batch_size})))
"""
GROWTH = """
train_epoch(train_iter)
report({who}=statistics.median(epoch_time(train_iter) for _ in range(3)))
"""
GROWTH_PRODUCTS = "report(products=clock(products, 3))\n"
