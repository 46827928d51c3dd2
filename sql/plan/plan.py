"""A planned query: DuckDB text with placeholders for what only the moment of running knows.

`plan_query` runs the rules in order; sql/run/scan.py fills the placeholders in. A plan holds no
data and no clock, so it may be cached for as long as the catalog stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.records import Table
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.dialect.duckdb import to_duckdb
from sql.dialect.nodes import Tql
from sql.functions.calls import function_calls
from sql.partition.prune import filters
from sql.plan.argument_types import argument_types
from sql.plan.bare_numeric import cast_values
from sql.plan.blank_padded import without_blanks
from sql.plan.buckets import bucket_functions
from sql.plan.caseless import caseless
from sql.plan.cast_literals import cast_literals
from sql.plan.clock_values import clock_values
from sql.plan.clocks import Clocks, Walls
from sql.plan.context import PlanContext
from sql.plan.dependent_groups import dependent_groups
from sql.plan.direct import Direct, direct_of
from sql.plan.eras import eras
from sql.plan.extension_forms import extension_forms
from sql.plan.fetch import with_ties
from sql.plan.front import Front, front_of
from sql.plan.inline import inline_routines
from sql.plan.interval_texts import interval_texts
from sql.plan.joined_functions import joined_functions
from sql.plan.json_paths import json_paths
from sql.plan.keyed import Keyed, keyed_of
from sql.plan.keys import tag_keys
from sql.plan.latest import latest_scans, without_distinct
from sql.plan.list_texts import list_texts
from sql.plan.literals import (
    Bound,
    binary_literals,
    columns_read,
    names_read,
    short_offsets,
    time_bounds,
    timestamp_literals,
)
from sql.plan.local_clock import Target, local_clock
from sql.plan.loose_groups import loose_groups
from sql.plan.moments import fine_scans
from sql.plan.mysql_collations import collated
from sql.plan.mysql_digits import digits_shown
from sql.plan.mysql_forms import mysql_forms
from sql.plan.mysql_spans import mysql_spans
from sql.plan.mysql_values import loose_casts, mysql_values, truncations
from sql.plan.named_types import resolve_types
from sql.plan.named_values import named_values, typed_parameters
from sql.plan.naming import name_as_written, name_outputs
from sql.plan.ordered_rows import ordered_rows
from sql.plan.origins import Origin, origins
from sql.plan.parameters import infer_types, parameter_number
from sql.plan.postgres_forms import postgres_forms
from sql.plan.pushdown import push_conditions
from sql.plan.scopes import Scopes
from sql.plan.search import text_asks
from sql.plan.session_functions import is_session_bound, session_functions
from sql.plan.session_zone import zone_calls
from sql.plan.shown_types import Shown, is_only_shown, shown_type, shown_types
from sql.plan.tables import FileReference, Reference, Resolved, known_table, resolve_tables
from sql.plan.text_search import text_search
from sql.plan.time_aggregates import time_aggregates
from sql.plan.time_series import rewrite_time_series
from sql.plan.type_names import name_types, plain_types, shown_declared
from sql.plan.typed import inferred_type, typed_operators
from sql.plan.user_variables import inline_assignments
from sql.plan.values_names import name_values
from sql.plan.whole_rows import fill_lists, whole_rows
from sql.plan.wide_numeric import wide_casts
from sql.results import ResultColumn
from sql.session import Wire
from sql.system.pg_rewrites import rewrite_pg

if TYPE_CHECKING:
    from sql.run.direct import Question


@dataclass(frozen=True)
class Shape:
    """The columns of the last result: parameters of other types may give others."""

    names: list[str]
    types: list[str]  # DuckDB's own
    columns: tuple[ResultColumn, ...]
    arrow: pa.Schema


@dataclass
class Learned:
    """What running a plan has taught: filled in once, kept with the cached plan."""

    columns: tuple[ResultColumn, ...] | None = None
    shape: Shape | None = None
    constant: tuple[tuple[ResultColumn, ...], list[pa.RecordBatch]] | None = None
    question: Question | None = None  # of a direct query


@dataclass(frozen=True)
class QueryPlan:
    """What `sql.run.scan.Runner` needs to run a query."""

    sql: str  # DuckDB text: placeholders __scan_n and __system_n stand for tables, NOW for the time
    scans: tuple[Reference, ...]
    bounds: tuple[Bound, ...]
    systems: dict[str, tuple[str, str]]  # placeholder → (database, name)
    parameter_types: tuple[DataType, ...]
    outputs: tuple[Origin | None, ...]  # table column each output plainly is
    is_constant: bool  # no table, no parameter, no clock: the same answer every time
    session_bound: bool  # holds a value of one session (its pid, a setting): not to be shared
    files: tuple[FileReference, ...] = ()  # external tables
    system_columns: frozenset[str] | None = None  # what is read of system tables; None: anything
    front: Front | None = None  # it wants only the first moments of a scan
    direct: Direct | None = None  # it wants plain rows, which may be in memory
    keyed: Keyed | None = None  # it wants one row of an ordinary table, by its key
    plain_sql: str | None = None  # for rows that DISTINCT ON would leave as they are
    tqls: dict[str, Tql] = field(default_factory=dict)  # placeholder → PromQL in a CTE
    stored: frozenset[int] = frozenset()  # ids of the ordinary tables it reads
    digits: Mapping[int, int] = field(default_factory=dict)  # of seconds, on MySQL
    clocks: frozenset[int] = frozenset()  # places of outputs that are MySQL's TIME
    warnings: tuple[str, ...] = ()  # which MySQL tells whenever the query is run
    spelled: bool = False  # columns are shown in the case they were declared in
    unused: frozenset[int] = frozenset()  # parameters that the rewritten text no longer names
    shown: tuple[DataType | None, ...] = ()  # what outputs are called: see shown_types.py
    walls: Walls | None = None  # see clocks.py; None: nobody asked
    learned: Learned = field(default_factory=Learned, compare=False)

    def arguments(self, parameters: Sequence[object]) -> list[object] | dict[str, object] | None:
        """The parameters as DuckDB takes them, which refuses values that nothing names."""
        if not self.unused:
            return list(parameters) or None
        used = ((n, value) for n, value in enumerate(parameters, 1) if n not in self.unused)
        return {str(number): value for number, value in used} or None


def plan_query(
    tree: exp.Expr,
    context: PlanContext,
    *,
    parameter_count: int = 0,
    declared: Sequence[DataType | None] = (),
    target: tuple[Table, Sequence[str]] | None = None,
    shown: bool = False,
) -> QueryPlan:
    """Plans a SELECT, VALUES or set operation. The tree is not changed.

    `shown`: its columns are for a client's eyes and called what PostgreSQL calls them.
    Raises: DbError.
    """
    tree = inline_routines(tree.copy(), context)
    if shown and context.wire is Wire.POSTGRES and "numeric" in context.text.lower():
        tree = wide_casts(tree, declared)
    called = _shown(tree, context, all_of_them=shown)
    digits = digits_shown(tree) if shown and context.wire is Wire.MYSQL else {}
    if context.wire is Wire.MYSQL and ":=" in context.text:
        tree = inline_assignments(tree)
    if target is None:
        if context.wire is Wire.POSTGRES:
            fill_lists(tree)
            whole_rows(tree, partial(known_table, context=context))
        tree = name_outputs(tree, context.wire)
        if context.wire is Wire.MYSQL and _asks_the_catalog(context):
            tree = name_as_written(tree)
    numbers = _bare_parameters(tree)  # before rules change the tree
    tree = _plain(_names_told(tree, context, declared), context)
    typed = target is None and not shown  # a table may be made of it
    plan = _finish(tree, context, parameter_count, plain_types(declared), target, typed=typed)
    told = [shown_declared(type_) for type_ in declared]
    called = _with_parameters(numbers, called, plan.parameter_types, told)
    return replace(plan, shown=called, digits=digits) if called or digits else plan


def _asks_the_catalog(context: PlanContext) -> bool:
    where = "information_schema"
    return context.database == where or where in context.text.lower()


def _shown(tree: exp.Expr, context: PlanContext, *, all_of_them: bool) -> tuple[Shown, ...]:
    """What outputs are called; types that no column can have only for clients."""
    if context.wire is Wire.MYSQL:
        return ()
    found = shown_types(tree, context.type_named, lambda node: known_table(node, context))
    if all_of_them and context.wire is Wire.POSTGRES:
        return found
    return tuple(None if t is None or is_only_shown(t) else t for t in found)


def _bare_parameters(tree: exp.Expr) -> list[int | None]:
    """The numbers of outputs that plainly are parameters; none if a star hides places."""
    items = [item.unalias() for item in tree.expressions] if isinstance(tree, exp.Select) else []
    return [] if any(item.is_star for item in items) else [parameter_number(i) for i in items]


def _names_told(
    tree: exp.Expr, context: PlanContext, declared: Sequence[DataType | None]
) -> exp.Expr:
    """The tree with what pg_typeof gives where only the statement knows it; it may be changed."""
    if context.wire is Wire.POSTGRES and "pg_typeof" in context.text.lower():
        table_of = partial(known_table, context=context)
        name_types(tree, declared, partial(shown_type, context.type_named, table_of))
    return tree


def _with_parameters(
    numbers: Sequence[int | None],
    called: tuple[Shown, ...],
    types: Sequence[DataType],
    told: Sequence[Shown],
) -> tuple[Shown, ...]:
    """Outputs that plainly are parameters are called as the parameters' types are."""
    if not any(numbers):
        return called
    found = list(called or [None] * len(numbers))
    for place, number in enumerate(numbers):
        if number is None:
            continue
        shown = told[number - 1] if number <= len(told) else None
        found[place] = shown or types[number - 1]
    return tuple(found) if any(found) else ()


def plan_statement(
    tree: exp.Expr,
    context: PlanContext,
    *,
    parameter_count: int = 0,
    declared: Sequence[DataType | None] = (),
) -> QueryPlan:
    """Plans an INSERT, UPDATE, DELETE or MERGE on a relational table, which DuckDB runs.

    What RETURNING gives is for a client's eyes.
    """
    tree = inline_routines(tree.copy(), context)
    called = _shown(tree, context, all_of_them=True)
    tree = _plain(_names_told(tree, context, declared), context)
    plan = _finish(tree, context, parameter_count, plain_types(declared), None)
    return replace(plan, shown=called) if called else plan


def _plain(tree: exp.Expr, context: PlanContext) -> exp.Expr:
    """The tree without time-series clauses; it may be changed. Raises: DbError UNSUPPORTED."""
    if any(isinstance(cte.this, exp.DML) for cte in tree.find_all(exp.CTE)):
        # The store would run it beside every rule and check of ours.
        message = "INSERT, UPDATE, DELETE and MERGE are no queries"
        hint = "in WITH they may stand at the top of a statement that is sent as it is"
        raise DbError(ErrorKind.UNSUPPORTED, message, hint=hint)
    return rewrite_time_series(
        tree, lambda node: known_table(node, context), context.timezone, context.wire
    )


def _view(view: Table, context: PlanContext) -> exp.Expr:
    """A view's query as if it had been written in its place."""
    tree = _plain(inline_routines(context.parse_view(view), context), context)
    return _called(tree, context, Wire(view.dialect))


def _called(tree: exp.Expr, context: PlanContext, wire: Wire) -> exp.Expr:
    """The tree with calls of our own functions as DuckDB knows them."""
    if wire is not Wire.MYSQL:
        tree = extension_forms(resolve_types(tree, context.type_named), context)
    tree = name_values(json_paths(tree, lambda node: known_table(node, context)))
    if wire is not Wire.MYSQL:
        tree = text_search(tree, partial(known_table, context=context))
    if wire is Wire.POSTGRES:
        tree = rewrite_pg(postgres_forms(tree))
    tree = (
        loose_groups(mysql_forms(collated(tree))) if wire is Wire.MYSQL else joined_functions(tree)
    )
    return function_calls(zone_calls(ordered_rows(tree, wire), context.timezone), wire)


def _unused(tree: exp.Expr, count: int) -> frozenset[int]:
    """Parameters that only stood where a rewrite needed no argument."""
    if not count:
        return frozenset()
    named = {parameter_number(node) for node in tree.find_all(exp.Parameter)}
    return frozenset(range(1, count + 1)) - named


def _settled(
    tree: exp.Expr, scopes: Scopes, context: PlanContext, target: Target | None
) -> exp.Expr:
    """What tables and the session settle: columns of a grouped key, and whose clock is meant."""
    tree = dependent_groups(tree, scopes)
    if context.wire is not Wire.HTTP and not context.is_utc:
        tree = local_clock(tree, scopes, context.timezone, context.wire, target)
    return tree


def _typed(
    tree: exp.Expr, scopes: Scopes, context: PlanContext, declared: Sequence[DataType | None]
) -> exp.Expr:
    """Literals and operators as the types beside them want them."""
    tree = timestamp_literals(tree, scopes, context.timezone)
    tree = named_values(tree, scopes, declared)
    infer = partial(inferred_type, scopes)
    if context.wire is not Wire.MYSQL:
        tree = list_texts(interval_texts(clock_values(tree, infer), infer), infer)
    if context.wire is Wire.POSTGRES:
        tree = eras(without_blanks(tree, scopes), infer)
    tree = typed_operators(tree, scopes, context.wire)
    if context.wire is Wire.MYSQL:
        tree = mysql_values(mysql_spans(tree, infer), infer, loosely=context.loosely)
    return tree


def _finish(
    tree: exp.Expr,
    context: PlanContext,
    parameter_count: int,
    declared: Sequence[DataType | None],
    target: Target | None,
    *,
    typed: bool = False,
) -> QueryPlan:
    outer = context
    context = replace(outer, parse_view=lambda view: _view(view, outer))
    called = argument_types(tree, context.wire, parameter_count)
    tree = _called(tree, outer, context.wire)
    resolved = Resolved()
    tree = resolve_tables(tree, context, resolved)
    if resolved.systems and context.wire is Wire.MYSQL:
        tree = caseless(tree)
    session_bound = is_session_bound(tree)
    tree = session_functions(tree, context)
    tree = cast_literals(loose_casts(tree) if context.loosely else tree, context.date_order)
    if context.wire is not Wire.MYSQL:
        tree = binary_literals(tree)
    tree = with_ties(tree)
    tree = short_offsets(tree)
    scopes = Scopes(resolved.tables)
    tree = push_conditions(_settled(tree, scopes, context, target), scopes)
    tree = _typed(tree, scopes, context, declared)
    tree = bucket_functions(tree, scopes)
    tree = time_aggregates(tree, scopes)
    types = infer_types(tree, scopes, parameter_count, declared, target, called, context.wire)
    tree = typed_parameters(tree, types)
    outputs = _outputs(tree, scopes)
    scans = _scans(tree, scopes, resolved, plain=bool(outputs) and target is None)
    plain = without_distinct(tree, scans)
    tree = cast_values(tree, types if target is None else (), declared, context.wire, types)
    return QueryPlan(
        scans=scans,
        bounds=time_bounds(tree, scopes, [*resolved.scans, *resolved.files]),
        systems=resolved.systems,
        system_columns=names_read(tree) if resolved.systems else None,
        parameter_types=types,
        outputs=origins(tree, scopes, resolved.systems),
        walls=_walls(tree, scopes, resolved, context) if typed or not context.is_utc else None,
        is_constant=_is_constant(tree),
        session_bound=session_bound,
        files=tuple(replace(f, columns=columns_read(tree, f.table)) for f in resolved.files),
        front=front_of(tree, scopes, scans) if not resolved.tqls else None,
        direct=None if _reads_more(resolved) else direct_of(tree, scopes, scans, outputs),
        keyed=None if scans or _reads_more(resolved) else keyed_of(tree, scopes, outputs),
        plain_sql=to_duckdb(plain, keep=False) if plain is not None else None,
        tqls=resolved.tqls,
        stored=frozenset(resolved.stored - _only_written(tree, resolved)),
        clocks=_clocks(tree, scopes) if context.wire is Wire.MYSQL else frozenset(),
        spelled=context.wire is Wire.MYSQL,
        unused=_unused(tree, parameter_count),
        warnings=truncations(tree) if context.wire is Wire.MYSQL else (),
        sql=to_duckdb(tree, keep=False),  # last: it changes the tree
    )


def _scans(
    tree: exp.Expr, scopes: Scopes, resolved: Resolved, *, plain: bool
) -> tuple[Reference, ...]:
    """What is read of time-series tables; `plain`: outputs are columns, shown to a client."""
    keys = tag_keys(tree, scopes, resolved.scans)
    asked = filters(tree, scopes, resolved.scans)
    texts = text_asks(tree, scopes, resolved.scans)
    latest = latest_scans(tree, scopes, resolved.scans)
    fine = fine_scans(tree, resolved.scans) if plain else ()
    return tuple(
        replace(
            scan,
            columns=columns_read(tree, scan.table),
            keys=keys.get(scan.placeholder, ()),
            partitions=asked.get(scan.placeholder),
            latest=latest.get(scan.placeholder),
            texts=texts.get(scan.placeholder, ()),
            fine_times=scan.placeholder in fine,
        )
        for scan in resolved.scans
    )


def _only_written(tree: exp.Expr, resolved: Resolved) -> set[int]:
    """The table of an INSERT that does not look at the rows that are there."""
    if not isinstance(tree, exp.Insert) or tree.args.get("conflict"):
        return set()
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    table = resolved.tables.get(id(target))
    return set() if table is None else {table.id}


def _walls(
    tree: exp.Expr, scopes: Scopes, resolved: Resolved, context: PlanContext
) -> Walls | None:
    if context.wire is Wire.HTTP:
        return None
    mixed = bool(resolved.tqls or resolved.systems)
    mixed = mixed or any(scan.table.is_time_series for scan in resolved.scans)
    rest = context.wire is Wire.POSTGRES and not mixed
    return Walls(Clocks(scopes, context.wire).outputs(tree), rest)


def _clocks(tree: exp.Expr, scopes: Scopes) -> frozenset[int]:
    """Outputs that are MySQL's TIME; they may be longer than a day."""
    items = tree.expressions if isinstance(tree, exp.Select) else []
    types = ((place, inferred_type(scopes, item.unalias())) for place, item in enumerate(items))
    return frozenset(place for place, type_ in types if type_ is not None and type_.is_span)


def _reads_more(resolved: Resolved) -> bool:
    return bool(resolved.tqls or resolved.files or resolved.systems)


def _outputs(tree: exp.Expr, scopes: Scopes) -> tuple[tuple[Table, str] | None, ...]:
    """Which outputs are plain table columns (empty when a star makes positions unknown)."""
    if not isinstance(tree, exp.Select):
        return ()
    if any(e.is_star for e in tree.expressions):
        return _star_outputs(tree, scopes)
    found = []
    for item in tree.expressions:
        source = scopes.source(item.unalias())
        found.append((source[2], source[1].name) if source is not None else None)
    return tuple(found)


def _star_outputs(tree: exp.Select, scopes: Scopes) -> tuple[tuple[Table, str] | None, ...]:
    """The columns of `SELECT * FROM one_table`; unknown for other stars."""
    sources = list(scopes.sources(tree).values())
    star = tree.expressions[0]
    plain = type(star) is exp.Star and not any(star.args.values()) and len(tree.expressions) == 1
    table = sources[0] if len(sources) == 1 else None
    if not plain or table is None or not table.is_time_series:
        return ()
    return tuple((table, column.name) for column in table.columns)


_PLAIN = (exp.Select, exp.Alias, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Neg)


def _is_constant(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Select) and all(isinstance(node, _PLAIN) for node in tree.walk())
