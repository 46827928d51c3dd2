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


class NamedType(exp.DataType):
    """A type with a name of its own, once it is known which: `type` is our DataType."""

    arg_types = {**exp.DataType.arg_types, "type": True}


def user_type_name(kind: exp.Expr) -> str | None:
    """The name of a type that users made; of arrays that of their items. None for others."""
    found = kind.find(NamedType)
    if found is None or found.args["type"].named is None or found.args["type"].named.name:
        return None
    name = found.args.get("kind")
    if isinstance(name, exp.Dot):
        name = name.expression
    return name.name if isinstance(name, exp.Expr) else None
