"""nextval() and its kin, and calls about large objects: replaced by their answers in a statement.

Called by the statements that can contain them, before they plan. A call that is evaluated once is
answered here; nextval() for every row of a query is left to the embedded store. Plans of such
statements are never kept.
https://www.postgresql.org/docs/15/functions-sequence.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog import objects
from engine import datatypes
from engine.errors import DbError, ErrorKind
from sql import large_objects
from sql.dialect.parser import ParsedStatement, parse
from sql.privileges import check_sequence
from sql.results import Result, ResultColumn, Rows
from sql.sequences import draw, may_call, set_value, state, stored_name
from sql.statements.parts import OF_IDENTITY, Pieces
from sql.statements.query import Handler
from sql.statements.sequence import named_sequence

if TYPE_CHECKING:
    from sql.client_session import ClientSession

ANSWERED = (exp.Query, exp.Values, exp.DML)
_NEEDED = {
    "nextval": ("USAGE", "UPDATE"),
    "currval": ("USAGE", "SELECT"),
    "setval": ("UPDATE",),
}
_IN_STORE = "names a counter"  # in the store, which its sequence need not be called like
_NAMES = {"nextval": (1, 1), "currval": (1, 1), "lastval": (0, 0), "setval": (2, 3)} | {
    name: (min(counts), max(counts))
    for name, forms in large_objects.FUNCTIONS.items()
    if (counts := [len(one.takes) for one in forms])
}


def answering(handler: Handler) -> Handler:
    """The handler of statements, told the answers of calls. It raises what a call raises."""

    def run(
        session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
    ) -> Result:
        if not may_call(statement.text):
            return handler(session, statement, parameters)
        tree = _own_tree(session, statement)
        pieces = Pieces(session, statement.text, parameters)
        rows = _run_per_row(tree, pieces)
        if rows is not None:
            return rows
        made = settled_tree(tree, pieces)
        return handler(session, replace(_plain(statement), tree=made), parameters)

    return run


def described(session: ClientSession, statement: ParsedStatement) -> ParsedStatement:
    """The statement with something of the answers' types in place of calls; nothing is counted."""
    if not may_call(statement.text) or not isinstance(statement.tree, ANSWERED):
        return statement
    tree = _own_tree(session, statement)
    for call in _calls(tree):
        kind = exp.DType.VARBINARY if _gives_bytes(call) else exp.DType.BIGINT
        answer = exp.cast(exp.null(), kind)
        for one in _taken(call):  # parameters are still needed
            part = exp.Is(this=one, expression=exp.null())
            answer = exp.cast(exp.func("if", part, answer, answer.copy()), kind)
        _place(call).replace(_named(call, answer))
    return replace(_plain(statement), tree=tree)


def _own_tree(session: ClientSession, statement: ParsedStatement) -> exp.Expr:
    """A copy, with the literals that the text has."""
    tree = statement.tree
    if type(statement) is not ParsedStatement:
        tree = parse(statement.text, session.wire)[0].tree
    assert tree is not None
    return tree.copy()


def _plain(statement: ParsedStatement) -> ParsedStatement:
    return ParsedStatement(
        statement.text, statement.tree, statement.offset, statement.parameter_count
    )


def settled_tree(tree: exp.Expr, pieces: Pieces) -> exp.Expr:
    """As `settled`, of a tree that is the caller's own."""
    for call in _calls(tree):
        answer = _answer(call, pieces)
        if answer is not call:
            made = _named(call, answer)
            if call is tree:
                return made
            _place(call).replace(made)
    return tree


def _place(call: exp.Anonymous) -> exp.Expr:
    """What stands in the statement: the call, or `pg_catalog.call`."""
    parent = call.parent
    qualified = isinstance(parent, exp.Dot) and parent.expression is call
    return parent if qualified and parent is not None else call


def _calls(tree: exp.Expr) -> list[exp.Anonymous]:
    """In the order they are written; wrong numbers of arguments are for the planner to tell."""
    found = []
    for node in tree.find_all(exp.Anonymous, bfs=False):
        least, most = _NAMES.get(node.name.lower(), (1, 0))
        if least <= len(node.expressions) <= most:
            found.append(node)
    return found


def _named(call: exp.Anonymous, answer: exp.Expr) -> exp.Expr:
    """An output column keeps the function's name."""
    place = _place(call)
    if isinstance(place.parent, exp.Select) and place.arg_key == "expressions":
        return exp.alias_(answer, call.name.lower(), quoted=True)
    return answer


def _answer(call: exp.Anonymous, pieces: Pieces) -> exp.Expr:
    session, name = pieces.session, call.name.lower()
    if name == "lastval":
        number = session.numbers.latest()
        if number is None:
            raise _not_yet("lastval is not yet defined in this session")
        return _number(number)
    arguments = call.expressions
    if name in large_objects.FUNCTIONS:
        return _of_large_object(call, pieces)
    if name == "setval" and _is_per_row(call):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "setval() for every row of a query is supported as its only output column",
            hint="SELECT setval('s', (SELECT max(id) FROM t))",
        )
    if arguments[0].is_string and arguments[0].name.startswith('"__temp_'):
        return call  # the default of a temporary table's column
    if call.meta.get(_IN_STORE):
        return call
    one = _sequence(arguments[0], pieces)
    if not call.meta.get(OF_IDENTITY):
        check_sequence(session, one, *_NEEDED[name])
    stored = stored_name(one)
    if name == "currval":
        number = session.numbers.current(stored)
        if number is None:
            raise _not_yet(f'currval of sequence "{one.name}" is not yet defined in this session')
        return _number(number)
    if name == "setval":
        return _number(_set(one, [_value(a, pieces) for a in arguments[1:]], session))
    if _is_per_row(call):
        call.set("expressions", [exp.Literal.string(stored)])
        call.meta[_IN_STORE] = True
        return call
    return _number(draw(session, stored, 1)[0].as_py())


def _of_large_object(call: exp.Anonymous, pieces: Pieces) -> exp.Expr:
    if _is_per_row(call):
        message = f"{call.name}() for every row of a query is not supported"
        raise DbError(ErrorKind.UNSUPPORTED, message, hint="call it in a statement of its own")
    arguments = tuple(_value(one, pieces) for one in _taken(call))
    answer = large_objects.call(pieces.session, call.name.lower(), arguments)
    if isinstance(answer, bytes):
        return exp.Unhex(this=exp.Literal.string(answer.hex()))
    if answer is None and _gives_bytes(call):
        return exp.cast(exp.null(), exp.DType.VARBINARY)
    return _number(None if answer is None else int(str(answer)))


def _taken(call: exp.Anonymous) -> list[exp.Expr]:
    """Copies of a call's arguments; of one about large objects, with the types it takes."""
    values = [one.copy() for one in call.expressions]
    forms = large_objects.FUNCTIONS.get(call.name.lower(), ())
    takes = next((form.takes for form in forms if len(form.takes) == len(values)), None)
    if takes is None:
        return values
    return [exp.cast(one, _LARGE[kind]) for one, kind in zip(values, takes, strict=True)]


_LARGE = dict.fromkeys(
    (large_objects.INT4, large_objects.INT8, large_objects.OID), exp.DType.BIGINT
) | {large_objects.BYTEA: exp.DType.VARBINARY}


def _gives_bytes(call: exp.Anonymous) -> bool:
    forms = large_objects.FUNCTIONS.get(call.name.lower(), ())
    return any(one.gives == large_objects.BYTEA for one in forms)


def _not_yet(message: str) -> DbError:
    return DbError(ErrorKind.NOT_READY, message)


def _number(value: int | None) -> exp.Expr:
    number = exp.null() if value is None else exp.Literal.number(value)
    return exp.cast(number, exp.DType.BIGINT)


def _is_per_row(call: exp.Expr) -> bool:
    select = call.find_ancestor(exp.Select)
    return select is not None and select.args.get("from_") is not None


def _sequence(argument: exp.Expr, pieces: Pieces) -> objects.Sequence:
    inner = argument.this if isinstance(argument, exp.Cast) else argument
    if isinstance(inner, exp.Column) and not inner.table and not _is_per_row(inner):
        return named_sequence(pieces.session, inner.name)  # nextval(s), as other products have it
    text = inner.name if inner.is_string else _value(inner, pieces)
    if text is None:
        raise DbError(ErrorKind.UNDEFINED_TABLE, "no sequence is named by NULL")
    return named_sequence(pieces.session, str(text))


def _value(argument: exp.Expr, pieces: Pieces) -> object:
    """An argument's value: a query of its own."""
    return pieces.table(exp.select(argument.copy()))[0][0].as_py()


def _set(one: objects.Sequence, values: Sequence[object], session: ClientSession) -> int | None:
    if None in values:
        return None  # it is a strict function
    number = int(str(values[0]))
    set_value(session, one, number, called=len(values) < 2 or bool(values[1]))
    return number


# --- For every row --------------------------------------------------------------------------------


def _run_per_row(tree: exp.Expr, pieces: Pieces) -> Result | None:
    """`SELECT setval('s', max(id)) FROM t`, and queries with nextval() for every row.

    None for other statements. Raises: DbError.
    """
    if not isinstance(tree, exp.Select) or tree.args.get("from_") is None:
        return None
    session = pieces.session
    output = tree.expressions[0]
    call = output.unalias()
    if len(tree.expressions) == 1 and call in _calls(tree) and call.name.lower() == "setval":
        return _set_per_row(tree, call, output.alias or "setval", pieces)
    counted = [one for one in _calls(tree) if _is_per_row(one) and one.name.lower() == "nextval"]
    if not counted:
        return None
    with session.writing() as transaction:
        transaction.change_store()
        ones = [_sequence(one.expressions[0], pieces) for one in counted]
        settled_tree(tree, pieces)
        rows = pieces.collect(tree, "SELECT")
        for one in ones:
            _took(session, one)
    return rows


def _took(session: ClientSession, one: objects.Sequence) -> None:
    last, _ = state(session.duck, one)
    if last is not None:
        session.numbers.took(stored_name(one), last)


def _set_per_row(tree: exp.Select, call: exp.Anonymous, name: str, pieces: Pieces) -> Result:
    one = _sequence(call.expressions[0], pieces)
    tree.set("expressions", [a.copy() for a in call.expressions[1:]])
    found = pieces.table(tree)
    values = [
        _set(one, [column[at].as_py() for column in found.columns], pieces.session)
        for at in range(found.num_rows)
    ]
    batch = pa.record_batch([pa.array(values, pa.int64())], names=[name])
    return Rows((ResultColumn(name, datatypes.INT64),), iter([batch]), tag="SELECT")
