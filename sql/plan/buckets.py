"""`time_bucket` and `date_bin`: what a call means, and the calls of a plain query for DuckDB.

`read_call` understands the signatures of TimescaleDB and PostgreSQL, positional or named
(`origin => …`, `"offset" => …`, `timezone => …`); gapfill.py reads its calls with it too.
`bucket_functions` is a planning rule for calls outside of gap filling. Both leave times in the
type they came in.

    https://docs.timescale.com/api/latest/hyperfunctions/time_bucket/
    https://www.postgresql.org/docs/15/functions-datetime.html#FUNCTIONS-DATETIME-BIN
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sqlglot import exp

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql import types
from sql.dialect.pieces import cast_to
from sql.plan.buckets_calendar import (
    Calendar,
    in_zone,
    is_constant_length,
    length_of,
    number,
    part,
    width_of,
)
from sql.plan.range_time import zone_of
from sql.plan.scopes import Scopes

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATED = re.compile(r"\s*\d{4}-")
_ARGUMENTS = frozenset({"origin", "offset", "timezone", "start", "finish"})


@dataclass
class BucketCall:
    """A call of time_bucket, date_bin or their gap-filling forms, its arguments told apart."""

    name: str
    width: exp.Expr
    time: exp.Expr
    named: dict[str, exp.Expr] = field(default_factory=dict)

    def calendar(self) -> Calendar:
        """The buckets that the call means. Raises: DbError INVALID_ARGUMENT."""
        made = Calendar(width_of(self.width, self.name))
        if "offset" in self.named:
            offset = length_of(self.named["offset"], self.name)
            if offset.months:
                message = f"{self.name}: the offset must be of weeks or smaller units"
                raise DbError(ErrorKind.INVALID_ARGUMENT, message)
            made = replace(made, offset=offset.micros)
        if "timezone" in self.named:
            zone = self.named["timezone"]
            if not zone.is_string:
                message = f"{self.name}: the time zone must be a constant"
                raise DbError(ErrorKind.INVALID_ARGUMENT, message)
            made = in_zone(made, zone.name)
        origin = self.named.get("origin")
        if origin is not None:
            made = replace(made, origin=_origin(origin, made.zone))
        elif self.name.startswith("date_bin"):
            made = replace(made, origin=number(0))
        return made


def read_call(node: exp.Expr, names: frozenset[str]) -> BucketCall | None:
    """The call, if the node is one of a function in `names`.

    Raises: DbError UNDEFINED_FUNCTION for arguments that fit no signature.
    """
    if isinstance(node, exp.DateBin):
        name = "date_bin"
        arguments = [node.this, node.expression]
        third = node.args.get("unit")  # sqlglot takes it for another dialect's unit
        arguments += [exp.Literal.string(third.name) if isinstance(third, exp.Var) else third]
        arguments += [node.args.get("zone"), node.args.get("origin")]
        arguments = [argument for argument in arguments if argument is not None]
    elif isinstance(node, exp.Anonymous):
        name, arguments = node.name.lower(), list(node.expressions)
    else:
        return None
    if name not in names or node.meta.get("native"):
        return None
    positional = [argument for argument in arguments if not isinstance(argument, exp.Kwarg)]
    if len(positional) < 2 or len(arguments) > 6:
        raise DbError(
            ErrorKind.UNDEFINED_FUNCTION,
            f"function {name} does not take {len(arguments)} argument(s)",
            hint=f"{name}(width, time [, origin or offset or time zone])",
        )
    call = BucketCall(name, positional[0], positional[1])
    for argument in arguments:
        if isinstance(argument, exp.Kwarg):
            call.named[argument.this.name.lower()] = argument.expression
    _place(call, positional[2:])
    unknown = set(call.named) - _ARGUMENTS
    if unknown:
        message = f'{name} has no argument named "{min(unknown)}"'
        raise DbError(ErrorKind.UNDEFINED_FUNCTION, message)
    return call


def _place(call: BucketCall, extra: list[exp.Expr]) -> None:
    """Gives positional arguments their names, by what they look like."""
    gapfill = call.name.endswith("_gapfill") and call.name.startswith("time_bucket")
    moments = ["start", "finish"] if gapfill else ["origin"]
    for argument in extra:
        if isinstance(argument, exp.Null):
            moments = moments[1:]
        elif _is_zone(argument):
            call.named["timezone"] = argument
        elif _is_length(argument):
            call.named["offset"] = argument
        elif moments:
            call.named[moments.pop(0)] = argument
        else:
            raise DbError(ErrorKind.UNDEFINED_FUNCTION, f"{call.name} has too many arguments")


def _is_zone(node: exp.Expr) -> bool:
    if not node.is_string or _DATED.match(node.name):
        return False
    try:
        zone_of(node.name)
    except DbError:
        return False
    return True


def _is_length(node: exp.Expr) -> bool:
    if isinstance(node, exp.Cast) and not node.is_type(exp.DType.INTERVAL):
        return False
    if not is_constant_length(node):
        return False
    try:
        length_of(node, "")
    except DbError:
        return False
    return True


def _origin(node: exp.Expr, zone: str | None) -> exp.Expr:
    """Microseconds of wall-clock time; a text without an offset is wall-clock time already."""
    text = node.this if isinstance(node, exp.Cast) else node
    if text.is_string:
        try:
            moment = datetime.fromisoformat(text.name.strip())
        except ValueError as error:
            message = f"invalid timestamp for an origin: {text.name!r}"
            raise DbError(ErrorKind.INVALID_DATETIME, message) from error
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC if zone is None else zone_of(zone))
        return number((moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1))
    micros = part("epoch_us(CAST({origin} AS TIMESTAMP))", origin=node)
    if zone is None:
        return micros
    quoted = exp.Literal.string(zone)
    return part(
        "epoch_us(timezone({zone}, timezone('UTC', make_timestamp({m}))))", zone=quoted, m=micros
    )


# --- The rule -------------------------------------------------------------------------------------

_PLAIN = frozenset({"time_bucket", "date_bin"})
_GAPS = frozenset({"time_bucket_gapfill", "date_bin_gapfill", "locf", "interpolate"})


def bucket_functions(tree: exp.Expr, scopes: Scopes) -> exp.Expr:
    """Rewrites time_bucket and date_bin in place.

    Raises: DbError INVALID_ARGUMENT, UNDEFINED_FUNCTION; SYNTAX for a gap-filling function where
    no gaps can be filled.
    """
    for node in list(tree.find_all(exp.Anonymous, exp.DateBin)):
        if isinstance(node, exp.Anonymous) and node.name.lower() in _GAPS:
            raise _misplaced(node.name.lower())
        call = read_call(node, _PLAIN)
        if call is None:
            continue
        made = _bucket(call, scopes)
        if node is tree:
            tree = made
        else:
            node.replace(made)
    return tree


def _misplaced(name: str) -> DbError:
    if name in ("locf", "interpolate"):
        hint = "it needs time_bucket_gapfill or date_bin_gapfill in the same SELECT"
    else:
        hint = "it belongs into the SELECT list and the GROUP BY of a query"
    return DbError(ErrorKind.SYNTAX, f"{name} cannot be used here", hint=hint)


def _bucket(call: BucketCall, scopes: Scopes) -> exp.Expr:
    if call.width.is_int or isinstance(call.width, exp.Neg):
        return _whole_numbers(call)
    if not is_constant_length(call.width):
        return _by_duckdb(call)
    calendar = call.calendar()
    time = exp.cast(call.time, "TIMESTAMP") if call.time.is_string else call.time
    bucket = part("make_timestamp({b})", b=calendar.bucket(part("epoch_us({t})", t=time)))
    column = scopes.column(time)
    if column is None:
        return part("cast_to_type({b}, {t})", b=bucket, t=time)
    made = typed(bucket, column.type)
    if calendar.zone is None:  # it never falls when time rises, which front.py wants to know
        made.meta["bucket_seconds"] = calendar.width.seconds
    return made


def typed(bucket: exp.Expr, data_type: DataType) -> exp.Expr:
    """A TIMESTAMP as another type of time."""
    return cast_to(bucket, types.duckdb_name(data_type))


def _whole_numbers(call: BucketCall) -> exp.Expr:
    """Buckets of integers: `time_bucket(10, n[, offset])`."""
    if not call.width.is_int or int(call.width.name) <= 0:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"{call.name}: the width must be greater than 0")
    start = call.named.get("offset") or call.named.get("origin") or number(0)
    return part("({t}) - ((({t} - ({s})) % {w} + {w}) % {w})", t=call.time, s=start, w=call.width)


def _by_duckdb(call: BucketCall) -> exp.Expr:
    """A width that is known only when the query runs."""
    others = set(call.named) - {"origin"}
    if others:
        message = f"{call.name}: with {min(others)} the width must be a constant"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    width = exp.cast(call.width, "INTERVAL")
    default = number(0) if call.name == "date_bin" else None
    arguments = [width, call.time]
    origin = _origin(call.named["origin"], None) if "origin" in call.named else default
    if origin is not None:
        arguments.append(part("make_timestamp({o})", o=origin))
    made = exp.Anonymous(this="time_bucket", expressions=[a.copy() for a in arguments])
    made.meta["native"] = True
    return part("cast_to_type({b}, {t})", b=made, t=call.time)


__all__ = ["BucketCall", "bucket_functions", "read_call", "typed"]
