"""Variables of PL/pgSQL, and statements of SQL with these in them.

Called by run.py. A variable stands in a statement as a parameter cast to its type, so that plans
are kept from one run to the next. A name is a variable's unless a table of the statement has a
column of that name; `record.field` and `block.variable` are told by what stands before the dot.
https://www.postgresql.org/docs/15/plpgsql-implementation.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.blocks.held import held_all
from sql.dialect.dialects import to_sql
from sql.dialect.parser import ParsedStatement, parse
from sql.plan.inline import column_names
from sql.plan.parameters import parameter_number
from sql.plan.routines import NO_VALUE, POLYMORPHIC, cast
from sql.results import ResultColumn
from sql.system.pg_catalog.types import format_type, typed

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_NUMBER = re.compile(r"\d{1,9}")
_NAME = re.compile(r"[a-z_]\w*", re.IGNORECASE)
_TEXT = re.compile(r"'([^'\\]*)'")
_WORDS: dict[str, object] = {"null": None, "true": True, "false": False}
_UNTYPED = NO_VALUE | POLYMORPHIC | {"refcursor", ""}
COMPILED_MAX = 500  # statements an outermost block remembers


@dataclass
class Variable:
    """A value and its type; a record has fields instead, once it was given a row."""

    type: str
    value: object = None
    fields: dict[str, Variable] | None = None
    constant: bool = False

    @property
    def is_record(self) -> bool:
        """True if rows are assigned to it."""
        return self.fields is not None or self.type == "record"


@dataclass
class Scope:
    """The variables of a block; `label` may stand before their names."""

    label: str = ""
    variables: dict[str, Variable] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """Rows that a statement gave."""

    columns: tuple[ResultColumn, ...]
    table: pa.Table

    def rows(self) -> Iterator[tuple[object, ...]]:
        """One after the other, as Python's values."""
        for batch in self.table.to_batches(max_chunksize=1_000):
            yield from zip(*(held_all(column) for column in batch.columns), strict=True)

    def record(self, values: Sequence[object]) -> Variable:
        """A row as a record."""
        pairs = zip(self.columns, values, strict=True)
        return Variable("record", fields={c.name: Variable(type_of(c), v) for c, v in pairs})


def type_of(column: ResultColumn) -> str:
    """The type of a column as PostgreSQL prints it, without lengths."""
    return format_type(typed(column.type)).split("(")[0]


@dataclass
class Names:
    """All variables that a step sees, the innermost block's last."""

    session: ClientSession
    scopes: list[Scope] = field(default_factory=list)
    compiled: dict[object, tuple[list[ParsedStatement], list[tuple[str, ...]]]] = field(
        default_factory=dict
    )

    def find(self, *path: str) -> Variable | None:
        """The variable of a name, `block.name` or `record.field`."""
        for scope in reversed(self.scopes):
            name = scope.aliases.get(path[0], path[0])
            if name in scope.variables:
                return _inside(scope.variables[name], path[1:])
            if scope.label == path[0] and len(path) > 1:
                rest = (scope.aliases.get(path[1], path[1]), *path[2:])
                if rest[0] in scope.variables:
                    return _inside(scope.variables[rest[0]], rest[1:])
        return None

    def need(self, name: str) -> Variable:
        """As `find`, of a name as it is written. Raises: DbError SYNTAX."""
        path = [part.strip().strip('"') for part in name.lower().split(".")]
        found = self.find(*path)
        if found is None:
            if len(path) > 1 and (record := self.find(path[0])) is not None and record.is_record:
                message = f'record "{path[0]}" has no field "{path[1]}"'
                raise DbError(ErrorKind.UNDEFINED_COLUMN, message)
            raise DbError(ErrorKind.SYNTAX, f'"{name}" is not a known variable')
        return found

    # --- Statements -------------------------------------------------------------------------------

    def statements(self, text: str) -> list[tuple[ParsedStatement, list[object]]]:
        """The statements of a text, with the values of their parameters. Raises: DbError."""
        key = (text, self._signature(), self.session.catalog.state(self.session.duck.cursor))
        known = self.compiled.get(key)
        if known is None:
            if len(self.compiled) >= COMPILED_MAX:
                self.compiled.clear()
            known = self._compile(text)
            self.compiled[key] = known
        made = []
        for statement, paths in zip(*known, strict=True):
            variables = [self.find(*path) for path in paths]
            made.append((statement, [None if v is None else v.value for v in variables]))
        return made

    def _signature(self) -> tuple[object, ...]:
        return tuple(
            (scope.label, name, one.type, _shape(one))
            for scope in self.scopes
            for name, one in scope.variables.items()
        )

    def _compile(self, text: str) -> tuple[list[ParsedStatement], list[tuple[str, ...]]]:
        statements, all_paths = [], []
        for one in parse(text, self.session.wire):
            if one.tree is None:
                continue
            tree, paths = self._with_values(one.tree.copy())
            changed = one.text
            if paths:
                changed = to_sql(tree, self.session.wire)
            statements.append(ParsedStatement(changed, tree, 0, len(paths)))
            all_paths.append(tuple(paths))
        return statements, all_paths  # type: ignore[return-value]

    def _with_values(self, tree: exp.Expr) -> tuple[exp.Expr, list[tuple[str, ...]]]:
        """The tree with parameters in place of variables, and which these are."""
        context = self.session.plan_context()
        hidden = column_names(tree, context)
        paths: list[tuple[str, ...]] = []
        for node in list(tree.find_all(exp.Column, exp.Parameter, exp.Dot)):
            path = _path(node, hidden)
            found = self.find(*path) if path else None
            if found is None or _is_target(node):
                continue
            if found.is_record:
                made = self._row(path, found, paths)
            else:
                made = self._parameter(path, found, paths)
            if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
                made = exp.Alias(this=made, alias=exp.to_identifier(path[-1], quoted=True))
            if node is tree:
                return made, paths
            node.replace(made)
        return tree, paths

    def _parameter(
        self, path: tuple[str, ...], one: Variable, paths: list[tuple[str, ...]]
    ) -> exp.Expr:
        if path not in paths:
            paths.append(path)
        made: exp.Expr = exp.Parameter(this=exp.Literal.number(paths.index(path) + 1))
        if one.type not in _UNTYPED:
            made = cast(made, one.type, self.session.plan_context())
        return made

    def _row(self, path: tuple[str, ...], one: Variable, paths: list[tuple[str, ...]]) -> exp.Expr:
        fields = (one.fields or {}).items()
        values = [self._parameter((*path, name), each, paths) for name, each in fields]
        return exp.Anonymous(this="ROW", expressions=values)


def _shape(one: Variable) -> object:
    return None if one.fields is None else tuple((n, f.type) for n, f in one.fields.items())


def _inside(one: Variable, path: Sequence[str]) -> Variable | None:
    for name in path:
        if one.fields is None or name not in one.fields:
            return None
        one = one.fields[name]
    return one


def _path(node: exp.Expr, hidden: frozenset[str]) -> tuple[str, ...]:
    """The names that may mean a variable; nothing for what is a column."""
    if isinstance(node, exp.Parameter):
        number = parameter_number(node)
        return () if number is None else (f"${number}",)
    if isinstance(node, exp.Dot):
        return ()
    table, database = node.text("table"), node.text("db")
    if database:
        return (database, table, node.name)
    if table:
        return (table, node.name)
    return () if node.name in hidden or node.is_star else (node.name,)


def _is_target(node: exp.Expr) -> bool:
    """True for the left side of SET, which names a column."""
    parent = node.parent
    sets = isinstance(parent, exp.EQ) and parent.this is node
    if sets and parent is not None and parent.arg_key == "expressions":
        return isinstance(parent.parent, exp.Update | exp.OnConflict)
    return isinstance(parent, exp.Ordered) and isinstance(parent.parent, exp.OnConflict)


NOT_PLAIN = object()


def plain_value(text: str, names: Names) -> object:
    """The value of a text that is a constant or a variable alone; NOT_PLAIN for all others."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return int(text)
    quoted = _TEXT.fullmatch(text)
    if quoted is not None:
        return quoted[1]
    if not _NAME.fullmatch(text):
        return NOT_PLAIN
    lower = text.lower()
    if lower in _WORDS:
        return _WORDS[lower]
    found = names.find(lower)
    return NOT_PLAIN if found is None or found.is_record else found.value
