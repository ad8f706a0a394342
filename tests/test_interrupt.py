"""A reader who stops a training keeps a kernel that works."""

from __future__ import annotations

import queue
import time

import pytest
from faces import FACES, Face, open_face
from jupyter_client.manager import start_new_kernel

SETUP = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np
from faces import open_face
face = open_face({name!r})
rng = np.random.default_rng(0)
data = face.batches(*[(rng.random((64, 28, 28)), rng.integers(0, 10, 64))] * 20)
params = face.parameters(np.zeros((784, 10)), np.zeros(10))
def train(num_epochs):
    return face.d2l.train_ch3(
        face.affine(*params), data, data, face.loss("none"), num_epochs,
        face.own_updater(params, 0.01))
"""


def outcome(client, message_id: str, until_shown: bool = False) -> list[dict]:
    """The messages of one cell, up to its end or to its first figure."""
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
        if until_shown and message["msg_type"] == "display_data":
            return messages
        if message["content"].get("execution_state") == "idle":
            return messages
    pytest.fail(f"no end within 120 s: {[m['msg_type'] for m in messages]}")


@pytest.mark.parametrize("name", FACES)
def test_a_training_can_be_stopped_in_an_epoch_and_run_again(name, request):
    face: Face = open_face(name)  # or skip
    tests = str(request.path.parent)
    manager, client = start_new_kernel(startup_timeout=120)
    try:
        run = client.execute(SETUP.format(tests=tests, name=face.name))
        kinds = [m["msg_type"] for m in outcome(client, run)]
        assert "error" not in kinds
        run = client.execute("train(10 ** 6)")
        outcome(client, run, until_shown=True)  # the first epoch is done
        manager.interrupt_kernel()
        errors = [
            m["content"] for m in outcome(client, run) if m["msg_type"] == "error"
        ]
        assert [error["ename"] for error in errors] == ["KeyboardInterrupt"]
        # The same kernel trains on, shows one figure, and nothing of the old one.
        run = client.execute("history = train(2); print(history.epochs)")
        messages = outcome(client, run)
        kinds = [m["msg_type"] for m in messages]
        assert "error" not in kinds
        assert kinds.count("display_data") == 1
        text = "".join(m["content"].get("text", "") for m in messages)
        assert text.endswith("[1, 2]\n")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
