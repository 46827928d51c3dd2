"""CREATE FLOW and DROP FLOW: records in the catalog, and the sink where there is none yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.flows import Flow
from catalog.records import Column, Table
from catalog.units import parse_human
from engine import datatypes
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.dialect import nodes
from sql.dialect.definitions import TableDefinition
from sql.flows.evaluate import PLACEHOLDER, UPDATED, columns_of, names_in, sources_of
from sql.flows.shape import Shape, shape_of
from sql.plan.tables import table_name
from sql.privileges import check_schema, check_table
from sql.results import Affected, Notice, Result, ResultColumn
from sql.statements.create import make_table
from sql.statements.found_flow import check_owner, find_flow, known_flow, one_line
from sql.statements.metric_engine import check_not_physical

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement
    from sql.transaction import Transaction

_OPTIONS = frozenset(
    {"flow_type", "defer_on_missing_source", "experimental_enable_incremental_read"}
)
_INCREMENTAL = "experimental_enable_incremental_read"
_COMMENT = "Auto created table by flow engine"


def run_create(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """CREATE [OR REPLACE] FLOW. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, nodes.CreateFlow)
    name = tree.this.name
    with session.writing() as transaction:
        transaction.change_store()
        session.catalog.lock_flow(session.duck.cursor, name)
        old = known_flow(session, name)
        if old is not None and tree.args.get("exists"):
            session.notice(Notice(f'flow "{name}" already exists, skipping', sqlstate="42710"))
            return Affected("CREATE FLOW", 0)
        if old is not None and not tree.args.get("replace"):
            raise DbError(ErrorKind.DUPLICATE_OBJECT, f'flow "{name}" already exists')
        if old is not None:
            check_owner(session, old)
        _create(session, transaction, statement, tree, old)
    return Affected("CREATE FLOW", 0)


def _create(
    session: ClientSession,
    transaction: Transaction,
    statement: ParsedStatement,
    tree: nodes.CreateFlow,
    old: Flow | None,
) -> None:
    query = tree.expression
    _check_query(query)
    sources = sources_of(session, query)
    source = sources[0] if len(sources) == 1 else None
    shape = shape_of(query, source)
    interval = _length(tree, "interval")
    _check_sources(sources, tree, shape, interval)
    found = columns_of(session, query, source)
    sink = table_name(tree.args["sink"], session.plan_context(statement.text))
    _settle_sink(session, transaction, sink, sources, shape, found)
    now = session.server.clock.now_ms()
    at = int(tree.args["start"]) - statement.offset
    flow = Flow(
        id=old.id if old is not None else session.next_id(),
        name=tree.this.name,
        database=session.database,
        sink=sink,
        query=one_line(statement.text[at:]),
        dialect=session.wire.value,
        sources=tuple((table.database, table.name) for table in sources),
        expire_ms=_length(tree, "expire"),
        interval_ms=interval,
        windowed=shape.window is not None,
        comment=tree.args["comment"].name if tree.args.get("comment") else "",
        options=_options(tree, shape),
        timezone=session.timezone,
        role=session.role,
        created_ms=old.created_ms if old is not None else now,
        updated_ms=max(now, old.updated_ms + 1) if old is not None else now,
    )
    session.catalog.put_flow(session.duck.cursor, flow)


def _length(tree: nodes.CreateFlow, key: str) -> int | None:
    given = tree.args.get(key)
    length = parse_human(given.name) if given is not None else None
    if length is not None and length <= 0:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"a flow's {key} must be longer than 0")
    return length


def _options(tree: nodes.CreateFlow, shape: Shape) -> dict[str, str]:
    given = {}
    for option in tree.args["options"].expressions if tree.args.get("options") else ():
        value = nodes.constant_text(option.expression) if option.expression is not None else None
        if option.this not in _OPTIONS or value is None:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f'"{option.this}" is no option of a flow',
                hint=f"there are {', '.join(sorted(_OPTIONS))}",
            )
        given[str(option.this)] = value
    given["flow_type"] = "batching" if shape.aggregates or shape.promql else "streaming"
    return given


def _check_query(query: exp.Expr) -> None:
    """Raises: DbError SYNTAX, INVALID_ARGUMENT for what cannot be evaluated again and again."""
    if query.find(exp.Parameter) is not None:
        raise DbError(ErrorKind.SYNTAX, "a flow's query has no parameters")
    found = query.find(nodes.Tql)
    if found is not None and str(found.this) != "EVAL":
        raise DbError(ErrorKind.SYNTAX, "only TQL EVAL can be a flow's query")
    ctes = list(query.find_all(exp.CTE))
    if ctes and not (len(ctes) == 1 and isinstance(ctes[0].this, nodes.Tql) and _is_plain(query)):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "a flow's WITH holds one TQL, and the query is SELECT * of that",
            hint="use a view, or a sub-query",
        )
    if found is not None:
        bounds = found.expressions[:2]
        if not bounds or not any(_has_now(bound) for bound in bounds):
            raise DbError(
                ErrorKind.SYNTAX,
                "a flow's TQL has bounds that contain now()",
                hint="TQL EVAL (now() - '5m'::interval, now(), '1m') …",
            )


def _has_now(bound: exp.Expr) -> bool:
    names = {part.name.lower() for part in bound.find_all(exp.Anonymous)}
    return bound.find(exp.CurrentTimestamp) is not None or "now" in names


def _is_plain(query: exp.Expr) -> bool:
    if not isinstance(query, exp.Select):
        return False
    others = ("where", "group", "joins", "having", "limit", "order", "distinct")
    star = len(query.expressions) == 1 and isinstance(query.expressions[0], exp.Star)
    cte = query.find(exp.CTE)
    tables = list(query.find_all(exp.Table))
    same = cte is not None and [table.name for table in tables] == [cte.alias]
    return star and same and not any(query.args.get(key) for key in others)


def _check_sources(
    sources: Sequence[Table], tree: nodes.CreateFlow, shape: Shape, interval: int | None
) -> None:
    for table in sources:
        if not table.is_time_series and interval is None:
            raise DbError(
                ErrorKind.UNSUPPORTED,
                f'"{table.name}" has no time index: its writes do not start a flow',
                hint="give the flow an EVAL INTERVAL",
            )
    if shape.promql and interval is None:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, "a flow of TQL needs an EVAL INTERVAL", hint="'1m'"
        )
    if _asks(tree, _INCREMENTAL) and not all(table.append_mode for table in sources):
        name = next(table.name for table in sources if not table.append_mode)
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'incremental reads need sources that only grow, "{name}" is not in append mode',
            hint=f"create it WITH (append_mode = 'true'), or leave {_INCREMENTAL} out",
        )


def _asks(tree: nodes.CreateFlow, key: str) -> bool:
    options = tree.args["options"].expressions if tree.args.get("options") else ()
    return any(o.this == key and o.expression.name.lower() == "true" for o in options)


# --- The sink -------------------------------------------------------------------------------------


def _settle_sink(
    session: ClientSession,
    transaction: Transaction,
    name: tuple[str, str],
    sources: Sequence[Table],
    shape: Shape,
    found: Sequence[ResultColumn],
) -> None:
    """The sink is there and fits, or is made. Raises: DbError."""
    sink = session.lookup(*name)
    if sink is None:
        check_schema(session, name[0])
        make_table(session, transaction, _definition(name, shape, found), name[0])
        return
    if any(sink.id == table.id for table in sources):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, f'"{sink.name}" cannot be source and sink at once'
        )
    if not sink.is_time_series or sink.definition:
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE, f'the sink "{sink.name}" is not a table with a time index'
        )
    check_not_physical(sink)
    check_table(session, sink, "INSERT")
    names = [column.name for column in found]
    given = names_in(sink, names)
    _check_fits(sink, given)
    if given != names:
        session.notice(
            Notice(f'the columns of the flow go to those of "{sink.name}" in their order')
        )


def _check_fits(sink: Table, found: Sequence[str]) -> None:
    """Every column of the answer is one of the sink's; the sink's others are filled by us."""
    extra = [name for name in found if sink.column(name) is None]
    missing = []
    for column in sink.columns:
        ours = column.type.is_timestamp and column.name in (UPDATED, PLACEHOLDER, sink.time_index)
        keyed = column.semantic is not Semantic.FIELD
        if column.name not in found and not ours and (keyed or not sink.keeps_non_null):
            missing.append(column.name)
    if extra or missing:
        raise DbError(
            ErrorKind.DATATYPE_MISMATCH,
            f'the columns of the flow do not match those of its sink "{sink.name}"',
            detail=f"the flow gives {len(found)} columns ({', '.join(found)}), the sink has "
            f"{len(sink.columns)} ({', '.join(c.name for c in sink.columns)}); not in the sink: "
            f"{', '.join(extra) or 'none'}; not in the flow: {', '.join(missing) or 'none'}",
            hint="name the query's columns as the sink's with AS",
        )


def _definition(
    name: tuple[str, str], shape: Shape, found: Sequence[ResultColumn]
) -> TableDefinition:
    """The table that the flow's rows fit into."""
    time = shape.time
    if shape.promql:
        time = next((column.name for column in found if column.type.is_timestamp), None)
    keys: Sequence[str] = shape.keys
    if shape.promql:
        keys = [column.name for column in found if column.type.id is TypeId.STRING]
    columns = [_column(column, time, keys) for column in found]
    moment = datatypes.TIMESTAMP_MILLISECOND
    if not shape.promql:
        columns.append(Column(UPDATED, moment, semantic=Semantic.FIELD))
    if time is None:
        time = PLACEHOLDER
        columns.append(Column(time, moment, nullable=False, semantic=Semantic.TIMESTAMP))
    return TableDefinition(
        name[0],
        name[1],
        tuple(columns),
        primary_key=tuple(keys),
        time_index=time,
        options={"comment": _COMMENT},  # SHOW CREATE TABLE tells it from a user's comment
        comment=_COMMENT,
    )


def _column(column: ResultColumn, time: str | None, keys: Sequence[str]) -> Column:
    if column.name == time:
        return Column(column.name, column.type, nullable=False, semantic=Semantic.TIMESTAMP)
    semantic = Semantic.TAG if column.name in keys else Semantic.FIELD
    return Column(column.name, column.type, semantic=semantic)


def run_drop(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """DROP FLOW; the sink stays. Raises: DbError UNDEFINED_OBJECT."""
    tree = statement.tree
    assert isinstance(tree, nodes.DropFlow)
    name = tree.this.name
    with session.writing() as transaction:
        transaction.change_store()
        session.catalog.lock_flow(session.duck.cursor, name)
        if tree.args.get("exists") and known_flow(session, name) is None:
            session.notice(Notice(f'flow "{name}" does not exist, skipping'))
            return Affected("DROP FLOW", 0)
        flow = find_flow(session, name)
        check_owner(session, flow)
        session.catalog.remove_flow(session.duck.cursor, flow)
    return Affected("DROP FLOW", 0)
