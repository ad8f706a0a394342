"""Turns notebooks of the repository into self-contained downloads.

Their folder also has a wheel of d2lutils. The first cell of a notebook installs it if
it is missing.
"""

from __future__ import annotations

import base64
import mimetypes
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from booktools import SourceError
from booktools.execution.convert import Converter
from booktools.execution.jobs import Job
from booktools.execution.split import split
from booktools.execution.stored import (
    carry_outputs,
    file_checksum,
    same_code,
    write_notebook,
    write_whole,
)
from booktools.source.book import Book, Page

SHOWN = {"image/gif", "image/jpeg", "image/png", "image/webp"}
"""Types of pictures that JupyterLab, VS Code and Colab all show in the text.

Colab doesn't show attachments, and neither VS Code nor Colab shows SVG.
"""


def download_name(page: Page, framework: str) -> str:
    """Return the name of a notebook in a folder of downloads."""
    return f"{page.section.name}-{framework}.ipynb"


CONTENTS = ("pyproject.toml", "README.md", "LICENSE", "d2lutils")
"""The files and folders that go into the wheel."""


def build_wheel(root: Path, folder: Path, record: Path) -> str | None:
    """Build d2lutils as a wheel into a folder, unless an up-to-date one is there.

    Nothing is downloaded, and the same sources give the same bytes. The file
    ``record`` notes what the wheel was made from.

    Returns:
        The wheel's name, or None if the book's folder ``root`` has no pyproject.toml.

    Raises:
        RuntimeError: setuptools cannot build it.
    """
    if not (root / "pyproject.toml").is_file():
        return None
    contents = [each for name in CONTENTS for each in (root / name).rglob("*")]
    contents = [path for path in contents if "__pycache__" not in path.parts]
    contents += [root / name for name in CONTENTS]
    names = sorted(path.relative_to(root) for path in contents if path.is_file())
    paths = [root / name for name in names]
    state = f"{' '.join(map(str, names))} {file_checksum(*paths)} "
    there = [path.name for path in folder.glob("d2lutils-*.whl")]
    if there and record.is_file() and record.read_text("utf-8") == state + there[0]:
        return there[0]
    with tempfile.TemporaryDirectory() as copy, tempfile.TemporaryDirectory() as built:
        # Build in a copy, because setuptools leaves files behind.
        for name in names:
            Path(copy, name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, Path(copy, name))
        build = "from setuptools import build_meta as b; b.build_wheel({!r})"
        done = subprocess.run(
            [sys.executable, "-c", build.format(built)],
            cwd=copy,
            env={**os.environ, "SOURCE_DATE_EPOCH": "315532800"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"setuptools cannot build d2lutils:\n{done.stderr}")
        for name in there:
            (folder / name).unlink()
        (wheel,) = Path(built).glob("d2lutils-*.whl")
        write_whole(folder / wheel.name, wheel.read_bytes())
    write_whole(record, f"{state}{wheel.name}".encode())
    return wheel.name


class AloneConverter(Converter):
    """Converts a section for a folder of downloads, without dead links.

    Links to other notebooks lead to the same folder, pictures are embedded, and links
    to other files of the repository become plain text.
    """

    def page_address(self, page: Page) -> str | None:
        """Return the file name of a section's notebook, if readers can download it."""
        if page.section and (tag := self.framework_of(page)) in page.section.chosen:
            return download_name(page, tag)
        return None

    def file_address(self, path: str) -> None:
        """Return None, because no other file is in the folder."""
        return None

    def picture_address(self, path: str, line: int) -> str:
        """Return a data URL with the picture itself, or with the PNG next to it."""
        file = self.book.root / path
        kind = mimetypes.guess_type(file.name)[0]
        if kind not in SHOWN:
            file, kind = file.with_suffix(".png"), "image/png"
        if not file.is_file():
            message = (
                f"{path} needs a copy as {file.name} next to it, because not every "
                "editor can show it in a downloaded notebook; save one there"
            )
            raise SourceError(self.page.path, line, message)
        return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def download_notebook(
    book: Book, job: Job, folder: Path, wheel: str | None = None, base: str = ""
) -> None:
    """Write a notebook into a folder of downloads, with links that work there.

    ``wheel`` is the name of the d2lutils wheel in that folder, and ``base`` is the
    folder's address on the web, if it has one.
    """
    requirement = f"./{wheel}{{extras}}"
    if base:
        requirement = f"d2lutils{{extras}} @ {base}{wheel}"
    page, tag = job.page, job.framework
    alone, _ = split(book, page, tag, AloneConverter, requirement if wheel else None)
    if job.stored and same_code(job.fresh, job.stored):
        carry_outputs(alone, job.stored)
    write_notebook(alone, folder / download_name(page, tag))
