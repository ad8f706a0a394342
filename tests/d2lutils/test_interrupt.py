"""A reader who stops a training keeps what was reached, and a kernel that works."""

from __future__ import annotations

import queue
import re
import time
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from frameworks import MODULES, open_backend

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
    """The messages of one cell, up to its end or to its n-th drawing."""
    messages = []
    end = time.monotonic() + 120
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
    pytest.fail(f"no end within 120 s: {[m['msg_type'] for m in messages]}")


def drawn(messages: list[dict]) -> list[int]:
    """How many points the longest curve has in each drawing."""
    counts = []
    for message in messages:
        if message["msg_type"] in ("display_data", "update_display_data"):
            svg = message["content"]["data"]["image/svg+xml"]
            curves = re.findall(r'<path d="([^"]*)" clip-path="[^"]*" style', svg)
            counts.append(max(len(re.findall("[ML]", curve)) for curve in curves))
    return counts


def printed(messages: list[dict]) -> str:
    return "".join(m["content"].get("text", "") for m in messages)


@pytest.mark.parametrize("name", MODULES)
def test_a_training_can_be_stopped_in_an_epoch_and_run_again(name):
    open_backend(name)  # or skip
    manager, client = start_new_kernel(startup_timeout=120)
    try:
        run = client.execute(SETUP.format(paths=[HELPERS, ROOT], name=name))
        kinds = [m["msg_type"] for m in outcome(client, run)]
        assert "error" not in kinds
        run = client.execute("train(10 ** 6)")
        messages = outcome(client, run, drawings=3)
        manager.interrupt_kernel()
        messages += outcome(client, run)
        errors = [m["content"] for m in messages if m["msg_type"] == "error"]
        assert [error["ename"] for error in errors] == ["KeyboardInterrupt"]
        # All that was reached is drawn, said, and in the history.
        points = drawn(messages)
        assert len(points) >= 3
        assert points == sorted(points)
        assert f"interrupted; epoch {points[-1]}: train loss" in printed(messages)
        run = client.execute("print(len(sys.last_value.history.train_loss))")
        assert printed(outcome(client, run)) == f"{points[-1]}\n"
        # The same kernel trains on, shows one figure, and nothing of the old one.
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
