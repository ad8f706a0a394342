"""Reads the files of a book, and reports mistakes in them by file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from booktools import SourceError


def read_file(path: Path, shown: Path) -> str:
    """Read a file of the book; raise SourceError if it isn't UTF-8."""
    data = path.read_bytes()
    try:
        # Like Sphinx, drop the byte order mark.
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 ({data[error.start : error.end]!r}); save it as UTF-8"
        raise SourceError(shown, line, message) from None


def read_yaml(text: str, path: Path, line: int, what: str) -> dict[str, Any]:
    """Read the keys and values of YAML that begins on the given line of a file.

    Raises:
        SourceError: it isn't YAML, or it isn't keys and values.
    """
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it isn't YAML"
        raise SourceError(
            path,
            line + min(mark.line if mark else 0, text.count("\n")),
            f"{what} cannot be read ({problem}); write a line 'key: value' for each, "
            "and quote a value that holds a colon, a bracket or a #",
        ) from None
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise SourceError(path, line, f"{what} must be lines of the form 'key: value'")
    return {str(key): value for key, value in read.items()}
