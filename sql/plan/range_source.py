"""What a range query reads: its time index, its default series key, its column names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from catalog.records import Table
from engine import datatypes as dt
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.dialect.pieces import cast_to

Resolve = Callable[[exp.Table], Table | None]

# Time type → (ticks in a millisecond, ticks of a time, time of ticks). Coarser times count as
# microseconds: DuckDB reads them so from files, and epoch_ms would cost it a division per row.
_TICKS: dict[DataType, tuple[int, str, str]] = {
    dt.TIMESTAMP_SECOND: (1_000, "epoch_us", "CAST(make_timestamp({0}) AS TIMESTAMP_S)"),
    dt.TIMESTAMP_MILLISECOND: (1_000, "epoch_us", "CAST(make_timestamp({0}) AS TIMESTAMP_MS)"),
    dt.TIMESTAMP_MICROSECOND: (1_000, "epoch_us", "make_timestamp({0})"),
    dt.TIMESTAMP_NANOSECOND: (1_000_000, "epoch_ns", "make_timestamp_ns({0})"),
    dt.TIMESTAMP_TZ: (1_000, "epoch_us", "CAST(make_timestamp({0}) AS TIMESTAMPTZ)"),
}


@dataclass(frozen=True)
class Source:
    """The first relation of the FROM clause. `table` is None for a derived one."""

    alias: str
    time_index: str
    time_type: DataType
    table: Table | None

    @property
    def ticks_per_ms(self) -> int:
        """How fine time is counted."""
        return _TICKS[self.time_type][0]

    def time_column(self) -> exp.Column:
        """The time index."""
        return exp.column(self.time_index, table=self.alias or None, quoted=True)

    def epoch(self) -> exp.Expr:
        """A row's time in ticks."""
        return exp.Anonymous(this=_TICKS[self.time_type][1], expressions=[self.time_column()])

    def slot_time(self, ticks: exp.Expr) -> exp.Expr:
        """Ticks as a value of the time index's type."""
        shape = _TICKS[self.time_type][2]
        function, _, target = shape.removeprefix("CAST(").partition("({0})")
        made: exp.Expr = exp.Anonymous(this=function, expressions=[ticks])
        if not target:
            return made
        return cast_to(made, target.removeprefix(" AS ").removesuffix(")"))

    def is_time(self, column: exp.Column) -> bool:
        """True for a reference to the time index."""
        return column.name == self.time_index and column.table in ("", self.alias)

    def has_column(self, name: str) -> bool:
        """True if the source is a table with such a column."""
        return self.table is not None and self.table.column(name) is not None

    def default_by(self) -> tuple[exp.Expr, ...]:
        """The tags. Raises: DbError SYNTAX when there is nothing to infer them from."""
        if self.table is None:
            raise DbError(
                ErrorKind.SYNTAX,
                "Range Query: Cannot infer default BY columns from derived range query input",
                hint="add BY (…)",
            )
        tags = [c.name for c in self.table.columns if c.semantic is Semantic.TAG]
        if not tags:
            raise DbError(
                ErrorKind.SYNTAX,
                f'Range Query: table "{self.table.name}" has no primary key, so BY is required',
                hint="BY () makes one series of all rows",
            )
        ordered = sorted(tags, key=self.table.primary_key.index)
        return tuple(exp.column(tag, table=self.alias or None, quoted=True) for tag in ordered)

    def qualified_name(self, column: exp.Column) -> str:
        """The column's name as output names show it: `host.val`."""
        table = column.table or self.alias
        return f"{table}.{column.name}" if table else column.name

    def without_qualifier(self, node: exp.Expr) -> exp.Expr:
        """The expression with the source's columns named plainly and equally quoted."""

        def plain(inner: exp.Expr) -> exp.Expr:
            if isinstance(inner, exp.Column) and inner.table in ("", self.alias):
                return exp.column(inner.name, quoted=True)
            return inner

        return node.copy().transform(plain)


def time_of(table: Table) -> tuple[str, DataType] | None:
    """Name and type of a table's time: its time index, or else its only timestamp column.

    Views and relational tables have no time index.
    """
    if table.time_index is not None:
        columns = [c for c in table.columns if c.name == table.time_index]
    else:
        columns = [c for c in table.columns if replace(c.type, wall=False) in _TICKS]
    if len(columns) != 1:
        return None
    return columns[0].name, replace(columns[0].type, wall=False)


def find_source(select: exp.Select, resolve: Resolve) -> Source:
    """The relation whose time a range query aligns.

    Raises: DbError SYNTAX without a FROM, PLAN if the relation has no time index.
    """
    from_ = select.args.get("from_")
    if from_ is None:
        raise DbError(ErrorKind.SYNTAX, "a range query needs a FROM clause")
    relation = from_.this
    alias = relation.alias_or_name
    if isinstance(relation, exp.Table):
        table = resolve(relation)
        time = None if table is None else time_of(table)
        if table is not None and time is not None:
            return Source(alias, *time, table if table.time_index is not None else None)
    derived = _derived(relation, select, resolve)
    if derived is None:
        raise DbError(
            ErrorKind.PLAN,
            f'"{alias}" has no time index to align on',
            hint="it needs one timestamp column; a subquery has to select that, unchanged",
        )
    return Source(alias, *derived, None)


def _derived(relation: exp.Expr, select: exp.Expr, resolve: Resolve) -> tuple[str, DataType] | None:
    """Name and type of the time index that a subquery or CTE passes on."""
    query = _query_of(relation, select)
    if query is None:
        return None
    from_ = query.args.get("from_")
    if from_ is None:
        return None
    inner = from_.this
    table = resolve(inner) if isinstance(inner, exp.Table) else None
    found = None if table is None else time_of(table)
    if found is None:
        found = _derived(inner, query, resolve)
    return None if found is None else _projected(query, *found)


def _query_of(relation: exp.Expr, select: exp.Expr) -> exp.Select | None:
    """The SELECT behind a subquery or the name of a CTE."""
    body: exp.Expr | None = relation.this if isinstance(relation, exp.Subquery) else None
    scope: exp.Expr | None = select
    while body is None and scope is not None and isinstance(relation, exp.Table):
        with_ = scope.args.get("with_")
        for cte in with_.expressions if with_ is not None else []:
            if cte.alias == relation.name:
                body = cte.this
        scope = scope.parent
    while isinstance(body, (exp.SetOperation, exp.Subquery)):
        body = body.this
    return body if isinstance(body, exp.Select) else None


def _projected(query: exp.Select, time: str, data_type: DataType) -> tuple[str, DataType] | None:
    """What a query calls the column, if it selects it as it is (or sorts it into slots)."""
    for item in query.expressions:
        bare = item.this if isinstance(item, exp.Alias) else item
        if isinstance(bare, exp.Star) or (isinstance(bare, exp.Column) and bare.is_star):
            return time, data_type
        if isinstance(bare, exp.Column) and bare.name == time:
            return item.alias_or_name, data_type
    return _rewritten(query, data_type)


def _rewritten(query: exp.Select, data_type: DataType) -> tuple[str, DataType] | None:
    """The time column of a range query that is already rewritten."""
    for item in query.expressions:
        column = item.find(exp.Column) if isinstance(item, exp.Alias) else None
        if item.alias == "__slot" or (column is not None and column.name == "__slot"):
            return item.alias, data_type
    return None
