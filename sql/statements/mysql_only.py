"""Small statements that only MySQL has: DO, CHECK TABLE and its kin, SELECT … INTO @x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect import mysql_nodes
from sql.mysql_errors import as_notice
from sql.results import Affected, Notice, Result, Severity
from sql.statements.answers import table_rows
from sql.statements.parts import Pieces

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run_do(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """DO: the expressions are evaluated. Raises: DbError."""
    assert statement.tree is not None
    items = [item.copy() for item in statement.tree.expressions]
    Pieces(session, statement.text, parameters).table(exp.select(*items))
    return Affected("DO", 0)


def run_select_into(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """The one row of a query becomes values of variables. Raises: DbError CARDINALITY."""
    tree = statement.tree
    assert isinstance(tree, mysql_nodes.SelectInto)
    rows = Pieces(session, statement.text, parameters).table(tree.this.copy())
    names = [str(variable.this) for variable in tree.expressions]
    if len(names) != rows.num_columns:
        raise DbError(
            ErrorKind.COLUMN_COUNT,
            f"the query has {rows.num_columns} columns, INTO names {len(names)} variables",
        )
    if rows.num_rows > 1:
        raise DbError(ErrorKind.CARDINALITY, "the query gives more than one row for INTO")
    if not rows.num_rows:
        session.notice(Notice("no data: no row for INTO", Severity.WARNING, "02000", 1329))
        return Affected("SELECT", 0)
    for index, name in enumerate(names):
        session.user_variables[name] = rows.column(index)[0].as_py()
    return Affected("SELECT", 1)


def run_maintenance(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """ANALYZE, CHECK, OPTIMIZE and REPAIR TABLE: a row of answer for each table.

    CHECK reads the table; the others are done by the engine all the time. Raises: DbError.
    """
    tree = statement.tree
    assert isinstance(tree, mysql_nodes.TableMaintenance)
    verb = str(tree.this).lower()
    if verb == "checksum":
        return _checksums(session, tree, statement.text)
    rows = [_maintained(session, verb, node, statement.text) for node in tree.expressions]
    names = ("Table", "Op", "Msg_type", "Msg_text")
    columns = zip(*rows, strict=True)
    table = pa.table([pa.array(column, pa.string()) for column in columns], names=list(names))
    return table_rows(table, tag=verb.upper())


def _checksums(session: ClientSession, tree: mysql_nodes.TableMaintenance, text: str) -> Result:
    """CHECKSUM TABLE: the same number for the same rows in any order, NULL for no table."""
    names: list[str] = []
    sums: list[int | None] = []
    for node in tree.expressions:
        names.append(f"{node.db or session.database}.{node.name}")
        row = exp.Anonymous(this="hash", expressions=[exp.column(node.name, quoted=True)])
        asked = exp.select(exp.Anonymous(this="bit_xor", expressions=[row])).from_(node.copy())
        try:
            found = Pieces(session, text).table(asked).column(0)[0].as_py()
            sums.append(int(found or 0) & 0xFFFFFFFF)
        except DbError as error:
            session.notice(as_notice(error))
            sums.append(None)
    columns = {"Table": pa.array(names, pa.string()), "Checksum": pa.array(sums, pa.int64())}
    return table_rows(pa.table(columns), tag="CHECKSUM")


def _maintained(
    session: ClientSession, verb: str, node: exp.Table, text: str
) -> tuple[str, str, str, str]:
    name = f"{node.db or session.database}.{node.name}"
    try:
        Pieces(session, text).columns(exp.select("1").from_(node.copy()))
        if verb == "check":
            Pieces(session, text).table(exp.select("count(*)").from_(node.copy()))
    except DbError as error:
        if error.kind is not ErrorKind.UNDEFINED_TABLE and verb != "check":
            raise
        return name, verb, "Error", error.message
    return name, verb, "status", "OK"
