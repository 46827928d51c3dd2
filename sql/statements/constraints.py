"""What CREATE TABLE's constraints and CREATE INDEX leave in a table's record.

DuckDB enforces UNIQUE and CHECK, sql/foreign/ foreign keys and what is DEFERRABLE; the record says
what they are over and what they are called. Names that nobody gave are PostgreSQL's.
https://www.postgresql.org/docs/15/ddl-constraints.html
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace

from sqlglot import exp

from catalog.details import Constraint, ConstraintKind, Reference
from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.collations import has_own_keys
from sql.dialect.dialects import to_sql
from sql.dialect.duckdb import to_duckdb
from sql.dialect.parser import parse
from sql.foreign.reading import read_key
from sql.session import Wire

NAME = "name"  # the key under which the grammar's trees carry a constraint's name


def described(
    table: Table,
    trees: Sequence[exp.Expr],
    key_name: str,
    next_id: Callable[[], int],
    wire: Wire,
    reserved: Iterable[str] = (),
) -> tuple[Constraint, ...]:
    """The constraints of a relational table; its primary key only if it has a name of its own.

    A UNIQUE without a name has on MySQL's wire that of its first column; `reserved` are names of
    indexes to come.
    """
    found: list[Constraint] = []
    taken = {f"{table.name}_pkey", *(one.name for one in table.constraints), *reserved}
    if wire is Wire.MYSQL:  # indexes and keys share one space
        taken |= {one.name for one in table.indexes} | {str(t.meta.get(NAME) or "") for t in trees}
    if key_name and table.primary_key:
        taken = taken - {f"{table.name}_pkey"} | {key_name}
        kind = ConstraintKind.PRIMARY_KEY
        found.append(Constraint(next_id(), key_name, kind, table.primary_key))
    for tree in trees:
        bare = _bare(tree, table)
        name = str(tree.meta.get(NAME) or "")
        if not name and wire is Wire.MYSQL and bare.kind is ConstraintKind.UNIQUE:
            name = free_key_name(bare.columns[0], taken)
        name = name or _free(_default_name(table, bare), taken)
        taken.add(name)
        found.append(replace(bare, id=next_id(), name=name))
    return tuple(found)


def _bare(tree: exp.Expr, table: Table) -> Constraint:
    """Without its name."""
    if isinstance(tree, exp.CheckColumnConstraint):
        names = {column.name for column in tree.this.find_all(exp.Column)}
        columns = tuple(c.name for c in table.columns if c.name in names)
        text = to_sql(tree.this.unnest(), Wire.POSTGRES)
        return Constraint(0, "", ConstraintKind.CHECK, columns, text)
    if isinstance(tree, exp.ForeignKey):
        return read_key(tree)
    columns = tuple(node.name for node in tree.this.expressions)
    deferrable, deferred = _deferral(tree)
    return Constraint(
        0,
        "",
        ConstraintKind.UNIQUE,
        columns,
        deferrable=deferrable,
        deferred=deferred,
        nulls_distinct=not _equal_nulls(tree),
    )


def _equal_nulls(tree: exp.Expr) -> bool:
    """True for UNIQUE NULLS NOT DISTINCT."""
    return bool(tree.args.get("nulls"))


def _deferral(tree: exp.Expr) -> tuple[bool, bool]:
    """(May it be deferred, is it at first) of UNIQUE."""
    options = {str(option).upper() for option in tree.args.get("options") or ()}
    deferred = "INITIALLY DEFERRED" in options
    return deferred or "DEFERRABLE" in options, deferred


def stored_constraints(trees: Iterable[exp.Expr], table: Table) -> list[str]:
    """The constraints that the store keeps to, in its SQL. Raises: as `stored_constraint`."""
    return [
        text
        for tree in trees
        if not isinstance(tree, exp.ForeignKey)
        for text in [stored_constraint(tree, table)]
        if text
    ]


def stored_constraint(tree: exp.Expr, table: Table) -> str:
    """A constraint in the store's SQL; empty for what it is not told.

    That is UNIQUE which may be deferred, and NULLS NOT DISTINCT and intervals, for which there is
    an index over expressions (indexes.build_keys). Raises: DbError UNSUPPORTED for both at once.
    """
    if not isinstance(tree, exp.UniqueColumnConstraint):
        return to_duckdb(tree)
    deferrable = _deferral(tree)[0]
    if deferrable and _equal_nulls(tree):
        message = "DEFERRABLE constraints with NULLS NOT DISTINCT are not supported"
        raise DbError(ErrorKind.UNSUPPORTED, message)
    names = {node.name for node in tree.this.expressions}
    indexed = not all(has_own_keys(column) for column in table.columns if column.name in names)
    return "" if deferrable or indexed or _equal_nulls(tree) else to_duckdb(tree)


_SUFFIXES = {
    ConstraintKind.UNIQUE: "key",
    ConstraintKind.CHECK: "check",
    ConstraintKind.FOREIGN_KEY: "fkey",
}


def _default_name(table: Table, constraint: Constraint) -> str:
    columns = constraint.columns
    if constraint.kind is ConstraintKind.CHECK and len(columns) != 1:
        columns = ()
    return "_".join((table.name, *columns, _SUFFIXES[constraint.kind]))


def free_key_name(column: str, taken: Container[str]) -> str:
    """MySQL's name of a key without one: its first column's, then `_2`, `_3` …"""
    number, found = 1, column
    while found in taken or found.upper() == "PRIMARY":
        number += 1
        found = f"{column}_{number}"
    return found


def _free(name: str, taken: set[str]) -> str:
    number, found = 0, name
    while found in taken:
        number += 1
        found = f"{name}{number}"
    return found


def with_comment(table: Table, name: str, text: str) -> Table:
    """The table with a comment on one of its constraints. Raises: DbError UNDEFINED_OBJECT."""
    found = table.constraints
    if name not in {c.name for c in found} and name == f"{table.name}_pkey" and table.primary_key:
        kind = ConstraintKind.PRIMARY_KEY  # from now on it needs a record
        found = (Constraint(table.id, name, kind, table.primary_key), *found)
    if name not in {c.name for c in found}:
        message = f'constraint "{name}" for table "{table.name}" does not exist'
        raise DbError(ErrorKind.UNDEFINED_OBJECT, message)
    changed = (replace(c, comment=text) if c.name == name else c for c in found)
    return replace(table, constraints=tuple(changed))


def follow_columns(old: Table, new: Table) -> Table:
    """Constraints and indexes after columns were renamed or dropped."""
    names = {column.id: column.name for column in new.columns}
    moved = {c.name: names.get(c.id) for c in old.columns if names.get(c.id) != c.name}
    if not moved:
        return new
    return replace(
        new,
        constraints=tuple(
            replace(
                c,
                columns=_moved(c.columns, moved),
                expression=_text(c.expression, moved),
                references=_moved_reference(c.references, moved),
            )
            for c in new.constraints
            if all(moved.get(name, name) for name in c.columns)
        ),
        indexes=tuple(
            replace(
                index,
                columns=tuple(
                    f"({_text(key[1:-1], moved)})" if key.startswith("(") else moved.get(key) or key
                    for key in index.columns
                ),
                where=_text(index.where, moved),
                include=_moved(index.include, moved),
            )
            for index in new.indexes
            if all(moved.get(name, name) for name in (*index.columns, *index.include))
        ),
    )


def _moved(names: Sequence[str], moved: dict[str, str | None]) -> tuple[str, ...]:
    return tuple(moved.get(name) or name for name in names)


def _moved_reference(reference: Reference | None, moved: dict[str, str | None]) -> Reference | None:
    if reference is None or not reference.null_columns:
        return reference
    return replace(reference, null_columns=_moved(reference.null_columns, moved))


def _text(expression: str, moved: dict[str, str | None]) -> str:
    if not expression:
        return ""
    tree = parse(f"SELECT {expression}", Wire.POSTGRES)[0].tree
    assert isinstance(tree, exp.Select)
    for column in tree.find_all(exp.Column):
        name = moved.get(column.name)
        if name is not None:
            column.set("this", exp.to_identifier(name, quoted=not name.isidentifier()))
    return to_sql(tree.expressions[0], Wire.POSTGRES)
