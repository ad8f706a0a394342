"""Turns a notebook of the repository into one that stands alone in a folder.

Beside the notebooks lies d2lutils as a wheel, which their first cell installs where it
is missing.
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
"""Pictures that JupyterLab, VS Code and Colab all show where they stand in the text.

As attachments Colab shows none, and SVG neither VS Code nor Colab.
"""


def download_name(page: Page, framework: str) -> str:
    """Return a name that still means something in a folder of downloads."""
    return f"{page.section.name}-{framework}.ipynb"


CONTENTS = ("pyproject.toml", "README.md", "LICENSE", "d2lutils")
"""Of what the wheel is made."""


def build_wheel(root: Path, folder: Path, record: Path) -> str | None:
    """Build d2lutils as a wheel into a folder, unless it is there as it would be now.

    Nothing is downloaded, and the same sources give the same bytes. ``record`` is a
    file that keeps what the wheel was made from. Returns the wheel's name; without a
    pyproject.toml in the book's folder ``root`` there is none.

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
        # Setuptools leaves files behind where it builds.
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
    """Converts for a folder of downloads, in which no link is dead.

    Links to other notebooks name those in the same folder, pictures are put inside,
    and links to the repository's other files become plain text.
    """

    def page_address(self, page: Page) -> str | None:
        """Return the name of a section's notebook, if it is offered too."""
        if page.section and (tag := self.framework_of(page)) in page.section.chosen:
            return download_name(page, tag)
        return None

    def file_address(self, path: str) -> None:
        """Return nothing: no other file is there."""
        return None

    def picture_address(self, path: str, line: int) -> str:
        """Return an address that holds a picture itself, or the PNG beside it."""
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
    """Write a notebook into a folder so that none of its links is dead there.

    ``wheel`` is the name of d2lutils in that folder, and ``base`` the folder's address,
    if it has one.
    """
    requirement = f"./{wheel}{{extras}}"
    if base:
        requirement = f"d2lutils{{extras}} @ {base}{wheel}"
    page, tag = job.page, job.framework
    alone, _ = split(book, page, tag, AloneConverter, requirement if wheel else None)
    if job.stored and same_code(job.fresh, job.stored):
        carry_outputs(alone, job.stored)
    write_notebook(alone, folder / download_name(page, tag))
