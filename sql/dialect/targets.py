"""Which tables a statement changes and what it does to each, told by its tree alone.

Called by the checks of privileges. In doubt (MySQL's `UPDATE t JOIN u SET a = 1`, where only the
catalog knows whose column `a` is) every table that may be meant counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

Need = tuple[int, str]  # id() of a table's node, the privilege
NOTHING = ""  # the node only repeats the name of another one


def changed_tables(node: exp.Expr) -> Iterator[Need]:
    """What an INSERT, UPDATE, DELETE or MERGE does to the tables it changes.

    SELECT is needed too where old rows decide what happens, or are told.

    >>> from sqlglot import parse_one
    >>> tree = parse_one("DELETE FROM t WHERE a = 1")
    >>> [privilege for _, privilege in changed_tables(tree)]
    ['DELETE', 'SELECT']
    """
    if isinstance(node, exp.Insert):
        yield from _of_insert(node)
    elif isinstance(node, exp.Merge):
        yield from _of_merge(node)
    elif isinstance(node, exp.Update):
        yield from _of_update(node)
    elif isinstance(node, exp.Delete):
        yield from _of_delete(node)


def _tables(node: object) -> list[exp.Table]:
    """A source and what is joined to it; sub-queries are no target."""
    if isinstance(node, exp.Schema):
        node = node.this
    if not isinstance(node, exp.Expr):
        return []
    found = [node] if isinstance(node, exp.Table) else []
    for join in node.args.get("joins") or []:
        found += _tables(join.this)
    return found


def _of_insert(node: exp.Insert) -> Iterator[Need]:
    conflict = node.args.get("conflict")
    for table in _tables(node.this)[:1]:
        yield id(table), "INSERT"
        if conflict is not None and conflict.expressions:
            yield id(table), "UPDATE"
        if conflict is not None or node.args.get("returning"):
            yield id(table), "SELECT"


def _of_update(node: exp.Update) -> Iterator[Need]:
    tables = _tables(node.this)
    named = {column.table for item in node.expressions for column in item.this.find_all(exp.Column)}
    reads = len(tables) > 1 or any(node.args.get(part) for part in ("where", "returning", "from_"))
    for table in tables:
        if len(tables) == 1 or "" in named or table.alias_or_name in named:
            yield id(table), "UPDATE"
        if reads:
            yield id(table), "SELECT"


def _of_delete(node: exp.Delete) -> Iterator[Need]:
    listed = node.args.get("tables") or []
    names = {table.alias_or_name for table in listed or [node.this]}
    reads = any(node.args.get(part) for part in ("where", "returning", "using", "tables"))
    for table in listed:
        yield id(table), NOTHING  # an alias, or the name of a table in FROM
    for source in (node.this, *(node.args.get("using") or [])):
        for table in _tables(source):
            if table.alias_or_name in names:
                yield id(table), "DELETE"
            if reads:
                yield id(table), "SELECT"


def _of_merge(node: exp.Merge) -> Iterator[Need]:
    for table in _tables(node.this)[:1]:
        yield id(table), "SELECT"
        for when in node.args["whens"].expressions:
            then = when.args["then"]
            if isinstance(then, exp.Insert):
                yield id(table), "INSERT"
            elif isinstance(then, exp.Update):
                yield id(table), "UPDATE"
            elif then.name.upper() == "DELETE":
                yield id(table), "DELETE"
