"""Calls of functions that do something, as calls of the one DuckDB function of sql/acts."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from sql.functions.rewrites.build import Arguments, as_text, call, cast, number, text

_ACT = "gn_act"  # see sql/acts/functions.py
_ARGUMENTS = 2


def acting(
    what: str, kind: str | None = None, *, void: bool = False
) -> Callable[[Arguments], exp.Expr]:
    """The rewrite of calls that do `what`; the answer is cast to `kind`, or empty."""

    def make(arguments: Arguments) -> exp.Expr:
        given = [as_text(argument) for argument in arguments[:_ARGUMENTS]]
        missing = [cast(exp.null(), "VARCHAR")] * (_ARGUMENTS - len(given))
        # Which session it is makes a plan the session's own (sql/plan/session_functions.py).
        done = call(_ACT, call("pg_backend_pid"), text(what), *given, *missing)
        if void:
            return call("left", done, number(0))
        return cast(done, kind) if kind is not None else done

    return make


def is_free(arguments: Arguments) -> exp.Expr:
    """MySQL's IS_FREE_LOCK: 1 or 0."""
    return cast(exp.Is(this=acting("lock_holder")(arguments), expression=exp.null()), "INTEGER")
