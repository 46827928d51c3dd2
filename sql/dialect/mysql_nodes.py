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


class Do(exp.Expression):
    """`DO expressions`: evaluated, nothing is told."""

    arg_types = {"expressions": True}


class TableMaintenance(exp.Expression):
    """`CHECK TABLE a, b` and its kin; `this` the upper-case verb (str)."""

    arg_types = {"this": True, "expressions": True}


class IntoVariables(exp.Into):
    """`INTO @a, @b` behind the outputs, until the statement is read to its end."""

    arg_types = {"expressions": True}


class SelectInto(exp.Expression):
    """`SELECT … INTO @a, @b`; `this` the query, `expressions` UserVariables."""

    arg_types = {"this": True, "expressions": True}


PREFIX_LENGTH = "length"  # in the meta of an index's column: `a(10)`


class AddIndex(exp.Expression):
    """ALTER TABLE's `ADD [UNIQUE] INDEX this (columns)`; `columns` identifiers, `method` str."""

    arg_types = {"this": False, "columns": True, "unique": False, "method": False}


class RenameIndex(exp.Expression):
    """ALTER TABLE's `RENAME INDEX this TO to`."""

    arg_types = {"this": True, "to": True}


class DropIndex(exp.Expression):
    """ALTER TABLE's `DROP INDEX this`."""

    arg_types = {"this": True}
