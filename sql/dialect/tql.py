"""Finding TQL and MySQL's executable comments in a request before it is tokenized.

PromQL is not made of SQL tokens, so the region from the word TQL to its end is blanked out of the
text that the tokenizer sees (same length: positions stay true) and read here instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect import nodes

# What no word may be looked for in: strings, quoted names, comments, dollar quotes.
_QUOTED = re.compile(
    r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|`(?:[^`]|``)*`"""
    r"""|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$""",
    re.DOTALL,
)
_TQL = re.compile(r"\bTQL\s+(EVAL|EVALUATE|EXPLAIN|ANALYZE)\b", re.IGNORECASE)
_HEAD = re.compile(
    r"TQL\s+(?P<verb>\w+)(?P<verbose>\s+VERBOSE\b)?(?:\s+FORMAT\s*=?\s*'?(?P<format>\w+)'?)?\s*",
    re.IGNORECASE,
)
_ALIAS = re.compile(r"""\s+AS\s+(?:"([^"]+)"|`([^`]+)`|(\w+))\s*$""", re.IGNORECASE)
# PromQL's own quoting: https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals
_PROMQL = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|#[^\n]*|[()\[\]{};]""", re.DOTALL
)

ParseBound = Callable[[str, int], list[exp.Expr]]


@dataclass(frozen=True)
class Region:
    """One TQL statement: where it stands in the request and what it says."""

    start: int
    end: int
    text: str
    parse_bounds: ParseBound  # reads a list of SQL expressions; takes its text and its offset

    def node(self) -> nodes.Tql:
        """Raises: DbError SYNTAX."""
        head = _HEAD.match(self.text)
        assert head is not None, "regions start with TQL"
        verb = head["verb"].upper()
        rest, bounds = head.end(), None
        if self.text[rest : rest + 1] == "(" and self._bounds_follow(rest):
            close = _closing(self.text, rest)
            inner = self.text[rest + 1 : close]
            bounds = self.parse_bounds(inner, self.start + rest + 1)
            if len(bounds) not in (3, 4):
                raise self._error("TQL takes (start, end, step[, lookback])", rest)
            rest = close + 1
        query, alias = self.text[rest:], _ALIAS.search(self.text, rest)
        if alias is not None:
            query = self.text[rest : alias.start()]
        if not query.strip():
            raise self._error("TQL needs a PromQL expression", rest)
        return nodes.Tql(
            this="EVAL" if verb == "EVALUATE" else verb,
            text=query.strip(),
            expressions=bounds,
            verbose=bool(head["verbose"]) or None,
            format=head["format"] and head["format"].upper(),
            alias=alias and exp.to_identifier(next(filter(None, alias.groups())), quoted=True),
        )

    def _bounds_follow(self, at: int) -> bool:
        """PromQL may begin with a parenthesis; bounds hold a comma at depth 0."""
        depth = 0
        for match in re.finditer(r"""'[^']*'|"[^"]*"|[(){}\[\],]""", self.text[at:]):
            depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(match[0], 0)
            if depth == 1 and match[0] == ",":
                return True
            if depth == 0:
                return False
        return False

    def _error(self, message: str, at: int) -> DbError:
        return DbError(ErrorKind.SYNTAX, message, position=self.start + at + 1)


def _closing(text: str, opening: int) -> int:
    """Where the parenthesis that opens at `opening` closes (or the text's end)."""
    depth = 0
    for match in re.finditer(r"""'(?:[^']|'')*'|"[^"]*"|[()]""", text[opening:]):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return opening + match.start()
    return len(text)


def cut_tql(text: str, parse_bounds: ParseBound) -> tuple[str, dict[int, Region]]:
    """Blanks out what follows each TQL; gives the text to tokenize and the regions by offset."""
    regions: dict[int, Region] = {}
    at = 0
    while (match := _search_unquoted(text, _TQL, at)) is not None:
        end = _tql_end(text, match.end())
        region = Region(match.start(), end, text[match.start() : end].rstrip(), parse_bounds)
        regions[match.start()] = region
        blank = re.sub(r"\S", " ", text[match.start() + 3 : end])
        text = text[: match.start() + 3] + blank + text[end:]
        at = end
    return text, regions


def _tql_end(text: str, at: int) -> int:
    """A TQL ends before a semicolon or before the bracket that closes what it stands in."""
    depth = 0
    for match in _PROMQL.finditer(text, at):
        if match[0] in "([{":
            depth += 1
        elif match[0] in ")]}":
            depth -= 1
            if depth < 0:
                return match.start()
        elif match[0] == ";":
            return match.start()
    return len(text)


def _search_unquoted(text: str, pattern: re.Pattern[str], at: int) -> re.Match[str] | None:
    while True:
        match = pattern.search(text, at)
        if match is None:
            return None
        covering = _covering(text, at, match.start())
        if covering is None:
            return match
        at = covering.end()


def _covering(text: str, at: int, position: int) -> re.Match[str] | None:
    for quoted in _QUOTED.finditer(text, at):
        if quoted.start() > position:
            return None
        if quoted.end() > position:
            return quoted
    return None


_EXECUTABLE = re.compile(r"/\*!\d{0,6}(.*?)\*/", re.DOTALL)


def open_comments(text: str) -> str:
    """MySQL runs the inside of `/*!40101 … */`: blanks out its marks.

    https://dev.mysql.com/doc/refman/8.4/en/comments.html
    """
    at = 0
    while (match := _search_comment(text, at)) is not None:
        inner = match.span(1)
        opening = " " * (inner[0] - match.start())
        text = f"{text[: match.start()]}{opening}{match[1]}  {text[match.end() :]}"
        at = match.end()
    return text


def _search_comment(text: str, at: int) -> re.Match[str] | None:
    while True:
        match = _EXECUTABLE.search(text, at)
        if match is None:
            return None
        covering = _covering(text, at, match.start())
        if covering is None or covering.start() == match.start():
            return match
        at = covering.end()
