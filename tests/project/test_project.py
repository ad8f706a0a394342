"""Tests that the project's files are consistent, and name no machine."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import d2lutils
from booktools import FRAMEWORKS

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
ENVIRONMENTS = [
    {
        "sys_platform": sys_platform,
        "platform_machine": machine,
        "platform_system": system,
        "python_version": python,
        "python_full_version": f"{python}.7",
    }
    for python in ("3.11", "3.12", "3.13", "3.14")
    for sys_platform, machine, system in (
        ("linux", "x86_64", "Linux"),
        ("darwin", "arm64", "Darwin"),
        ("win32", "AMD64", "Windows"),
    )
]


def read(name):
    return (ROOT / name).read_text("utf-8")


def pinned(name):
    """Read the requirements in a file."""
    lines = [line.partition("#")[0].strip() for line in read(name).splitlines()]
    return [Requirement(line) for line in lines if line]


@pytest.fixture(scope="module")
def files():
    """List all files that git doesn't ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a checkout of the repository")
    paths = (ROOT / name for name in done.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def test_ruff_checks_all_code(files):
    command = [sys.executable, "-m", "ruff", "check", "--show-files"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = {Path(line) for line in done.stdout.splitlines()}
    assert {path for path in files if path.suffix == ".py"} <= seen
    assert not [path for path in seen if path.suffix == ".ipynb"]


FORBIDDEN = (
    r"/(root|home|Users|work)/(?!somebody|x\b)\w",  # a path on someone's machine
    r"\b(pypi\.org|pythonhosted\.org|npmjs\.org|deb\.debian\.org)\b",
    r"--(extra-)?index-url|--find-links|\bfile://\w",
    # Anyone could register these names and run code on every reader's machine. The
    # command may go on in the next line of a paragraph, a comment or a string.
    r"\bpip3? install(\s+-\S+)*[\s#f'\"]+(d2lutils|booktools)\b(?!\S* @)",
)


def test_no_file_names_a_machine_or_a_registry_or_installs_an_unregistered_name(files):
    found = []
    for path in files:
        if path == Path(__file__).resolve() or path.suffix in (".gz", ".npz", ".png"):
            continue
        text = path.read_text("utf-8")
        for match in chain.from_iterable(re.finditer(each, text) for each in FORBIDDEN):
            found.append(f"{path.relative_to(ROOT)}: {match[0]}")
    assert not found, "\n".join(found)


def test_every_file_is_small(files):
    """Except the data."""
    large = [path.name for path in files if path.stat().st_size > 1_500_000]
    assert sorted(large) == ["t10k-images-idx3-ubyte.gz", "train-images-idx3-ubyte.gz"]


def test_requirements_are_pinned_exactly():
    for requirement in pinned("requirements.txt"):
        operators = [one.operator for one in requirement.specifier]
        assert operators == ["=="], requirement
        assert not re.match("nvidia-|cuda-|triton", requirement.name), requirement


def test_only_a_frameworks_own_extra_installs_it():
    extras = PROJECT["optional-dependencies"]
    for framework in FRAMEWORKS.values():
        needed = {Requirement(each).name for each in extras[framework.module]}
        assert {framework.module, *framework.others} <= needed
        for name in extras.keys() - {framework.module}:
            assert framework.module not in {Requirement(e).name for e in extras[name]}


def test_uv_installs_for_the_current_python():
    """``uv pip install`` also obeys the options for ``uv pip compile`` there."""
    assert PYPROJECT["tool"]["uv"]["pip"].keys() == {"no-emit-package"}


@pytest.mark.parametrize(
    "environment",
    ENVIRONMENTS,
    ids=lambda one: f"{one['python_version']}-{one['sys_platform']}",
)
def test_what_is_installed_there(environment):
    def needed(requirements):
        for each in requirements:
            if not each.marker or each.marker.evaluate(environment):
                yield each

    chosen = list(needed(pinned("requirements.txt")))
    pins = {each.name: str(each.specifier).removeprefix("==") for each in chosen}
    assert len(chosen) == len(pins), "a package is pinned twice"
    # Only MXNet holds NumPy back: it needs np.bool, which newer releases lack.
    old = environment["python_version"] < "3.12"
    assert ("mxnet" in pins) == (old and environment["sys_platform"] == "linux")
    assert pins["numpy"].startswith("1.23." if "mxnet" in pins else "2.")
    assert {"torch", "jax", "equinox", "optax"} <= pins.keys()
    assert ("tensorflow" in pins) == (environment["python_version"] < "3.14")
    # The pins are within the ranges that the package declares.
    pins[PROJECT["name"]] = d2lutils.__version__
    declared = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    declared.append(PYPROJECT["tool"]["uv"]["constraint-dependencies"])
    for each in needed(map(Requirement, chain(*declared))):
        assert each.specifier.contains(pins[each.name])


def test_documented_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    readme = set(re.findall(r"\bmake ([a-z]+)\b", read("README.md")))
    assert {"book", "test"} <= readme <= targets
    for name in (".ci/run", ".github/workflows/book.yml"):
        assert set(re.findall(r"\bmake ([a-z]+)\b", read(name))) <= targets


def test_publishing_waits_only_for_the_book():
    jobs = yaml.safe_load(read(".github/workflows/book.yml"))["jobs"]
    needed = jobs[jobs["publish"]["needs"]]
    assert "strategy" not in needed
    done = [step.get("run", step.get("uses")) for step in needed["steps"]]
    assert {"make lint", "make book", "make test"} <= set(done)
    assert done[-1].startswith("actions/upload-pages-artifact@")


POSIX = {
    "os": r"fork|forkpty|get(e?[ug]|pg|s)id|killpg|mkfifo|nice|sets?id|uname",
    "signal": r"SIG(?!ABRT$|FPE$|ILL$|INT$|SEGV$|TERM$|_DFL$|_IGN$)\w+",
}
"""Names that these modules lack on Windows."""
FOREIGN = re.compile(r"(from|import) (fcntl|grp|pty|pwd|resource|termios)\b")


def run_at_import(node):
    """Yield the code that runs when a module is imported, without function bodies."""
    yield node
    for field, value in ast.iter_fields(node):
        if field == "body" and isinstance(node, ast.FunctionDef | ast.Lambda):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from run_at_import(child)


def test_every_module_can_be_imported_on_windows(files):
    found = []
    for path in files:
        if path.suffix != ".py":
            continue
        for node in run_at_import(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom | ast.Attribute):
                text = ast.unparse(node)
                module, _, name = text.partition(".")
                lacking = module in POSIX and re.fullmatch(POSIX[module], name)
                if lacking or FOREIGN.match(text):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {text}")
    assert not found, "\n".join(found)


def test_links_in_the_readme_exist():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", read("README.md"))
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_make_refuses_an_old_python_and_says_what_to_do(tmp_path):
    command = ["make", "lint", f"LINT={tmp_path}/venv", "PYTHON=false"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode
    assert "Python 3.11 " in done.stderr
    assert "make lint PYTHON=/path/to/python3.11" in done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("name", [each.module for each in FRAMEWORKS.values()])
def test_a_test_is_named_and_marked_after_its_framework(request, name):
    (tag,) = (tag for tag, each in FRAMEWORKS.items() if each.module == name)
    assert request.node.name.endswith(f"[{tag}]")
    marks = {mark.name for mark in request.node.iter_markers()}
    assert marks & {"browser", *FRAMEWORKS} == {tag}


@pytest.fixture
def chromium():
    """Take the place of the browser, which this test doesn't need."""


def test_tests_that_need_a_browser_are_marked(request, chromium):
    assert request.node.get_closest_marker("browser")


@pytest.fixture(scope="module")
def named():
    return os.environ.get("BOOKTOOLS_FRAMEWORK")


def test_the_books_of_tests_ignore_the_chosen_framework(named):
    assert named is None
