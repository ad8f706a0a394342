"""Changes where the links and pictures of plain Markdown lead, and nothing else in it.

Markdown-it finds them, so that code and formulas that look like links stay as they
are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, image, link
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin


@dataclass(frozen=True)
class Link:
    """A link or a picture: where it begins and ends, and its words end, in a text."""

    start: int
    middle: int
    end: int
    href: str
    title: str
    is_image: bool


def relink(source: str, lead: Callable[[str, bool], str | None]) -> str:
    """Let the links and pictures of Markdown lead elsewhere.

    Args:
        source: the Markdown.
        lead: given an address and whether it is that of a picture, where it has to
            lead, or None where only the words of the link are to stay.

    Returns:
        The Markdown, of which everything else is as it was.
    """
    environment: dict = {}
    edits: list[tuple[int, int, str]] = []
    end = 0
    for token in _parser().parse(source, environment):
        if token.type != "inline":
            continue
        places = _places(token, source, end)
        end = places[-1]
        for found in _links(token.content, environment):
            start, middle, stop = (
                places[at] for at in (found.start, found.middle, found.end)
            )
            new = lead(found.href, found.is_image)
            if new is None:
                edits += [(start, start + 1, ""), (middle, stop, "")]
            elif new != found.href:
                title = found.title.replace('"', '\\"')
                shown = f'({new} "{title}")' if title else f"({new})"
                edits.append((middle + 1, stop, shown))
    for start, stop, text in sorted(edits, reverse=True):
        source = source[:start] + text + source[stop:]
    return source


def _places(token: Token, source: str, start: int) -> list[int]:
    """Return for each character of a paragraph, and its end, the place in the source.

    A paragraph lacks what a list or a quote puts before its lines, and the backslashes
    that a table puts before ``|``. It begins where the one before it ended, or later.
    """
    lines = source.split("\n")
    first = sum(len(line) + 1 for line in lines[: token.map[0]]) if token.map else 0
    at, places = max(start, first), []
    for line in token.content.split("\n"):
        pattern = re.escape(line).replace(r"\|", r"\\?\|")
        at = re.compile(pattern).search(source, at).start()
        for character in line:
            at += source[at] != character
            places.append(at)
            at += 1
        places.append(at)
    return places


def _links(text: str, environment: dict) -> list[Link]:
    """Find the links and pictures of a paragraph, those within a link as well."""
    found: list[Link] = []
    note = {"text": text, "found": found}
    _parser().inline.parse(text, _parser(), environment | note, [])
    return found


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)
    parser.inline.ruler.at("link", _noting(link, False))
    parser.inline.ruler.at("image", _noting(image, True))
    return parser.disable("inline", True)


def _noting(
    rule: Callable[[StateInline, bool], bool], is_image: bool
) -> Callable[[StateInline, bool], bool]:
    """Make of a rule of Markdown-it one that also notes where it holds."""

    def noting(state: StateInline, silent: bool) -> bool:
        start, before = state.pos, len(state.tokens)
        middle = state.md.helpers.parseLinkLabel(state, start + is_image, not is_image)
        if not rule(state, silent):
            return False
        # The text alternative of a picture is parsed apart, as a text of its own.
        if not silent and state.src == state.env["text"]:
            kind, key = ("image", "src") if is_image else ("link_open", "href")
            token = next(each for each in state.tokens[before:] if each.type == kind)
            href, title = (str(token.attrs.get(name, "")) for name in (key, "title"))
            state.env["found"].append(
                Link(start, middle, state.pos, href, title, is_image)
            )
        return True

    return noting
