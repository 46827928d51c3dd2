"""Syntax tree nodes of sequences, identity columns and types; see nodes.py for the conventions."""

from __future__ import annotations

from sqlglot import exp


class ObjectStatement(exp.Expression):
    """CREATE or ALTER of a SEQUENCE or TYPE, `table` being its name; `this` is both words (str).

    `expressions` are `Option`s of a sequence with lower-case keys, or what `form` says of a type:
    labels (ENUM, ADD VALUE, RENAME VALUE: old and new), `ColumnDef`s (COMPOSITE), options (RANGE).
    """

    arg_types = {
        "this": True,
        "table": True,
        "expressions": False,
        "exists": False,  # bool
        "temporary": False,  # bool
        "form": False,  # words
        "place": False,  # BEFORE or AFTER, of a new label
        "beside": False,  # the label it is beside
        "to": False,  # new name (Identifier) of RENAME TO and SET SCHEMA
    }
    _hash_raw_args = True


class Identity(exp.Expression, exp.ColumnConstraintKind):
    """`GENERATED ALWAYS | BY DEFAULT AS IDENTITY [(expressions)]`: options of its sequence."""

    arg_types = {"always": False, "expressions": False}


class DefaultPrivileges(exp.Expression):
    """`ALTER DEFAULT PRIVILEGES [FOR ROLE roles] [IN SCHEMA schemas] this`.

    `this` is a `GrantStatement` of TABLES, SEQUENCES and the like, without names of objects.
    """

    arg_types = {"this": True, "roles": False, "schemas": False}


class NamedType(exp.DataType):
    """A type with a name of its own, once it is known which: `type` is our DataType."""

    arg_types = {**exp.DataType.arg_types, "type": True}


def user_type_name(kind: exp.Expr) -> str | None:
    """The name of a type that users made; of arrays that of their items. None for others."""
    found = kind.find(NamedType)
    name = found.args.get("kind") if found is not None else None
    if isinstance(name, exp.Dot):
        name = name.expression
    if found is None or not isinstance(name, exp.Expr):
        return None
    named = found.args["type"].innermost.named
    return None if named is not None and named.name == name.name else name.name


def interval_name(kind: exp.DataType) -> str:
    """INTERVAL with its fields or digits, empty for one that has neither and for other types."""
    inner = kind.this
    if isinstance(inner, exp.Interval):
        unit = inner.args["unit"]
        span = isinstance(unit, exp.IntervalSpan)
        fields = [unit.this, unit.expression] if span else [unit]
        return "INTERVAL " + " TO ".join(field.name for field in fields)
    if inner is exp.DType.INTERVAL and kind.expressions:
        return f"INTERVAL({kind.expressions[0].name})"
    return ""


def bits_name(kind: NamedType) -> str:
    """BIT and VARBIT with their lengths, empty for other types; BIT alone has one bit."""
    named = kind.args["type"].named
    if named is None or named.name not in ("bit", "varbit"):
        return ""
    size = kind.expressions[0].name if kind.expressions else "1"
    if not kind.expressions and named.name == "varbit":
        return ""
    return f"{named.name.upper()}({size})"
