"""Converts a section's MyST Markdown into plain Markdown, framework by framework.

JupyterLab, VS Code, Colab and GitHub all show the result properly.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote, unquote

from booktools import ALL, DEFAULT, SourceError
from booktools.source.book import Book, Page, Target
from booktools.source.markdown import ADMONITIONS, EXPLICIT, Block, Inline, inlines
from booktools.source.sections import named_frameworks

WITHOUT_PLAIN_FORM = {
    "footnote": "footnotes have no plain form for notebooks; write them in the text",
    "reference": "links by reference have no plain form for notebooks, because cells "
    "don't share them; write [words](address)",
}


class Converter:
    """Converts the Markdown of a section's page for one framework."""

    def __init__(self, book: Book, page: Page, framework: str):
        self.book, self.page, self.framework = book, page, framework
        self.cited: list[str] = []
        self.directives: Mapping[str, Callable[[Block], str]] = {
            "admonition": self._admonition,
            "dropdown": lambda block: self._details(self._title(block), block),
            "exercise": self._exercise,
            "figure": self._figure,
            "framework": self._framework,
            "image": self._image,
            "interactive": lambda block: "",  # the text has a still picture as well
            "output-figure": self._output_figure,
            "solution": self._solution,
            "table": self._table,
        } | dict.fromkeys(ADMONITIONS, self._admonition)
        self.roles: dict[str, Callable[[str, str, str, int], str]] = {
            "ref": self._reference,
            "numref": self._reference,
            "eq": self._equation,
            "doc": self._document,
            "cite": self._cite,
            "cite:p": self._cite,
            "cite:t": self._cite,
        }

    def _error(self, line: int, message: str) -> SourceError:
        return SourceError(self.page.path, line, message)

    # Blocks

    def markdown(self, blocks: Iterable[Block]) -> str:
        """Convert blocks of the section.

        Raises:
            SourceError: a label or a cited work is unknown, or something has no
                plain form.
        """
        return "\n\n".join(filter(None, map(self._block, blocks)))

    def _block(self, block: Block) -> str:
        if block.kind in ("target", "comment"):
            return ""
        if block.kind == "code":
            return block.text
        if block.kind == "math":
            number = block.name and self._target(block.name, block.line).number
            tag = f" \\tag{{{number}}}" if number else ""
            return f"$$\n{block.body.strip()}{tag}\n$$"
        if block.kind != "directive":
            return self._inline(block.text, block.line)
        if block.name not in self.directives:
            raise self._error(
                block.line,
                f"the directive {block.name!r} has no plain form for notebooks; "
                f"use one of {', '.join(sorted(self.directives))}",
            )
        return self.directives[block.name](block)

    def _framework(self, block: Block) -> str:
        named = named_frameworks(
            block.argument.split(),
            self.page.section.frameworks,
            self.page.path,
            block.line,
            "the framework directive",
        )
        return self.markdown(block.inside) if self.framework in named else ""

    def _output_figure(self, block: Block) -> str:
        self._alt(block)
        number = self._number("Figure", block.argument, block.line)
        return number + self.markdown(block.inside)

    def _figure(self, block: Block) -> str:
        number = self._number("Figure", block.options.get("name"), block.line)
        caption = number + self.markdown(block.inside)
        return f"{self._image(block)}\n\n{caption}".rstrip()

    def _number(self, kind: str, label: str | None, line: int) -> str:
        return f"**{kind} {self._target(label, line).number}.** " if label else ""

    def _image(self, block: Block) -> str:
        address = self._address(block.argument, block.line, is_image=True)
        return f"![{self._alt(block)}]({address})"

    def _alt(self, block: Block) -> str:
        if alt := block.options.get("alt"):
            return alt
        message = "the picture has no text alternative; say in :alt: what it shows"
        raise self._error(block.line, message)

    def _exercise(self, block: Block) -> str:
        label = block.options.get("label")
        if not label:
            raise self._error(block.line, "the exercise has no :label:; give it one")
        title = f": {self._title(block)}" if block.argument else ""
        number = self._target(label, block.line).number
        return f"**Exercise {number}{title}**\n\n{self.markdown(block.inside)}".rstrip()

    def _title(self, block: Block) -> str:
        return self._inline(block.argument, block.line)

    def _solution(self, block: Block) -> str:
        number = self._target(block.argument, block.line).number
        return self._details(f"Solution to Exercise {number}", block)

    def _details(self, title: str, block: Block) -> str:
        # Blank lines let the text inside the HTML be read as Markdown.
        body = f"\n\n{self.markdown(block.inside)}\n\n"
        return f"<details>\n<summary>{title}</summary>{body}</details>"

    def _admonition(self, block: Block) -> str:
        title = block.argument or block.name.replace("seealso", "see also").capitalize()
        text = f"**{title}**\n\n{self.markdown(block.inside)}".rstrip()
        return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))

    def _table(self, block: Block) -> str:
        table = self.markdown(block.inside)
        if not block.argument:
            return table
        number = self._number("Table", block.options.get("name"), block.line)
        return f"{number}{self._title(block)}\n\n{table}"

    # Inside a block

    def _inline(self, text: str, line: int) -> str:
        edits: list[tuple[int, int, str]] = []
        for each in inlines(text):
            place = line + text.count("\n", 0, each.start)
            if each.kind in WITHOUT_PLAIN_FORM:
                raise self._error(place, WITHOUT_PLAIN_FORM[each.kind])
            if each.kind == "role":
                edits.append((each.start, each.end, self._role(each, place)))
            elif each.kind in ("link", "image"):
                new = self._address(each.text, place, each.kind == "image")
                if new is None:  # keep only the words of the link
                    edits += [(*part, "") for part in each.around]
                elif new != each.text:
                    edits.append((each.start, each.end, new))
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _role(self, role: Inline, line: int) -> str:
        if role.name not in self.roles:
            raise self._error(
                line,
                f"the role {role.name!r} has no plain form for notebooks; use one of "
                f"{', '.join(self.roles)}",
            )
        explicit = EXPLICIT.fullmatch(role.text)
        target, words = (
            explicit.group("target", "text") if explicit else (role.text, "")
        )
        return self.roles[role.name](role.name, target, words, line)

    def _target(self, label: str, line: int) -> Target:
        if not label:
            raise self._error(line, "a label is missing here; say what is meant")
        if label not in self.book.labels:
            raise self._error(
                line,
                f"there is no label {label!r} in the book; check its spelling, or put "
                f"({label})= before what you mean",
            )
        return self.book.labels[label]

    def _equation(self, role: str, label: str, words: str, line: int) -> str:
        target = self._target(label, line)
        return self._named(target, f"({target.number})")

    def _reference(self, role: str, label: str, words: str, line: int) -> str:
        target = self._target(label, line)
        if target.kind == "section":
            # Only the pages number their chapters.
            if role == "numref":
                words = ""
            fragment = "" if target.title == target.page.title else target.title
            return self._link(target.page, words or target.title, fragment)
        if target.kind == "place":
            if not words:
                raise self._error(
                    line,
                    f"{label!r} has no title; write {{{role}}}`words <{label}>`",
                )
        elif target.kind == "solution":
            exercise = self._target(target.title, line)
            words = words or f"Solution to Exercise {exercise.number}"
        elif role == "numref" and words:
            words = re.sub(r"%s|\{number\}", str(target.number), words)
        else:
            words = words or f"{target.kind.capitalize()} {target.number}"
        return self._named(target, words)

    def _named(self, target: Target, words: str) -> str:
        """Name a target without an anchor, and its page if it is on another one.

        Each page counts from 1, so the number alone would be ambiguous.
        """
        if target.page == self.page:
            return words
        return f"{words} of {self._link(target.page, target.page.title)}"

    def _document(self, role: str, name: str, words: str, line: int) -> str:
        path = name[1:] if name[:1] == "/" else self._beside(name)
        page = self._page(path.removesuffix(".md"), name, line)
        return self._link(page, words or page.title)

    def _cite(self, role: str, keys: str, words: str, line: int) -> str:
        works = []
        for key in map(str.strip, keys.split(",")):
            if key not in self.book.bibliography:
                message = f"there is no work {key!r} in references.bib; add it there"
                raise self._error(line, message)
            if key not in self.cited:
                self.cited.append(key)
            works.append(self.book.bibliography.named(key))
        if role == "cite:t":
            return ", ".join(f"{authors} ({year})" for authors, year in works)
        return f"({'; '.join(map(', '.join, works))})"

    # Links

    def _link(self, page: Page, words: str, fragment: str = "") -> str:
        plain = re.sub(r"[`*$]", "", fragment).replace(" ", "-")
        anchor = f"#{quote(plain)}" if plain else ""
        address = "" if page == self.page else self.page_address(page)
        if address is None or not (address or anchor):
            return words
        return f"[{words}]({address}{anchor})"

    def framework_of(self, page: Page) -> str:
        """Choose the framework whose notebook of a section we link to."""
        offered = page.section.frameworks
        wanted = (self.framework, ALL, DEFAULT.tag, *offered)
        return next(name for name in wanted if name in offered)

    def page_address(self, page: Page) -> str | None:
        """Return the address of a section's notebook or of another page.

        A subclass may return None; then only the words of the link stay.
        """
        if not page.section:
            return self.file_address(page.path.as_posix())
        framework = self.framework_of(page)
        folder = "" if framework == self.framework else f"../{framework}/"
        return f"{folder}{page.section.name}.ipynb"

    def file_address(self, path: str) -> str | None:
        """Return the address of a file of the book, or None if there is none."""
        return f"../../{quote(path)}"

    def picture_address(self, path: str, line: int) -> str:
        """Return the address of a picture; ``line`` is where the section shows it."""
        return self.file_address(path)

    def _address(self, address: str, line: int, is_image: bool = False) -> str | None:
        """Turn an address that works on the page into one for its notebooks."""
        if not address or re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|#", address):
            return address
        path, hash_, anchor = unquote(address).partition("#")
        path = self._beside(path)
        if path.endswith(".md"):
            page = self._page(path.removesuffix(".md"), address, line)
            found = self.page_address(page)
            return found and found + hash_ + anchor
        if not (self.book.root / path).exists():
            raise self._error(line, f"there is no file {address!r} next to the section")
        return self.picture_address(path, line) if is_image else self.file_address(path)

    def _beside(self, path: str) -> str:
        folder = self.page.path.parent.as_posix()
        return posixpath.normpath(posixpath.join(folder, path))

    def _page(self, docname: str, shown: str, line: int) -> Page:
        if page := self.book.find(docname):
            return page
        message = f"there is no page {shown!r}; expected one listed in _toc.yml"
        raise self._error(line, message)

    # At the end

    def references(self) -> str:
        """Return a list of the works cited so far, or "" if there are none."""
        if not self.cited:
            return ""
        entries = [f"- {self.book.bibliography.entries[key]}" for key in self.cited]
        return "**References**\n\n" + "\n".join(entries)

    def navigation(self) -> str:
        """Return links to the previous and the next page."""
        before, after = self.book.neighbors(self.page)
        links = [
            f"**{where}:** {self._link(page, page.title)}"
            for where, page in (("Previous", before), ("Next", after))
            if page
        ]
        return "---\n\n" + " · ".join(links) if links else ""
