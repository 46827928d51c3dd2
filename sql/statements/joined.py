"""The rows an UPDATE or DELETE means, in both dialects' ways of naming other tables.

PostgreSQL: `UPDATE t … FROM u`, `DELETE FROM t USING u`. MySQL: `UPDATE t JOIN u … SET t.a = u.a`,
`DELETE t, u FROM t JOIN u …`, `DELETE FROM t USING t JOIN u …`, ORDER BY and LIMIT. `read` tells
which tables are changed and what is read; `find` builds the query for one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.run.errors import position_of
from sql.statements.changes import key_columns
from sql.statements.parts import column_of, derived
from sql.statements.target import writable

if TYPE_CHECKING:
    from sql.client_session import ClientSession

OLD = "__old_{}"
_ROW = "__row"


@dataclass(frozen=True)
class Target:
    """A table that is changed, under its alias in the statement."""

    alias: str
    table: Table


@dataclass(frozen=True)
class Joined:
    """What an UPDATE or DELETE reads: the tables in FROM, joined, and what is changed of them."""

    tree: exp.Expr
    sources: tuple[exp.Expr, ...]  # tables and sub-queries, with what is joined to each
    targets: tuple[Target, ...]

    @property
    def is_plain(self) -> bool:
        """True if DuckDB understands the statement as it is written (sub-queries apart)."""
        special = ("order", "limit", "tables")
        joins = self.sources[0].args.get("joins")
        return not (joins or any(self.tree.args.get(name) for name in special))

    @property
    def has_others(self) -> bool:
        """True if a row of the target may be found several times."""
        return len(self.sources) > 1 or bool(self.sources[0].args.get("joins"))

    def target_named(self, alias: str) -> Target | None:
        """The target of that alias."""
        return next((target for target in self.targets if target.alias == alias), None)


def read_delete(session: ClientSession, tree: exp.Delete, text: str) -> Joined:
    """What a DELETE deletes from. Raises: DbError UNDEFINED_TABLE, WRONG_OBJECT_TYPE."""
    using = list(tree.args.get("using") or [])
    named = list(tree.args.get("tables") or [])
    sources = [tree.this]
    if using:
        names = {node.alias_or_name for source in using for node in _tables_in(source)}
        if tree.this.alias_or_name in names:  # MySQL: the target is one of those in USING
            named, sources = [tree.this], using
        else:
            sources += using
    nodes = {node.alias_or_name: node for source in sources for node in _tables_in(source)}
    if not named:
        named = [_one_table(tree.this)]
    targets = []
    for name in named:
        node = nodes.get(name.alias_or_name)
        if node is None:
            raise _unknown(name.alias_or_name, text)
        targets.append(Target(name.alias_or_name, writable(session, _one_table(node), text)))
    return Joined(tree, tuple(sources), tuple(targets))


def read_update(session: ClientSession, tree: exp.Update, text: str) -> Joined:
    """What an UPDATE changes: the tables its SET list names. Raises: as `read_delete`."""
    from_ = tree.args.get("from_")
    sources = [tree.this] + ([from_.this] if from_ is not None else [])
    if not tree.this.args.get("joins"):
        table = writable(session, _one_table(tree.this), text)
        return Joined(tree, tuple(sources), (Target(tree.this.alias_or_name, table),))
    nodes = {node.alias_or_name: node for node in _tables_in(tree.this)}
    changed = {column.table for item in tree.expressions for column in _set_columns(item)}
    if "" in changed:
        changed.discard("")
        changed |= {_owner(session, nodes, c, text) for i in tree.expressions for c in _bare(i)}
    targets = []
    for alias in sorted(changed, key=list(nodes).index if changed <= set(nodes) else None):
        if alias not in nodes:
            raise _unknown(alias, text)
        targets.append(Target(alias, writable(session, _one_table(nodes[alias]), text)))
    return Joined(tree, tuple(sources), tuple(targets))


def _set_columns(item: exp.Expr) -> list[exp.Column]:
    left = item.this if isinstance(item, exp.EQ) else item
    return [left] if isinstance(left, exp.Column) else list(left.find_all(exp.Column))


def _bare(item: exp.Expr) -> list[exp.Column]:
    return [column for column in _set_columns(item) if not column.table]


def _owner(
    session: ClientSession, nodes: dict[str, exp.Expr], column: exp.Column, text: str
) -> str:
    """The alias of the one table that has an unqualified column; it gets qualified."""
    owners = []
    for alias, node in nodes.items():
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            continue
        if writable(session, node, text).column(column.name) is not None:
            owners.append(alias)
    if len(owners) != 1:
        kind = ErrorKind.AMBIGUOUS_COLUMN if owners else ErrorKind.UNDEFINED_COLUMN
        what = "is in several tables" if owners else "does not exist"
        message = f'column "{column.name}" {what}'
        raise DbError(kind, message, position=position_of(column.name, text))
    return owners[0]


def _tables_in(node: exp.Expr) -> list[exp.Expr]:
    """A source and what is joined to it."""
    found = [node]
    for join in node.args.get("joins") or []:
        found += _tables_in(join.this)
    return found


def _one_table(node: exp.Expr) -> exp.Table:
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise DbError(ErrorKind.UNSUPPORTED, "rows can be changed in named tables only")
    return node


def _unknown(alias: str, text: str) -> DbError:
    message = f'there is no table "{alias}" among those the statement reads'
    return DbError(ErrorKind.UNDEFINED_TABLE, message, position=position_of(alias, text))


def find(joined: Joined, target: Target, values: Sequence[exp.Expr]) -> exp.Select:
    """The query for the target rows meant, each once: the values, then the old key."""
    keys = [column_of(target.alias, name) for name in key_columns(target.table)]
    old = [exp.alias_(key, OLD.format(i), quoted=True) for i, key in enumerate(keys)]
    select = exp.select(*values, *old)
    first, *others = [source.copy() for source in joined.sources]
    joins = list(first.args.get("joins") or [])
    first.set("joins", None)
    select = select.from_(first)
    joins.extend(exp.Join(this=other, kind="CROSS") for other in others)
    select.set("joins", joins)
    for part in ("where", "order", "limit"):
        clause = joined.tree.args.get(part)
        if clause is not None:
            select.set(part, clause.copy())
    with_ = joined.tree.args.get("with_")
    if with_ is not None:
        select.set("with_", with_.copy())
    if joined.has_others:
        each = keys
        if target.table.append_mode:  # equal rows are several rows
            _number_rows(select, target)
            each = [column_of(target.alias, _ROW)]
        select.set("distinct", exp.Distinct(on=exp.Tuple(expressions=[e.copy() for e in each])))
    return select


def _number_rows(select: exp.Select, target: Target) -> None:
    """Gives each row of the target a number."""
    from_ = select.args["from_"]
    nodes = [from_.this, *(join.this for join in select.args["joins"])]
    node = next(n for n in nodes if n.alias_or_name == target.alias)
    number = exp.Window(this=exp.RowNumber())
    rows = exp.select("*", exp.alias_(number, _ROW, quoted=True))
    plain = node.copy()
    plain.set("joins", None)
    subquery = derived(rows.from_(plain), target.alias)
    subquery.set("joins", node.args.get("joins"))
    node.replace(subquery)
