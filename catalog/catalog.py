"""The catalog over the embedded store: committed state in memory, changes in DuckDB transactions.

Lookups never touch DuckDB: the committed definitions are held here, and what an open transaction
has changed lies in its overlay until `commit` or `rollback`.

I1. A record is in DuckDB's transaction before it is in the overlay, and durable before it is in
    the committed state.
I2. A name changed by an open transaction is locked: other transactions that want to change it wait.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import duckdb

from catalog.details import Role, role_from_dict, role_to_dict
from catalog.flows import Flow, flow_from_json, flow_to_json
from catalog.objects import ObjectKind, Routine, SchemaObject, object_from_json, object_to_json
from catalog.records import (
    BORN_COMMENTS,
    Column,
    Database,
    Table,
    database_from_json,
    database_to_json,
    table_from_json,
    table_to_json,
)
from catalog.store import SYSTEM_SCHEMA
from engine.errors import DbError, ErrorKind

LOCK_WAIT_SECONDS = 10.0  # PostgreSQL's deadlock_timeout is 1 s; DDL of dbt may hold names longer

RESERVED_DATABASES = frozenset({"information_schema", "pg_catalog", SYSTEM_SCHEMA})

_Name = tuple[str, str]
_ObjectName = tuple[ObjectKind, str, str]  # kind, database, name
_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass
class _Overlay:
    """What one open transaction sees differently. None: removed."""

    databases: dict[str, Database | None] = field(default_factory=dict)
    tables: dict[_Name, Table | None] = field(default_factory=dict)
    roles: dict[str, Role | None] = field(default_factory=dict)
    flows: dict[str, Flow | None] = field(default_factory=dict)
    objects: dict[_ObjectName, SchemaObject | None] = field(default_factory=dict)
    names: dict[int, _Name] = field(default_factory=dict)  # of the tables that are not None
    locks: set[_Name] = field(default_factory=set)
    state: int = 0


class EmbeddedCatalog:
    """Implements `catalog.api.Catalog`. Every method may be called from any thread."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        # Guarded by _lock (a condition: released names wake waiters).
        self._lock = threading.Condition()
        self._databases: dict[str, Database] = {}
        self._tables: dict[_Name, Table] = {}
        self._roles: dict[str, Role] = {}
        self._flows: dict[str, Flow] = {}
        self._objects: dict[_ObjectName, SchemaObject] = {}
        self._names: dict[int, _Name] = {}  # of committed tables
        self._referring: dict[int, Table] = {}  # committed tables with foreign keys, by id
        self._overlays: dict[int, _Overlay] = {}
        self._owners: dict[_Name, int] = {}
        self._version = 0
        self._states = itertools.count(1)
        self._load(cursor)

    def _load(self, cursor: duckdb.DuckDBPyConnection) -> None:
        rows = cursor.execute(f"SELECT id, name, options FROM {SYSTEM_SCHEMA}.databases").fetchall()
        for database_id, name, options in rows:
            self._databases[name] = database_from_json(database_id, name, options)
        rows = cursor.execute(
            f"SELECT id, database, name, definition FROM {SYSTEM_SCHEMA}.tables"
        ).fetchall()
        known: dict[str, tuple[Column, ...]] = {}  # metrics have the same columns by thousands
        for table_id, database, name, definition in rows:
            table = table_from_json(table_id, database, name, definition, known)
            self._tables[database, name] = table
            self._names[table_id] = (database, name)
            if table.has_foreign_keys:
                self._referring[table_id] = table
        rows = cursor.execute(f"SELECT id, name, definition FROM {SYSTEM_SCHEMA}.roles").fetchall()
        for role_id, name, definition in rows:
            self._roles[name] = role_from_dict(role_id, name, json.loads(definition))
        rows = cursor.execute(f"SELECT name, definition FROM {SYSTEM_SCHEMA}.flows").fetchall()
        self._flows = {name: flow_from_json(definition) for name, definition in rows}
        rows = cursor.execute(f"SELECT kind, definition FROM {SYSTEM_SCHEMA}.objects").fetchall()
        for kind, definition in rows:
            one = object_from_json(ObjectKind(kind), definition)
            self._objects[_object_name(one)] = one

    @property
    def version(self) -> int:
        """Grows with every committed change: the key of cached plans."""
        return self._version

    def state(self, cursor: duckdb.DuckDBPyConnection) -> int:
        """See `Catalog.state`."""
        overlay = self._overlays.get(id(cursor))
        return self._version if overlay is None else overlay.state

    # Reading.

    def databases(self, cursor: duckdb.DuckDBPyConnection) -> Sequence[Database]:
        """See `Catalog.databases`."""
        with self._lock:
            merged: dict[str, Database | None] = dict(self._databases)
            if (overlay := self._overlays.get(id(cursor))) is not None:
                merged.update(overlay.databases)
        return sorted((d for d in merged.values() if d is not None), key=lambda d: d.name)

    def database(self, cursor: duckdb.DuckDBPyConnection, name: str) -> Database | None:
        """See `Catalog.database`."""
        overlay = self._overlays.get(id(cursor))
        if overlay is not None and name in overlay.databases:
            return overlay.databases[name]
        return self._databases.get(name)

    def tables(
        self, cursor: duckdb.DuckDBPyConnection, database: str | None = None
    ) -> Sequence[Table]:
        """See `Catalog.tables`."""
        with self._lock:
            merged: dict[_Name, Table | None] = dict(self._tables)
            if (overlay := self._overlays.get(id(cursor))) is not None:
                merged.update(overlay.tables)
        found = [t for t in merged.values() if t is not None and database in (None, t.database)]
        return sorted(found, key=lambda t: (t.database, t.name))

    def table(self, cursor: duckdb.DuckDBPyConnection, database: str, name: str) -> Table | None:
        """See `Catalog.table`."""
        overlay = self._overlays.get(id(cursor))
        if overlay is not None and (database, name) in overlay.tables:
            return overlay.tables[database, name]
        return self._tables.get((database, name))

    def table_of(self, cursor: duckdb.DuckDBPyConnection, table_id: int) -> Table | None:
        """See `Catalog.table_of`."""
        with self._lock:
            overlay = self._overlays.get(id(cursor)) or _Overlay()
            name = self._name_of(overlay, table_id)
            return self.table(cursor, *name) if name is not None else None

    def referring(self, cursor: duckdb.DuckDBPyConnection) -> Sequence[Table]:
        """See `Catalog.referring`."""
        overlay = self._overlays.get(id(cursor))
        if overlay is None:
            return list(self._referring.values())
        hidden = overlay.tables
        found = [t for t in self._referring.values() if (t.database, t.name) not in hidden]
        return found + [t for t in hidden.values() if t is not None and t.has_foreign_keys]

    def roles(self, cursor: duckdb.DuckDBPyConnection) -> Sequence[Role]:
        """See `Catalog.roles`."""
        with self._lock:
            merged: dict[str, Role | None] = dict(self._roles)
            if (overlay := self._overlays.get(id(cursor))) is not None:
                merged.update(overlay.roles)
        return sorted((r for r in merged.values() if r is not None), key=lambda r: r.name)

    def role(self, cursor: duckdb.DuckDBPyConnection, name: str) -> Role | None:
        """See `Catalog.role`."""
        overlay = self._overlays.get(id(cursor))
        if overlay is not None and name in overlay.roles:
            return overlay.roles[name]
        return self._roles.get(name)

    def flows(self, cursor: duckdb.DuckDBPyConnection) -> Sequence[Flow]:
        """See `Catalog.flows`."""
        with self._lock:
            merged: dict[str, Flow | None] = dict(self._flows)
            if (overlay := self._overlays.get(id(cursor))) is not None:
                merged.update(overlay.flows)
        return sorted((f for f in merged.values() if f is not None), key=lambda f: f.name)

    def objects(self, cursor: duckdb.DuckDBPyConnection) -> Sequence[SchemaObject]:
        """See `Catalog.objects`."""
        with self._lock:
            merged: dict[_ObjectName, SchemaObject | None] = dict(self._objects)
            if (overlay := self._overlays.get(id(cursor))) is not None:
                merged.update(overlay.objects)
        return sorted((o for o in merged.values() if o is not None), key=lambda o: o.id)

    def object(
        self, cursor: duckdb.DuckDBPyConnection, kind: ObjectKind, database: str, name: str
    ) -> SchemaObject | None:
        """See `Catalog.object`."""
        overlay = self._overlays.get(id(cursor))
        if overlay is not None and (kind, database, name) in overlay.objects:
            return overlay.objects[kind, database, name]
        return self._objects.get((kind, database, name))

    # Changing. Requires: the cursor has an open transaction.

    def create_database(
        self, cursor: duckdb.DuckDBPyConnection, name: str, options: dict[str, str]
    ) -> Database:
        """See `Catalog.create_database`."""
        overlay = self._lock_name(cursor, (name, ""))
        if name in RESERVED_DATABASES or self.database(cursor, name) is not None:
            raise DbError(ErrorKind.DUPLICATE_DATABASE, f'database "{name}" already exists')
        comment = BORN_COMMENTS.get(name, "")
        database = Database(self._next_id(cursor), name, dict(options), comment)
        cursor.execute(f"CREATE SCHEMA {_identifier(name)}")
        cursor.execute(
            f"INSERT INTO {SYSTEM_SCHEMA}.databases VALUES (?, ?, ?)",
            [database.id, name, database_to_json(database)],
        )
        overlay.databases[name] = database
        return database

    def put_database(self, cursor: duckdb.DuckDBPyConnection, database: Database) -> None:
        """See `Catalog.put_database`."""
        overlay = self._lock_name(cursor, (database.name, ""))
        cursor.execute(
            f"UPDATE {SYSTEM_SCHEMA}.databases SET options = ? WHERE id = ?",
            [database_to_json(database), database.id],
        )
        overlay.databases[database.name] = database

    def drop_database(self, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        """See `Catalog.drop_database`."""
        overlay = self._lock_name(cursor, (name, ""))
        if self.database(cursor, name) is None:
            raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'database "{name}" does not exist')
        assert not self.tables(cursor, name), "callers drop the tables first"
        cursor.execute(f"DROP SCHEMA {_identifier(name)}")
        cursor.execute(f"DELETE FROM {SYSTEM_SCHEMA}.databases WHERE name = ?", [name])
        overlay.databases[name] = None

    def lock(self, cursor: duckdb.DuckDBPyConnection, database: str, table: str = "") -> None:
        """See `Catalog.lock`."""
        self._lock_name(cursor, (database, table))

    def next_table_id(self, cursor: duckdb.DuckDBPyConnection) -> int:
        """See `Catalog.next_table_id`."""
        return self._next_id(cursor)

    def put_table(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> None:
        """See `Catalog.put_table`."""
        overlay = self._lock_name(cursor, (table.database, table.name))
        if self.database(cursor, table.database) is None:
            raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'database "{table.database}" does not exist')
        there = self.table(cursor, table.database, table.name)
        if there is not None and there.id != table.id:
            raise DbError(
                ErrorKind.DUPLICATE_TABLE, f'table "{table.database}.{table.name}" already exists'
            )
        self._forget(cursor, overlay, table.id)
        cursor.execute(
            f"INSERT INTO {SYSTEM_SCHEMA}.tables VALUES (?, ?, ?, ?)",
            [table.id, table.database, table.name, table_to_json(table)],
        )
        overlay.tables[table.database, table.name] = table
        overlay.names[table.id] = table.database, table.name

    def remove_table(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> None:
        """See `Catalog.remove_table`."""
        overlay = self._lock_name(cursor, (table.database, table.name))
        self._forget(cursor, overlay, table.id)

    def put_role(self, cursor: duckdb.DuckDBPyConnection, role: Role) -> None:
        """See `Catalog.put_role`."""
        overlay = self._lock_name(cursor, ("", role.name))
        cursor.execute(f"DELETE FROM {SYSTEM_SCHEMA}.roles WHERE id = ?", [role.id])
        cursor.execute(
            f"INSERT INTO {SYSTEM_SCHEMA}.roles VALUES (?, ?, ?)",
            [role.id, role.name, json.dumps(role_to_dict(role))],
        )
        overlay.roles[role.name] = role

    def remove_role(self, cursor: duckdb.DuckDBPyConnection, role: Role) -> None:
        """See `Catalog.remove_role`."""
        overlay = self._lock_name(cursor, ("", role.name))
        cursor.execute(f"DELETE FROM {SYSTEM_SCHEMA}.roles WHERE id = ?", [role.id])
        overlay.roles[role.name] = None

    def put_object(self, cursor: duckdb.DuckDBPyConnection, one: SchemaObject) -> None:
        """See `Catalog.put_object`."""
        overlay = self._lock_name(cursor, _object_lock(one))
        there = self.object(cursor, *_object_name(one))
        if there is not None and there.id != one.id:
            message = f'{one.kind.value} "{one.name}" already exists'
            raise DbError(ErrorKind.DUPLICATE_OBJECT, message)
        cursor.execute(f"DELETE FROM {SYSTEM_SCHEMA}.objects WHERE id = ?", [one.id])
        cursor.execute(
            f"INSERT INTO {SYSTEM_SCHEMA}.objects VALUES (?, ?, ?)",
            [one.id, one.kind.value, object_to_json(one)],
        )
        overlay.objects[_object_name(one)] = one

    def remove_object(self, cursor: duckdb.DuckDBPyConnection, one: SchemaObject) -> None:
        """See `Catalog.remove_object`."""
        overlay = self._lock_name(cursor, _object_lock(one))
        cursor.execute(f"DELETE FROM {SYSTEM_SCHEMA}.objects WHERE id = ?", [one.id])
        overlay.objects[_object_name(one)] = None

    def put_flow(self, cursor: duckdb.DuckDBPyConnection, flow: Flow) -> None:
        """See `Catalog.put_flow`."""
        overlay = self._lock_name(cursor, _flow_lock(flow.name))
        cursor.execute(f"DELETE FROM {SYSTEM_SCHEMA}.flows WHERE id = ?", [flow.id])
        cursor.execute(
            f"INSERT INTO {SYSTEM_SCHEMA}.flows VALUES (?, ?, ?)",
            [flow.id, flow.name, flow_to_json(flow)],
        )
        overlay.flows[flow.name] = flow

    def remove_flow(self, cursor: duckdb.DuckDBPyConnection, flow: Flow) -> None:
        """See `Catalog.remove_flow`."""
        overlay = self._lock_name(cursor, _flow_lock(flow.name))
        cursor.execute(f"DELETE FROM {SYSTEM_SCHEMA}.flows WHERE id = ?", [flow.id])
        overlay.flows[flow.name] = None

    def lock_flow(self, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        """See `Catalog.lock_flow`."""
        self._lock_name(cursor, _flow_lock(name))

    def _forget(self, cursor: duckdb.DuckDBPyConnection, overlay: _Overlay, table_id: int) -> None:
        old = self._name_of(overlay, table_id)
        if old is not None:
            self._lock_name(cursor, old)
            cursor.execute(f"DELETE FROM {SYSTEM_SCHEMA}.tables WHERE id = ?", [table_id])
            overlay.tables[old] = None
            overlay.names.pop(table_id, None)

    def _name_of(self, overlay: _Overlay, table_id: int) -> _Name | None:
        name = overlay.names.get(table_id)
        if name is not None:
            return name
        name_then = self._names.get(table_id)
        return None if name_then in overlay.tables else name_then

    def _next_id(self, cursor: duckdb.DuckDBPyConnection) -> int:
        rows = cursor.execute(f"SELECT nextval('{SYSTEM_SCHEMA}.object_ids')").fetchall()
        return int(rows[0][0])

    # Ending a transaction.

    def commit(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Shows the transaction's changes to all. Requires: DuckDB's COMMIT has returned (I1)."""
        with self._lock:
            overlay = self._overlays.pop(id(cursor), None)
            if overlay is None:
                return
            for name, database in overlay.databases.items():
                _put(self._databases, name, database)
            for name, role in overlay.roles.items():
                _put(self._roles, name, role)
            for name, flow in overlay.flows.items():
                _put(self._flows, name, flow)
            for one, made in overlay.objects.items():
                _put(self._objects, one, made)
            for key, table in overlay.tables.items():
                if (old := self._tables.get(key)) is not None:
                    self._names.pop(old.id, None)
                    self._referring.pop(old.id, None)
                _put(self._tables, key, table)
            for key, table in overlay.tables.items():
                if table is not None:
                    self._names[table.id] = key
                    if table.has_foreign_keys:
                        self._referring[table.id] = table
            self._version += 1
            self._release(overlay)

    def rollback(self, cursor: duckdb.DuckDBPyConnection, *, keep_names: bool = False) -> None:
        """See `Catalog.rollback`."""
        with self._lock:
            overlay = self._overlays.pop(id(cursor), None)
            if overlay is not None and keep_names:
                state = -next(self._states)
                self._overlays[id(cursor)] = _Overlay(locks=overlay.locks, state=state)
            elif overlay is not None:
                self._release(overlay)

    def _lock_name(self, cursor: duckdb.DuckDBPyConnection, name: _Name) -> _Overlay:
        owner = id(cursor)
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        with self._lock:
            while self._owners.get(name, owner) != owner:
                if not self._lock.wait(deadline - time.monotonic()):
                    raise DbError(
                        ErrorKind.SERIALIZATION_FAILURE,
                        f'another transaction is changing "{".".join(filter(None, name))}"',
                        hint="try again when it has ended",
                    )
            overlay = self._overlays.setdefault(owner, _Overlay())
            self._owners[name] = owner
            overlay.locks.add(name)
            overlay.state = -next(self._states)  # whoever locks a name is about to change it
            return overlay

    def _release(self, overlay: _Overlay) -> None:
        for name in overlay.locks:
            del self._owners[name]
        self._lock.notify_all()


def _object_name(one: SchemaObject) -> _ObjectName:
    return one.kind, one.database, one.key if isinstance(one, Routine) else one.name


def _object_lock(one: SchemaObject) -> _Name:
    """Its name among the locks; no database is called so."""
    kind, database, name = _object_name(one)
    return f" {kind.value}", f"{database}.{name}"


def _put(into: dict[_K, _V], key: _K, value: _V | None) -> None:
    if value is None:
        into.pop(key, None)
    else:
        into[key] = value


def _flow_lock(name: str) -> _Name:
    """Flows have names of their own: no database is called so."""
    return (" flow", name)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
