"""Tests that the troubleshooting page has all messages of the code, and no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "chapters/troubleshooting.md").read_text(encoding="utf-8")
MODULES = sorted((ROOT / "d2lutils").glob("*.py"))


def literals(node: ast.AST) -> list[str]:
    """Return the constant parts of the strings in a piece of code."""
    return [
        n.value
        for n in ast.walk(node)
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    ]


def messages() -> dict[str, str]:
    """Return the longest constant part of every message, and where it is."""
    found = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and (
                getattr(node.func, "id", "") == "print"
            )
            if isinstance(node, ast.Raise) or called:
                longest = max(literals(node), key=len, default="")
                if len(longest) > 8:
                    found[longest] = f"{path.name}:{node.lineno}"
    return found


def squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("message", sorted(messages()))
def test_every_message_is_explained(message):
    # The page quotes a message without its advice.
    shown = re.split(r"\. |, which", message.strip(" .,;:()"))[0]
    assert squeeze(shown).strip(" .") in squeeze(PAGE), messages()[message]


def test_every_explained_message_exists():
    said = squeeze(
        " ".join(
            part
            for path in MODULES
            for part in literals(ast.parse(path.read_text(encoding="utf-8")))
        )
    )
    headings = re.findall(r"^`([^`]+)`\n: ", PAGE, re.MULTILINE)
    headings += re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
    assert len(headings) > 20
    for heading in headings:
        for part in heading.split("…"):
            words = part.strip(" .,;:()'0123456789")
            assert words in said, heading
