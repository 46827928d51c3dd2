"""JSON2, a column of JSON objects whose paths may have types: `JSON2 (a.b BIGINT DEFAULT 0)`.

The grammar (core.py) reads the type, create.py keeps its spelling in the column's `declared`,
sql/plan/json_paths.py reads the types of paths from there, sql/decode/lengths.py checks rows. The
rows are stored as those of any JSON column. Never decides how a path is extracted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql import types
from sql.dialect.object_nodes import user_type_name
from sql.session import Wire

if TYPE_CHECKING:
    from sql.dialect.core import Core

WORD = "JSON2"
_HINTS = "json2"  # the key in a type node's meta
_BARE = re.compile("[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Hint:
    """What a path holds: its type, whether it must be there, and what it holds if it is not."""

    path: tuple[str, ...]
    kind: exp.DataType
    required: bool
    default: exp.Expr | None

    def sql(self) -> str:
        """The hint in its canonical spelling."""
        names = (exp.to_identifier(name, quoted=not _BARE.fullmatch(name)) for name in self.path)
        kind = types.sql_name(types.from_sql(self.kind, time_series=True), Wire.HTTP)
        text = f"{'.'.join(name.sql() for name in names)} {kind}"
        text += " NOT NULL" if self.required else ""
        return text if self.default is None else f"{text} DEFAULT {self.default.sql()}"


def read_json2(parser: Core) -> exp.DataType:
    """The type at the parser's place, with its paths' types. Raises: GrammarError, DbError."""
    parser._advance()
    hints = []
    if parser._match(TokenType.L_PAREN):
        hints.append(_hint(parser))
        while parser._match(TokenType.COMMA):
            hints.append(_hint(parser))
        if not parser._match(TokenType.R_PAREN):
            raise parser.expected(", or )")
    made = exp.DataType.build(WORD, udt=True)
    made.meta[_HINTS] = hints
    return made


def _hint(parser: Core) -> Hint:
    path = [parser.take_name().name]
    while parser._match(TokenType.DOT):
        path.append(parser.take_name().name)
    kind = parser._parse_types()
    if not isinstance(kind, exp.DataType):
        raise parser.expected("a type")
    required = parser.word("NOT")
    if required:
        parser.require("NULL")
    else:
        parser.word("NULL")
    default = parser.take_expression() if parser.word("DEFAULT") else None
    return Hint(tuple(path), kind, required, default)


def json2_spelling(kind: exp.Expr) -> str:
    """The spelling of a JSON2 type, empty for other types."""
    hints: list[Hint] | None = kind.meta.get(_HINTS)
    if hints is None:
        return ""
    return WORD + (f"({', '.join(hint.sql() for hint in hints)})" if hints else "")


def kept_spelling(kind: exp.Expr) -> str:
    """What a time-series column keeps of its type's spelling: users' types and JSON2."""
    return user_type_name(kind) or json2_spelling(kind)


def is_json2(column: Column) -> bool:
    """True for a column that was declared JSON2."""
    return column.type.id is TypeId.JSON and column.declared.startswith(WORD)


def native_name(column: Column) -> str:
    """The column's type as DESC and information_schema call it."""
    return "Json2" if is_json2(column) else column.type.name


def check_append(columns: Iterable[Column], options: Mapping[str, str]) -> None:
    """JSON2 is for tables that keep every row only. Raises: DbError INVALID_ARGUMENT."""
    for column in columns:
        if is_json2(column) and options.get("append_mode") != "true":
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"JSON2 column `{column.name}` requires append_mode='true'",
            )


@lru_cache(maxsize=256)
def hints_of(declared: str) -> dict[tuple[str, ...], Hint]:
    """The hints by path. Requires: `declared` is what `json2_spelling` gave."""
    from sql.dialect.parser import parse  # it imports the grammar, which imports this

    tree = parse(f"CREATE TABLE t (j {declared})", Wire.HTTP)[0].tree
    assert tree is not None
    kinds = (node.args.get("kind") for node in tree.find_all(exp.ColumnDef))
    return {hint.path: hint for kind in kinds if kind is not None for hint in kind.meta[_HINTS]}
