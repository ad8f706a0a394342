"""Reads MyST Markdown block by block.

Only what the sections use is told apart: headings, labels, display equations
and directives. Everything else is text. No Sphinx and no docutils.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin

from booktools import SourceError

DIRECTIVE = re.compile(r"\{(?P<name>[a-zA-Z][\w:.-]*)\}\s*(?P<argument>.*)")
OPTION = re.compile(r":(?P<key>[a-zA-Z][\w-]*):\s*(?P<value>.*)")

INLINE = re.compile(
    r"""
    (?<!\\)\{(?P<role>[a-zA-Z][\w:.+-]*)\}(?P<ticks>`+)(?P<text>.+?)(?P=ticks)(?!`)
  | (?<![`\\])(?P<code>`+)(?!`).+?(?<!`)(?P=code)(?!`)
  | (?<!\\)\$\$?(?=\S)[^$]+?\$\$?
  | \]\((?P<href>[^)\s]+)(?P<title>\s+"[^"]*")?\)
    """,
    re.S | re.X,
)
"""A role, or what is left alone (code, mathematics), or the end of a link."""

EXPLICIT = re.compile(r"(?P<text>.+?)\s*<(?P<target>[^<>]+)>", re.S)
"""Within a role: words, and what they stand for."""

CODE_OR_ESCAPED = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)|\\.", re.S)


@dataclass(frozen=True)
class Block:
    """A block of Markdown.

    ``kind`` is ``heading``, ``target``, ``math``, ``directive``, ``code``,
    ``comment`` or ``text``; ``text`` its source and ``line`` where that begins.
    ``name`` is the text of a heading, the label of a target or an equation, or
    the name of a directive. ``argument``, ``options``, ``body`` and
    ``body_line`` are those of a directive; ``body`` also the TeX of an equation.
    """

    kind: str
    text: str
    line: int
    name: str = ""
    argument: str = ""
    options: dict[str, str] = field(default_factory=dict)
    body: str = ""
    body_line: int = 0


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table").use(colon_fence_plugin)
    parser.use(myst_block_plugin).use(dollarmath_plugin, allow_labels=True)
    return parser.disable("inline", True)


def blocks(text: str, path: Path, line: int = 1) -> list[Block]:
    """Take Markdown apart that begins on a line of a file.

    Returns:
        Blocks that cover all of ``text`` in order, blank lines aside.

    Raises:
        SourceError: a directive or a formula is not closed, or a directive stands
            inside a list or quote.
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
        if token.type == "inline":
            _check_formulas(token, path, line)
        if token.level or not token.map:
            continue
        start, end = token.map
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
    closing = lines[end - 1].strip() if end - 1 > start else ""
    if token.level and DIRECTIVE.match(token.info.strip()):
        message = (
            f"the directive {token.info.strip()} stands inside a list or a quote; "
            "write it at the margin, between paragraphs"
        )
    elif closing.strip(token.markup[0]) or len(closing) < len(token.markup):
        message = (
            f"the block that begins with {token.markup}{token.info} is not closed; "
            f"close it with {token.markup}"
        )
    else:
        return
    raise SourceError(path, line + start, message)


def _check_formulas(token, path: Path, line: int) -> None:
    # What is left of a paragraph's dollars without those in code and those escaped.
    if CODE_OR_ESCAPED.sub("", token.content).count("$") % 2:
        raise SourceError(
            path,
            line + token.map[0],
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
        label = token.info if token.type == "math_block_label" else ""
        return Block("math", source, line, label, body=token.content.strip("\n"))
    if token.type in ("fence", "colon_fence"):
        match = DIRECTIVE.fullmatch(token.info.strip())
        if match:
            return _directive(match, token.content, source, line, path)
        return Block("code", source, line)
    if token.type in ("code_block", "html_block"):
        return Block("code", source, line)
    return None


def _directive(match, content: str, source: str, line: int, path: Path) -> Block:
    lines = content.split("\n")
    options, used = {}, 0
    if lines[0].strip() == "---":
        end = next((i for i, x in enumerate(lines) if i and x.strip() == "---"), None)
        if end is None:
            raise SourceError(
                path, line, "the options of the directive begin with --- but never end"
            )
        read = yaml.safe_load("\n".join(lines[1:end])) or {}
        options = {key: str(value) for key, value in read.items()}
        used = end + 1
    else:
        while used < len(lines) and (option := OPTION.fullmatch(lines[used].strip())):
            options[option["key"]] = option["value"].strip()
            used += 1
    while used < len(lines) and not lines[used].strip():
        used += 1
    return Block(
        "directive",
        source,
        line,
        match["name"],
        match["argument"].strip(),
        options,
        "\n".join(lines[used:]).rstrip(),
        line + 1 + used,
    )


def walk(found: list[Block], path: Path) -> Iterator[Block]:
    """Yield blocks and, after each directive with Markdown in it, those inside."""
    for block in found:
        yield block
        if block.kind == "directive" and block.name not in VERBATIM:
            yield from walk(blocks(block.body, path, block.body_line), path)


VERBATIM = {
    "bibliography", "code", "code-block", "eval-rst", "literalinclude", "math", "raw",
}  # fmt: skip
"""Directives whose body is not Markdown."""
