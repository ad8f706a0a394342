"""Makes the first cell of a notebook, which installs d2lutils where it is missing."""

from __future__ import annotations

import re

import nbformat
from nbformat import NotebookNode

from booktools import frameworks_of

INSTALL_ID = "install-d2lutils"
"""The cell's id. Pages don't show the cell, because it is in no section."""

SOURCE = """\
# If the book's package or a framework is missing, as in Colab, this cell installs it.
import importlib
import sys
from importlib.util import find_spec

needed = {needed}
missing = [name for name in needed if not all(map(find_spec, needed[name]))]
if missing or not find_spec("d2lutils"):
    extras = f"[{{','.join(missing)}}]" if missing else ""
    print("Installing what is missing. A framework can take minutes and gigabytes.")
    !"{{sys.executable}}" -m pip install -qq "{requirement}"
    importlib.invalidate_caches()
    if not find_spec("d2lutils"):
        raise ImportError("{advice}")
"""

FAILED = "d2lutils is not installed. {} Then run this cell again."
OFFLINE = "Connect to the internet."
NO_WHEEL = "Save {} next to this notebook (the same menu has it), and be online."


# This is how a notebook names packages that it needs besides its framework.
REQUIRED = re.compile(r'\brequire\("(?P<package>\w+)", extra="(?P<extra>\w+)"\)')


def install_cell(
    notebook: NotebookNode, framework: str, requirement: str
) -> NotebookNode:
    """Return a cell that installs packages a notebook needs, if they are missing.

    It doesn't change installed packages. ``requirement`` is what pip installs, with
    ``{extras}`` in place of the extras.
    """
    frameworks = frameworks_of(framework)
    needed = {each.module: [each.module, *each.others] for each in frameworks}
    for cell in notebook.cells:
        for match in REQUIRED.finditer(cell.source if cell.cell_type == "code" else ""):
            needed.setdefault(match["extra"], []).append(match["package"])
    wheel = re.match(r"\./(.*\.whl)", requirement)
    advice = FAILED.format(NO_WHEEL.format(wheel[1]) if wheel else OFFLINE)
    source = SOURCE.format(needed=needed, requirement=requirement, advice=advice)
    source = source.rstrip()
    return nbformat.v4.new_code_cell(source, id=INSTALL_ID)
