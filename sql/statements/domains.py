"""CREATE DOMAIN: another name for a type, with a default and conditions.

Columns of a domain get these as their own when they are made; casts check them.
https://www.postgresql.org/docs/15/sql-createdomain.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.objects import TypeForm, UserType
from engine.errors import DbError, ErrorKind
from sql.decode.lengths import declared_length
from sql.dialect.create import declared_type
from sql.dialect.dialects import to_sql
from sql.dialect.object_nodes import NamedType, ObjectStatement
from sql.plan.named_types import resolve_types
from sql.plan.tables import table_name
from sql.privileges import owner_of_new
from sql.results import Affected, Result
from sql.session import Wire
from sql.statements.user_types import check_new_type
from sql.types import from_sql
from sql.user_types import field_of, find_type

if TYPE_CHECKING:
    from sql.client_session import ClientSession


def run_create(session: ClientSession, tree: ObjectStatement) -> Result:
    """Raises: DbError DUPLICATE_OBJECT, UNDEFINED_SCHEMA, UNDEFINED_OBJECT, UNSUPPORTED."""
    database, name = table_name(tree.args["table"], session.plan_context())
    if session.catalog.database(session.duck.cursor, database) is None:
        raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'schema "{database}" does not exist')
    check_new_type(session, database, name)
    column = tree.expressions[0]
    kind = resolve_types(column.args["kind"].copy(), session.plan_context().type_named)
    over = _domain_under(session, kind)
    not_null, default, checks = over.not_null, over.default, list(over.checks)
    limit = declared_length(declared_type(kind))
    if limit is not None:
        checks.append((f"{name}_length", f"length(VALUE) <= {limit}"))
    for constraint in column.args.get("constraints") or ():
        what = constraint.args["kind"]
        if isinstance(what, exp.NotNullColumnConstraint):
            not_null = not what.args.get("allow_null")
        elif isinstance(what, exp.DefaultColumnConstraint):
            default = to_sql(what.this, Wire.HTTP)
        elif isinstance(what, exp.CheckColumnConstraint):
            told = constraint.this.name if constraint.this is not None else f"{name}_check"
            checks.append((told, to_sql(what.this, Wire.HTTP)))
        else:
            raise DbError(ErrorKind.UNSUPPORTED, "a domain has DEFAULT, NOT NULL and CHECK only")
    with session.writing() as transaction:
        transaction.change_store()
        one = UserType(
            session.next_id(),
            database,
            name,
            TypeForm.DOMAIN,
            fields=(field_of("value", from_sql(kind)),),
            not_null=not_null,
            default=default,
            checks=tuple(checks),
            role=owner_of_new(session),
        )
        session.catalog.put_object(session.duck.cursor, one)
    return Affected("CREATE DOMAIN")


_PLAIN = UserType(0, "", "", TypeForm.DOMAIN)


def _domain_under(session: ClientSession, kind: exp.Expr) -> UserType:
    """The domain that a domain is over; one that asks for nothing if it is over a plain type."""
    name = kind.args.get("kind") if isinstance(kind, NamedType) else None
    if not isinstance(name, exp.Identifier | exp.Dot):
        return _PLAIN
    schema = name.this.name if isinstance(name, exp.Dot) else ""
    bare = name.expression.name if isinstance(name, exp.Dot) else name.name
    found = find_type(session, schema, bare)
    return found if found is not None and found.form is TypeForm.DOMAIN else _PLAIN
