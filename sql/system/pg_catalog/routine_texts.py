"""What is told of a PostgreSQL routine: its signature, result and whole definition.

Called by sql/system/ for pg_get_functiondef and its kin.
https://www.postgresql.org/docs/15/functions-info.html
"""

from __future__ import annotations

from catalog.objects import Argument, Routine
from sql.system.pg_catalog.keys import quote

_VOLATILITY = {"i": " IMMUTABLE", "s": " STABLE", "v": ""}


def arguments_of(one: Routine, *, defaults: bool) -> str:
    """The argument list; with defaults as it is declared, without as it identifies."""
    kept = [a for a in one.arguments if a.mode != "TABLE"]
    return ", ".join(
        _argument(each, defaults=defaults, procedure=not one.is_function) for each in kept
    )


def _argument(one: Argument, *, defaults: bool, procedure: bool) -> str:
    mode = "" if one.mode == "IN" and not procedure else f"{one.mode} "
    name = f"{quote(one.name)} " if one.name else ""
    default = f" DEFAULT {one.default}" if defaults and one.default is not None else ""
    return f"{mode}{name}{one.type}{default}"


def result_of(one: Routine) -> str | None:
    """What RETURNS says; None of a procedure."""
    if not one.is_function:
        return None
    columns = [a for a in one.arguments if a.mode == "TABLE"]
    if columns:
        return f"TABLE({', '.join(f'{quote(a.name)} {a.type}' for a in columns)})"
    return f"SETOF {one.returns}" if one.returns_set else one.returns


def definition_of(one: Routine) -> str:
    """A statement that makes the routine."""
    kind = "FUNCTION" if one.is_function else "PROCEDURE"
    name = f"{quote(one.database)}.{quote(one.name)}"
    lines = [f"CREATE OR REPLACE {kind} {name}({arguments_of(one, defaults=True)})"]
    if one.is_function:
        lines.append(f" RETURNS {result_of(one)}")
    lines.append(f" LANGUAGE {one.language}")
    said = _VOLATILITY[one.volatility] + (" STRICT" if one.strict else "")
    said += " SECURITY DEFINER" if one.definer else ""
    said += "".join(f" {name} {value}" for name, value in one.told if name != "SET")
    if said:
        lines.append(said)
    lines += [f" SET {value}" for name, value in one.told if name == "SET"]
    if one.is_standard:
        return "\n".join([*lines, one.body]) + "\n"
    tag = "function" if one.is_function else "procedure"
    mark = f"${tag}$"
    while mark in one.body:
        mark = mark[:-1] + "_$"
    return "\n".join([*lines, f"AS {mark}{one.body}{mark}"]) + "\n"
