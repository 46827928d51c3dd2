"""Keys, indexes and constraints: pg_index, pg_constraint and their definitions as text.

A time-series table shows its row identity (tags and time index) as its primary key, unless it is in
append mode and has none, and the time index as an index of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from catalog.details import Constraint, ConstraintKind, KeyAction, Reference
from catalog.records import Column, Table, TableKind
from engine import datatypes
from sql.foreign.keys import ForeignKey, deferrable_uniques, resolved
from sql.system.arrow import fill
from sql.system.memo import Blocks, kept
from sql.system.pg_catalog.access_methods import operator_class
from sql.system.pg_catalog.oids import Slot, dependent_oid, namespace_oid, object_oid
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.table import SystemContext


@lru_cache(maxsize=65_536)
def quote(name: str) -> str:
    """The identifier as PostgreSQL's quote_ident prints it."""
    plain = name.isascii() and name == name.lower() and name.isidentifier()
    return name if plain else '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Index:
    """One index; `keys` are names of columns, or expressions in parentheses.

    `include` are the columns that it holds besides.
    """

    oid: int
    name: str
    table: Table
    keys: tuple[str, ...]
    unique: bool = False
    primary: bool = False
    method: str = "btree"
    include: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    where: str = ""
    storage: tuple[str, ...] = ()
    nulls_distinct: bool = True

    @property
    def parts(self) -> tuple[str, ...]:
        """The keys and what is included."""
        return self.keys + self.include

    @property
    def places(self) -> list[int]:
        """The parts as 1-based positions in the table, 0 for an expression."""
        where = {column.name: at for at, column in enumerate(self.table.columns, 1)}
        return [where.get(key, 0) for key in self.parts]

    @property
    def columns(self) -> list[Column]:
        """What the index holds; an expression's column is text."""
        return [self.table.column(key) or Column("expr", datatypes.STRING) for key in self.parts]

    @property
    def definition(self) -> str:
        """The CREATE INDEX statement that PostgreSQL would print."""
        unique = "UNIQUE " if self.unique else ""
        on = f"{quote(self.table.database)}.{quote(self.table.name)}"
        name = quote(self.name)
        more = f" INCLUDE ({', '.join(map(quote, self.include))})" if self.include else ""
        more += "" if self.nulls_distinct else " NULLS NOT DISTINCT"
        more += f" WITH ({', '.join(map(_setting, self.storage))})" if self.storage else ""
        more += f" WHERE ({self.where})" if self.where else ""
        return f"CREATE {unique}INDEX {name} ON {on} USING {self.method} ({self.key_list}){more}"

    @property
    def key_list(self) -> str:
        """The keys as in a definition."""
        suffixes = self.suffixes or ("",) * len(self.keys)
        return ", ".join(shown_key(k) + s for k, s in zip(self.keys, suffixes, strict=True))

    @property
    def options(self) -> list[int]:
        """pg_index.indoption."""
        return [option_bits(s) for s in self.suffixes] or [0] * len(self.keys)

    @property
    def classes(self) -> list[int]:
        """pg_index.indclass."""
        suffixes = self.suffixes or ("",) * len(self.keys)
        keys = zip(self.columns, suffixes, strict=False)
        return [operator_class(self.method, column, suffix) for column, suffix in keys]


def _setting(text: str) -> str:
    name, _, value = text.partition("=")
    return f"{name}='{value}'"


def option_bits(suffix: str) -> int:
    """pg_index.indoption of a key: 1 for descending, 2 for NULLs first.

    >>> [option_bits(words) for words in ("", " DESC", " DESC NULLS LAST", " NULLS FIRST")]
    [0, 3, 1, 2]
    """
    if " DESC" in suffix:
        return 1 if suffix.endswith("LAST") else 3
    return 2 if suffix.endswith("NULLS FIRST") else 0


def shown_key(key: str) -> str:
    """A key as in a definition: a function call needs no parentheses of its own."""
    if not key.startswith("("):
        return quote(key)
    inner = key[1:-1]
    return inner if inner.endswith(")") and inner.partition("(")[0].isidentifier() else key


def indexes(tables: Iterable[Table]) -> list[Index]:
    """The indexes of the tables: of keys, of unique constraints, and those asked for by name."""
    return [index for table in tables for index in _kept_indexes(table)]


def _kept_indexes(table: Table) -> tuple[Index, ...]:
    return kept(table, "_shown_indexes", lambda: tuple(_indexes(table)))


def _indexes(table: Table) -> Iterator[Index]:
    if table.kind in (TableKind.VIEW, TableKind.EXTERNAL):
        return
    identity = identity_columns(table)
    if identity:
        oid = dependent_oid(table, Slot.PRIMARY_INDEX)
        yield Index(oid, key_name(table), table, identity, unique=True, primary=True)
    if table.time_index is not None:
        oid = dependent_oid(table, Slot.TIME_INDEX)
        yield Index(oid, f"{table.name}_time_index", table, (table.time_index,))
    for constraint in table.constraints:
        if constraint.kind is ConstraintKind.UNIQUE:
            oid = object_oid(constraint.id, Slot.PRIMARY_INDEX)
            yield Index(
                oid,
                constraint.name,
                table,
                constraint.columns,
                unique=True,
                nulls_distinct=constraint.nulls_distinct,
            )
    for index in table.indexes:
        oid = object_oid(index.id, Slot.PRIMARY_INDEX)
        yield Index(
            oid,
            index.name,
            table,
            index.columns,
            index.unique,
            method=index.method,
            include=index.include,
            suffixes=index.suffixes,
            where=index.where,
            storage=index.storage,
            nulls_distinct=index.nulls_distinct,
        )


def identity_columns(table: Table) -> tuple[str, ...]:
    """The columns that tell rows apart; empty if nothing does."""
    if table.kind in (TableKind.VIEW, TableKind.EXTERNAL) or table.append_mode:
        return ()
    time_index = table.time_index
    return table.primary_key if time_index is None else (*table.primary_key, time_index)


def key_name(table: Table) -> str:
    """What the primary key is called."""
    named = (c.name for c in table.constraints if c.kind is ConstraintKind.PRIMARY_KEY)
    return next(named, f"{table.name}_pkey")


def key_comment(table: Table) -> str:
    """What COMMENT ON CONSTRAINT said of the primary key."""
    named = (c.comment for c in table.constraints if c.kind is ConstraintKind.PRIMARY_KEY)
    return next(named, "")


def pg_index(context: SystemContext) -> pa.Table:
    """All indexes."""
    schema = SHAPES["pg_index"].schema
    return pa.concat_tables([schema.empty_table(), *_index_blocks(context.tables)])


def _index_rows(tables: Sequence[Table]) -> pa.Table:
    found = indexes(tables)
    unique = [index.unique for index in found]
    return fill(
        SHAPES["pg_index"].schema,
        len(found),
        {
            "indexrelid": [index.oid for index in found],
            "indrelid": [index.table.id for index in found],
            "indnatts": [len(index.parts) for index in found],
            "indnkeyatts": [len(index.keys) for index in found],
            "indisunique": unique,
            # NULL is a value like any other for a tag, and for nothing else
            "indnullsnotdistinct": [
                (i.primary and i.table.is_time_series) or not i.nulls_distinct for i in found
            ],
            "indisprimary": [index.primary for index in found],
            "indisexclusion": False,
            "indimmediate": [
                i.name not in {c.name for c in deferrable_uniques(i.table)} for i in found
            ],
            "indisclustered": False,
            "indisvalid": True,
            "indcheckxmin": False,
            "indisready": True,
            "indislive": True,
            "indisreplident": False,
            "indkey": [index.places for index in found],
            "indcollation": [[0] * len(index.keys) for index in found],
            "indclass": [index.classes for index in found],
            "indoption": [index.options for index in found],
            "indexprs": [_expressions(index) for index in found],
            "indpred": [f"({index.where})" if index.where else None for index in found],
        },
    )


_index_blocks = Blocks(_index_rows)


def _expressions(index: Index) -> str | None:
    """What pg_get_expr prints of an index over expressions."""
    found = [shown_key(key) for key in index.keys if key.startswith("(")]
    return ", ".join(found) or None


# --- Constraints ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """One constraint as the catalogs tell it; `there` is the table a foreign key points at."""

    oid: int
    name: str
    table: Table
    kind: ConstraintKind
    columns: tuple[str, ...]
    index: int = 0
    there: Table | None = None
    there_columns: tuple[str, ...] = ()
    expression: str = ""
    comment: str = ""
    valid: bool = True
    reference: Reference | None = None
    deferral: tuple[bool, bool] = (False, False)  # deferrable, and at first deferred
    nulls_distinct: bool = True

    def definition(self, path: Collection[str]) -> str:
        """What pg_get_constraintdef prints for a session with that search path."""
        columns = ", ".join(map(quote, self.columns))
        if self.kind is ConstraintKind.CHECK:
            return f"CHECK (({self.expression}))"
        if self.kind is ConstraintKind.PRIMARY_KEY:
            return f"PRIMARY KEY ({columns})"
        if self.kind is ConstraintKind.UNIQUE:
            nulls = "" if self.nulls_distinct else "NULLS NOT DISTINCT "
            return f"UNIQUE {nulls}({columns}){_deferral(*self.deferral)}"
        assert self.there is not None
        name = quote(self.there.name)
        if self.there.database not in path:
            name = f"{quote(self.there.database)}.{name}"
        far = ", ".join(map(quote, self.there_columns))
        return f"FOREIGN KEY ({columns}) REFERENCES {name}({far}){self._options}"

    @property
    def _options(self) -> str:
        """In pg_get_constraintdef's order."""
        reference = self.reference
        assert reference is not None
        found = [" MATCH FULL"] if reference.match_full else []
        for event, action in (("UPDATE", reference.on_update), ("DELETE", reference.on_delete)):
            if action is not KeyAction.NO_ACTION:
                found.append(f" ON {event} {action.words}")
        if reference.null_columns:
            found.append(f" ({', '.join(map(quote, reference.null_columns))})")
        found.append(_deferral(*self.deferral))
        found += [] if self.valid else [" NOT VALID"]
        return "".join(found)


def _deferral(deferrable: bool, deferred: bool) -> str:
    return (" DEFERRABLE" if deferrable else "") + (" INITIALLY DEFERRED" if deferred else "")


def constraints(tables: Sequence[Table]) -> list[Shown]:
    """The constraints of all tables."""
    return [*own_constraints(tables), *foreign_keys(tables)]


def own_constraints(tables: Sequence[Table]) -> list[Shown]:
    """Those that are told by their own table alone: all but foreign keys."""
    return [shown for table in tables for shown in _kept_constraints(table)]


def _kept_constraints(table: Table) -> tuple[Shown, ...]:
    return kept(table, "_shown_constraints", lambda: tuple(_constraints(table)))


def foreign_keys(tables: Sequence[Table]) -> list[Shown]:
    """The foreign keys whose tables are both there."""
    keys = [
        (table, one) for table in tables for one in table.constraints if one.references is not None
    ]
    if not keys:
        return []
    places = Places(tables)
    found = (_foreign_key(table, one, places) for table, one in keys)
    return [shown for shown in found if shown is not None]


class Places:
    """The tables by id and by name, for the far ends of keys."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._by_id = {table.id: table for table in tables}
        self._by_name = {(table.database, table.name): table for table in tables}

    def key(self, table: Table, one: Constraint) -> ForeignKey | None:
        """The foreign key with its parent, None if that is not there."""
        return resolved(
            table, one, self._by_id.get, lambda base, name: self._by_name.get((base, name))
        )


def _constraints(table: Table) -> Iterator[Shown]:
    identity = identity_columns(table)
    if identity:
        yield Shown(
            dependent_oid(table, Slot.PRIMARY_CONSTRAINT),
            key_name(table),
            table,
            ConstraintKind.PRIMARY_KEY,
            identity,
            dependent_oid(table, Slot.PRIMARY_INDEX),
            comment=key_comment(table),
        )
    for constraint in table.constraints:
        kind = constraint.kind
        if kind is ConstraintKind.PRIMARY_KEY or constraint.references is not None:
            continue
        yield Shown(
            object_oid(constraint.id, Slot.PRIMARY_CONSTRAINT),
            constraint.name,
            table,
            kind,
            constraint.columns,
            object_oid(constraint.id, Slot.PRIMARY_INDEX) if _is_unique(kind) else 0,
            expression=constraint.expression,
            comment=constraint.comment,
            deferral=(constraint.deferrable, constraint.deferred),
            nulls_distinct=constraint.nulls_distinct,
        )


def _foreign_key(table: Table, constraint: Constraint, places: Places) -> Shown | None:
    key = places.key(table, constraint)
    if key is None:
        return None
    return Shown(
        object_oid(constraint.id, Slot.PRIMARY_CONSTRAINT),
        constraint.name,
        table,
        constraint.kind,
        constraint.columns,
        _unique_index(key),
        key.parent,
        key.parent_columns,
        comment=constraint.comment,
        valid=constraint.valid,
        reference=key.reference,
        deferral=(key.reference.deferrable, key.reference.deferred),
    )


def _unique_index(key: ForeignKey) -> int:
    """The index of the parent that the key relies on."""
    wanted = set(key.parent_columns)
    found = (
        index
        for index in _kept_indexes(key.parent)
        if index.unique and not index.where and set(index.keys) == wanted
    )
    index = next(found, None)
    return 0 if index is None else index.oid


def _is_unique(kind: ConstraintKind) -> bool:
    return kind is ConstraintKind.UNIQUE


def pg_constraint(context: SystemContext) -> pa.Table:
    """Primary keys, unique, check and foreign key constraints."""
    namespaces = tuple((base.name, namespace_oid(base)) for base in context.databases)
    own = _constraint_blocks(context.tables, namespaces)
    return pa.concat_tables([*own, _constraint_rows(foreign_keys(context.tables), namespaces)])


def _constraint_rows(found: Sequence[Shown], told: tuple[tuple[str, int], ...]) -> pa.Table:
    namespaces = dict(told)
    references = [shown.reference for shown in found]
    return fill(
        SHAPES["pg_constraint"].schema,
        len(found),
        {
            "oid": [shown.oid for shown in found],
            "conname": [shown.name for shown in found],
            "connamespace": [namespaces.get(shown.table.database, 0) for shown in found],
            "contype": [shown.kind.value for shown in found],
            "condeferrable": [shown.deferral[0] for shown in found],
            "condeferred": [shown.deferral[1] for shown in found],
            "convalidated": [shown.valid for shown in found],
            "conrelid": [shown.table.id for shown in found],
            "contypid": 0,
            "conindid": [shown.index for shown in found],
            "conparentid": 0,
            "confrelid": [0 if shown.there is None else shown.there.id for shown in found],
            "confupdtype": [r.on_update.value if r else " " for r in references],
            "confdeltype": [r.on_delete.value if r else " " for r in references],
            "confmatchtype": [("f" if r.match_full else "s") if r else " " for r in references],
            "conislocal": True,
            "coninhcount": 0,
            "connoinherit": [shown.kind is not ConstraintKind.CHECK for shown in found],
            "conkey": [_places(shown.table, shown.columns) for shown in found],
            "confkey": [
                None if shown.there is None else _places(shown.there, shown.there_columns)
                for shown in found
            ],
            "conbin": [shown.expression or None for shown in found],
        },
    )


def _places(table: Table, names: Sequence[str]) -> list[int]:
    where = {column.name: at for at, column in enumerate(table.columns, 1)}
    return [where[name] for name in names if name in where]


_constraint_blocks = Blocks(lambda tables, told: _constraint_rows(own_constraints(tables), told))
