"""CREATE, ALTER, DROP and COMMENT of PostgreSQL's functions and procedures.

Called by sql/statements/utility.py and alter.py. Which body can be run is seen when a routine is
made, as PostgreSQL does unless check_function_bodies is off.
https://www.postgresql.org/docs/15/sql-createfunction.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from catalog.objects import Argument, Routine
from engine.errors import DbError, ErrorKind
from sql.blocks.parse import parse_block
from sql.dialect import nodes
from sql.dialect.parser import parse
from sql.dialect.roles import SIGNATURE
from sql.plan.inline import body_of, inline_routines, statements_of
from sql.plan.plan import plan_query
from sql.plan.routines import NO_VALUE, POLYMORPHIC
from sql.privileges import (
    PUBLIC,
    check_body,
    check_member,
    check_owner,
    check_schema,
    role_exists,
)
from sql.results import Affected, Notice, Result
from sql.routines.definition import noun, remove, store
from sql.routines.find import routines_of
from sql.routines.header import Header
from sql.session import Wire
from sql.system.pg_catalog.types import BY_OID
from sql.system.pg_regtypes import identifier_parts, type_oid

if TYPE_CHECKING:
    from sql.client_session import ClientSession

KINDS = ("FUNCTION", "PROCEDURE", "ROUTINE")
_MODES = ("IN", "OUT", "INOUT", "VARIADIC")
_LANGUAGES = ("sql", "plpgsql")
_ENDS_TYPE = ("DEFAULT", "=")
_VOLATILITY = {"IMMUTABLE": "i", "STABLE": "s", "VOLATILE": "v"}
_OPTION_WORDS = frozenset(
    {"LANGUAGE", "WINDOW", "NOT", "LEAKPROOF", "CALLED", "RETURNS", "STRICT", "EXTERNAL"}
    | {"SECURITY", "PARALLEL", "COST", "ROWS", "SUPPORT", "SET", "AS", "RETURN", "BEGIN"}
    | {"TRANSFORM", "RESET", *_VOLATILITY}
)


def run(session: ClientSession, verb: str, text: str) -> Result:
    """`verb` is CREATE [OR REPLACE], ALTER or DROP with the kind, `text` what follows it.

    Raises: DbError.
    """
    act, kind = verb.split(" ")[0], verb.split(" ")[-1]
    if act == "CREATE":
        return _create(session, text, kind, replace_="REPLACE" in verb)
    header = Header(text, session.wire)
    if act == "DROP":
        return _drop(session, header, kind)
    return _alter(session, header, kind)


# --- CREATE ---------------------------------------------------------------------------------------


def _create(session: ClientSession, text: str, kind: str, *, replace_: bool) -> Result:
    header = Header(text, Wire.POSTGRES)
    database, name = header.qualified()
    database = database or session.database
    if not session.has_database(database):
        raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'schema "{database}" does not exist')
    made = Routine(
        id=0,
        database=database,
        name=name,
        arguments=_arguments(session, header),
        language="",
        is_function=kind == "FUNCTION",
    )
    if made.is_function:
        made = _with_result(session, header, made)
    made = _with_options(header, made)
    made = _checked_language(made)
    there = _same(session, made)
    if there is not None:
        _check_replaced(there, made, replace_=replace_)
    _check_body(session, made)
    query = body_of(made, session.wire)
    if query is not None:
        check_body(session, query)
    store(session, made, there)
    return Affected(f"CREATE {kind}", 0)


def _same(session: ClientSession, made: Routine) -> Routine | None:
    found = routines_of(session).get(made.name.lower(), ())
    return next(
        (one for one in found if (one.database, one.key) == (made.database, made.key)), None
    )


def _check_replaced(there: Routine, made: Routine, *, replace_: bool) -> None:
    """Raises: DbError if a routine cannot take the place of one that is there."""
    if not replace_:
        message = f'function "{made.name}" already exists with same argument types'
        raise DbError(ErrorKind.DUPLICATE_OBJECT, message, sqlstate="42723")
    if there.is_function != made.is_function:
        raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{made.name}" is a {noun(there)}')
    if (there.returns, there.returns_set) != (made.returns, made.returns_set):
        error = _invalid("cannot change return type of existing function")
        error.hint = f"Use DROP FUNCTION {made.key} first."
        raise error


def _invalid(message: str) -> DbError:
    return DbError(ErrorKind.INVALID_TABLE_DEFINITION, message, sqlstate="42P13")


def _arguments(session: ClientSession, header: Header) -> tuple[Argument, ...]:
    """`([mode] [name] type [DEFAULT value], …)`. Raises: DbError."""
    if not header.skip(TokenType.L_PAREN):
        raise header.unexpected()
    found: list[Argument] = []
    while not header.skip(TokenType.R_PAREN):
        found.append(_argument(session, header))
        if not header.skip(TokenType.COMMA) and header.peek() != ")":
            raise header.unexpected()
    given = [one for one in found if one.is_given]
    for before, after in pairwise(given):
        if before.default is not None and after.default is None and after.mode != "VARIADIC":
            message = "input parameters after one with a default value must also have defaults"
            raise _invalid(message)
    return tuple(found)


def _argument(session: ClientSession, header: Header) -> Argument:
    mode = "IN"
    if header.peek() in _MODES and header.peek(1) not in (",", ")"):
        mode = header.word().upper()
        mode = "INOUT" if mode == "IN" and header.take("OUT") else mode
    start, end = header.until(*_ENDS_TYPE)
    name = ""
    if end - start > 1 and not _is_type(header.between(start, end)):
        header.at = start
        name = header.name()
        header.at = end
        start += 1
    kind = type_name(session, header.between(start, end))
    default = None
    if header.take("DEFAULT") or header.skip(TokenType.EQ):
        default = header.between(*header.until())
        parse(f"SELECT {default}", Wire.POSTGRES)
    return Argument(mode, name, kind, default)


def _is_type(text: str) -> bool:
    return type_oid(text) is not None or "." in text or text.split("[")[0].isidentifier()


def type_name(session: ClientSession, text: str) -> str:
    """The type as PostgreSQL prints it, without lengths. Raises: DbError UNDEFINED_OBJECT."""
    text = " ".join(text.split())
    if text.upper().endswith("%TYPE") or text.upper().endswith("% TYPE"):
        return _type_of_column(session, text.rpartition("%")[0].strip())
    if text.lower() in POLYMORPHIC or text.lower() in NO_VALUE:
        return text.lower()
    oid = type_oid(text)
    if oid is not None:
        return BY_OID[oid].spelled
    parts = identifier_parts(text.removesuffix("[]"))
    database = parts[-2] if len(parts) > 1 else ""
    known = session.plan_context().type_named(database, parts[-1])
    if known is None and session.lookup(database or session.database, parts[-1]) is None:
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f"type {text} does not exist")
    return text.lower() if '"' not in text else text


def _type_of_column(session: ClientSession, text: str) -> str:
    from sql.system.pg_catalog.relations import shown_type

    parts = identifier_parts(text)
    database = parts[-3] if len(parts) > 2 else session.database
    table = session.lookup(database, parts[-2]) if len(parts) > 1 else None
    column = next((c for c in table.columns if c.name == parts[-1]), None) if table else None
    if column is None:
        raise DbError(ErrorKind.UNDEFINED_COLUMN, f'there is no column "{text}"')
    return shown_type(column).split("(")[0]


def _with_result(session: ClientSession, header: Header, made: Routine) -> Routine:
    """RETURNS …, which arguments that are given back may say instead."""
    outputs = [one for one in made.arguments if one.mode in ("OUT", "INOUT")]
    if not header.take("RETURNS"):
        if not outputs:
            message = "function result type must be specified"
            raise _invalid(message)
        return replace(made, returns=outputs[0].type if len(outputs) == 1 else "record")
    if header.take("TABLE"):
        found = _arguments(session, header)
        columns = tuple(replace(one, mode="TABLE") for one in found)
        returns = columns[0].type if len(columns) == 1 else "record"
        arguments = (*made.arguments, *columns)
        return replace(made, arguments=arguments, returns=returns, returns_set=True)
    is_set = header.take("SETOF")
    start, end = header.until(*_OPTION_WORDS)
    return replace(made, returns=type_name(session, header.between(start, end)), returns_set=is_set)


def _with_options(header: Header, made: Routine) -> Routine:
    """Everything behind the result, in any order."""
    while not header.ended:
        if header.peek() in ("RETURN", "BEGIN"):
            return replace(made, body=header.rest(), is_standard=True)
        made = _with_option(header, made)
    return made


def _with_option(header: Header, made: Routine) -> Routine:
    if header.take("AS"):
        return replace(made, body=header.string())
    if header.take("LANGUAGE"):
        return replace(made, language=header.word().lower())
    if header.peek() in _VOLATILITY:
        return replace(made, volatility=_VOLATILITY[header.word().upper()])
    if header.take("STRICT") or header.take("RETURNS", "NULL", "ON", "NULL", "INPUT"):
        return replace(made, strict=True)
    if header.take("CALLED", "ON", "NULL", "INPUT"):
        return replace(made, strict=False)
    _ = header.take("EXTERNAL")
    if header.take("SECURITY"):
        return replace(made, definer=header.word().upper() == "DEFINER")
    if header.take("NOT", "LEAKPROOF") or header.take("LEAKPROOF"):
        return made
    for word in ("PARALLEL", "COST", "ROWS"):
        if header.take(word):
            return _telling(made, word, header.word())
    if header.take("SET"):
        start, end = header.until(*_OPTION_WORDS - {"SET"})
        return _telling(made, "SET", header.between(start, end))
    raise header.unexpected()


def _telling(made: Routine, name: str, value: str) -> Routine:
    kept = tuple(one for one in made.told if one[0] != name or name == "SET")
    return replace(made, told=(*kept, (name, value)))


def _checked_language(made: Routine) -> Routine:
    made = replace(made, language=made.language or ("sql" if made.is_standard else ""))
    if not made.language:
        raise _invalid("no language specified")
    if made.language not in _LANGUAGES:
        known = made.language in ("c", "internal", "plpython3u", "plperl", "pltcl")
        kind = ErrorKind.UNSUPPORTED if known else ErrorKind.UNDEFINED_OBJECT
        told = "is not supported" if known else "does not exist"
        message = f'language "{made.language}" {told}'
        raise DbError(kind, message, hint="routines are written in sql or plpgsql")
    if not made.body:
        raise _invalid("no function body specified")
    if made.returns in ("trigger", "event_trigger") and made.language == "sql":
        message = f"SQL functions cannot return type {made.returns}"
        raise _invalid(message)
    return made


def _check_body(session: ClientSession, made: Routine) -> None:
    """Raises: DbError if the body cannot be read, or names what is not there."""
    if made.returns in ("trigger", "event_trigger"):
        raise DbError(ErrorKind.UNSUPPORTED, "there are no triggers: a function cannot be for one")
    if made.language == "plpgsql":
        parse_block(made.body)
        return
    if session.show("check_function_bodies").lower() in ("off", "false", "0"):
        return
    query = body_of(made, Wire.POSTGRES)
    if query is None:
        parse(statements_of(made.body), Wire.POSTGRES)
        return
    if any(one.type in POLYMORPHIC for one in made.arguments) or made.returns in POLYMORPHIC:
        return
    _plan_call(session, made)


def _plan_call(session: ClientSession, made: Routine) -> None:
    """Plans a call of a function that is not stored yet, with NULLs."""
    given = [exp.cast(exp.null(), "text") for _ in made.given]
    call = exp.Anonymous(this=made.name, expressions=given)
    is_table = made.returns_set or len(made.outputs) > 1
    if made.returns == "record" and not made.outputs:
        return
    tree: exp.Expr = exp.select("*").from_(exp.Table(this=call)) if is_table else exp.select(call)
    context = replace(
        session.plan_context(made.body),
        database=made.database,
        routines={**routines_of(session), made.name.lower(): (made,)},
    )
    plan = plan_query(inline_routines(tree, context), context)
    session.runner.describe(plan, made.body)


# --- DROP and ALTER -------------------------------------------------------------------------------


def _drop(session: ClientSession, header: Header, kind: str) -> Result:
    optional = header.take("IF", "EXISTS")
    found: list[Routine] = []
    while True:
        one = _named(session, header, kind, optional=optional)
        found += [one] if one is not None else []
        if not header.skip(TokenType.COMMA):
            break
    _ = header.take("CASCADE") or header.take("RESTRICT")
    if not header.ended:
        raise header.unexpected()
    for one in found:
        remove(session, one)
    return Affected(f"DROP {kind}", 0)


def _named(
    session: ClientSession, header: Header, kind: str, *, optional: bool = False
) -> Routine | None:
    """The routine that `name[(types)]` means; None after a notice if there need be none."""
    database, name = header.qualified()
    types: list[str] | None = None
    if header.peek() == "(":
        types = [one.type for one in _arguments(session, header) if one.is_given]
    return find_routine(session, database, name, types, kind, optional=optional)


def find_routine(
    session: ClientSession,
    database: str,
    name: str,
    types: list[str] | None,
    kind: str,
    *,
    optional: bool = False,
) -> Routine | None:
    """The routine of that name and those types. Raises: DbError UNDEFINED_FUNCTION."""
    database = database or session.database
    found = [
        one
        for one in routines_of(session).get(name.lower(), ())
        if (one.database, one.name) == (database, name)
        and _is_of(one, kind)
        and (types is None or [given.type for given in one.given] == types)
    ]
    shown = name if types is None else f"{name}({', '.join(types)})"
    if len(found) == 1:
        return found[0]
    if found:
        raise DbError(
            ErrorKind.UNDEFINED_FUNCTION,
            f'{kind.lower()} name "{name}" is not unique',
            hint=f"Specify the argument list to select the {kind.lower()} unambiguously.",
            sqlstate="42725",
        )
    if optional:
        session.notice(Notice(f"{kind.lower()} {shown} does not exist, skipping"))
        return None
    raise DbError(ErrorKind.UNDEFINED_FUNCTION, f"{kind.lower()} {shown} does not exist")


def _alter(session: ClientSession, header: Header, kind: str) -> Result:
    one = _named(session, header, kind)
    assert one is not None
    if header.take("RENAME", "TO"):
        check_schema(session, one.database)
        change(session, one, replace(one, name=header.name()))
    elif header.take("OWNER", "TO"):
        role = header.name()
        role = session.role if role.upper() in ("CURRENT_USER", "SESSION_USER") else role
        if not role_exists(session, role):
            raise DbError(ErrorKind.UNDEFINED_OBJECT, f'role "{role}" does not exist')
        check_member(session, role)
        change(session, one, replace(one, role=role))
    elif header.take("SET", "SCHEMA"):
        schema = header.name()
        if not session.has_database(schema):
            raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'schema "{schema}" does not exist')
        check_schema(session, schema)
        change(session, one, replace(one, database=schema))
    else:
        made = _with_options(header, one)
        change(session, one, made)
    return Affected(f"ALTER {kind}", 0)


def change(session: ClientSession, one: Routine, made: Routine) -> None:
    """Stores a routine changed. Raises: DbError ACCESS_DENIED, DUPLICATE_OBJECT."""
    check_owner(session, one.role, f"{noun(one)} {one.name}")
    moved = (made.database, made.key) != (one.database, one.key)
    if moved and _same(session, made) is not None:
        message = f'function {made.key} already exists in schema "{made.database}"'
        raise DbError(ErrorKind.DUPLICATE_OBJECT, message, sqlstate="42723")
    with session.writing() as transaction:
        transaction.change_store()
        session.catalog.remove_object(session.duck.cursor, one)
        session.catalog.put_object(session.duck.cursor, made)


def comment(session: ClientSession, tree: exp.Comment, text: str) -> Result:
    """COMMENT ON FUNCTION and PROCEDURE. Raises: DbError."""
    kind = str(tree.args["kind"]).upper()
    header = Header(text, session.wire)
    while not header.take("ON", kind):
        header.word()
    one = _named(session, header, kind)
    assert one is not None
    value = tree.expression
    said = "" if isinstance(value, exp.Null) else value.name
    change(session, one, replace(one, comment=said))
    return Affected("COMMENT", 0)


# --- GRANT and REVOKE -----------------------------------------------------------------------------


def grant(session: ClientSession, tree: nodes.GrantStatement, names: Sequence[str]) -> bool:
    """Who may execute the stored routines that are named; False if none of them is stored.

    Requires: inside `writing`. Raises: DbError ACCESS_DENIED, UNDEFINED_FUNCTION.
    """
    kind = str(tree.this).removesuffix(" IN SCHEMA")
    found: list[Routine] = []
    for node in tree.expressions:
        if kind != tree.this:
            found += _of_schema(session, node.name, kind.removesuffix("S"))
        elif node.name.lower() in routines_of(session):
            one = _named(session, Header(node.meta[SIGNATURE], session.wire), kind)
            found += [one] if one is not None else []
    for one in found:
        held = {PUBLIC} if one.grants is None else set(one.grants)
        held = held - set(names) if tree.args.get("revoke") else held | set(names)
        grants = None if PUBLIC in held else tuple(sorted(held))
        if grants != one.grants:
            change(session, one, replace(one, grants=grants))
    return bool(found)


def _of_schema(session: ClientSession, schema: str, kind: str) -> list[Routine]:
    known = [one for found in routines_of(session).values() for one in found]
    return [one for one in known if one.database == schema and _is_of(one, kind)]


def _is_of(one: Routine, kind: str) -> bool:
    return kind == "ROUTINE" or one.is_function == (kind == "FUNCTION")
