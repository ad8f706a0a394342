"""Converts a section's MyST Markdown into plain Markdown, framework by framework.

What comes out shows properly in JupyterLab, VS Code, Colab and on GitHub.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from booktools import ALL, DEFAULT, SourceError
from booktools.source.book import Book, Page, Target
from booktools.source.markdown import EXPLICIT, Block, blocks, inlines
from booktools.source.sections import named_frameworks

WITHOUT_PLAIN_FORM = {
    "footnote": "footnotes have no plain form for notebooks; write it in the text",
    "reference": "links by reference have no plain form for notebooks, whose cells "
    "do not know of each other; write [words](address)",
}
ADMONITIONS = {
    "attention", "caution", "danger", "error", "hint", "important", "note", "seealso",
    "tip", "warning",
}  # fmt: skip


class Converter:
    """Converts the Markdown of one section for one framework.

    Args:
        book: the book, for what the references stand for.
        page: the page that is the section.
        framework: one of the section's frameworks.
    """

    def __init__(self, book: Book, page: Page, framework: str):
        self.book, self.page, self.framework = book, page, framework
        self.cited: list[str] = []
        self.directives: Mapping[str, Callable[[Any], str]] = {
            "admonition": self._admonition,
            "code-block": self._code,
            "dropdown": lambda block: self._details(
                self._inline(block.argument, block.line), block
            ),
            "exercise": self._exercise,
            "figure": self._figure,
            "framework": self._framework,
            "image": self._image,
            "interactive": lambda block: "",  # a still figure stands beside it
            "math": lambda block: self._math(block, block.options.get("label", "")),
            "output-figure": self._output_figure,
            "solution": self._solution,
            "table": self._table,
        } | dict.fromkeys(ADMONITIONS, self._admonition)

    def _error(self, line: int, message: str) -> SourceError:
        return SourceError(self.page.path, line, message)

    # Blocks

    def markdown(self, text: str, line: int) -> str:
        """Convert blocks that begin on a line of the section.

        Raises:
            SourceError: a label or a work is unknown, or something has no plain form.
        """
        parts = [self._block(block) for block in blocks(text, self.page.path, line)]
        return "\n\n".join(part for part in parts if part)

    def _block(self, block: Block) -> str:
        if block.kind in ("target", "comment"):
            return ""
        if block.kind == "code":
            return block.text
        if block.kind == "math":
            return self._math(block, block.name)
        if block.kind == "directive":
            if block.name not in self.directives:
                raise self._error(
                    block.line,
                    f"the directive {block.name!r} has no plain form for notebooks; "
                    f"use one of {', '.join(sorted(self.directives))}",
                )
            return self.directives[block.name](block)
        return self._inline(block.text, block.line)

    def _math(self, block: Block, label: str) -> str:
        if not label:
            return f"$$\n{block.body.strip()}\n$$"
        number = self._target(label, block.line).number
        return f"$$\n{block.body.strip()} \\tag{{{number}}}\n$$"

    def _code(self, block: Block) -> str:
        ticks = max(map(len, re.findall("`{3,}", block.body)), default=2) + 1
        return f"{'`' * ticks}{block.argument}\n{block.body}\n{'`' * ticks}"

    def _framework(self, block: Block) -> str:
        named = named_frameworks(
            block.argument.split(),
            self.page.section.frameworks,
            self.page.path,
            block.line,
            "the framework directive",
        )
        return self._body(block) if self.framework in named else ""

    def _output_figure(self, block: Block) -> str:
        self._alt(block)
        return self._caption(block, block.argument)

    def _figure(self, block: Block) -> str:
        caption = self._caption(block, block.options.get("name", ""))
        return "\n\n".join(part for part in (self._image(block), caption) if part)

    def _caption(self, block: Block, label: str) -> str:
        text = self._body(block)
        if not label:
            return text
        return f"**Figure {self._target(label, block.line).number}.** {text}"

    def _image(self, block: Block) -> str:
        return f"![{self._alt(block)}]({self._href(block.argument, block.line)})"

    def _alt(self, block: Block) -> str:
        if alt := block.options.get("alt"):
            return alt
        message = "the picture has no text alternative; say in :alt: what it shows"
        raise self._error(block.line, message)

    def _exercise(self, block: Block) -> str:
        label = block.options.get("label", "")
        if not label:
            raise self._error(block.line, "the exercise has no :label:; give it one")
        number = self._target(label, block.line).number
        title = (
            f": {self._inline(block.argument, block.line)}" if block.argument else ""
        )
        return f"**Exercise {number}{title}**\n\n{self._body(block)}".rstrip()

    def _solution(self, block: Block) -> str:
        number = self._target(block.argument, block.line).number
        return self._details(f"Solution to Exercise {number}", block)

    def _details(self, title: str, block: Block) -> str:
        # The blank lines make Markdown of what stands inside the HTML.
        body = f"\n\n{self._body(block)}\n\n"
        return f"<details>\n<summary>{title}</summary>{body}</details>"

    def _body(self, block: Block) -> str:
        return self.markdown(block.body, block.body_line)

    def _admonition(self, block: Block) -> str:
        title, body, line = block.argument, block.body, block.body_line
        if block.name != "admonition":
            # What stands beside the name of a note is the beginning of its text.
            body = f"{title}\n{body}" if title else body
            line -= bool(title)
            title = "See also" if block.name == "seealso" else block.name.capitalize()
        text = f"**{title}**\n\n{self.markdown(body, line)}".rstrip()
        return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))

    def _table(self, block: Block) -> str:
        table = self._body(block)
        if not block.argument:
            return table
        caption = self._inline(block.argument, block.line)
        label = block.options.get("name")
        if label:
            number = self._target(label, block.line).number
            caption = f"**Table {number}.** {caption}"
        return f"{caption}\n\n{table}"

    # Inside a block

    def _inline(self, text: str, line: int) -> str:
        done, parts = 0, []
        for each in inlines(text, self.page.path, line):
            if each.kind in ("opening", "closing"):
                continue
            place = line + text.count("\n", 0, each.start)
            if each.kind in WITHOUT_PLAIN_FORM:
                raise self._error(place, WITHOUT_PLAIN_FORM[each.kind])
            if each.kind == "role":
                new = self._role(each.name, each.text, place)
            else:
                new = self._href(each.text, place)
            parts += [text[done : each.start], new]
            done = each.end
        return "".join(parts) + text[done:]

    def _role(self, role: str, text: str, line: int) -> str:
        explicit = EXPLICIT.fullmatch(text)
        target = explicit["target"] if explicit else text
        words = explicit["text"] if explicit else ""
        if role in ("ref", "numref", "prf:ref"):
            return self._reference(role, target, words, line)
        if role == "eq":
            return self._equation(text, line)
        if role == "doc":
            return self._document(target, words, line)
        if role in ("cite:p", "cite:t", "cite"):
            return self._cite(role, text, line)
        if role in ("sub", "sup", "kbd"):
            return f"<{role}>{text}</{role}>"
        if role == "math":
            return f"${text}$"
        if role.startswith("py:"):
            # On the pages a link to the reference; ~ shortens what is shown.
            name = target.rpartition(".")[2] if target[:1] == "~" else target
            return f"`{words or name}`"
        raise self._error(
            line,
            f"the role {role!r} has no plain form for notebooks; use one of ref, "
            "numref, eq, doc, cite:p, cite:t, math, sub, sup, kbd, or one of py:",
        )

    def _target(self, label: str, line: int) -> Target:
        if label not in self.book.labels:
            raise self._error(
                line,
                f"there is no label {label!r} in the book; check its spelling, or put "
                f"({label})= before what is meant",
            )
        return self.book.labels[label]

    def _reference(self, role: str, label: str, words: str, line: int) -> str:
        target = self._target(label, line)
        if target.kind == "section":
            # Chapters are numbered on the pages only.
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
            number = str(target.number)
            for mark in ("%s", "{number}"):
                words = words.replace(mark, number)
        else:
            words = words or f"{target.kind.capitalize()} {target.number}"
        return self._named(target, words)

    def _equation(self, label: str, line: int) -> str:
        target = self._target(label, line)
        return self._named(target, f"({target.number})")

    def _named(self, target: Target, words: str) -> str:
        """Name what has no anchor; on other pages say which, as counts start again."""
        if target.page == self.page:
            return words
        return f"{words} of {self._link(target.page, target.page.title)}"

    def _document(self, name: str, words: str, line: int) -> str:
        folder = self.page.path.parent.as_posix()
        docname = name[1:] if name[:1] == "/" else posixpath.join(folder, name)
        page = self.book.find(posixpath.normpath(docname).removesuffix(".md"))
        if page is None:
            raise self._error(
                line, f"there is no page {name!r}; expected one listed in _toc.yml"
            )
        return self._link(page, words or page.title)

    def _cite(self, role: str, keys: str, line: int) -> str:
        works = []
        for key in (key.strip() for key in keys.split(",")):
            if key not in self.book.bibliography:
                raise self._error(
                    line, f"there is no work {key!r} in references.bib; add it there"
                )
            if key not in self.cited:
                self.cited.append(key)
            authors = self.book.bibliography.authors(key)
            year = self.book.bibliography.year(key)
            form = f"{authors} ({year})" if role == "cite:t" else f"{authors}, {year}"
            works.append(form)
        if role == "cite:t":
            return ", ".join(works)
        return f"({'; '.join(works)})"

    # Links

    def _link(self, page: Page, words: str, fragment: str = "") -> str:
        plain = re.sub(r"[`*$]", "", fragment).replace(" ", "-")
        anchor = f"#{quote(plain)}" if plain else ""
        if page == self.page:
            return f"[{words}]({anchor})" if anchor else words
        return f"[{words}]({self._page_href(page)}{anchor})"

    def _page_href(self, page: Page) -> str:
        """Link a page's notebook for the same framework, or else the page itself."""
        if not page.section:
            return f"../../{page.path.as_posix()}"
        offered = page.section.frameworks
        wanted = (self.framework, ALL, DEFAULT.tag, *offered)
        framework = next(name for name in wanted if name in offered)
        folder = "" if framework == self.framework else f"../{framework}/"
        return f"{folder}{page.section.name}.ipynb"

    def _href(self, href: str, line: int) -> str:
        """Make a link that holds for the page hold for its notebooks."""
        if not href or re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|#", href):
            return href
        path, hash_, anchor = unquote(href).partition("#")
        folder = self.page.path.parent.as_posix()
        path = posixpath.normpath(posixpath.join(folder, path))
        if path.endswith(".md"):
            page = self.book.find(path.removesuffix(".md"))
            if page is None:
                raise self._error(
                    line, f"there is no page {href!r}; expected one listed in _toc.yml"
                )
            return self._page_href(page) + hash_ + anchor
        if not (self.book.root / path).exists():
            raise self._error(line, f"there is no file {href!r} beside the section")
        return f"../../{quote(path)}"

    def references(self) -> str:
        """Return the list of the works that were cited so far, if there are any."""
        if not self.cited:
            return ""
        entries = []
        for key in self.cited:
            url = self.book.bibliography.url(key)
            link = f" <{url}>" if url else ""
            entries.append(f"- {self.book.bibliography.entry(key)}{link}")
        return "**References**\n\n" + "\n".join(entries)

    def navigation(self) -> str:
        """Return links to the pages before and after."""
        before, after = self.book.neighbors(self.page)
        links = []
        if before:
            links.append(f"**Previous:** {self._link(before, before.title)}")
        if after:
            links.append(f"**Next:** {self._link(after, after.title)}")
        return "---\n\n" + " · ".join(links) if links else ""
