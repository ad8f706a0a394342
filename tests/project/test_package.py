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


def test_importing_the_package_imports_no_framework():
    result = run(
        "import sys, d2lutils, d2lutils.backend, d2lutils.fashion_mnist\n"
        f"print([name for name in {MODULES} if name in sys.modules])"
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")


def without(name: str, *before: str) -> str:
    """Return code that hides a framework and then imports its module of d2lutils."""
    return "\n".join([
        "import sys, numpy, d2lutils.backend",
        "class Missing:",
        "    def find_spec(self, name, path=None, target=None):",
        f"        if name == {name!r}:",
        "            raise ModuleNotFoundError(f'no {name}', name=name)",
        "sys.meta_path.insert(0, Missing())",
        *before,
        f"from d2lutils import {name}",
    ])  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_framework_names_its_extra(name):
    said = run(without(name)).stderr
    assert f"ImportError: d2lutils.{name} needs the package {name!r}" in said
    assert f"pip install {name}," in said
    assert f"pip install -e '.[{name}]'" in said


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


@pytest.mark.parametrize(
    ("python", "numpy", "said"),
    [
        ((3, 12, 1), "1.26.4", "MXNet is retired .* on Python 3.11 or older"),
        ((3, 11, 7), "1.24.0", "below 1.24, .* Python .* NumPy 1.24.0"),
    ],
)
def test_mxnet_says_where_it_runs(python, numpy, said):
    versions = f"sys.version_info, numpy.__version__ = {python!r}, {numpy!r}"
    told = run(without("mxnet", versions)).stderr
    assert re.search(said, told.splitlines()[-1]), told


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
    wheel = tmp_path / build_wheel(ROOT, tmp_path, tmp_path / "record")
    with zipfile.ZipFile(wheel) as archive:
        for name, sha256 in fashion_mnist.FILES.items():
            content = archive.read(f"d2lutils/data/{name}")
            assert hashlib.sha256(content).hexdigest() == sha256
        assert b"Zalando SE" in archive.read("d2lutils/data/LICENSE")
        assert not [name for name in archive.namelist() if "booktools" in name]
    target = tmp_path / "installed"
    pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([sys.executable, *pip, target, wheel], check=True)
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
    expected = fashion_mnist.load().train_images.sum()
    path = target / "d2lutils" / "fashion_mnist.py"
    assert (done.stdout, done.stderr) == (f"{path} {expected}\n", "")


def test_install_commands_never_name_an_unregistered_package():
    """Anyone could register that name and run code on every reader's machine."""
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    own = re.compile(r"\bpip3? install( -\S+)* ['\"]?(d2lutils|booktools)\b(?!\S* @)")
    found = []
    for name in files.stdout.rstrip("\0").split("\0"):
        generated = name.startswith("notebooks/")  # from chapters/
        if generated or name == "tests/project/test_package.py":
            continue
        text = (ROOT / name).read_bytes().decode("utf-8", errors="ignore")
        told = own.search(re.sub(r'"?\s*\n[\s#]*f?"?', " ", text))
        found += [f"{name}: {told.group()}"] if told else []
    assert found == []
