"""Helper relations behind the functions that find something by its OID.

pg_rewrites.py turns `pg_get_viewdef(oid)`, `oid::regclass`, `pg_table_is_visible(oid)` and their
kin into subqueries on these. Their names cannot be written without quotes, no list shows them, and
no column of theirs has a name that a client's query could mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from functools import cache

import pyarrow as pa
from sqlglot.dialects.postgres import Postgres

from catalog.records import Table
from sql.system.arrow import from_rows
from sql.system.facts import search_path, size_of
from sql.system.memo import Blocks, Memo
from sql.system.pg_catalog import oids, routines
from sql.system.pg_catalog.cluster import all_roles
from sql.system.pg_catalog.keys import (
    Shown,
    foreign_keys,
    indexes,
    own_constraints,
    quote,
    shown_key,
)
from sql.system.pg_catalog.oids import namespace_oid, role_oid
from sql.system.pg_catalog.relations import system_relations
from sql.system.pg_catalog.sequences import owned, qualified, sequences
from sql.system.pg_catalog.types import IO_FUNCTIONS
from sql.system.table import SystemContext
from sql.temporary import PG_TEMP

RELATIONS = "#relations"
SIZES = "#sizes"
TEXTS = "#texts"
KEYWORDS = "#keywords"
RELATIONS_SCHEMA = pa.schema(
    [
        ("_oid", pa.int64()),
        ("_bare", pa.string()),  # the name alone, quoted if need be
        ("_qualified", pa.string()),  # schema.name
        ("_shown", pa.string()),  # as regclass prints it: qualified unless visible
        ("_visible", pa.bool_()),
    ]
)
SIZES_SCHEMA = pa.schema([("_oid", pa.int64()), ("_size", pa.int64())])  # in bytes
TEXTS_SCHEMA = pa.schema(
    [("_kind", pa.string()), ("_oid", pa.int64()), ("_sub", pa.int64()), ("_text", pa.string())]
)

KEYWORDS_SCHEMA = pa.schema(
    [("word", pa.string()), ("catcode", pa.string()), ("catdesc", pa.string())]
)

_Text = tuple[str, int, int, str]


class Kind(Enum):
    """What a text says of the object with its OID."""

    DEFINITION = "definition"  # what the pg_get_…def functions print
    INDEX_COLUMN = "index column"  # sub: its 1-based place
    COMMENT = "comment"  # sub: the column, 0 for the relation
    ROLE = "role"
    NAMESPACE = "namespace"
    FUNCTION = "function"  # a name
    PROCEDURE = "procedure"  # a name with the arguments' types
    ARGUMENTS = "arguments"
    IDENTITY_ARGUMENTS = "identity arguments"
    RESULT = "result"
    BODY = "body"
    SERIAL = "serial"  # the sequence of a table's column; sub: its 1-based place


def _path(context: SystemContext) -> tuple[str, ...]:
    return (PG_TEMP, "pg_catalog", *search_path(context.session))


def _relations(context: SystemContext) -> pa.Table:
    path = _path(context)
    rank = {schema: at for at, schema in enumerate(path)}
    found = sorted(_names_of_relations(context), key=lambda row: rank.get(row[1], len(path)))
    seen: set[str] = set()
    rows = []
    for oid, schema, name in found:
        visible = schema in rank and name not in seen
        seen.add(name)
        bare, qualified = quote(name), f"{quote(schema)}.{quote(name)}"
        rows.append((oid, bare, qualified, bare if visible else qualified, visible))
    return from_rows(RELATIONS_SCHEMA, rows)


relations = Memo(_relations, _path)
"""Every relation; `_visible` if an unqualified name finds this one."""


def _names_of_relations(context: SystemContext) -> Iterator[tuple[int, str, str]]:
    """(OID, schema, name) of every relation."""
    for oid, name, namespace, _, _ in system_relations():
        in_catalog = namespace == oids.PG_CATALOG
        yield oid, "pg_catalog" if in_catalog else "information_schema", name
    for table in context.tables:
        yield table.id, table.database, table.name
    for index in indexes(context.tables):
        yield index.oid, index.table.database, index.name
    for one in sequences(context):
        yield one.id, one.database, one.name


def sizes(context: SystemContext) -> pa.Table:
    """Bytes of every table whose store knows them."""
    found = ((table.id, size_of(context, table)) for table in context.tables)
    return from_rows(SIZES_SCHEMA, [(oid, size.bytes) for oid, size in found if size])


def texts(context: SystemContext) -> pa.Table:
    """Definitions, comments and names, by what is asked and of which OID."""
    names = from_rows(TEXTS_SCHEMA, list(_names(context)))
    return pa.concat_tables([_catalog_texts(context), names, _functions()])


def _texts(context: SystemContext) -> pa.Table:
    blocks = _blocks(context.tables)
    return pa.concat_tables([*blocks, from_rows(TEXTS_SCHEMA, list(_joint_texts(context)))])


_catalog_texts = Memo(_texts, _path)


def _joint_texts(context: SystemContext) -> Iterator[_Text]:
    """What more than one record tells."""
    for table in context.tables:
        if table.definition:
            text = f" {context.view_text(table).rstrip('; ')};"
            yield Kind.DEFINITION.value, table.id, 0, text
    for sequence, table, place, _ in owned(context):
        yield Kind.SERIAL.value, table.id, place, qualified(sequence)
    yield from _of_constraints(foreign_keys(context.tables), _path(context))
    yield from routines.texts(context)


def _of_constraints(found: Sequence[Shown], path: Sequence[str] = ()) -> Iterator[_Text]:
    for one in found:
        yield Kind.DEFINITION.value, one.oid, 0, one.definition(path)
        if one.comment:
            yield Kind.COMMENT.value, one.oid, 0, one.comment


def _own_texts(tables: Sequence[Table]) -> Iterator[_Text]:
    """What the tables tell themselves."""
    for index in indexes(tables):
        yield Kind.DEFINITION.value, index.oid, 0, index.definition
        for place, key in enumerate(index.parts, 1):
            yield Kind.INDEX_COLUMN.value, index.oid, place, shown_key(key)
    yield from _of_constraints(own_constraints(tables))
    for table in tables:
        said = [table.comment, *(column.comment for column in table.columns)]
        for sub, comment in enumerate(said):
            if comment:
                yield Kind.COMMENT.value, table.id, sub, comment


_blocks = Blocks(lambda tables: from_rows(TEXTS_SCHEMA, list(_own_texts(tables))))


def _names(context: SystemContext) -> Iterator[_Text]:
    for role in [role.name for role in all_roles(context)]:
        yield Kind.ROLE.value, role_oid(role), 0, role
    yield Kind.NAMESPACE.value, oids.PG_CATALOG, 0, "pg_catalog"
    yield Kind.NAMESPACE.value, oids.INFORMATION_SCHEMA, 0, "information_schema"
    for database in context.databases:
        yield Kind.NAMESPACE.value, namespace_oid(database), 0, quote(database.name)
        if database.comment:
            yield Kind.COMMENT.value, namespace_oid(database), 0, database.comment


@cache
def _functions() -> pa.Table:
    kinds = (Kind.FUNCTION.value, Kind.PROCEDURE.value)
    found = [(kind, oid, 0, name) for kind in kinds for name, oid in IO_FUNCTIONS.items()]
    return from_rows(TEXTS_SCHEMA, found)


def keywords(context: SystemContext) -> pa.Table:
    """Rows of pg_get_keywords(): the words our own tokenizer takes for more than names."""
    return _keywords()


@cache
def _keywords() -> pa.Table:
    words = sorted(word.lower() for word in Postgres.Tokenizer.KEYWORDS if word.isalpha())
    return from_rows(KEYWORDS_SCHEMA, [(word, "U", "unreserved") for word in words])
