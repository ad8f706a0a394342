"""Importing the package and its faces."""

from __future__ import annotations

import subprocess
import sys

import pytest

import d2lutils
from d2lutils import training

FRAMEWORKS = ("mxnet", "torch", "tensorflow")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )


def test_importing_the_package_imports_no_framework():
    result = run(
        "import sys, d2lutils, d2lutils.training, d2lutils.fashion_mnist\n"
        f"print([name for name in {FRAMEWORKS} if name in sys.modules])"
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_missing_framework_names_its_extra(name):
    result = run(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {name!r}:\n"
        "            raise ModuleNotFoundError(f'no {name}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "import d2lutils\n"
        "d2lutils._check_mxnet_can_run = lambda: None\n"
        f"from d2lutils import {name}\n"
    )
    assert f"ImportError: d2lutils.{name} needs the package {name!r}" in result.stderr
    assert f"pip install 'd2lutils[{name}]'" in result.stderr


def test_a_failure_inside_a_framework_passes_through(monkeypatch):
    """A missing dependency of a framework is not a missing framework."""

    def fail(name):
        raise ModuleNotFoundError("No module named 'inner'", name="inner")

    monkeypatch.setattr(d2lutils.importlib, "import_module", fail)
    with pytest.raises(ModuleNotFoundError, match="inner") as error:
        d2lutils.require("torch")
    assert error.value.name == "inner"


def test_mxnet_says_on_which_pythons_it_runs(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 12, 1, "final", 0))
    with pytest.raises(ImportError, match=r"3.10 and 3.11 only .* no release"):
        d2lutils.require("mxnet")


def test_mxnet_says_which_numpy_it_needs(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 11, 7, "final", 0))
    monkeypatch.setattr("numpy.__version__", "1.24.0")
    with pytest.raises(ImportError, match=r"NumPy below 1.24; NumPy 1.24.0 is"):
        d2lutils.require("mxnet")


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_docstrings_can_be_read_without_the_framework(name):
    """Sphinx does so, also on Pythons and with NumPys that MXNet cannot run on."""
    result = run(
        "import sys, numpy, d2lutils.training\n"
        "from sphinx.ext.autodoc.mock import mock\n"
        "sys.version_info = (3, 13, 0, 'final', 0)\n"
        "numpy.__version__ = '2.0.0'\n"
        f"with mock([{name!r}]):\n"
        f"    from d2lutils import {name} as d2l\n"
        "print(d2l.train_ch3.__doc__.splitlines()[0])\n"
    )
    assert result.stdout.startswith("Train, draw the curves"), result.stderr


def test_timer_adds_up(monkeypatch):
    clock = iter([10.0, 13.0, 20.0, 25.0])
    monkeypatch.setattr(training.time, "perf_counter", lambda: next(clock))
    timer = training.Timer()
    assert timer.stop() == 3
    timer.start()
    assert timer.stop() == 5
    assert (timer.sum(), timer.avg(), timer.cumsum()) == (8, 4, [3, 8])


def test_accumulator_sums_and_resets():
    metric = training.Accumulator(2)
    metric.add(1, 2.5)
    metric.add(3, True)
    assert (metric[0], metric[1]) == (4, 3.5)
    metric.reset()
    assert metric.data == [0, 0]
    with pytest.raises(ValueError, match="one number per sum: 2, got 1"):
        metric.add(1)


def test_history_reads_as_a_sentence():
    history = training.History(source="standin")
    assert str(history) == "no epoch yet"
    history.add(0.5, 0.8, 0.75)
    history.add(0.3814, 0.8651, 0.8522)
    assert str(history) == (
        "epoch 2: train loss 0.381, train accuracy 0.865, test accuracy 0.852 "
        "[stand-in data]"
    )
