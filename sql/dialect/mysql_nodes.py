"""Trees of statements that only MySQL has. Parsed by the grammars beside this module."""

from __future__ import annotations

from sqlglot import exp


class LoadFile(exp.Expression):
    """`LOAD DATA [LOCAL] INFILE file … INTO TABLE this`.

    `duplicates` is REPLACE or IGNORE, `options` are Options of the format, `columns` identifiers
    and UserVariables, `expressions` the items of SET.
    """

    arg_types = {
        "this": True,
        "file": True,
        "local": False,  # bool
        "duplicates": False,  # str
        "options": False,
        "columns": False,
        "expressions": False,
    }
