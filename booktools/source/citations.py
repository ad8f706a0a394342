"""Cites the works in ``references.bib`` as plain Markdown."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cached_property
from pathlib import Path

from pybtex.backends.plaintext import Backend
from pybtex.database import BibliographyData, parse_string
from pybtex.exceptions import PybtexError
from pybtex.style.formatting.plain import Style

from booktools import SourceError
from booktools.source.files import read_file


class Bibliography:
    """The works that can be cited.

    Args:
        path: a BibTeX file. If it doesn't exist, there are no works.

    Raises:
        SourceError: the file cannot be read.
    """

    def __init__(self, path: Path):
        self._data = BibliographyData()
        if not path.is_file():
            return
        shown = Path(path.name)
        text = read_file(path, shown)
        try:
            self._data = parse_string(text, "bibtex")
        except PybtexError as error:
            # pybtex names a repeated key but not its line.
            key = re.search(r"(?<=entry: )\S+$", str(error))
            at = text.rfind(key[0]) if key else 0
            line = getattr(error, "lineno", None) or text.count("\n", 0, at) + 1
            message = f"{error}; each work is @kind{{key, field = {{...}}, ...}}"
            raise SourceError(shown, line, message) from None

    def __contains__(self, key: str) -> bool:
        return key in self._data.entries

    def named(self, key: str) -> tuple[str, str]:
        """Return a work's authors (two family names or "et al.") and its year."""
        entry = self._data.entries[key]
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [
            " ".join(map(str, person.rich_prelast_names + person.rich_last_names))
            for person in people
        ]
        authors = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        organization = str(entry.fields.get("organization", key))
        return authors or organization, entry.fields.get("year", "no year")

    @cached_property
    def entries(self) -> dict[str, str]:
        """The works' entries for a list of references, each with DOI or address."""
        found = {}
        for key, entry in deepcopy(self._data.entries).items():
            url, doi = (entry.fields.pop(name, "") for name in ("url", "doi"))
            (formatted,) = Style().format_entries([entry])
            text = " ".join(formatted.text.render(Backend()).split())
            address = f"https://doi.org/{doi}" if doi else url
            found[key] = f"{text} <{address}>" if address else text
        return found
