"""Reads MyST Markdown block by block, without Sphinx or docutils.

It knows only what the sections use: headings, labels, display equations, code,
comments and directives. Everything else is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin
from mdit_py_plugins.myst_role import myst_role_plugin

from booktools import SourceError
from booktools.source.files import read_yaml

DIRECTIVE = re.compile(r"\{(?P<name>[a-zA-Z][\w:.-]*)\}\s*(?P<argument>.*)")
OPTION = re.compile(r":(?P<key>[a-zA-Z][\w-]*):\s*(?P<value>.*)")
EXPLICIT = re.compile(r"(?P<text>.+?)\s*<(?P<target>[^<>]+)>", re.S)
"""The content of a role with a title of its own: ``title <target>``."""

FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]")

VERBATIM = {
    "bibliography", "code", "code-block", "code-cell", "eval-rst", "literalinclude",
    "math", "raw",
}  # fmt: skip
"""Directives with a body that isn't Markdown."""

UNREAD = VERBATIM | {"exercise"}
"""Directives whose text says nothing about results."""

ADMONITIONS = {
    "attention", "caution", "danger", "error", "hint", "important", "note", "seealso",
    "tip", "warning",
}  # fmt: skip
"""Directives that let the text begin on the same line as their name."""


PARAGRAPH = re.compile(r"\n\s*\n")
"""The break between two paragraphs."""


@dataclass(frozen=True)
class Block:
    """A block of Markdown.

    ``kind`` is ``heading``, ``target``, ``math``, ``directive``, ``code``,
    ``comment`` or ``text``. ``text`` is the source, which begins on ``line``.
    ``name`` is a heading's text, the label of a target or an equation, or the name
    of a directive. Only directives have ``argument``, ``options``, ``body_line`` and
    blocks ``inside``; ``body`` is the body of a directive or the TeX of an equation.
    """

    kind: str
    text: str
    line: int
    name: str = ""
    argument: str = ""
    options: dict[str, str] = field(default_factory=dict)
    body: str = ""
    body_line: int = 0
    inside: tuple[Block, ...] = ()

    def is_directive(self, name: str) -> bool:
        """Return whether this is a directive with the given name."""
        return self.kind == "directive" and self.name == name


@dataclass(frozen=True)
class Inline:
    """A piece of markup within the text of a block, from ``start`` to ``end``.

    ``kind`` is ``role``, ``code``, ``math``, ``link`` or ``image`` (the address alone),
    ``footnote``, or ``reference`` (the definition of an address, or a link to one).
    ``name`` is the name of a role, and ``text`` its content or the address.
    ``around`` gives the spans to delete if only the words of a link should stay.
    """

    kind: str
    start: int
    end: int
    text: str = ""
    name: str = ""
    around: tuple[tuple[int, int], ...] = ()


@cache
def _parser() -> MarkdownIt:
    """Return a MyST parser with the extensions that the book turns on."""
    parser = MarkdownIt("commonmark").enable("table").use(colon_fence_plugin)
    parser.use(myst_block_plugin).use(myst_role_plugin).use(deflist_plugin)
    parser.use(dollarmath_plugin, allow_labels=True).use(amsmath_plugin)
    names, rules = parser.get_active_rules()["inline"], parser.inline.ruler.getRules("")
    for name, rule in zip(names, rules, strict=True):
        parser.inline.ruler.at(name, partial(_recorded, name, rule))
    return parser.disable("inline", True)


KINDS = {"myst_role": "role", "backticks": "code", "math_inline": "math"}


def _recorded(name: str, rule: Any, state: StateInline, silent: bool) -> bool:
    """Apply a rule of the parser, and record which span it matched."""
    found, start = state.env["found"], state.pos
    before = len(found)
    if not rule(state, silent):
        return False
    if silent or name in ("text", "newline"):
        return True
    end, kind, role, text = state.pos, KINDS.get(name, ""), "", ""
    if kind == "role":
        role, _, text = state.src[start:end].partition("}")
        ticks = len(text) - len(text.lstrip("`"))
        role, text = role[1:], text[ticks:-ticks]
    elif name in ("link", "image"):
        if name == "image":
            # Its text was parsed on its own, with positions counted from there.
            del found[before:]
        opening = start + (name == "image")
        closing = state.md.helpers.parseLinkLabel(state, opening, name == "link")
        address = re.compile(r"\(\s*").match(state.src, closing + 1)
        if address:
            to = state.md.helpers.parseLinkDestination(state.src, address.end(), end)
            around = ((start, opening + 1), (closing, end)) if name == "link" else ()
            found.append(Inline(name, address.end(), to.pos, to.str, around=around))
        else:
            found.append(Inline("reference", start, end, state.src[start:end]))
        if name == "link":  # the words of a link are text
            start = closing
    found.append(Inline(kind, start, end, text, role))
    return True


@cache
def scan(content: str) -> tuple[tuple[Inline, ...], str]:
    """Find the markup in a paragraph; return also its plain words, the rest blanked.

    Markup that is escaped, or inside code or a formula, doesn't count. Footnotes are
    recognized by their pattern alone.
    """
    found: list[Inline] = []
    parser = _parser()
    parser.inline.parse(content, parser, {"found": found}, [])
    words = content
    for each in found:
        if each.kind in ("", *KINDS.values()):
            words = blanked(words, each.start, each.end)
    for match in FOOTNOTE.finditer(words):
        found.append(Inline("footnote", *match.span(), match[0]))
    return tuple(sorted((f for f in found if f.kind), key=lambda f: f.start)), words


def blanked(text: str, start: int, end: int) -> str:
    """Replace a part of a text by blanks, keeping its length and lines."""
    return text[:start] + re.sub(".", " ", text[start:end]) + text[end:]


@cache
def inlines(text: str) -> tuple[Inline, ...]:
    """Find the markup within the text of a block."""
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    env: dict[str, Any] = {}
    tokens = [each for each in _parser().parse(text, env) if each.type == "inline"]
    found: list[Inline] = []
    # The cells of a table row share a line; read it once.
    for first, end in dict.fromkeys(tuple(token.map) for token in tokens):
        at = starts[first]
        # The token of a defined term ends on the line where it begins.
        for each in scan("\n".join(lines[first : max(end, first + 1)]))[0]:
            around = tuple((at + start, at + end) for start, end in each.around)
            found.append(
                replace(each, start=at + each.start, end=at + each.end, around=around)
            )
    for label, each in env.get("references", {}).items():
        first, end = each["map"]
        kind = "footnote" if label.startswith("^") else "reference"
        found.append(Inline(kind, starts[first], starts[end] - 1, label))
    return tuple(found)


def blocks(text: str, path: Path, line: int = 1) -> list[Block]:
    """Split Markdown that begins on the given line of a file into blocks.

    Returns:
        Blocks that cover all of ``text`` in order, except for blank lines.

    Raises:
        SourceError: a directive, formula or comment isn't closed, or a directive is
            inside a list or a quote.
    """
    lines = text.split("\n")
    found: list[Block] = []
    done = 0

    def flush(end: int) -> None:
        start = done
        while start < end and not lines[start].strip():
            start += 1
        if start < end:
            source = "\n".join(lines[start:end]).rstrip()
            found.append(Block("text", source, line + start))

    tokens = _parser().parse(text)
    for i, token in enumerate(tokens):
        if token.type in ("fence", "colon_fence"):
            _check_fence(token, lines, path, line)
        if token.type == "html_block" and "<!--" in token.content.split("-->")[-1]:
            message = "the comment that begins with <!-- is not closed; add -->"
            raise SourceError(path, line + token.map[0], message)
        if token.type == "inline":
            _check_formulas(token, path, line)
        if token.level or not token.map:
            continue
        start, end = token.map
        if token.type == "amsmath":  # its map leaves out the last line
            end = start + token.content.count("\n") + 1
        source = "\n".join(lines[start:end]).rstrip()
        block = _block(token, tokens[i + 1 : i + 2], source, line + start, path)
        if block:
            flush(start)
            found.append(block)
            done = end
    flush(len(lines))
    return found


def _check_fence(token, lines: list[str], path: Path, line: int) -> None:
    start, end = token.map
    opening = token.markup + token.info
    closing = lines[end - 1].strip() if end - 1 > start else ""
    # A nested block would have a shorter fence.
    another = re.compile(rf"\s*{re.escape(token.markup)}+\s*\{{[a-zA-Z]")
    nested = (
        number for number in range(start + 1, end) if another.match(lines[number])
    )
    if number := next(nested, None):
        message = (
            f"the block that begins with {opening} is not closed before line "
            f"{line + number}, where another begins; close it with {token.markup}, or, "
            "if the other belongs inside, begin and end this one with "
            f"{token.markup}{token.markup[0]}"
        )
    elif token.level and DIRECTIVE.match(token.info.strip()):
        message = (
            f"the directive {token.info.strip()} is inside a list or a quote; "
            "write it at the margin, between paragraphs"
        )
    elif closing.strip(token.markup[0]) or len(closing) < len(token.markup):
        message = (
            f"the block that begins with {opening} is not closed; close it with "
            f"{token.markup}, or delete this line if it is left over"
        )
    else:
        return
    raise SourceError(path, line + start, message)


def _check_formulas(token, path: Path, line: int) -> None:
    left = scan(token.content)[1]
    if "$" in left:
        raise SourceError(
            path,
            line + token.map[0] + left.count("\n", 0, left.index("$")),
            "a formula is opened with $ and not closed in the same paragraph; a line "
            "that begins with +, - or * begins a list, so break it elsewhere (and "
            "write \\$ for a dollar)",
        )


def _block(token, following, source: str, line: int, path: Path) -> Block | None:
    if token.type == "heading_open":
        return Block("heading", source, line, following[0].content)
    if token.type == "myst_target":
        return Block("target", source, line, token.content)
    if token.type in ("myst_line_comment", "myst_block_break"):
        return Block("comment", source, line)
    if token.type in ("math_block", "math_block_label"):
        # The label of a block without one is empty.
        return Block("math", source, line, token.info, body=token.content.strip("\n"))
    if token.type in ("fence", "colon_fence"):
        if match := DIRECTIVE.fullmatch(token.info.strip()):
            return _directive(match, token.content, source, line, path)
        return Block("code", source, line)
    if token.type in ("code_block", "html_block", "amsmath"):
        return Block("code", source, line)
    return None


def _directive(match, content: str, source: str, line: int, path: Path) -> Block:
    name, argument = match["name"], match["argument"].strip()
    lines, options, used = content.split("\n"), {}, 0
    if lines[0].strip() == "---":
        end = next((i for i, x in enumerate(lines) if i and x.strip() == "---"), None)
        if end is None:
            message = "the options of the directive begin with --- but never end; end "
            raise SourceError(path, line, f"{message}them with ---")
        what = f"the block of options of {name}"
        read = read_yaml("\n".join(lines[1:end]), path, line + 2, what)
        options = {key: str(value) for key, value in read.items()}
        used = end + 1
    else:
        while used < len(lines) and (option := OPTION.fullmatch(lines[used].strip())):
            options[option["key"]] = option["value"].strip()
            used += 1
    while used < len(lines) and not lines[used].strip():
        used += 1
    body, body_line = "\n".join(lines[used:]).rstrip(), line + 1 + used
    if name in ADMONITIONS and argument:
        body, body_line, argument = f"{argument}\n{body}", body_line - 1, ""
    inside = () if name in VERBATIM else tuple(blocks(body, path, body_line))
    return Block(
        "directive", source, line, name, argument, options, body, body_line, inside
    )


def walk(found: Iterable[Block]) -> Iterator[Block]:
    """Yield all blocks, each directive followed by the blocks inside it."""
    for block in found:
        yield block
        yield from walk(block.inside)


def paragraphs(
    found: Iterable[Block], mark: str, within: tuple[Block, ...] = ()
) -> Iterator[tuple[int, str, str, tuple[Block, ...]]]:
    """Find the prose of a page, except for exercises.

    A comment that begins with ``mark`` leaves out the paragraph, list, table or
    directive after it, or the directive whose first line it is.

    Yields:
        The line and the text of a paragraph, a heading, or the title or text
        alternative of a directive; the kind of its block; and the directives around.
    """
    marked = False
    for block in found:
        if block.kind == "comment":
            marked = block.text.startswith(mark)
            continue
        texts, around = [], within
        if block.kind in ("text", "heading"):
            # The mark covers one paragraph, but a text block can hold several.
            texts = PARAGRAPH.split(block.text)
        elif block.name not in UNREAD and not block.body.startswith(mark):
            texts = [block.argument, block.options.get("alt", "")] * (not marked)
            around = (*within, block)
        start = 0
        for text in texts[marked:]:
            start = max(block.text.find(text, start), 0)
            yield (
                block.line + block.text.count("\n", 0, start),
                text,
                block.kind,
                around,
            )
        if texts and block.inside:
            yield from paragraphs(block.inside, mark, around)
        marked = False
