"""Tests of importing the package, and of installing it from its wheel."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import jedi
import pytest

import d2lutils
from booktools.execution.downloads import build_wheel
from d2lutils import fashion_mnist
from frameworks import MODULES

ROOT = Path(__file__).parents[2]


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )


WITHOUT_FRAMEWORKS = f"""
import importlib, sys, traceback
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {MODULES}:
            raise ModuleNotFoundError(f"no {{name}}", name=name)
sys.meta_path.insert(0, Missing())
import numpy, d2lutils.backend, d2lutils.fashion_mnist
def say(name):
    try:
        importlib.import_module(f"d2lutils.{{name}}")
    except ImportError:
        print(traceback.format_exc(), end="----")
for name in {MODULES}:
    say(name)
for sys.version_info, numpy.__version__ in ((3, 12), "1.23.5"), ((3, 11), "1.24.0"):
    say("mxnet")
"""


def test_without_a_framework_only_its_module_fails_and_says_how_to_get_it():
    done = run(WITHOUT_FRAMEWORKS)
    *said, new_python, new_numpy, end = done.stdout.split("----")
    assert (end, done.stderr) == ("", "")
    for name, told in zip(MODULES, said, strict=True):
        assert f"ImportError: d2lutils.{name} needs the package {name!r}" in told
        assert f"pip install {name}," in told
        assert f"pip install -e '.[{name}]'" in told
    # MXNet says where it runs.
    assert "MXNet is retired and runs only on Python 3.11 or older" in new_python
    assert re.search("below 1.24, .* Python .* NumPy 1.24.0", new_numpy)


def test_another_missing_package_names_its_extra():
    with pytest.raises(ImportError) as error:
        d2lutils.require("no_such_package", extra="search")
    assert "pip install no_such_package," in str(error.value)
    assert "pip install -e '.[search]'" in str(error.value)


def test_an_import_error_inside_a_framework_is_not_replaced(monkeypatch):
    """If a dependency of a framework is missing, the framework itself isn't."""

    def fail(name):
        raise ModuleNotFoundError("No module named 'inner'", name="inner")

    monkeypatch.setattr(d2lutils.importlib, "import_module", fail)
    with pytest.raises(ModuleNotFoundError, match="inner") as error:
        d2lutils.require("torch")
    assert error.value.name == "inner"


def test_docstrings_are_available_without_the_frameworks():
    """Sphinx needs them even where MXNet can't run."""
    result = run(
        "import importlib, sys, numpy, d2lutils.backend\n"
        "from sphinx.ext.autodoc.mock import mock\n"
        "sys.version_info = (3, 13, 0, 'final', 0)\n"
        "numpy.__version__ = '2.0.0'\n"
        f"with mock({MODULES!r}):\n"
        f"    for name in {MODULES!r}:\n"
        "        d2l = importlib.import_module(f'd2lutils.{name}')\n"
        "        print(name, 'Args:' in d2l.train_ch3.__doc__)\n"
    )
    expected = "".join(f"{name} True\n" for name in MODULES)
    assert result.stdout == expected, result.stderr


@pytest.mark.parametrize("name", MODULES)
def test_editors_show_signatures_and_docstrings(name):
    """They read the source, so the framework need not be installed."""
    code = f"from d2lutils import {name} as d2l\nd2l.train_ch3("
    (shown,) = jedi.Script(code, project=jedi.Project(ROOT)).get_signatures()
    assert {"net", "train_iter", "num_epochs"} <= {each.name for each in shown.params}
    assert "Args:" in shown.docstring()


def test_the_wheel_contains_the_data_and_works_when_installed(tmp_path):
    """Run it outside the repository."""
    target = tmp_path / "installed"
    wheel = tmp_path / build_wheel(ROOT, tmp_path, tmp_path / "record")
    with zipfile.ZipFile(wheel) as archive:
        for name, sha256 in fashion_mnist.FILES.items():
            content = archive.read(f"d2lutils/data/{name}")
            assert hashlib.sha256(content).hexdigest() == sha256
        assert b"Zalando SE" in archive.read("d2lutils/data/LICENSE")
        assert not [name for name in archive.namelist() if "booktools" in name]
        archive.extractall(target)
    code = (
        "from d2lutils import fashion_mnist as f; "
        "print(f.__file__, f.load().train_images.sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
    )
    total = fashion_mnist.load().train_images.sum()
    path = target / "d2lutils" / "fashion_mnist.py"
    assert (done.stdout, done.stderr) == (f"{path} {total}\n", "")
