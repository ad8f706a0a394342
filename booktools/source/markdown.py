"""Reads MyST Markdown block by block.

Only what the sections use is told apart: headings, labels, display equations
and directives. Everything else is text. No Sphinx and no docutils.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin
from mdit_py_plugins.myst_role import myst_role_plugin

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

FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]")


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


@dataclass(frozen=True)
class Inline:
    """Something within the text of a block, from ``start`` to ``end`` in it.

    ``kind`` is ``role``, ``href`` (the address alone of a link or a picture), around
    the words of a link ``opening`` and ``closing`` (which its ``href`` follows, though
    it is in that), ``footnote`` or ``reference`` (the definition of an address, or a
    link by it).
    ``name`` is that of a role, and ``text`` what stands in it, or the address.
    """

    kind: str
    start: int
    end: int
    text: str
    name: str = ""


@cache
def _parser() -> MarkdownIt:
    """Return MyST's reading of Markdown, with the extensions that the book turns on."""
    parser = MarkdownIt("commonmark").enable("table").use(colon_fence_plugin)
    parser.use(myst_block_plugin).use(myst_role_plugin).use(deflist_plugin)
    parser.use(dollarmath_plugin, allow_labels=True).use(amsmath_plugin)
    names, rules = parser.get_active_rules()["inline"], parser.inline.ruler.getRules("")
    for name, rule in zip(names, rules, strict=True):
        parser.inline.ruler.at(name, partial(_recorded, name, rule))
    return parser.disable("inline", True)


def _recorded(name: str, rule: Any, state: StateInline, silent: bool) -> bool:
    """Apply a rule of the parser, and note from where to where it held."""
    found, start = state.env["found"], state.pos
    before = len(found)
    if not rule(state, silent):
        return False
    if silent or name in ("text", "newline"):
        return True
    end = state.pos
    if name == "image":
        # It has read its words by themselves, and counted from their beginning.
        del found[before:]
    if name == "myst_role":
        role = state.src[start:end]
        ticks = len(role) - len(role.rstrip("`"))
        label, _, text = role.partition("}")
        found.append(Inline("role", start, end, text[ticks:-ticks], label[1:]))
    elif name in ("link", "image"):
        opening = start + (name == "image")
        closing = state.md.helpers.parseLinkLabel(state, opening, name == "link")
        href = re.compile(r"\(\s*").match(state.src, closing + 1)
        if href:
            to = state.md.helpers.parseLinkDestination(state.src, href.end(), end)
            found.append(Inline("href", href.end(), to.pos, to.str))
            if name == "link":
                found.append(Inline("opening", start, opening + 1, ""))
                found.append(Inline("closing", closing, end, ""))
        else:
            found.append(Inline("reference", start, end, state.src[start:end]))
        if name == "link":  # its words are text
            found.append(Inline("", closing, end, ""))
            return True
    found.append(Inline("", start, end, ""))
    return True


@cache
def _scan(content: str) -> tuple[tuple[Inline, ...], str]:
    """Find what stands within a text; return also what is left of it, as plain words.

    Footnotes are left: they are known by their pattern only.
    """
    found: list[Inline] = []
    parser = _parser()
    parser.inline.parse(content, parser, {"found": found}, [])
    words = content
    for each in found:
        if each.kind in ("", "role"):
            blank = re.sub(".", " ", content[each.start : each.end])
            words = words[: each.start] + blank + words[each.end :]
    for match in FOOTNOTE.finditer(words):
        found.append(Inline("footnote", *match.span(), match[0]))
    return tuple(sorted((f for f in found if f.kind), key=lambda f: f.start)), words


def inlines(text: str, path: Path, line: int) -> list[Inline]:
    """Find the roles, addresses and footnotes in the text of a block.

    What merely looks like one, in code, in a formula or escaped, is none.

    Args:
        text: Markdown that begins on a ``line`` of a file.
        path: the file.
        line: counted from 1.

    Raises:
        SourceError: the text cannot be found again in what the parser made of it.
    """
    lines = text.split("\n")
    starts = [0]
    for each in lines:
        starts.append(starts[-1] + len(each) + 1)
    found: list[Inline] = []
    env: dict[str, Any] = {}
    read_to: dict[int, int] = {}  # several cells of a table stand on one line
    for token in _parser().parse(text, env):
        if token.type != "inline":
            continue
        places: list[int] = []
        for number, part in enumerate(token.content.split("\n"), token.map[0]):
            columns = _columns(part, lines[number], read_to.get(number, 0))
            if columns is None:
                message = f"cannot be read; write it simpler: {part!r}"
                raise SourceError(path, line + number, message)
            read_to[number] = columns[-1]
            places += [starts[number] + column for column in columns]
        for each in _scan(token.content)[0]:
            start, end = places[each.start], places[each.end - 1] + 1
            found.append(replace(each, start=start, end=end))
    for label, each in env.get("references", {}).items():
        start = starts[each["map"][0]]
        kind = "footnote" if label.startswith("^") else "reference"
        found.append(Inline(kind, start, starts[each["map"][1]] - 1, label))
    return found


def _columns(part: str, line: str, start: int) -> list[int] | None:
    """Return where each character of a part stands in its line, and where it ends."""
    pattern = re.escape(part.strip()).replace(r"\|", r"\\?\|")
    match = re.compile(pattern).search(line, start)
    if not match:
        return None
    columns = [match.start()] * (len(part) - len(part.lstrip()))
    at = match.start()
    for character in part.strip():
        # A cell of a table may hold the bar that divides cells, escaped.
        at += character == "|" and line[at] == "\\"
        columns.append(at)
        at += 1
    return columns + [at] * (len(part) + 1 - len(columns))


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
        if token.type == "amsmath":  # it does not count its last line
            end = start + token.content.count("\n") + 1
        source = "\n".join(lines[start:end]).rstrip()
        block = _block(token, tokens[i + 1 : i + 2], source, line + start, path)
        if block:
            flush(start)
            found.append(block)
            done = end
    flush(len(lines))
    return found


def read_file(path: Path, shown: Path) -> str:
    """Read a file of the book, or raise SourceError where it is not UTF-8."""
    data = path.read_bytes()
    try:
        # As Sphinx reads it: a mark of the order of bytes is none of the text.
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 ({data[error.start : error.end]!r}); save it as UTF-8"
        raise SourceError(shown, line, message) from None


def read_yaml(text: str, path: Path, line: int, what: str) -> dict[str, Any]:
    """Read the keys and values of YAML that begins on a line of a file.

    Raises:
        SourceError: it is no YAML, or something else than keys and values.
    """
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise SourceError(
            path,
            line + min(mark.line if mark else 0, text.count("\n")),
            f"{what} cannot be read ({problem}); write a line 'key: value' for each, "
            "and quote a value that holds a colon, a bracket or a #",
        ) from None
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise SourceError(path, line, f"{what} must be lines of the form 'key: value'")
    return {str(key): value for key, value in read.items()}


def _check_fence(token, lines: list[str], path: Path, line: int) -> None:
    start, end = token.map
    closing = lines[end - 1].strip() if end - 1 > start else ""
    # What stands inside would begin and end with fewer of them.
    another = re.compile(rf"\s*{re.escape(token.markup)}+\s*\{{[a-zA-Z]")
    for number in range(start + 1, end):
        if another.match(lines[number]):
            raise SourceError(
                path,
                line + start,
                f"the block that begins with {token.markup}{token.info} is not closed "
                f"before line {line + number}, where another begins; close it with "
                f"{token.markup}, or, if the other belongs inside, begin and end this "
                f"one with {token.markup}{token.markup[0]}",
            )
    if token.level and DIRECTIVE.match(token.info.strip()):
        message = (
            f"the directive {token.info.strip()} stands inside a list or a quote; "
            "write it at the margin, between paragraphs"
        )
    elif closing.strip(token.markup[0]) or len(closing) < len(token.markup):
        message = (
            f"the block that begins with {token.markup}{token.info} is not closed; "
            f"close it with {token.markup}, or delete this line if it is left over"
        )
    else:
        return
    raise SourceError(path, line + start, message)


def _check_formulas(token, path: Path, line: int) -> None:
    left = _scan(token.content)[1]
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
        label = token.info if token.type == "math_block_label" else ""
        return Block("math", source, line, label, body=token.content.strip("\n"))
    if token.type in ("fence", "colon_fence"):
        match = DIRECTIVE.fullmatch(token.info.strip())
        if match:
            return _directive(match, token.content, source, line, path)
        return Block("code", source, line)
    if token.type in ("code_block", "html_block", "amsmath"):
        return Block("code", source, line)
    return None


def _directive(match, content: str, source: str, line: int, path: Path) -> Block:
    lines = content.split("\n")
    options, used = {}, 0
    if lines[0].strip() == "---":
        end = next((i for i, x in enumerate(lines) if i and x.strip() == "---"), None)
        if end is None:
            raise SourceError(
                path,
                line,
                "the options of the directive begin with --- but never end; end them "
                "with ---",
            )
        what = f"the block of options of {match['name']}"
        read = read_yaml("\n".join(lines[1:end]), path, line + 2, what)
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
