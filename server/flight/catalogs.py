"""Flight SQL's questions about the catalog, answered by queries of information_schema."""

from __future__ import annotations

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from server.flight.messages import Message
from sql.results import Rows
from sql.session import SessionApi

_KINDS = {"BASE TABLE": "TABLE", "LOCAL TEMPORARY": "TABLE", "VIEW": "VIEW"}
_INFO = pa.dense_union(
    [
        pa.field("string_value", pa.string()),
        pa.field("bool_value", pa.bool_()),
        pa.field("bigint_value", pa.int64()),
        pa.field("int32_bitmask", pa.int32()),
        pa.field("string_list", pa.list_(pa.string())),
        pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32()))),
    ]
)
# SqlInfo numbers: name, version, Arrow's version, read only, SQL, Substrait, transactions (1: yes).
_TEXTS = {0: "Gnomon", 1: "server_version", 2: pa.__version__}
_FLAGS = {3: False, 4: True, 5: False}
_NUMBERS = {8: 1}


_NEVER_NULL = frozenset({"db_schema_name", "table_name", "table_type", "table_schema", "info_name"})


def listing(name: str, body: Message, session: SessionApi) -> pa.Table:
    """The answer to a command about the catalog. Raises: DbError UNSUPPORTED."""
    found = _listing(name, body, session)
    required = set(_NEVER_NULL)
    if name == "CommandGetTables":
        required.discard("db_schema_name")
    elif name == "CommandGetCatalogs":
        required.add("catalog_name")
    fields = [f.with_nullable(f.name not in required) for f in found.schema]
    return pa.Table.from_arrays(found.columns, schema=pa.schema(fields))


def _listing(name: str, body: Message, session: SessionApi) -> pa.Table:
    match name:
        case "CommandGetCatalogs":
            return _ask(session, "SELECT current_database() AS catalog_name")
        case "CommandGetDbSchemas":
            return _schemas(body, session)
        case "CommandGetTables":
            return _tables(body, session)
        case "CommandGetTableTypes":
            return pa.table({"table_type": ["TABLE", "VIEW"]})
        case "CommandGetSqlInfo":
            return _info(session)
    raise DbError(ErrorKind.UNSUPPORTED, f"{name} is not supported")


def _ask(session: SessionApi, text: str) -> pa.Table:
    result = session.execute(session.parse(text)[0])
    assert isinstance(result, Rows)
    schema = pa.schema([pa.field(c.name, c.type.arrow) for c in result.columns])
    try:
        return pa.Table.from_batches(
            [pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in result], schema
        )
    finally:
        result.close()


def _like(column: str, pattern: str | None) -> str:
    if not pattern:
        return "true"
    return f"{column} LIKE '" + pattern.replace("'", "''") + "'"


def _schemas(body: Message, session: SessionApi) -> pa.Table:
    return _ask(
        session,
        "SELECT catalog_name, schema_name AS db_schema_name FROM information_schema.schemata"
        f" WHERE {_like('schema_name', body.text(2))} ORDER BY 1, 2",
    )


def _tables(body: Message, session: SessionApi) -> pa.Table:
    found = _ask(
        session,
        "SELECT table_catalog AS catalog_name, table_schema AS db_schema_name, table_name,"
        " table_type FROM information_schema.tables"
        f" WHERE {_like('table_schema', body.text(2))} AND {_like('table_name', body.text(3))}"
        " ORDER BY 1, 2, 3",
    )
    kinds = [_KINDS.get(kind, kind) for kind in found.column(3).to_pylist()]
    found = found.set_column(3, "table_type", pa.array(kinds, pa.string()))
    wanted = body.texts(4)
    if wanted:
        found = found.filter(pa.compute.is_in(found.column(3), pa.array(wanted)))
    if body.number(5):
        found = found.append_column("table_schema", _columns(session, found))
    return found


def _columns(session: SessionApi, tables: pa.Table) -> pa.Array:
    """The columns of each table, as a serialised Arrow schema."""
    made = []
    for database, name in zip(
        tables.column(1).to_pylist(), tables.column(2).to_pylist(), strict=True
    ):
        both = '"."'.join(part.replace('"', '""') for part in (database, name))
        columns = session.describe(session.parse(f'SELECT * FROM "{both}"')[0]).columns or ()
        schema = pa.schema([pa.field(c.name, c.type.arrow) for c in columns])
        made.append(schema.serialize().to_pybytes())
    return pa.array(made, pa.binary())


def _info(session: SessionApi) -> pa.Table:
    texts = {n: session.show(v) if v == "server_version" else v for n, v in _TEXTS.items()}
    facts = [*texts.items(), *_FLAGS.items(), *_NUMBERS.items()]
    kinds = [0] * len(texts) + [1] * len(_FLAGS) + [3] * len(_NUMBERS)
    offsets = [kinds[:at].count(kind) for at, kind in enumerate(kinds)]
    values = {0: list(texts.values()), 1: list(_FLAGS.values()), 3: list(_NUMBERS.values())}
    children = [
        pa.array(values.get(number, []), _INFO.field(number).type)
        for number in range(_INFO.num_fields)
    ]
    names = [_INFO.field(number).name for number in range(_INFO.num_fields)]
    union = pa.UnionArray.from_dense(
        pa.array(kinds, pa.int8()), pa.array(offsets, pa.int32()), children, names
    )
    return pa.Table.from_arrays(
        [pa.array([n for n, _ in facts], pa.uint32()), union], ["info_name", "value"]
    )
