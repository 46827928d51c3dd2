"""Small pieces that the rewrites put expressions together from."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect.pieces import cast_to
from sql.functions.expansion import helper_call

Arguments = Sequence[exp.Expr]


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """`name(arguments)` as DuckDB knows it."""
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def own(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A call of a helper of ours, which chooses by the arguments' types: NULL needs one."""
    return helper_call(name, arguments)


def text(value: str) -> exp.Expr:
    """A string literal."""
    return exp.Literal.string(value)


def number(value: int) -> exp.Expr:
    """A whole number."""
    return exp.Literal.number(value) if value >= 0 else exp.Neg(this=exp.Literal.number(-value))


def as_text(value: exp.Expr) -> exp.Expr:
    """The value as VARCHAR."""
    return value.copy() if value.is_string else cast_to(value.copy(), "VARCHAR")


def cast(value: exp.Expr, kind: str) -> exp.Expr:
    """The value as a DuckDB type."""
    return cast_to(value.copy(), kind)


def joined(parts: Sequence[exp.Expr]) -> exp.Expr:
    """The texts one after another, NULL if any is."""
    if not parts:
        return text("")
    whole = parts[0]
    for part in parts[1:]:
        whole = exp.DPipe(this=whole, expression=part, safe=True)
    return whole if len(parts) == 1 else exp.paren(whole)


def literal_text(node: exp.Expr) -> str | None:
    """The text of a literal, None of anything else."""
    if isinstance(node, exp.Cast) and node.to.is_type(*exp.DataType.TEXT_TYPES):
        node = node.this
    return node.name if node.is_string else None


def literal_number(node: exp.Expr) -> int | None:
    """The value of a whole number written as such."""
    if isinstance(node, exp.Neg) and node.this.is_int:
        return -int(node.this.name)
    return int(node.name) if node.is_int and not node.is_string else None


def wrong_arguments(name: str, how: str) -> DbError:
    """The error of a call with too few or too many arguments; `how` it is called."""
    return DbError(
        ErrorKind.UNDEFINED_FUNCTION, f"wrong arguments for {name}", hint=f"call it as {how}"
    )


def check(name: str, arguments: Arguments, least: int, most: int | None, how: str) -> None:
    """Raises: DbError UNDEFINED_FUNCTION unless there are `least` to `most` arguments."""
    if len(arguments) < least or (most is not None and len(arguments) > most):
        raise wrong_arguments(name, how)


def case(*branches: tuple[exp.Expr, exp.Expr], default: exp.Expr | None = None) -> exp.Expr:
    """CASE WHEN … THEN … ELSE … END."""
    ifs = [exp.If(this=when, true=then) for when, then in branches]
    return exp.Case(ifs=ifs, default=default)


def is_null(value: exp.Expr) -> exp.Expr:
    """`value IS NULL`."""
    return exp.Is(this=value.copy(), expression=exp.null())
