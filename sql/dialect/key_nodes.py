"""Syntax tree nodes of foreign keys and their checks; see nodes.py for the conventions."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp
from sqlglot.generator import Generator


class ConstraintAction(exp.Expression):
    """ALTER TABLE's action on the constraint `name`: `this` is DROP, ALTER, VALIDATE or RENAME.

    `kind` (str) is the word MySQL drops by (FOREIGN KEY, CHECK, PRIMARY KEY), else CONSTRAINT;
    `options` are strings such as DEFERRABLE; `to` is the new name.
    """

    arg_types = {
        "this": True,  # str
        "kind": True,  # str
        "name": False,
        "options": False,
        "to": False,
        "exists": False,  # bool
        "cascade": False,  # bool
    }
    _hash_raw_args = True


class IdentityAction(exp.Expression):
    """ALTER COLUMN `name` of ALTER TABLE on its identity: `this` is ADD, DROP, SET or RESTART.

    `always` (bool) as in `object_nodes.Identity`, `expressions` are options of the sequence,
    `sequence` (a table) is what ADD shall call it.
    """

    arg_types = {
        "this": True,  # str
        "column": True,
        "always": False,
        "expressions": False,
        "sequence": False,
        "exists": False,  # bool
    }
    _hash_raw_args = True


class SetConstraints(exp.Expression):
    """`SET CONSTRAINTS { ALL | expressions } { DEFERRED | IMMEDIATE }`; expressions are tables."""

    arg_types = {"expressions": False, "deferred": True}  # bool


def _action(generator: Generator, node: ConstraintAction) -> str:
    parts = [
        node.name,
        str(node.args["kind"]),
        "IF EXISTS" if node.args.get("exists") else "",
        generator.sql(node, "name"),
        *(str(option) for option in node.args.get("options") or ()),
        f"TO {generator.sql(node, 'to')}" if node.args.get("to") else "",
        "CASCADE" if node.args.get("cascade") else "",
    ]
    return " ".join(part for part in parts if part)


def _identity(generator: Generator, node: IdentityAction) -> str:
    parts = ["ALTER COLUMN", generator.sql(node, "column"), node.name]
    if node.name in ("ADD", "SET"):
        parts += ["GENERATED", "ALWAYS" if node.args.get("always") else "BY DEFAULT"]
    if node.name in ("ADD", "DROP"):
        parts.append("AS IDENTITY" if node.name == "ADD" else "IDENTITY")
    return " ".join([*parts, *(["IF EXISTS"] if node.args.get("exists") else [])])


def _set_constraints(generator: Generator, node: SetConstraints) -> str:
    names = generator.expressions(node, flat=True) or "ALL"
    return f"SET CONSTRAINTS {names} {'DEFERRED' if node.args['deferred'] else 'IMMEDIATE'}"


KEY_NODES: dict[type[exp.Expr], Callable[..., str]] = {
    ConstraintAction: _action,
    IdentityAction: _identity,
    SetConstraints: _set_constraints,
}
