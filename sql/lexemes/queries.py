"""tsquery: lexemes joined by !, &, | and <->, as text and back; what is asked in words as one.

Called for casts to tsquery and by to_tsquery and its kin.
https://www.postgresql.org/docs/15/textsearch-controls.html#TEXTSEARCH-PARSING-QUERIES
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce

from engine.errors import DbError, ErrorKind
from sql.lexemes.configurations import lexemes
from sql.lexemes.vectors import quoted, unquoted

_PRIORITY = {"|": 1, "&": 2, "<->": 3, "!": 4}
_CODES = {"!": 1, "&": 2, "|": 3, "<->": 4}  # in the binary form
_DISTANCE_MAX = 16_384
_DEPTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Lexeme:
    """What is looked for; `prefix` if any lexeme that begins so, `weights` if only there."""

    text: str
    prefix: bool = False
    weights: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """A word of the query that is too common to be looked for."""


@dataclass(frozen=True, slots=True)
class Operator:
    """`sign` is one of !, &, |, <->; `left` is what ! is of; `distance` is of <->."""

    sign: str
    left: Node
    right: Node | None = None
    distance: int = 1


Node = Lexeme | Stop | Operator
Query = Lexeme | Operator | None  # None asks for nothing and finds nothing
Operand = Callable[[Lexeme], Node]


# --- Text -----------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"\s*(?:([!&|()])|<(-|\d{1,6})>|(?:'((?:[^'\\]|''|\\.)+)'|((?:[^\s!&|()<:'\\]|\\.|<(?![-\d]))+))"
    r"(?::([A-Da-d*]*))?)",
    re.DOTALL,
)


def read_query(text: str, operand: Operand = lambda lexeme: lexeme) -> Query:
    """A query as PostgreSQL writes it; `operand` makes of each lexeme what it stands for.

    Raises: DbError SYNTAX_ERROR.
    """
    if not text.strip():
        return None
    reader = _Reader(text, operand)
    node = reader.read(1)
    if reader.peek() is not None:
        raise reader.error()
    return without_stops(node)


class _Reader:
    """Operators of higher priority bind first, equal ones from the left."""

    def __init__(self, text: str, operand: Operand) -> None:
        self.text = text
        self.operand = operand
        self.at = 0
        self.depth = 0

    def error(self) -> DbError:
        """The refusal of the whole text."""
        return DbError(ErrorKind.SYNTAX, f'syntax error in tsquery: "{self.text}"')

    def peek(self) -> re.Match[str] | None:
        """The next token, None at the end."""
        if not self.text[self.at :].strip():
            return None
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            raise self.error()
        return found

    def read(self, least: int) -> Node:
        """An operand and all operators behind it of at least this priority."""
        node = self._operand()
        while (found := self.peek()) is not None:
            sign = "<->" if found[2] else found[1] or ""
            if sign not in ("&", "|", "<->") or _PRIORITY[sign] < least:
                break
            self.at = found.end()
            distance = 1 if found[2] in (None, "-") else int(found[2])
            if distance > _DISTANCE_MAX:
                message = "distance in phrase operator must be an integer value between zero and"
                raise DbError(ErrorKind.INVALID_ARGUMENT, f"{message} {_DISTANCE_MAX} inclusive")
            node = Operator(sign, node, self.read(_PRIORITY[sign] + 1), distance)
        return node

    def _operand(self) -> Node:
        found = self.peek()
        self.depth += 1
        if found is None:
            raise DbError(ErrorKind.SYNTAX, f'no operand in tsquery: "{self.text}"')
        if self.depth > _DEPTH_MAX:
            raise self.error()
        self.at = found.end()
        made: Node
        if found[1] == "!":
            made = Operator("!", self._operand())
        elif found[1] == "(":
            made = self.read(1)
            end = self.peek()
            if end is None or end[1] != ")":
                raise self.error()
            self.at = end.end()
        elif found[1] or found[2]:
            raise self.error()
        else:
            flags = (found[5] or "").upper()
            weights = "".join(mark for mark in "ABCD" if mark in flags)
            made = self.operand(Lexeme(unquoted(found[3] or found[4]), "*" in flags, weights))
        self.depth -= 1
        return made


def show_query(query: Query) -> str:
    """>>> show_query(read_query("fat & (rat:*ab | !cat)"))
    "'fat' & ( 'rat':*AB | !'cat' )"
    """
    return "" if query is None else _shown(query, 0)


def _shown(node: Node, outer: int, *, right_of_phrase: bool = False) -> str:
    if isinstance(node, Lexeme):
        flags = "*" * node.prefix + node.weights
        return quoted(node.text) + (f":{flags}" if flags else "")
    assert isinstance(node, Operator)
    priority = _PRIORITY[node.sign]
    if node.right is None:
        return "!" + _shown(node.left, priority)
    phrase = node.sign == "<->"
    sign = f"<{node.distance}>" if phrase and node.distance != 1 else node.sign
    right = _shown(node.right, priority, right_of_phrase=phrase)
    text = f"{_shown(node.left, priority)} {sign} {right}"
    return f"( {text} )" if priority < outer or (phrase and right_of_phrase) else text


def tsquery(text: str, timezone: str) -> str:
    """A text as tsquery prints it."""
    return show_query(read_query(text))


# --- Stop words -----------------------------------------------------------------------------------


def without_stops(node: Node) -> Query:
    """The query without its stop words; distances of phrases grow by what they took up."""
    return _cleaned(node)[0]


def _cleaned(node: Node) -> tuple[Query, int, int]:
    """The node, and by how much a phrase to its left and to its right is longer."""
    if isinstance(node, Stop):
        return None, 0, 0
    if isinstance(node, Lexeme):
        return node, 0, 0
    left, left_before, left_after = _cleaned(node.left)
    if node.right is None:
        return (None if left is None else replace(node, left=left)), 0, 0
    right, right_before, right_after = _cleaned(node.right)
    phrase = node.sign == "<->"
    own = node.distance if phrase else 0
    if left is None and right is None:
        both = left_before + own + right_before if phrase else max(left_before, right_before)
        return None, both, both
    if left is None:
        return right, (left_before + own if phrase else 0) + right_before, right_after
    if right is None:
        return left, left_before, left_after + (own + right_after if phrase else 0)
    if not phrase:
        return replace(node, left=left, right=right), 0, 0
    distance = own + left_after + right_before
    return replace(node, left=left, right=right, distance=distance), left_before, right_after


# --- Words ----------------------------------------------------------------------------------------


def _chain(name: str, text: str, sign: str, like: Lexeme) -> Node:
    """The lexemes of a text, joined; places of stop words are kept for phrases."""
    parts: list[Node] = []
    last = 0
    for _, place, lexeme in lexemes(name, text):
        if not lexeme:
            continue
        gap = place - last - 1 if last else 0
        parts += [Stop()] * gap
        parts.append(replace(like, text=lexeme))
        last = place
    if not parts:
        return Stop()
    return reduce(lambda left, right: Operator(sign, left, right), parts)


def to_query(name: str, text: str) -> Query:
    """to_tsquery(): operators as they stand, each operand by the configuration."""
    return read_query(text, lambda lexeme: _chain(name, lexeme.text, "<->", lexeme))


def plain_query(name: str, text: str) -> Query:
    """plainto_tsquery(): all of the words.

    >>> show_query(plain_query("english", "The Fat Rats"))
    "'fat' & 'rat'"
    """
    return without_stops(_chain(name, text, "&", Lexeme("")))


def phrase_query(name: str, text: str) -> Query:
    """phraseto_tsquery(): the words one after the other."""
    return without_stops(_chain(name, text, "<->", Lexeme("")))


_WEB = re.compile(r'(?:(?<=\s)|^)(-)?"([^"]*)(?:"|$)|(-)?([^\s"]+)')


def web_query(name: str, text: str) -> Query:
    """websearch_to_tsquery(): "phrases", or, -not; nothing is refused."""
    either: list[Node] = []
    all_of: list[Node] = []
    for not_phrase, phrase, not_word, word in _WEB.findall(text):
        if word.lower() == "or" and all_of:
            either.append(reduce(lambda a, b: Operator("&", a, b), all_of))
            all_of = []
            continue
        node = _chain(name, phrase or word, "<->", Lexeme(""))
        all_of.append(Operator("!", node) if not_phrase or not_word else node)
    if all_of:
        either.append(reduce(lambda a, b: Operator("&", a, b), all_of))
    return without_stops(reduce(lambda a, b: Operator("|", a, b), either)) if either else None


# --- Binary form ----------------------------------------------------------------------------------


def operands(query: Query) -> list[Lexeme]:
    """Its lexemes, each once, in the order of their bytes."""
    found = {node.text: node for node in nodes(query)[::-1] if isinstance(node, Lexeme)}
    return [found[text] for text in sorted(found, key=str.encode)]


def nodes(query: Query) -> list[Node]:
    """Every node: an operator, then all of its right side, then its left, as they are stored."""
    found: list[Node] = []
    left: list[Node] = [] if query is None else [query]
    while left:
        node = left.pop()
        found.append(node)
        if isinstance(node, Operator):
            left.append(node.left)
            left += [] if node.right is None else [node.right]
    return found


def pack_query(text: str) -> bytes:
    """As tsquerysend of PostgreSQL's src/backend/utils/adt/tsquery.c."""
    parts = nodes(read_query(text))
    out = [struct.pack("!I", len(parts))]
    for node in parts:
        if isinstance(node, Lexeme):
            weights = sum(1 << "DCBA".index(mark) for mark in node.weights)
            out.append(struct.pack("!BBB", 1, weights, node.prefix) + node.text.encode() + b"\0")
        elif isinstance(node, Operator):
            out.append(struct.pack("!BB", 2, _CODES[node.sign]))
            out += [struct.pack("!H", node.distance)] if node.sign == "<->" else []
    return b"".join(out)


def unpack_query(data: bytes) -> str:
    """The inverse. Raises: ValueError, IndexError, struct.error for bytes that are none."""
    (count,) = struct.unpack_from("!I", data)
    stored: list[Lexeme | Operator] = []
    at = 4
    for _ in range(count):
        if data[at] == 1:
            end = data.index(b"\0", at + 3)
            weights = "".join(m for m in "ABCD" if data[at + 1] >> "DCBA".index(m) & 1)
            stored.append(Lexeme(data[at + 3 : end].decode(), bool(data[at + 2]), weights))
            at = end + 1
            continue
        sign = next(sign for sign, code in _CODES.items() if code == data[at + 1])
        distance = struct.unpack_from("!H", data, at + 2)[0] if sign == "<->" else 1
        stored.append(Operator(sign, Stop(), None, distance))
        at += 4 if sign == "<->" else 2
    built: list[Node] = []
    for node in reversed(stored):
        if isinstance(node, Operator):
            right = None if node.sign == "!" else built.pop()
            node = replace(node, left=built.pop(), right=right)
        built.append(node)
    if len(built) > 1:
        raise ValueError(len(built))
    return show_query(without_stops(built[0])) if built else ""
