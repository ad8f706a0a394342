"""That the project's files fit together, and speak of no machine."""

import itertools
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from booktools import FRAMEWORKS

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
MODULES = {framework.module for framework in FRAMEWORKS.values()} | {"keras"}
SYSTEMS = {"linux": "x86_64", "darwin": "arm64", "win32": "AMD64"}
ENVIRONMENTS = [
    {
        "sys_platform": system,
        "platform_machine": machine,
        "platform_system": {"win32": "Windows"}.get(system, system.title()),
        "python_version": python,
        "python_full_version": f"{python}.7",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for python, (system, machine) in itertools.product(
        ["3.11", "3.12", "3.13", "3.14"], SYSTEMS.items()
    )
]


def read(name):
    return (ROOT / name).read_text("utf-8")


def pinned(name):
    """The requirements in a file."""
    lines = [line.partition("#")[0].strip() for line in read(name).splitlines()]
    return [Requirement(line) for line in lines if line]


@pytest.fixture(scope="module")
def files():
    """What belongs to the project: what is committed or could be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a checkout of the repository")
    paths = (ROOT / name for name in done.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


BINARY = {".gz", ".npz", ".png"}


@pytest.mark.parametrize(
    "forbidden",
    [
        r"/(root|home|Users|work)/(?!somebody|x\b)\w",  # a path on someone's machine
        r"\b(pypi\.org|pythonhosted\.org|npmjs\.org|deb\.debian\.org)\b",
        r"--(extra-)?index-url|--find-links|\bfile://\w",
    ],
)
def test_no_file_names_a_machine_or_a_registry(files, forbidden):
    found = []
    for path in files:
        if path == Path(__file__).resolve() or path.suffix in BINARY:
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if re.search(forbidden, line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_every_file_is_small(files):
    """But for the data."""
    large = [path.name for path in files if path.stat().st_size > 1_500_000]
    assert sorted(large) == ["t10k-images-idx3-ubyte.gz", "train-images-idx3-ubyte.gz"]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-book.txt"])
def test_requirements_are_pinned_exactly(name):
    for requirement in pinned(name):
        operators = [one.operator for one in requirement.specifier]
        assert operators == ["=="], requirement
        assert not re.match("nvidia-|cuda-|triton", requirement.name), requirement


def test_uv_installs_for_the_python_there_is():
    """``uv pip install`` obeys what is said there for ``uv pip compile``."""
    assert PYPROJECT["tool"]["uv"]["pip"].keys() == {"no-emit-package"}


@pytest.mark.parametrize(
    "environment",
    ENVIRONMENTS,
    ids=lambda one: f"{one['python_version']}-{one['sys_platform']}",
)
class TestEnvironment:
    def pins(self, name, environment):
        """The version of each package that is installed there."""
        chosen = [
            (requirement.name, str(requirement.specifier).removeprefix("=="))
            for requirement in pinned(name)
            if not requirement.marker or requirement.marker.evaluate(environment)
        ]
        assert len(chosen) == len(dict(chosen)), "a package is pinned twice"
        return dict(chosen)

    def test_both_files_install_the_same_versions(self, environment):
        book = self.pins("requirements-book.txt", environment)
        assert book.items() <= self.pins("requirements.txt", environment).items()

    def test_the_book_needs_no_framework(self, environment):
        assert not MODULES & self.pins("requirements-book.txt", environment).keys()

    def test_mxnet_alone_holds_numpy_back(self, environment):
        pins = self.pins("requirements.txt", environment)
        old = environment["python_version"] < "3.12"
        assert ("mxnet" in pins) == (old and environment["sys_platform"] == "linux")
        # A newer one has no np.bool, without which MXNet cannot be imported.
        assert pins["numpy"].startswith("1.23." if "mxnet" in pins else "2.")
        assert {"torch", "jax", "equinox", "optax"} <= pins.keys()
        assert ("tensorflow" in pins) == (environment["python_version"] < "3.14")

    def test_what_is_pinned_is_within_the_ranges_of_the_package(self, environment):
        pins = self.pins("requirements.txt", environment)
        ranges = list(PROJECT["dependencies"])
        for extra, requirements in PROJECT["optional-dependencies"].items():
            assert extra in MODULES | {"search"}
            ranges += requirements if extra in pins or extra == "search" else []
        for requirement in map(Requirement, ranges):
            if not requirement.marker or requirement.marker.evaluate(environment):
                assert requirement.specifier.contains(pins[requirement.name])


def test_what_is_said_to_be_made_can_be_made():
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    readme = set(re.findall(r"\bmake ([a-z]+)\b", read("README.md")))
    assert {"book", "test"} <= readme <= targets
    for name in (".ci/run", ".github/workflows/book.yml"):
        assert set(re.findall(r"\bmake ([a-z]+)\b", read(name))) <= targets


def test_the_readme_leads_to_what_is_there():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", read("README.md"))
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_a_python_that_is_too_old_is_refused_with_what_to_do(tmp_path):
    command = ["make", "lint", f"LINT={tmp_path}/venv", "PYTHON=false"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode
    assert "Python 3.11 or newer is needed; false is not it." in done.stderr
    assert "make lint PYTHON=/path/to/python3.11" in done.stderr
    assert not (tmp_path / "venv").exists()
