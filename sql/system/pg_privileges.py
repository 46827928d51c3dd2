"""has_table_privilege() and its kin as expressions DuckDB understands.

Called by pg_functions.py: a call becomes a question to the helper relation of
pg_catalog/privileges.py. https://www.postgresql.org/docs/15/functions-info.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.system.pg_catalog.lookups import Kind
from sql.system.pg_catalog.privileges import (
    ANY_DATABASE,
    EVERYTHING,
    GRANTABLE,
    PRIVILEGES,
    Object,
)
from sql.system.pg_regtypes import helper, is_text, text_of, to_oid

_Maker = Callable[[Sequence[exp.Expr]], exp.Expr]
_REG_TYPES = {
    Object.RELATION: "regclass",
    Object.SEQUENCE: "regclass",
    Object.SCHEMA: "regnamespace",
    Object.ROLE: "regrole",
}


def _has(kind: Object, *, parts: int = 1) -> _Maker:
    """A maker of calls `([role,] object [, column], privilege)`; `parts` counts the middle."""

    def make(arguments: Sequence[exp.Expr]) -> exp.Expr:
        if not parts + 1 <= len(arguments) <= parts + 2:
            raise DbError(ErrorKind.UNDEFINED_FUNCTION, "wrong number of arguments for a privilege")
        given = len(arguments) == parts + 2
        role = _role(arguments[0]) if given else exp.CurrentUser()
        return _may(kind, role, _object(kind, arguments[int(given)]), arguments[-1])

    return make


def _role(argument: exp.Expr) -> exp.Expr:
    """A role's name; given as such or as its OID."""
    named = isinstance(argument, exp.CurrentUser | exp.SessionUser) or is_text(argument)
    return argument.copy() if named else text_of(Kind.ROLE, argument)


def _object(kind: Object, argument: exp.Expr) -> exp.Expr:
    if kind is Object.DATABASE:
        return exp.Literal.number(ANY_DATABASE)
    return to_oid(_REG_TYPES[kind], argument)


def _may(kind: Object, role: exp.Expr, oid: exp.Expr, privilege: exp.Expr) -> exp.Expr:
    is_role = exp.EQ(this=exp.cast(exp.column("_role"), "TEXT"), expression=role)
    of_role = (
        exp.select("_oid")
        .from_(helper(PRIVILEGES))
        .where(exp.column("_kind").eq(exp.Literal.string(kind.name)), is_role)
    )
    everything = exp.In(this=exp.Literal.number(EVERYTHING), query=exp.Subquery(this=of_role))
    this = of_role.where(_wanted(kind, privilege))
    found = exp.or_(everything, exp.In(this=oid, query=exp.Subquery(this=this)))
    missing = exp.Is(this=oid.copy(), expression=exp.null())  # asked first: no such name, an error
    return exp.case().when(missing, exp.cast(exp.null(), "BOOLEAN")).else_(found)


def _wanted(kind: Object, privilege: exp.Expr) -> exp.Expr:
    """One of the privileges of a list in one text. Raises: DbError INVALID_ARGUMENT."""
    column = exp.column("_privilege")
    if not privilege.is_string:
        return exp.EQ(this=column, expression=exp.Upper(this=privilege.copy()))
    names = [" ".join(name.upper().split()) for name in privilege.name.split(",")]
    for name in names:
        if name.removesuffix(GRANTABLE) not in kind.value:
            message = f'unrecognized privilege type: "{name.lower()}"'
            raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    return exp.In(this=column, expressions=[exp.Literal.string(name) for name in names])


# What everybody, then the owner may do with something that nobody has granted, by acldefault()'s
# letters. https://www.postgresql.org/docs/15/ddl-priv.html, table 5.2
_DEFAULTS = {
    "r": ("", "arwdDxt"),
    "s": ("", "rwU"),
    "d": ("Tc", "CTc"),
    "f": ("X", "X"),
    "l": ("U", "U"),
    "L": ("", "rw"),
    "n": ("", "UC"),
    "T": ("U", "U"),
    "t": ("", "C"),
}


def _default(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """`acldefault(letter, owner)`: the privileges that NULL stands for."""
    if len(arguments) != 2:
        raise DbError(ErrorKind.UNDEFINED_FUNCTION, "acldefault() takes a letter and a role")
    owner = text_of(Kind.ROLE, arguments[1])
    made = exp.case(exp.cast(arguments[0].copy(), "TEXT"))
    for letter, (everybody, own) in _DEFAULTS.items():
        given = [exp.func("concat", exp.Literal.string(f"={everybody}/"), owner.copy())]
        held = exp.Literal.string(f"={own}/")
        items = given if everybody else []
        items = [*items, exp.func("concat", owner.copy(), held, owner.copy())]
        made = made.when(exp.Literal.string(letter), exp.Array(expressions=items))
    return exp.paren(made)


MAKERS: dict[str, _Maker] = {
    "acldefault": _default,
    "has_table_privilege": _has(Object.RELATION),
    "has_any_column_privilege": _has(Object.RELATION),
    "has_column_privilege": _has(Object.RELATION, parts=2),
    "has_sequence_privilege": _has(Object.SEQUENCE),
    "has_schema_privilege": _has(Object.SCHEMA),
    "has_database_privilege": _has(Object.DATABASE),
    "pg_has_role": _has(Object.ROLE),
}
