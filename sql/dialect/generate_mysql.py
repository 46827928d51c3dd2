"""SQL text of the trees in mysql_nodes.py. Used by generate.py."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp
from sqlglot.generator import Generator

from sql.dialect import mysql_nodes


def _do(generator: Generator, node: mysql_nodes.Do) -> str:
    return f"DO {generator.expressions(node, flat=True)}"


def _maintenance(generator: Generator, node: mysql_nodes.TableMaintenance) -> str:
    return f"{node.name} TABLE {generator.expressions(node, flat=True)}"


def _select_into(generator: Generator, node: mysql_nodes.SelectInto) -> str:
    return f"{generator.sql(node, 'this')} INTO {generator.expressions(node, flat=True)}"


def _into(generator: Generator, node: mysql_nodes.IntoVariables) -> str:
    return f"INTO {generator.expressions(node, flat=True)}"


def _load(generator: Generator, node: mysql_nodes.LoadFile) -> str:
    options = {o.name: generator.sql(o, "expression") for o in node.args.get("options") or []}

    def clause(words: str, *names: tuple[str, str]) -> str:
        found = [f"{text} {options[name]}" for name, text in names if name in options]
        return " ".join((words, *found)) if found else ""

    columns = generator.expressions(node, key="columns", flat=True)
    changes = generator.expressions(node, flat=True)
    parts = (
        "LOAD DATA",
        "LOCAL" if node.args.get("local") else "",
        f"INFILE {generator.sql(node, 'file')}",
        str(node.args.get("duplicates") or ""),
        f"INTO TABLE {generator.sql(node, 'this')}",
        clause("CHARACTER SET", ("encoding", "")),
        clause(
            "FIELDS",
            ("field_end", "TERMINATED BY"),
            ("quote", "ENCLOSED BY"),
            ("escape", "ESCAPED BY"),
        ),
        clause("LINES", ("line_start", "STARTING BY"), ("line_end", "TERMINATED BY")),
        f"IGNORE {options['skip_lines']} LINES" if "skip_lines" in options else "",
        f"({columns})" if columns else "",
        f"SET {changes}" if changes else "",
    )
    return " ".join(part for part in parts if part)


def _add_index(generator: Generator, node: mysql_nodes.AddIndex) -> str:
    unique = "UNIQUE " if node.args.get("unique") else ""
    name = f"{generator.sql(node, 'this')} " if node.this is not None else ""
    return f"ADD {unique}INDEX {name}({generator.expressions(node, key='columns', flat=True)})"


def _drop_index(generator: Generator, node: mysql_nodes.DropIndex) -> str:
    return f"DROP INDEX {generator.sql(node, 'this')}"


MYSQL_NODES: dict[type[exp.Expr], Callable[..., str]] = {
    mysql_nodes.Do: _do,
    mysql_nodes.TableMaintenance: _maintenance,
    mysql_nodes.SelectInto: _select_into,
    mysql_nodes.IntoVariables: _into,
    mysql_nodes.LoadFile: _load,
    mysql_nodes.AddIndex: _add_index,
    mysql_nodes.DropIndex: _drop_index,
}
