"""Functions and variables whose answer is the session, not the data: replaced by literals.

`now()` and its kin become the marker `NOW`, which the runner replaces by the statement's own time,
so that a cached plan never holds a stale clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlglot import exp

from engine.clock import STARTED_MS
from engine.errors import DbError, ErrorKind
from sql.dialect.nodes import UserVariable
from sql.dialect.pieces import cast_to
from sql.plan.context import CATALOG, PlanContext
from sql.plan.tables import NOW
from sql.session import Wire
from sql.settings import PRODUCT_VERSION, with_unit

_Maker = Callable[[PlanContext], exp.Expr]


def _text(value: str) -> exp.Expr:
    return exp.Literal.string(value)


def _now(_: PlanContext) -> exp.Expr:
    return cast_to(exp.Literal.string(NOW), "TIMESTAMP")


def _zoned_now(context: PlanContext) -> exp.Expr:
    """PostgreSQL's now() has a zone."""
    kind = "TIMESTAMPTZ" if context.wire is Wire.POSTGRES else "TIMESTAMP"
    return cast_to(exp.Literal.string(NOW), kind)


def _started(context: PlanContext) -> exp.Expr:
    """When this process began, as now() is typed."""
    kind = "TIMESTAMPTZ" if context.wire is Wire.POSTGRES else "TIMESTAMP"
    moment = datetime.fromtimestamp(STARTED_MS / 1000, UTC)
    return cast_to(exp.Literal.string(f"{moment:%Y-%m-%d %H:%M:%S.%f+00}"), kind)


def _today(_: PlanContext) -> exp.Expr:
    return cast_to(_now(_), "DATE")


def _time(_: PlanContext) -> exp.Expr:
    return cast_to(_now(_), "TIME")


def _address(context: PlanContext) -> exp.Expr:
    host, colon, _ = context.client.address.rpartition(":")
    return _text(host.strip("[]")) if colon else exp.cast(exp.null(), "TEXT")


def _port(context: PlanContext) -> exp.Expr:
    port = context.client.address.rpartition(":")[2]
    return exp.Literal.number(port) if port.isdigit() else exp.cast(exp.null(), "INT")


def _current_database(context: PlanContext) -> exp.Expr:
    if context.wire is Wire.POSTGRES:
        return _text(context.client.database or CATALOG)
    return _text(context.database)


def _version(context: PlanContext) -> exp.Expr:
    if context.wire is Wire.POSTGRES:
        setting = context.setting("server_version").split(" ")[0]
        return _text(f"PostgreSQL {setting} (Gnomon {PRODUCT_VERSION}), 64-bit")
    if context.wire is Wire.MYSQL:
        return _text(context.setting("version"))
    return _text(f"Gnomon {PRODUCT_VERSION}")


def _user(context: PlanContext) -> exp.Expr:
    user = context.client.user
    return _text(f"{user}@{context.client.address.rpartition(':')[0] or 'localhost'}")


# MySQL's may be called with a number of digits, which is for the eye (mysql_digits.py).
_WITH_DIGITS = frozenset({"sysdate", "utc_timestamp", "curtime", "utc_time", "localtime"})
_MAKERS: dict[str, _Maker] = {
    "now": _zoned_now,
    "current_timestamp": _zoned_now,
    "localtimestamp": _now,
    "transaction_timestamp": _zoned_now,
    "utc_timestamp": _now,
    "sysdate": _now,
    "current_date": _today,
    "curdate": _today,
    "utc_date": _today,
    "today": _today,
    "current_time": _time,
    "localtime": _time,
    "curtime": _time,
    "utc_time": _time,
    "current_database": _current_database,
    "current_catalog": _current_database,
    "database": lambda c: _text(c.database),
    "schema": lambda c: _text(c.database),
    "current_schema": lambda c: _text(c.database),
    "version": _version,
    "pg_backend_pid": lambda c: exp.Literal.number(c.session_id),
    "connection_id": lambda c: exp.Literal.number(c.session_id),
    "current_user": lambda c: _text(c.client.user + ("@%" if c.wire is Wire.MYSQL else "")),
    "session_user": lambda c: _text(c.client.user) if c.wire is not Wire.MYSQL else _user(c),
    "current_role": lambda c: _text(c.client.user),
    "user": lambda c: _text(c.client.user) if c.wire is not Wire.MYSQL else _user(c),
    "timezone": lambda c: _text(c.timezone),
    "build": lambda _: _text(f"Gnomon {PRODUCT_VERSION}"),
    "pg_is_in_recovery": lambda _: exp.false(),
    "last_insert_id": lambda c: exp.convert(int(c.setting("last_insert_id"))),
    "row_count": lambda c: exp.convert(int(c.setting("row_count"))),
    "found_rows": lambda c: exp.convert(int(c.setting("found_rows"))),
    "pg_postmaster_start_time": _started,
    "pg_conf_load_time": _started,
    "inet_client_addr": _address,
    "inet_client_port": _port,
    "pg_my_temp_schema": lambda _: exp.Literal.number(0),
    "read_preference": lambda c: _text(c.setting("read_preference").upper()),
    "pg_current_xact_id": lambda c: exp.Literal.number(c.session_id),
    "system_user": _user,
}

_NODES: dict[type[exp.Expr], str] = {
    exp.CurrentTimestamp: "now",
    exp.CurrentDate: "current_date",
    exp.CurrentTime: "current_time",
    exp.Localtime: "localtime",
    exp.CurrentDatabase: "current_database",
    exp.CurrentCatalog: "current_catalog",
    exp.CurrentSchema: "current_schema",
    exp.CurrentUser: "current_user",
    exp.SessionUser: "session_user",
    exp.CurrentRole: "current_role",
    exp.CurrentVersion: "version",
    exp.Localtimestamp: "localtimestamp",
    exp.UtcTimestamp: "utc_timestamp",
}


def session_functions(tree: exp.Expr, context: PlanContext) -> exp.Expr:
    """Replaces them in place. Output names are kept by `sql.plan.naming`, which runs before.

    >>> from sqlglot import parse_one
    >>> parse_one("SELECT CURRENT_DATE").find(exp.CurrentDate) is not None
    True
    """
    if isinstance(tree, tuple(_NODES)):
        return _made(_NODES[type(tree)], tree, context)
    if isinstance(tree, UserVariable):
        return _constant(context.variable(str(tree.this)))
    for node in list(tree.find_all(*_NODES, exp.Anonymous, exp.SessionParameter, UserVariable)):
        made = _replacement(node, context)
        if made is not None:
            node.replace(made)
    return tree


_PERSONAL = frozenset(
    {"pg_backend_pid", "connection_id", "current_setting", "read_preference"}
    | {
        "last_insert_id",
        "row_count",
        "found_rows",
        "pg_current_xact_id",
        "inet_client_addr",
        "inet_client_port",
    }
)


def is_session_bound(tree: exp.Expr) -> bool:
    """True if the answers belong to one session, not to everybody with its user and database."""
    return any(
        not isinstance(node, exp.Anonymous) or node.name.lower() in _PERSONAL
        for node in tree.find_all(exp.SessionParameter, exp.Anonymous, UserVariable)
    )


def _replacement(node: exp.Expr, context: PlanContext) -> exp.Expr | None:
    if isinstance(node, exp.SessionParameter):
        return _variable(context.setting(node.name))
    if isinstance(node, UserVariable):
        return _constant(context.variable(str(node.this)))
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        if name == "current_setting" and node.expressions and node.expressions[0].is_string:
            return _setting(node.expressions, context)
        plain = not node.expressions or (name in _WITH_DIGITS and node.expressions[0].is_int)
        return _made(name, node, context) if name in _MAKERS and plain else None
    return _made(_NODES[type(node)], node, context)


def _setting(arguments: Sequence[exp.Expr], context: PlanContext) -> exp.Expr:
    """current_setting(name[, missing_ok]). Raises: DbError UNDEFINED_OBJECT."""
    asked = arguments[0].name
    try:
        return _text(with_unit(asked, context.setting(asked)))
    except DbError as error:
        missing_ok = len(arguments) > 1 and arguments[1] == exp.true()
        if error.kind is not ErrorKind.UNDEFINED_OBJECT or not missing_ok:
            raise
        return exp.null()


def _made(name: str, node: exp.Expr, context: PlanContext) -> exp.Expr:
    """A time that is only compared has no zone: bounds of a scan are read off such conditions."""
    maker = _MAKERS[name]
    if maker is _zoned_now and isinstance(
        node.find_ancestor(*_CONDITIONS, exp.Select), _CONDITIONS
    ):
        maker = _now
    return maker(context)


_CONDITIONS = (exp.Where, exp.Having, exp.Qualify, exp.Join)


def _variable(value: str) -> exp.Expr:
    """@@x: a number when it looks like one, ON and OFF as MySQL shows them in expressions."""
    if value.isdigit():
        return exp.Literal.number(value)
    if value == "NULL":
        return exp.null()
    if value in ("ON", "OFF"):
        return exp.Literal.number(1 if value == "ON" else 0)
    return _text(value)


def _constant(value: object) -> exp.Expr:
    """@x: the value that SET gave it, NULL if nothing did."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return exp.convert(value)
    if isinstance(value, Decimal):
        return exp.Literal.number(f"{value:f}") if value >= 0 else exp.convert(value)
    if isinstance(value, bytes):
        return exp.func("UNHEX", exp.Literal.string(value.hex()))
    if isinstance(value, date):
        kind = "TIMESTAMP" if isinstance(value, datetime) else "DATE"
        return exp.cast(_text(str(value)), kind)
    return _text(str(value))
