"""Tests that ``booktools.FRAMEWORKS`` is the only list of frameworks.

Otherwise someone who adds a framework might forget the other lists. ``ALLOWED`` has the
exceptions, with reasons.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from booktools import FRAMEWORKS

ROOT = Path(__file__).parents[2]
NAMES = {
    name for each in FRAMEWORKS.values() for name in (each.tag, each.title, each.module)
}
WORD = re.compile(rf"\b(?:{'|'.join(sorted(NAMES))})\b")
ALLOWED = {
    "booktools/__init__.py": "the list itself",
    "pyproject.toml": "an extra for each, and its pins",
    "README.md": "prose",
}
GENERATED = ("requirements.txt", "benchmarks/results.json")
TEXTS = {".css", ".html", ".js", ".toml", ".yml", ".in", ".json", "", ".txt"}


def distinct(words: list[str]) -> int:
    """Return how many frameworks the words name."""
    return sum(
        any(name in words for name in (each.tag, each.title, each.module))
        for each in FRAMEWORKS.values()
    )


def lists_in_python(text: str) -> list[int]:
    """Return the lines where a literal collection or a pattern lists frameworks."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Dict):
            parts = [*node.keys, *node.values]
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            parts = node.elts
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = WORD.findall(node.value)
            if "|" in node.value and distinct(words) > 1:
                found.append(node.lineno)
            continue
        else:
            continue
        words = [part.value for part in parts if isinstance(part, ast.Constant)]
        if distinct([word for word in words if isinstance(word, str)]) > 1:
            found.append(node.lineno)
    return found


def lists_in_text(text: str) -> list[int]:
    """Return the lines that name several frameworks."""
    lines = enumerate(text.splitlines(), 1)
    return [number for number, line in lines if distinct(WORD.findall(line)) > 1]


def lists_in(path: str, text: str) -> list[str]:
    if path in ALLOWED or path in GENERATED or path.startswith(("chapters/", "tests/")):
        return []
    suffix = Path(path).suffix
    if suffix == ".py":
        lines = lists_in_python(text)
    elif suffix in TEXTS and not path.startswith(("notebooks/", "_static/")):
        lines = lists_in_text(text)
    else:
        lines = []
    return [f"{path}:{line}" for line in lines]


def test_there_is_no_other_list():
    command = ["git", "ls-files", "-z"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a checkout of the repository")
    paths = [path for path in done.stdout.decode().split("\0") if path]
    found = [
        place
        for path in paths
        if (ROOT / path).is_file() and Path(path).suffix not in (".gz", ".npz", ".png")
        for place in lists_in(path, (ROOT / path).read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("booktools/x.py", "KNOWN = ('mxnet', 'pytorch')", True),
        ("booktools/x.py", "KNOWN = {'torch': 1, 'tensorflow': 2}", True),
        ("booktools/x.py", "re.compile('mxnet|torch')", True),
        ("booktools/x.py", "DEFAULT = FRAMEWORKS['pytorch']", False),
        ("booktools/x.py", "# as in MXNet and PyTorch", False),
        ("x.html", "<b>MXNet, PyTorch</b>", True),
        ("Makefile", "for f in mxnet tensorflow", True),
        (".ci/run", "echo mxnet", False),
    ],
)
def test_a_list_is_found(path, text, found):
    assert bool(lists_in(path, text)) == found


def test_every_exception_is_still_needed():
    for path in ALLOWED:
        text = (ROOT / path).read_text("utf-8")
        assert distinct(WORD.findall(text)) > 1, f"take {path} out of ALLOWED"
