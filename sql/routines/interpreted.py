"""Functions and procedures of PostgreSQL whose body is run: PL/pgSQL, and several statements.

Called by calls.py for functions and by sql/statements/routines.py for CALL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.objects import Routine
from engine.errors import DbError, ErrorKind
from sql.blocks.held import held
from sql.blocks.parse import parse_block
from sql.blocks.run import Run, in_transaction
from sql.blocks.steps import Block, Declaration, Return, ReturnQuery, Sql
from sql.blocks.types import declared
from sql.blocks.values import Variable
from sql.dialect import nodes
from sql.dialect.parser import ParsedStatement, parse
from sql.plan.inline import statements_of
from sql.plan.routines import NO_VALUE, POLYMORPHIC, Call, cast, chosen, type_node
from sql.privileges import check_execute, is_superuser, roles_of
from sql.results import Affected, Description, Result, ResultColumn, Rows
from sql.routines.find import routines_of
from sql.statements.parts import Pieces
from sql.system.pg_catalog.oids import OWNER_NAME
from sql.types import from_sql

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_DEPTH_MAX = 32  # calls within calls


def call_function(session: ClientSession, routine: Routine, values: Sequence[object]) -> object:
    """What a function gives: a value, or a table of its rows and columns. Raises: DbError."""
    with _inside(session, routine):
        run = _begun(session, routine, values)
        run.start(block_of(session, routine))
    if routine.returns_set:
        run.flush()
        columns = max(len(routine.outputs), 1)
        empty = pa.table({f"c{place}": pa.nulls(0) for place in range(columns)})
        tables = [one for one in run.tables if one.num_rows] or run.tables[:1] or [empty]
        return pa.concat_tables(tables, promote_options="permissive")
    if run.record is None and routine.outputs:
        run.record = run.output_values()
    if len(routine.outputs) > 1 or (run.record is not None and len(run.record) > 1):
        row = run.record or (None,) * len(routine.outputs)
        return pa.table({f"c{place}": pa.array([value]) for place, value in enumerate(row)})
    if run.record is None and routine.returns != "void":
        message = "control reached end of function without RETURN"
        raise DbError(ErrorKind.RAISED, message, sqlstate="2F005")
    return "" if routine.returns == "void" else run.record[0] if run.record else None


def call_procedure(
    session: ClientSession, routine: Routine, values: Sequence[object]
) -> tuple[object, ...]:
    """Runs a procedure; what its arguments are that are given back. Raises: DbError."""
    with _inside(session, routine):
        run = _begun(session, routine, values)
        run.start(block_of(session, routine))
        return run.output_values()


@contextmanager
def _inside(session: ClientSession, routine: Routine) -> Iterator[None]:
    """One call deeper, as its owner if the routine says so. Raises: DbError."""
    role = session.catalog.role(session.duck.cursor, session.role)
    if role is not None and not is_superuser(session):
        check_execute(routine, roles_of(session, role))
    if session.routine_depth >= _DEPTH_MAX:
        message = "stack depth limit exceeded: routines call each other too deeply"
        raise DbError(ErrorKind.LIMIT_EXCEEDED, message)
    before = session.role
    session.routine_depth += 1
    try:
        if routine.definer:
            session.role = routine.role or OWNER_NAME
        yield
    finally:
        session.role = before
        session.routine_depth -= 1


def _begun(session: ClientSession, routine: Routine, values: Sequence[object]) -> Run:
    """A run whose variables are the arguments."""
    run = Run(session, routine)
    variables, aliases = run.outer.variables, run.outer.aliases
    run.outer.label = routine.name
    given = iter(values)
    place = 0
    for one in routine.arguments:
        taken = one.is_given or (not routine.is_function and one.mode != "OUT")
        typed = one.type not in NO_VALUE and one.type not in POLYMORPHIC
        made = declared(session, run.names, one.type) if typed else Variable(one.type)
        if taken or not routine.is_function:
            place += 1
            made.value = next(given, None)
        name = one.name or f"${place}"
        variables[name] = made
        if taken and one.name:
            aliases[f"${place}"] = one.name
    return run


def block_of(session: ClientSession, routine: Routine) -> Block:
    """The body as a block; of SQL the last statement is what it gives. Raises: DbError."""
    if routine.language == "plpgsql":
        return parse_block(routine.body)
    texts = [one.text for one in parse(statements_of(routine.body), session.wire) if one.text]
    steps: list[Sql | ReturnQuery | Return] = [Sql(text) for text in texts]
    if routine.returns_set and texts:
        steps[-1] = ReturnQuery(Sql(texts[-1]))
    elif routine.is_function and routine.returns != "void" and texts:
        names = tuple(one.name for one in routine.outputs)
        if names:
            steps[-1] = Sql(texts[-1], into=names)
        else:
            steps[-1:] = [Sql(texts[-1], into=("$result",)), Return('"$result"')]
            return _with_result(steps, routine)
    return Block(tuple(steps))


def _with_result(steps: Sequence[Sql | ReturnQuery | Return], routine: Routine) -> Block:
    return Block(tuple(steps), declarations=(Declaration("$result", routine.returns),))


def call(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """CALL of a procedure; arguments that are given back are a row. Raises: DbError."""
    found = _called(session, statement)
    context = session.plan_context(statement.text)
    takes = found.routine.arguments
    values: list[object] = []
    if takes:
        pairs = zip(takes, found.arguments, strict=True)
        wanted = exp.select(*(cast(value, one.type, context) for one, value in pairs))
        table = Pieces(session, statement.text, parameters).table(wanted)
        values = [held(column[0]) for column in table.columns]
    given: list[tuple[object, ...]] = []
    in_transaction(session, lambda: given.append(call_procedure(session, found.routine, values)))
    outputs = found.routine.outputs
    if not outputs:
        return Affected("CALL")
    columns = _columns(session, found.routine)
    arrays = [pa.array([value], c.type.arrow) for value, c in zip(given[0], columns, strict=True)]
    batch = pa.record_batch(arrays, names=[column.name for column in columns])
    return Rows(columns, iter([batch]), tag="CALL")


def describe_call(session: ClientSession, statement: ParsedStatement) -> Description:
    """The columns that CALL answers with. Raises: DbError."""
    columns = _columns(session, _called(session, statement).routine)
    return Description((), columns or None, tag="CALL")


def _columns(session: ClientSession, routine: Routine) -> tuple[ResultColumn, ...]:
    context = session.plan_context()
    return tuple(
        ResultColumn(one.name or f"column{place}", from_sql(type_node(one.type, context)))
        for place, one in enumerate(routine.outputs, 1)
    )


def _called(session: ClientSession, statement: ParsedStatement) -> Call:
    """The procedure that CALL names. Raises: DbError UNDEFINED_FUNCTION."""
    tree = statement.tree
    assert isinstance(tree, nodes.Call)
    database, name = tree.text("db") or session.database, tree.this.name
    known = routines_of(session).get(name.lower(), ())
    ours = [one for one in known if (one.database, one.name) == (database, name.lower())]
    procedures = [one for one in ours if not one.is_function]
    if not procedures:
        if ours:
            message = f"{name} is not a procedure"
            hint = "To call a function, use SELECT."
            raise DbError(ErrorKind.WRONG_OBJECT_TYPE, message, hint=hint)
        raise DbError(ErrorKind.UNDEFINED_FUNCTION, f"procedure {name} does not exist")
    context = session.plan_context(statement.text)
    return Call(tree.this, *chosen(procedures, tree.this.expressions, tree.this, context))
