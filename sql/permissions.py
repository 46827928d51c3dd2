"""What a statement does to data: reads it, writes it, both or neither.

Asked once per statement, for every wire, on behalf of users who may not do everything
(server/observe.py). Decided on the syntax tree alone, and in doubt as a write: it looks up no
name and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Flag, auto

from sqlglot import exp

from sql.dialect import mysql_nodes, nodes
from sql.dialect.key_nodes import SetConstraints
from sql.dialect.object_nodes import DefaultPrivileges, ObjectStatement
from sql.dialect.parser import ParsedStatement
from sql.session import Statement


class Access(Flag):
    """Kinds of access."""

    NONE = 0
    READ = auto()
    WRITE = auto()


SYSTEM_DATABASES = frozenset({"information_schema", "pg_catalog"})

_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_WRITES = (*_CHANGES, exp.Create, exp.Drop, exp.TruncateTable, exp.Alter, exp.Into)


def access_of(statement: Statement) -> Access:
    """The access a statement needs.

    >>> from sql.dialect.parser import parse
    >>> from sql.session import Wire
    >>> [access_of(one).name for one in parse("SELECT 1; TABLE t; DROP TABLE t", Wire.POSTGRES)]
    ['NONE', 'READ', 'WRITE']
    """
    if statement.is_empty:
        return Access.NONE
    if not isinstance(statement, ParsedStatement) or statement.tree is None:
        return Access.WRITE  # the fast path of INSERT
    return _of_tree(statement.tree)


def _of_tree(tree: exp.Expr) -> Access:
    for cls in type(tree).__mro__:
        rule = RULES.get(cls)
        if rule is not None:
            return rule(tree)
    return _of_parts(tree) | Access.WRITE


def _nothing(tree: exp.Expr) -> Access:
    """It changes the session at most, or runs what PREPARE and DECLARE were allowed."""
    return Access.NONE


def _reads(tree: exp.Expr) -> Access:
    return Access.READ


def _writes(tree: exp.Expr) -> Access:
    """Its tables are changed, not read."""
    return Access.WRITE


def _of_prepare(tree: exp.Expr) -> Access:
    if tree.args.get("source") is not None:
        return Access.READ | Access.WRITE  # its text is known only when it runs
    return _of_parts(tree)


def _of_definition(tree: exp.Expr) -> Access:
    return _of_parts(tree) | Access.WRITE


def _of_insert(tree: exp.Expr) -> Access:
    """RETURNING may tell what was there before."""
    access = _of_parts(tree)
    return access | Access.READ if tree.args.get("returning") else access


def _of_copy(tree: exp.Expr) -> Access:
    """COPY reads or writes the table; a path is a file of the server's, which is written too."""
    if tree.args.get("into"):
        return Access.WRITE
    access = Access.READ | _of_parts(tree.this)
    return access if isinstance(tree.args["endpoint"], exp.Var) else access | Access.WRITE


def _of_load(tree: exp.Expr) -> Access:
    """Queries in SET read; rows that are there decide about new ones."""
    reads = Access.READ if tree.find(exp.Query) else Access.NONE
    return Access.WRITE | reads


def _of_parts(tree: exp.Expr) -> Access:
    """Of everything inside, however deep: CTEs, sub-queries, what EXPLAIN would run."""
    access = Access.NONE
    targets: set[int] = set()
    for node in tree.walk():
        if isinstance(node, _WRITES):
            access |= Access.WRITE
            target = node.this.find(exp.Table) if isinstance(node.this, exp.Expr) else None
            if target is not None and isinstance(node, (exp.Insert, exp.Create, exp.Into)):
                targets.add(id(target))
        elif isinstance(node, exp.Table) and id(node) not in targets and not _is_system(node):
            access |= Access.READ
    return access | Access.READ if tree.find(nodes.Tql) else access


def _is_system(table: exp.Table) -> bool:
    if table.db:
        return table.db.lower() in SYSTEM_DATABASES
    return table.name.lower().startswith("pg_")


# What each kind of statement does. A kind that is not here counts as a write.
RULES: dict[type[exp.Expr], Callable[[exp.Expr], Access]] = {
    exp.Select: _of_parts,
    exp.SetOperation: _of_parts,
    exp.Subquery: _of_parts,
    exp.Values: _of_parts,
    nodes.Explain: _of_parts,
    nodes.DeclareCursor: _of_parts,
    nodes.PrepareStatement: _of_prepare,
    nodes.Tql: _reads,
    exp.Insert: _of_insert,
    exp.Update: _of_parts,
    exp.Delete: _of_parts,
    exp.Merge: _of_parts,
    nodes.CopyStatement: _of_copy,
    mysql_nodes.LoadFile: _of_load,
    mysql_nodes.Do: _of_parts,
    mysql_nodes.SelectInto: _of_parts,
    mysql_nodes.TableMaintenance: _reads,
    exp.Create: _of_definition,
    exp.Drop: _writes,
    exp.TruncateTable: _writes,
    nodes.RefreshView: _writes,
    exp.Alter: _writes,
    exp.Comment: _writes,
    nodes.RenameTables: _writes,
    exp.Kill: _of_definition,
    nodes.Admin: _of_definition,
    nodes.GrantStatement: _of_definition,
    nodes.RoleStatement: _of_definition,
    DefaultPrivileges: _of_definition,
    nodes.Utility: _of_definition,
    nodes.Call: _of_definition,
    ObjectStatement: _writes,
    nodes.CreateFlow: _of_definition,
    nodes.DropFlow: _writes,
    exp.Use: _nothing,
    nodes.SetVariables: _nothing,
    nodes.SetTransaction: _nothing,
    SetConstraints: _nothing,
    nodes.Reset: _nothing,
    nodes.Discard: _nothing,
    nodes.ShowSetting: _nothing,
    nodes.ShowStatement: _nothing,
    nodes.DescribeTable: _nothing,
    nodes.BeginTransaction: _nothing,
    nodes.CommitTransaction: _nothing,
    nodes.RollbackTransaction: _nothing,
    nodes.Savepoint: _nothing,
    nodes.ReleaseSavepoint: _nothing,
    nodes.ExecuteStatement: _nothing,
    nodes.Deallocate: _nothing,
    nodes.FetchCursor: _nothing,
    nodes.CloseCursor: _nothing,
}
