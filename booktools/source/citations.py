"""Cites the works in ``references.bib`` as plain Markdown."""

from __future__ import annotations

from copy import deepcopy
from functools import cached_property
from pathlib import Path

from pybtex.backends.plaintext import Backend
from pybtex.database import BibliographyData, parse_file
from pybtex.style.formatting.plain import Style


class Bibliography:
    """The works that can be cited.

    Args:
        path: a BibTeX file; where there is none, there is nothing to cite.
    """

    def __init__(self, path: Path):
        self.path = path
        self._style = Style()

    @cached_property
    def _data(self) -> BibliographyData:
        if not self.path.is_file():
            return BibliographyData()
        return parse_file(str(self.path), "bibtex")

    def __contains__(self, key: str) -> bool:
        return key in self._data.entries

    def authors(self, key: str) -> str:
        """Return the family names of a work's authors, shortened from three on."""
        entry = self._data.entries[key]
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [
            " ".join(map(str, person.rich_prelast_names + person.rich_last_names))
            for person in people
        ]
        if not names:
            return str(entry.fields.get("organization", key))
        if len(names) > 2:
            return f"{names[0]} et al."
        return " and ".join(names)

    def year(self, key: str) -> str:
        """Return the year of a work."""
        return self._data.entries[key].fields.get("year", "no year")

    def url(self, key: str) -> str:
        """Return where a work can be found, or nothing."""
        fields = self._data.entries[key].fields
        if "doi" in fields:
            return f"https://doi.org/{fields['doi']}"
        return fields.get("url", "")

    def entry(self, key: str) -> str:
        """Return a work as it stands in a list of references, as plain text."""
        entry = deepcopy(self._data.entries[key])
        for field in ("doi", "url"):
            # Whoever shows the entry makes a link of these.
            entry.fields.pop(field, None)
        (formatted,) = self._style.format_entries([entry])
        return " ".join(formatted.text.render(Backend()).split())
