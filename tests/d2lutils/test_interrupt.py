"""Tests that interrupting training keeps the progress, and the kernel working."""

from __future__ import annotations

import queue
import re
import time
from pathlib import Path

import numpy as np
import pytest
from jupyter_client.manager import start_new_kernel

from frameworks import open_backend

PATIENCE = 600  # seconds; other programs may keep all processors busy
HELPERS = str(Path(__file__).parents[1] / "helpers")
ROOT = str(Path(__file__).parents[2])
SETUP = """
import sys
sys.path[:0] = {paths!r}
import matplotlib, numpy as np
from frameworks import open_backend
matplotlib.rcParams["path.simplify"] = False  # as a curve has many points
backend = open_backend({name!r})
rng = np.random.default_rng(0)
data = backend.batches(*[(rng.random((64, 28, 28)), rng.integers(0, 10, 64))] * 20)
params = backend.parameters(np.zeros((784, 10)), np.zeros(10))
def train(num_epochs):
    return backend.d2l.train_ch3(
        backend.affine(*params), data, data, backend.loss("none"), num_epochs,
        backend.own_updater(params, 0.01))
"""


def outcome(client, message_id: str, drawings: int | None = None) -> list[dict]:
    """Return the messages of one cell, up to its end or its n-th drawing."""
    messages = []
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            message = client.get_iopub_msg(timeout=5)
        except queue.Empty:
            continue
        if message["parent_header"].get("msg_id") != message_id:
            continue
        messages.append(message)
        if drawings is not None and len(drawn(messages)) == drawings:
            return messages
        if message["content"].get("execution_state") == "idle":
            return messages
    pytest.fail(f"no end within {PATIENCE} s: {[m['msg_type'] for m in messages]}")


def drawn(messages: list[dict]) -> list[int]:
    """Return how many points the longest curve has in each drawing."""
    counts = []
    for message in messages:
        if message["msg_type"] in ("display_data", "update_display_data"):
            svg = message["content"]["data"]["image/svg+xml"]
            curves = re.findall(r'<path d="([^"]*)" clip-path="[^"]*" style', svg)
            counts.append(max(len(re.findall("[ML]", curve)) for curve in curves))
    return counts


def printed(messages: list[dict]) -> str:
    return "".join(m["content"].get("text", "") for m in messages)


def test_a_training_run_can_be_interrupted_and_repeated():
    open_backend("torch")  # skips if it isn't installed
    manager, client = start_new_kernel(startup_timeout=PATIENCE)
    try:
        run = client.execute(SETUP.format(paths=[HELPERS, ROOT], name="torch"))
        assert "error" not in [m["msg_type"] for m in outcome(client, run)]
        run = client.execute("train(10 ** 6)")
        messages = outcome(client, run, drawings=3)
        manager.interrupt_kernel()
        messages += outcome(client, run)
        errors = [m["content"] for m in messages if m["msg_type"] == "error"]
        assert [error["ename"] for error in errors] == ["KeyboardInterrupt"]
        # All epochs so far are drawn, printed and in the history.
        points = drawn(messages)
        assert len(points) >= 3
        assert points == sorted(points)
        assert f"interrupted; epoch {points[-1]}: train loss" in printed(messages)
        run = client.execute("print(len(sys.last_value.history.train_loss))")
        assert printed(outcome(client, run)) == f"{points[-1]}\n"
        # The same kernel can train again, and shows only a new figure.
        run = client.execute("history = train(2); print(history.epochs)")
        messages = outcome(client, run)
        kinds = [m["msg_type"] for m in messages]
        assert "error" not in kinds
        assert kinds.count("display_data") == 1
        assert drawn(messages)[-1] == 2
        assert printed(messages).endswith("[1, 2]\n")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


class Stopped(list):
    """Batches that interrupt training once, in the third epoch."""

    passes = 0

    def __iter__(self):
        self.passes += 1
        yield self[0]
        if self.passes == 3:
            raise KeyboardInterrupt
        yield self[1]


def test_every_framework_keeps_the_progress(backend, capsys):
    rng = np.random.default_rng(0)
    pairs = [(rng.random((8, 28, 28)), rng.integers(0, 10, 8)) for _ in range(2)]
    batches, loss = backend.batches(*pairs), backend.loss("none")
    found, expected = (
        backend.parameters(np.zeros((784, 10)), np.zeros(10)) for _ in range(2)
    )
    net, updater = backend.affine(*found), backend.own_updater(found, 0.1)
    with pytest.raises(KeyboardInterrupt) as error:
        backend.d2l.train_ch3(net, Stopped(batches), batches, loss, 5, updater)
    assert len(error.value.history.train_loss) == 2
    assert "interrupted; epoch 2: train loss" in capsys.readouterr().out
    # The parameters include two epochs and one step of the third.
    net, updater = backend.affine(*expected), backend.own_updater(expected, 0.1)
    seen = [*batches, *batches, batches[0]]
    backend.d2l.train_epoch_ch3(net, seen, loss, updater)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(backend.numpy(a), backend.numpy(b), atol=1e-6)
