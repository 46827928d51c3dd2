"""ALTER TABLE … PARTITION ON COLUMNS, SPLIT PARTITION, MERGE PARTITION.

Called by sql/statements/alter.py. The statement waits for the end, or, WITH (WAIT = false), answers
with the id of a procedure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.records import Table
from catalog.units import parse_human
from engine import datatypes
from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.dialects import to_sql
from sql.partition import change
from sql.partition.change import Change
from sql.partition.check import check_movable
from sql.partition.move import Stores, repartition
from sql.results import Affected, Result, ResultColumn
from sql.run.duck import Duck
from sql.session import Wire
from sql.statements.answers import table_rows
from sql.statements.metric_engine import check_alterable
from sql.statements.target import writable
from sql.transaction import Transaction

if TYPE_CHECKING:
    from sql.client_session import ClientSession

Check = Callable[[], None]


def run(session: ClientSession, tree: exp.Alter, text: str) -> Result:
    """Changes the partitions of a table. Raises: DbError; nothing has changed then."""
    action = tree.args["actions"][0]
    assert isinstance(action, nodes.Repartition)
    if len(tree.args["actions"]) > 1:
        raise DbError(ErrorKind.UNSUPPORTED, "partitions are changed by a statement of their own")
    if session.transaction is not None:
        raise DbError(
            ErrorKind.ACTIVE_TRANSACTION,
            f"ALTER TABLE … {action.name} cannot run inside a transaction block",
        )
    table = writable(session, tree.this, text)
    if not table.is_time_series:
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            f'"{table.name}" has no time index: only time-series tables have partitions',
        )
    check_alterable(table)
    check_movable(table)
    timeout_ms, wait = _options(action)
    zone = session.timezone

    def plan(now: Table) -> Change:
        return _change(action, now, zone)

    plan(table)  # what is wrong with the rules is said at once
    stores = _stores(session)
    if wait:
        check = _limited(session.duck.check, timeout_ms)
        repartition(stores, table.id, plan, check)
        return Affected("ALTER TABLE", 0)
    subject = f"{table.database}.{table.name}"

    def work(stopping: Check) -> None:
        repartition(stores, table.id, plan, _limited(stopping, timeout_ms))

    id_ = session.server.procedures.start("Repartition", subject, work)
    return table_rows(pa.table({"procedure_id": [id_]}), tag="ALTER TABLE")


def answer_columns(tree: exp.Alter) -> tuple[ResultColumn, ...] | None:
    """The columns of the answer: none unless the statement does not wait. Raises: DbError."""
    action = tree.args["actions"][0]
    if not isinstance(action, nodes.Repartition) or _options(action)[1]:
        return None
    return (ResultColumn("procedure_id", datatypes.STRING),)


def _change(action: nodes.Repartition, table: Table, zone: str) -> Change:
    columns = [identifier.name for identifier in action.args.get("columns") or []]
    sources = [to_sql(rule, Wire.HTTP) for rule in action.args.get("sources") or []]
    rules = [to_sql(rule, Wire.HTTP) for rule in action.expressions]
    if action.name == "PARTITION":
        return change.partitioned(table, columns, rules, zone)
    if action.name == "MERGE":
        return change.merge(table, sources, zone)
    if len(sources) != 1:
        raise DbError(ErrorKind.SYNTAX, "SPLIT PARTITION takes one partition")
    return change.split(table, sources[0], columns, rules, zone)


def _options(action: nodes.Repartition) -> tuple[int | None, bool]:
    """(time limit in milliseconds, whether the statement waits)."""
    timeout_ms, wait = None, True
    for option in action.args.get("options") or []:
        value = nodes.constant_text(option.expression) or ""
        if option.name == "timeout":
            timeout_ms = parse_human(value)
        elif option.name == "wait" and value.lower() in _SWITCH:
            wait = _SWITCH[value.lower()]
        else:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"unknown option {option.name} = {value}",
                hint="there are TIMEOUT = 'duration' and WAIT = true or false",
            )
    return timeout_ms, wait


_SWITCH = {"on": True, "true": True, "off": False, "false": False}


def _limited(check: Check, timeout_ms: int | None) -> Check:
    """The check, which also ends work that takes too long."""
    if timeout_ms is None:
        return check
    deadline = time.monotonic() + timeout_ms / 1000

    def limited() -> None:
        check()
        if time.monotonic() > deadline:
            raise DbError(ErrorKind.TIMEOUT, "the partitions were not changed in time")

    return limited


def _stores(session: ClientSession) -> Stores:
    server = session.server

    def begin(duck: Duck) -> Transaction:
        return Transaction(
            duck,
            server.catalog,
            server.regions,
            server.alterations,
            server.gate,
            server.layouts,
            server.ledger,
            server.keys,
            explicit=False,
        )

    return Stores(
        begin,
        lambda: Duck(server.store.cursor()),
        server.regions,
        server.layouts,
        server.alterations,
    )
