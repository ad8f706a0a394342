"""Tests of Timer, Accumulator, History and sweeps."""

from __future__ import annotations

import pytest

from d2lutils import metrics


def test_timer_adds_up(monkeypatch):
    clock = iter([10.0, 13.0, 20.0, 25.0])
    monkeypatch.setattr(metrics.time, "perf_counter", lambda: next(clock))
    timer = metrics.Timer()
    assert timer.stop() == 3
    timer.start()
    assert timer.stop() == 5
    assert (timer.sum(), timer.avg(), timer.cumsum()) == (8, 4, [3, 8])


def test_accumulator_sums_and_resets():
    metric = metrics.Accumulator(2)
    metric.add(1, 2.5)
    metric.add(3, True)
    assert (metric[0], metric[1]) == (4, 3.5)
    metric.reset()
    assert metric.data == [0, 0]
    with pytest.raises(ValueError, match="one number per sum: 2, got 1"):
        metric.add(1)


def test_history_reads_as_a_sentence():
    history = metrics.History()
    assert str(history) == "no epoch yet"
    history.add(0.5, 0.8, 0.75)
    history.add(0.3814, 0.8651, 0.8522)
    assert str(history) == (
        "epoch 2: train loss 0.381, train accuracy 0.865, test accuracy 0.852"
    )
    assert repr(history) == "History(2 epochs)"  # short, as a cell may show it
    assert history.validation_accuracy == history.test_accuracy == [0.75, 0.8522]


def test_a_sweep_trains_with_every_value_and_seed(capsys):
    seen = []

    def train(setting, seed):
        seen.append((setting, seed))
        return metrics.History([9.0, setting + seed], [0.1, 0.2], [0.3, 0.5])

    ends = metrics.sweep(train, {"low": 1, "high": 3}, seeds=(0, 2))
    assert seen == [(1, 0), (1, 2), (3, 0), (3, 2)]
    assert ends.tolist() == [
        [[1, 0.2, 0.5], [3, 0.2, 0.5]],
        [[3, 0.2, 0.5], [5, 0.2, 0.5]],
    ]
    with pytest.raises(TypeError, match=r"train\(setting, seed\) must be a History"):
        metrics.sweep(lambda setting, seed: None, [1])
    _, low, high = capsys.readouterr().out.splitlines()[:3]
    assert low.split()[:4] == ["low", "2.000", "(1.000", "to"]
    assert high.split(maxsplit=1)[1] == "4.000 (3.000 to 5.000)  0.500 (0.500 to 0.500)"
