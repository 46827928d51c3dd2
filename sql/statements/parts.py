"""Pieces of a statement that changes rows, run as queries of their own.

Called by the modules of INSERT, UPDATE, DELETE and MERGE, which look rows up, evaluate SET lists
over rows in memory and answer RETURNING. Parameters are numbered anew, since a piece may use only
some of them. What hangs on the statement's text alone is kept with the plans of queries: statements
of one row come by thousands, and to plan their pieces takes longer than to run them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar, cast

import pyarrow as pa
from sqlglot import exp

from catalog.records import Column, Table
from sql.collations import compared_by, query_collation
from sql.decode.assign import assign
from sql.dialect.parser import parse
from sql.dialect.pieces import cast_to, store_collated
from sql.plan.clocks import KIND, clock_of
from sql.plan.literals import timestamp_literal
from sql.plan.parameters import parameter_number
from sql.plan.plan import QueryPlan, plan_query, plan_statement
from sql.results import ResultColumn, Rows
from sql.session import Wire
from sql.statements.query import bind, key_of
from sql.types import duckdb_name

if TYPE_CHECKING:
    from sql.client_session import ClientSession


OF_IDENTITY = "of identity"  # in the meta of a nextval() that comes with the right to its column
_T = TypeVar("_T")
_Target = tuple[Table, Sequence[str]]


@dataclass(frozen=True)
class Pieces:
    """What all pieces of one statement share."""

    session: ClientSession
    text: str
    parameters: Sequence[object] = ()
    given: Mapping[str, Table] = field(default_factory=dict)  # registered rows of a table
    form: str | None = None  # the text without the data that was lifted out of it

    def plan(self, tree: exp.Expr, target: _Target | None = None) -> tuple[QueryPlan, list[object]]:
        """A query's plan and the values it is run with. `target`: what its columns are set to."""
        plan, used = self._planned(tree, target)
        return plan, self._bound(plan, used)

    def prepared(
        self, name: str, make: Callable[[], exp.Expr], target: _Target | None = None
    ) -> tuple[QueryPlan, list[object]]:
        """As `plan`, of the query that the statement's text and rows in memory decide.

        It is made and planned once; `name` tells it from the statement's other pieces.
        """

        def planned() -> tuple[QueryPlan, list[int]]:
            return self._planned(make(), target)

        plan, used = self.kept(name, planned, lambda made: not made[0].session_bound)
        return plan, self._bound(plan, used)

    def kept(
        self, name: str, make: Callable[[], _T], may_keep: Callable[[_T], bool] = lambda made: True
    ) -> _T:
        """What `make` gives, made once while the catalog stays the same. It must not be changed.

        Requires: it hangs on the statement's text, its target and the rows in memory alone.
        """
        text = self.text if self.form is None else self.form
        key = key_of(self.session, text, self.session.plan_context(text))
        if key is None:
            return make()
        key = (*key, name, tuple((name, table.id) for name, table in self.given.items()))
        pieces = self.session.server.plans.pieces
        found = pieces.get(key)
        if found is None:
            found = make()
            if may_keep(found):
                pieces.put(key, found)
        return cast(_T, found)

    def _planned(
        self, tree: exp.Expr, target: _Target | None, *, shown: bool = False
    ) -> tuple[QueryPlan, list[int]]:
        piece, used = _renumbered(tree)
        context = replace(self.session.plan_context(self.text), given=self.given)
        count = len(used)
        plan = plan_query(piece, context, parameter_count=count, target=target, shown=shown)
        return plan, used

    def _bound(self, plan: QueryPlan, used: Sequence[int]) -> list[object]:
        values = [self.parameters[number - 1] for number in used]
        return bind(values, plan.parameter_types, self.session.timezone)

    def statement(self, name: str, make: Callable[[], exp.Expr]) -> tuple[QueryPlan, list[object]]:
        """As `prepared`, of a statement that DuckDB runs on its own table."""

        def planned() -> tuple[QueryPlan, list[int]]:
            piece, used = _renumbered(make())
            context = replace(self.session.plan_context(self.text), given=self.given)
            return plan_statement(piece, context, parameter_count=len(used)), used

        plan, used = self.kept(name, planned, lambda made: not made[0].session_bound)
        return plan, self._bound(plan, used)

    def table(self, tree: exp.Expr, target: _Target | None = None) -> pa.Table:
        """All rows of a query. Raises: DbError."""
        plan, values = self.plan(tree, target)
        return self.session.runner.table(plan, values, self.text)

    def collect(self, tree: exp.Expr, tag: str) -> Rows:
        """A query's rows as the answer of a statement that is done. Raises: DbError."""
        plan, used = self._planned(tree, None, shown=True)
        values = self._bound(plan, used)
        return self.session.runner.collect(plan, values, self.text, tag=tag)

    def columns(self, tree: exp.Expr) -> tuple[ResultColumn, ...]:
        """The columns of a query, which is not run. Raises: DbError."""
        piece, used = _renumbered(tree)
        context = self.session.plan_context(self.text)
        plan = plan_query(piece, context, parameter_count=len(used), shown=True)
        return self.session.runner.describe(plan, self.text)

    @contextmanager
    def with_rows(self, rows: pa.Table, table: Table | None = None) -> Iterator[tuple[str, Pieces]]:
        """A name for rows in memory, and pieces that may use it; `table`: whose rows they are."""
        name = self.session.duck.register(rows)
        try:
            given = self.given if table is None else {**self.given, name: table}
            yield name, replace(self, given=given)
        finally:
            self.session.duck.unregister([name])


def _renumbered(tree: exp.Expr) -> tuple[exp.Expr, list[int]]:
    """The tree with parameters that count from 1, and the numbers they had."""
    if tree.find(exp.Parameter) is None:
        return tree, []
    tree = tree.copy()
    used: list[int] = []
    for node in tree.find_all(exp.Parameter):
        number = parameter_number(node)
        if number is None:
            continue
        if number not in used:
            used.append(number)
        node.set("this", exp.Literal.number(used.index(number) + 1))
    return tree, used


def source(name: str, alias: str) -> exp.Expr:
    """Registered rows in FROM."""
    return exp.alias_(exp.table_(name, quoted=True), alias, quoted=True, table=True)


def derived(query: exp.Query, alias: str) -> exp.Subquery:
    """A query in FROM."""
    name = exp.to_identifier(alias, quoted=True)
    return exp.Subquery(this=query, alias=exp.TableAlias(this=name))


def column_of(alias: str, name: str) -> exp.Column:
    """A column as it stands in the catalog."""
    return exp.column(name, table=alias, quoted=True)


def by_bytes(column: Column, alias: str) -> exp.Expr:
    """The column for telling whether it changes: `a` to `A` is a change in any collation."""
    made = column_of(alias, column.name)
    return store_collated(made, query_collation("binary")) if compared_by(column) else made


def same_key(left: str, right: str, names: Sequence[str]) -> exp.Expr:
    """The condition that two rows have the same key; NULL equals NULL."""
    return exp.and_(
        *(
            exp.NullSafeEQ(this=column_of(left, name), expression=column_of(right, name))
            for name in names
        )
    )


def default_of(column: Column) -> exp.Expr:
    """A column's default as an expression."""
    if column.default is None:
        return exp.null()
    parsed = parse(f"SELECT {column.default}", Wire.HTTP)[0].tree
    assert isinstance(parsed, exp.Select)
    value: exp.Expr = parsed.expressions[0]
    if column.identity:
        for call in value.find_all(exp.Anonymous):
            call.meta[OF_IDENTITY] = True
    return value


def text_as(literal: exp.Expr, column: Column, timezone: str) -> exp.Expr:
    """A text that stands beside values of a column's type, as one of these."""
    type_ = column.type
    if type_.innermost.named is not None:
        return literal
    if not type_.is_timestamp:
        return cast_to(literal, duckdb_name(type_))
    made = timestamp_literal(literal.name, type_, timezone, column.name)
    clock = clock_of(type_)
    assert clock is not None
    made.meta[KIND] = clock.value
    return made


def is_default_word(node: exp.Expr) -> bool:
    """True for the word DEFAULT in place of a value."""
    return isinstance(node, exp.Column | exp.Var) and node.name.upper() == "DEFAULT"


def assigned(session: ClientSession, found: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """The first columns of an answer as values of a table's columns. Raises: DbError."""
    arrays = [assign(found.column(i), c, session.timezone) for i, c in enumerate(columns)]
    return pa.table(arrays, names=[column.name for column in columns])


def returning_of(tree: exp.Expr) -> list[exp.Expr]:
    """The items of RETURNING, none without it."""
    clause = tree.args.get("returning")
    return list(clause.expressions) if clause is not None else []


def expanded(items: Sequence[exp.Expr], alias: str, table: Table) -> list[exp.Expr]:
    """The items with `*` and `alias.*` as the table's columns, which rows in memory may exceed."""
    found: list[exp.Expr] = []
    for item in items:
        star = isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
        mine = star and item.args["table"].name == alias
        if (isinstance(item, exp.Star) and not any(item.args.values())) or mine:
            found += [column_of(alias, column.name) for column in table.columns]
        else:
            found.append(item.copy())
    return found


def as_stored(items: Sequence[exp.Expr], alias: str, table: Table) -> list[exp.Expr]:
    """RETURNING's items of an INSERT that the store runs: it knows the table by its own name only.

    There are no other tables' columns (it takes no sub-queries there), so none need be named.
    """

    def walk(part: exp.Expr) -> exp.Expr:
        mine = isinstance(part, exp.Column) and part.table == alias
        return exp.column(part.this.copy()) if mine else part

    return [item.transform(walk) for item in expanded(items, alias, table)]
