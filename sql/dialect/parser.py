"""Text in, statements out: the one door to the grammar.

Called by the session for every request. Raises nothing but `DbError`, whatever the text.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from sqlglot import exp
from sqlglot.errors import SqlglotError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.array_types import in_one_word, spelled_with_brackets
from sql.dialect.chunks import chunks, routine_of
from sql.dialect.core import GrammarError
from sql.dialect.dialects import dialect_of
from sql.dialect.pieces import SPELLING
from sql.dialect.quoting import mark_quoted_names
from sql.dialect.tql import Region, cut_tql, open_comments
from sql.dialect.values_tables import mark_values_tables
from sql.session import Wire

# A nested expression takes about 15 Python frames per level; PostgreSQL allows some thousand
# levels, DuckDB 1000. Python-to-Python calls take no C stack, so this is safe in any thread.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))

_ESCAPED_QUOTE_HINT = (
    "a string in single quotes, a name in double quotes or backticks is not closed"
)


@dataclass(frozen=True)
class ParsedStatement:
    """One statement of a request.

    `text` is its own text without the semicolon, `offset` where that begins in the request, `tree`
    what it says: None if there is nothing to run. Trees may be shared: copy before changing one.
    `declared` is what the client says of its placeholders; None for those it leaves open. `answers`
    are rows that the tree reads as tables of those names: what functions gave (sql/routines/).
    """

    text: str
    tree: exp.Expr | None
    offset: int = 0
    parameter_count: int = 0
    declared: tuple[DataType | None, ...] = ()
    answers: tuple[tuple[str, pa.Table], ...] = field(default=(), repr=False, compare=False)
    _tokens: tuple[Token, ...] = field(default=(), repr=False, compare=False)

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to run (only comments or spaces)."""
        return self.tree is None


@dataclass(frozen=True)
class UnreadableStatement(ParsedStatement):
    """A statement behind others of its request that is no SQL: told when its turn comes."""

    error: DbError | None = None

    @property
    def is_empty(self) -> bool:
        """It has no tree, but it is not nothing."""
        return False


def parse(text: str, wire: Wire) -> list[ParsedStatement]:
    """Splits a request at its semicolons and parses each statement.

    Empty statements between others are dropped; an empty request gives one empty statement.
    On MySQL statements are read one after another: one that is no SQL ends the list, and those
    before it run first.
    Raises: DbError SYNTAX (with the 1-based position in `text`), LIMIT_EXCEEDED for statements
    nested too deeply.
    """
    readable = open_comments(text) if wire is Wire.MYSQL and "/*!" in text else text
    regions: dict[int, Region] = {}
    if "tql" in readable.lower():
        readable, regions = cut_tql(readable, lambda part, at: _bounds(part, at, wire))
    tokens = tokenize(readable, wire)
    if wire is Wire.MYSQL:
        mark_quoted_names(tokens, readable)
    elif any(token.token_type is TokenType.ARRAY for token in tokens):
        tokens = spelled_with_brackets(tokens)
    if wire is Wire.POSTGRES:
        mark_values_tables(tokens)
    if wire is not Wire.MYSQL and "varying" in readable.lower():
        tokens = in_one_word(tokens)
    marks = tuple(token.start for token in tokens if token.token_type is TokenType.PLACEHOLDER)
    statements: list[ParsedStatement] = []
    for chunk in chunks(tokens, wire):
        state = _State(text, readable, wire, regions, marks)
        try:
            statements.append(state.statement(chunk))
        except DbError as error:
            if wire is not Wire.MYSQL or not statements:
                raise
            at = chunk[0].start
            statements.append(UnreadableStatement(text[at:], None, at, error=error))
            break
    return statements or [ParsedStatement("", None, len(text))]


@dataclass(frozen=True)
class _State:
    """A request under work."""

    text: str  # as the client sent it
    readable: str  # the same length, with what is not SQL blanked out
    wire: Wire
    regions: dict[int, Region]
    marks: tuple[int, ...]

    def statement(self, tokens: list[Token]) -> ParsedStatement:
        start, end = tokens[0].start, tokens[-1].end + 1
        region = self.regions.get(tokens[-1].start)
        if region is not None:
            end = region.end
        first = sum(mark < start for mark in self.marks)
        routine = routine_of(tokens, self.text, self.wire)
        if routine is not None:
            return ParsedStatement(self.text[start:end].rstrip(), routine, start)
        tree = self.tree(tokens, first)
        fold_identifiers(tree, self.wire)
        return ParsedStatement(self.text[start:end].rstrip(), tree, start, _parameter_count(tree))

    def tree(self, tokens: list[Token], first_placeholder: int) -> exp.Expr:
        parser: Any = dialect_of(self.wire)().parser()
        parser.placeholders = self.marks
        parser.first_placeholder = first_placeholder
        parser.tql_texts = self.regions
        with _Translated(self.text):
            trees = parser.parse(tokens, self.readable)
        if len(trees) != 1 or trees[0] is None:
            raise DbError(ErrorKind.SYNTAX, "syntax error", position=tokens[0].start + 1)
        tree: exp.Expr = trees[0]
        _check_target(tree, tokens[0])
        return _admin_call(tree) or tree


_ADMIN = frozenset(
    {"flush_table", "flush_region", "flush_flow", "compact_table", "compact_region"}
    | {"build_index", "gc_table", "gc_regions", "procedure_state"}
)


def _admin_call(tree: exp.Expr) -> nodes.Admin | None:
    """`SELECT flush_table('t')` is the ADMIN statement, if it selects that one call only."""
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1:
        return None
    item = tree.expressions[0]
    call = item.unalias()
    if not isinstance(call, exp.Anonymous) or call.name.lower() not in _ADMIN:
        return None
    if any(value for key, value in tree.args.items() if key != "expressions"):
        return None
    return nodes.Admin(this=call, shown=item.alias or call.name.lower())


def _check_target(tree: exp.Expr, first: Token) -> None:
    """The library lets a changed table's name be missing, or anything stand there.

    Raises: DbError SYNTAX.
    """
    if not isinstance(tree, exp.Insert | exp.Delete | exp.Update):
        return
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(target, exp.Table | exp.Subquery | exp.Tuple):
        verb = type(tree).__name__.upper()
        message = f"syntax error: {verb} does not name a table"
        raise DbError(ErrorKind.SYNTAX, message, position=first.start + 1)
    if isinstance(tree, exp.Update) and not tree.expressions:
        message = "syntax error: UPDATE does not SET a column"
        raise DbError(ErrorKind.SYNTAX, message, position=first.start + 1)


class _Translated:
    """Turns whatever the library raises into a DbError."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __enter__(self) -> None:
        return

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, DbError) or not isinstance(error, Exception):
            return
        raise self._translate(error) from error

    def _translate(self, error: Exception) -> DbError:
        if isinstance(error, GrammarError):
            return _syntax_error(self._text, error.token, error.description)
        if isinstance(error, RecursionError):
            return DbError(
                ErrorKind.LIMIT_EXCEEDED,
                "the statement is nested too deeply",
                hint="break it into smaller parts, or use IN (…) instead of long chains",
            )
        if isinstance(error, SqlglotError):
            return DbError(ErrorKind.SYNTAX, f"syntax error: {str(error).splitlines()[0]}")
        # The library assumes well-formed input in places: an assertion or a missing attribute
        # there means the same to the client.
        return DbError(ErrorKind.SYNTAX, "syntax error: the statement cannot be read")


def _syntax_error(text: str, token: Token | None, description: str) -> DbError:
    detail = description or None
    if detail is not None:
        detail = detail[0].upper() + detail[1:]
    if token is None:
        end = len(text.rstrip().rstrip(";").rstrip()) + 1
        message = "syntax error at end of input"
        return DbError(ErrorKind.SYNTAX, message, detail=detail, position=end)
    shown = text[token.start : token.end + 1]
    message = f'syntax error at or near "{shown}"'
    return DbError(ErrorKind.SYNTAX, message, detail=detail, position=token.start + 1)


def tokenize(text: str, wire: Wire) -> list[Token]:
    """The text's tokens. Raises: DbError SYNTAX for a quote that does not end, LIMIT_EXCEEDED."""
    try:
        return list(dialect_of(wire)().tokenize(text))
    except TokenError as error:
        position = getattr(error, "end", None)
        raise DbError(
            ErrorKind.SYNTAX,
            "unterminated quoted text",
            hint=_ESCAPED_QUOTE_HINT,
            position=min(position or len(text), len(text)),
        ) from error
    except RecursionError as error:
        raise DbError(ErrorKind.LIMIT_EXCEEDED, "the statement is nested too deeply") from error


def _bounds(text: str, offset: int, wire: Wire) -> list[exp.Expr]:
    """Reads the comma-separated SQL expressions of a TQL head."""
    tokens = tokenize(text, wire)
    parser: Any = dialect_of(wire)().parser()
    with _Translated(text):
        try:
            trees = parser._parse(
                lambda p: exp.Tuple(expressions=p._parse_csv(p._parse_disjunction)), tokens, text
            )
        except GrammarError as error:
            if error.token is not None:
                error.token.start += offset
                error.token.end += offset
            raise
    result: list[exp.Expr] = trees[0].expressions if trees and trees[0] is not None else []
    for tree in result:
        fold_identifiers(tree, wire)
    return result


def _parameter_count(tree: exp.Expr) -> int:
    """The highest parameter number."""
    numbers = (int(node.name) for node in tree.find_all(exp.Parameter))
    return max(numbers, default=0)


# Where a MySQL client's own case is kept beside the folded name.
_SPELLED = (exp.Column, exp.ColumnDef, exp.Table)


def fold_identifiers(tree: exp.Expr, wire: Wire) -> None:
    """Lower-cases the unquoted names of a tree, in place.

    On MySQL an output column keeps the case of its alias, as its clients expect. Elsewhere a
    double-quoted word among the VALUES of an INSERT, where no column can be meant, is a string;
    on HTTP among any VALUES.
    """
    for node in tree.find_all(exp.Identifier):
        if node.quoted:
            continue
        if wire is Wire.MYSQL and node.arg_key == "alias" and isinstance(node.parent, exp.Alias):
            continue
        folded = fold_name(node.name)
        if wire is Wire.MYSQL and folded != node.name and isinstance(node.parent, _SPELLED):
            node.meta[SPELLING] = node.name
        node.set("this", folded)
    if wire is not Wire.MYSQL:
        for values in tree.find_all(exp.Values):
            if wire is Wire.HTTP or isinstance(values.parent, exp.Insert):
                _strings_in_values(values)


def fold_name(name: str) -> str:
    """Only ASCII letters fold, as in PostgreSQL with UTF-8."""
    return (
        name.lower() if name.isascii() else "".join(c.lower() if c.isascii() else c for c in name)
    )


def _strings_in_values(values: exp.Values) -> None:
    for row in values.expressions:
        for item in list(row.find_all(exp.Column)):
            quoted = not item.table and item.this.args.get("quoted")
            if quoted and item.find_ancestor(exp.Query, exp.Values) is values:
                item.replace(exp.Literal.string(item.name))


__all__ = ["ParsedStatement", "fold_identifiers", "fold_name", "nodes", "parse"]
