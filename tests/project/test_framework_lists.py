"""Tests that ``booktools.FRAMEWORKS`` is the only list of frameworks.

Otherwise someone who adds a framework might forget the other lists.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from booktools import FRAMEWORKS

ROOT = Path(__file__).parents[2]
NAMES = {
    name: each.tag
    for each in FRAMEWORKS.values()
    for name in (each.tag, each.title, each.module)
}
WORD = re.compile(rf"\b(?:{'|'.join(sorted(NAMES))})\b")
# The list itself, and an extra for each with its pins.
ALLOWED = ("booktools/__init__.py", "pyproject.toml", "requirements.txt")
PROSE = (".md", ".ipynb", ".csv", ".bib", ".cff", ".svg", ".gz", ".npz", ".png")
ELSEWHERE = ("_static/", "benchmarks/results.json", "chapters/", "tests/")


def literals(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines and texts of collections and patterns in Python code."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Dict):
            parts = [*filter(None, node.keys), *node.values]
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            parts = node.elts
        elif isinstance(node, ast.Constant) and "|" in str(node.value):
            parts = [node]
        else:
            continue
        values = [part.value for part in parts if isinstance(part, ast.Constant)]
        yield node.lineno, " ".join(map(str, values))


def lists_in(path: str, text: str) -> list[str]:
    """Return the places that name several frameworks."""
    if path.startswith((*ALLOWED, *ELSEWHERE)) or path.endswith(PROSE):
        return []
    lines = literals(text) if path.endswith(".py") else enumerate(text.splitlines(), 1)
    named = ((n, {NAMES[word] for word in WORD.findall(line)}) for n, line in lines)
    return [f"{path}:{number}" for number, tags in named if len(tags) > 1]


def test_there_is_no_other_list():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if done.returncode:
        pytest.skip("not a checkout of the repository")
    found = [
        place
        for path in done.stdout.decode().rstrip("\0").split("\0")
        if (ROOT / path).is_file() and not path.endswith(PROSE)
        for place in lists_in(path, (ROOT / path).read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("booktools/x.py", "KNOWN = ('mxnet',\n'pytorch')", True),
        ("booktools/x.py", "KNOWN = {'torch': 1, 'tensorflow': 2}", True),
        ("booktools/x.py", "re.compile('mxnet|torch')", True),
        ("booktools/x.py", "# as in MXNet and PyTorch", False),
        ("Makefile", "for f in mxnet tensorflow", True),
    ],
)
def test_a_list_is_found(path, text, found):
    assert bool(lists_in(path, text)) == found
