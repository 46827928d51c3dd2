"""PREPARE, EXECUTE and DEALLOCATE in SQL text, in PostgreSQL's and MySQL's forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.parser import ParsedStatement, parse
from sql.plan.named_types import resolve_types
from sql.plan.plan import plan_query
from sql.prepared import Prepared
from sql.results import Affected, Result
from sql.session import Wire
from sql.types import from_sql, sql_name

if TYPE_CHECKING:
    from sql.client_session import ClientSession


def run_prepare(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """PREPARE. Raises: DbError DUPLICATE_STATEMENT (PostgreSQL; MySQL replaces)."""
    tree = statement.tree
    assert tree is not None
    name = tree.this.name
    if name in session.prepared and session.wire is not Wire.MYSQL:
        message = f'prepared statement "{name}" already exists'
        raise DbError(ErrorKind.DUPLICATE_STATEMENT, message)
    text = tree.args.get("text")
    if text is None:
        source = tree.args["source"]
        if isinstance(source, nodes.UserVariable):
            text = str(session.user_variables.get(str(source.this), ""))
        else:
            text = nodes.constant_text(source) or ""
    parsed = parse(str(text), session.wire)
    if len(parsed) != 1:
        raise DbError(ErrorKind.SYNTAX, "a prepared statement holds exactly one statement")
    types = tuple(_type(session, node) for node in tree.args.get("types") or ())
    made = replace(parsed[0], declared=types) if types else parsed[0]
    session.prepared[name] = Prepared(made, statement.text, session.moment_ms())
    return Affected("PREPARE", 0)


def _type(session: ClientSession, node: exp.Expr) -> DataType:
    """A declared type, which may be called `pg_catalog.oid`. Raises: DbError UNDEFINED_OBJECT."""
    kind = node.args.get("kind")
    if isinstance(kind, exp.Dot) and kind.this.name == "pg_catalog":
        plain = parse(f'SELECT NULL::"{kind.expression.name}"', session.wire)[0].tree
        assert plain is not None
        node = plain.expressions[0].to
    holder = exp.Cast(this=exp.null(), to=node.copy())
    return from_sql(resolve_types(holder, session.plan_context().type_named).to)


def run_execute(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """EXECUTE. Raises: DbError UNDEFINED_STATEMENT, or what the statement raises."""
    from sql.execute import handler_of
    from sql.routines import calls

    tree = statement.tree
    assert tree is not None
    prepared = _named(session, tree.this.name).statement
    given = list(tree.expressions)
    if len(given) != prepared.parameter_count:
        raise DbError(
            ErrorKind.WRONG_ARGUMENTS,
            f'wrong number of parameters for prepared statement "{tree.this.name}"',
            detail=f"it takes {prepared.parameter_count}, {len(given)} were given",
        )
    for place, type_ in enumerate(prepared.declared[: len(given)]):
        if type_ is not None:
            name = exp.DataType.build(sql_name(type_, session.wire), dialect="postgres")
            given[place] = exp.Cast(this=given[place].copy(), to=name)
    values = [_argument(session, item, statement.text) for item in given]
    if session.wire is not Wire.MYSQL and calls.are_interpreted(session, prepared):
        return calls.run(session, prepared, values, lambda one, v: handler_of(one)(session, one, v))
    return handler_of(prepared)(session, prepared, values)


def _argument(session: ClientSession, node: exp.Expr, text: str) -> object:
    if isinstance(node, nodes.UserVariable):
        return session.user_variables.get(str(node.this))
    plan = plan_query(exp.select(node.copy()), session.plan_context(text))
    return session.runner.table(plan, (), text).column(0)[0].as_py()


def run_deallocate(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """DEALLOCATE name or ALL."""
    assert statement.tree is not None
    node = statement.tree.this
    if node is None:
        session.prepared.clear()
        return Affected("DEALLOCATE ALL")
    _named(session, node.name)
    del session.prepared[node.name]
    return Affected("DEALLOCATE", 0 if session.wire is Wire.MYSQL else None)


def _named(session: ClientSession, name: str) -> Prepared:
    found = session.prepared.get(name)
    if found is None:
        message = f'prepared statement "{name}" does not exist'
        raise DbError(ErrorKind.UNDEFINED_STATEMENT, message)
    return found
