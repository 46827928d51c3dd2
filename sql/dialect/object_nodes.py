"""Syntax tree nodes of sequences, identity columns and types; see nodes.py for the conventions."""

from __future__ import annotations

from sqlglot import exp


class ObjectStatement(exp.Expression):
    """CREATE or ALTER of a SEQUENCE or TYPE, `table` being its name; `this` is both words (str).

    `expressions` are `Option`s of a sequence with lower-case keys, or a type's labels.
    """

    arg_types = {
        "this": True,
        "table": True,
        "expressions": False,
        "exists": False,  # bool
        "temporary": False,  # bool
    }
    _hash_raw_args = True


class Identity(exp.Expression, exp.ColumnConstraintKind):
    """`GENERATED ALWAYS | BY DEFAULT AS IDENTITY [(expressions)]`: options of its sequence."""

    arg_types = {"always": False, "expressions": False}
