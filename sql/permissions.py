"""What a statement does to data: reads it, writes it, both or neither.

Asked once per statement, for every wire, on behalf of users who may not do everything
(server/observe.py). Decided on the syntax tree alone, and in doubt as a write: it looks up no
name and runs nothing.
"""

from __future__ import annotations

from enum import Flag, auto

from sqlglot import exp

from sql.dialect import nodes
from sql.dialect.parser import ParsedStatement
from sql.session import Statement


class Access(Flag):
    """Kinds of access."""

    NONE = 0
    READ = auto()
    WRITE = auto()


SYSTEM_DATABASES = frozenset({"information_schema", "pg_catalog"})

# They change the session at most. EXECUTE and FETCH run what PREPARE and DECLARE were allowed.
_HARMLESS = (
    exp.Use,
    nodes.SetVariables,
    nodes.SetTransaction,
    nodes.Reset,
    nodes.Discard,
    nodes.ShowSetting,
    nodes.ShowStatement,
    nodes.DescribeTable,
    nodes.BeginTransaction,
    nodes.CommitTransaction,
    nodes.RollbackTransaction,
    nodes.Savepoint,
    nodes.ReleaseSavepoint,
    nodes.ExecuteStatement,
    nodes.Deallocate,
    nodes.FetchCursor,
    nodes.CloseCursor,
)
_WRAPPERS = (exp.Query, exp.Values, nodes.Explain, nodes.PrepareStatement, nodes.DeclareCursor)
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_DEFINITIONS = (exp.Drop, exp.TruncateTable, exp.Alter, exp.Comment, nodes.RenameTables)
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
    if isinstance(tree, _HARMLESS):
        return Access.NONE
    if isinstance(tree, nodes.Tql):
        return Access.READ
    if isinstance(tree, _DEFINITIONS):
        return Access.WRITE  # their tables are changed, not read
    if isinstance(tree, nodes.CopyStatement):
        return _of_copy(tree)
    if isinstance(tree, nodes.PrepareStatement) and tree.args.get("source") is not None:
        return Access.READ | Access.WRITE  # its text is known only when it runs
    if isinstance(tree, (*_WRAPPERS, *_CHANGES)):
        return _of_parts(tree)
    return _of_parts(tree) | Access.WRITE


def _of_copy(tree: exp.Expr) -> Access:
    """COPY reads or writes the table; a path is a file of the server's, which is written too."""
    if tree.args.get("into"):
        return Access.WRITE
    access = Access.READ | _of_parts(tree.this)
    return access if isinstance(tree.args["endpoint"], exp.Var) else access | Access.WRITE


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
