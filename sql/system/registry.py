"""Every system table by (database, name), and the macros that functions over them need.

The planner looks names up here and registers the rows as Arrow tables for one statement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pyarrow as pa

from sql.system import mysql_databases
from sql.system.arrow import fill
from sql.system.information_schema import (
    columns,
    constraints,
    flows,
    machine,
    regions,
    server,
    tables,
)
from sql.system.information_schema.shapes import CARDINALS, POSTGRES_COLUMNS
from sql.system.information_schema.shapes import SHAPES as INFORMATION_SCHEMA
from sql.system.memo import Memo
from sql.system.pg_catalog import (
    access_lists,
    access_methods,
    cluster,
    conversation,
    derived,
    functions,
    keys,
    locks,
    lookups,
    operators,
    privileges,
    relations,
    routines,
    sequences,
    user_types,
)
from sql.system.pg_catalog.shapes import SHAPES as PG_CATALOG
from sql.system.pg_functions import FUNCTIONS
from sql.system.table import SystemContext, SystemTable, SystemTables

__all__ = ["FUNCTIONS", "SYSTEM_TABLES"]

_Maker = Callable[[SystemContext], pa.Table]

_INFORMATION_SCHEMA: dict[str, _Maker] = {
    "tables": tables.tables,
    "schemata": tables.schemata,
    "views": tables.views,
    "partitions": tables.partitions,
    "columns": Memo(columns.columns),
    "table_constraints": Memo(constraints.table_constraints),
    "key_column_usage": Memo(constraints.key_column_usage),
    "referential_constraints": Memo(constraints.referential_constraints),
    "constraint_column_usage": Memo(constraints.column_usage),
    "statistics": Memo(constraints.statistics),
    "engines": server.engines,
    "check_constraints": constraints.check_constraints,
    "character_sets": server.character_sets,
    "collations": server.collations,
    "collation_character_set_applicability": server.collation_applicability,
    "build_info": server.build_info,
    "cluster_info": machine.cluster_info,
    "plugins": server.plugins,
    "global_variables": partial(server.variables, "global_variables"),
    "session_variables": partial(server.variables, "session_variables"),
    "routines": functions.routines,
    "parameters": routines.parameters,
    "process_list": server.process_list,
    "processlist": server.mysql_process_list,
    "region_statistics": regions.region_statistics,
    "region_info": regions.region_info,
    "region_peers": regions.region_peers,
    "ssts_manifest": regions.ssts_manifest,
    "ssts_storage": regions.ssts_storage,
    "ssts_index_meta": regions.ssts_index_meta,
    "flows": flows.flows,
    "flow_statistics": flows.flow_statistics,
    "procedure_info": server.procedure_info,
    "sequences": Memo(sequences.information_schema_sequences),
    "enabled_roles": server.enabled_roles,
    "information_schema_catalog_name": server.catalog_name_row,
    "table_privileges": partial(server.table_grants, "table_privileges"),
    "role_table_grants": partial(server.table_grants, "role_table_grants"),
}
_PG_CATALOG: dict[str, _Maker] = {
    "pg_class": relations.pg_class,
    "pg_attribute": Memo(relations.pg_attribute),
    "pg_attrdef": Memo(relations.pg_attrdef),
    "pg_sequence": Memo(sequences.pg_sequence),
    "pg_sequences": sequences.pg_sequences,
    "pg_index": Memo(keys.pg_index),
    "pg_constraint": Memo(keys.pg_constraint),
    "pg_description": functions.with_large_objects(Memo(relations.pg_description)),
    "pg_type": user_types.pg_type,
    "pg_enum": user_types.pg_enum,
    "pg_namespace": cluster.pg_namespace,
    "pg_database": cluster.pg_database,
    "pg_authid": cluster.pg_authid,
    "pg_default_acl": access_lists.pg_default_acl,
    "pg_roles": cluster.pg_roles,
    "pg_auth_members": cluster.pg_auth_members,
    "pg_user": cluster.pg_user,
    "pg_shadow": cluster.pg_shadow,
    "pg_locks": locks.pg_locks,
    "pg_cursors": conversation.pg_cursors,
    "pg_prepared_statements": conversation.pg_prepared_statements,
    "pg_settings": cluster.pg_settings,
    "pg_stat_activity": cluster.pg_stat_activity,
    "pg_am": access_methods.pg_am,
    "pg_opclass": access_methods.pg_opclass,
    "pg_opfamily": access_methods.pg_opfamily,
    "pg_operator": operators.pg_operator,
    "pg_amop": operators.pg_amop,
    "pg_cast": operators.pg_cast,
    "pg_range": cluster.pg_range,
    "pg_tablespace": cluster.pg_tablespace,
    "pg_collation": cluster.pg_collation,
    "pg_language": cluster.pg_language,
    "pg_extension": cluster.pg_extension,
    "pg_available_extensions": cluster.pg_available_extensions,
    "pg_tables": derived.pg_tables,
    "pg_views": derived.pg_views,
    "pg_matviews": Memo(derived.pg_matviews),
    "pg_indexes": Memo(derived.pg_indexes),
    "pg_rewrite": Memo(derived.pg_rewrite),
    "pg_depend": Memo(derived.pg_depend),
    "pg_proc": functions.pg_proc,
    "pg_largeobject_metadata": functions.large_objects,
    **{
        name: partial(derived.user_tables, name)
        for name in ("pg_stat_user_tables", "pg_stat_all_tables", "pg_statio_user_tables")
    },
    **{
        name: partial(derived.user_indexes, name)
        for name in ("pg_stat_user_indexes", "pg_stat_all_indexes", "pg_statio_user_indexes")
    },
}


def _empty(schema: pa.Schema) -> _Maker:
    return lambda _: fill(schema, 0, {})


def _for_wire(table: SystemTable) -> SystemTable:
    """The table with its columns as each wire has them."""
    make = table.rows
    return replace(table, rows=lambda c: table.for_wire(make(c), c.session.wire))


def _registry() -> dict[tuple[str, str], SystemTable]:
    found = []
    for name, schema in INFORMATION_SCHEMA.items():
        hidden = POSTGRES_COLUMNS.get(name, frozenset())
        make = _INFORMATION_SCHEMA.get(name, _empty(schema))
        table = SystemTable("information_schema", name, schema, make, hidden, CARDINALS)
        found.append(_for_wire(table))
    found += [
        SystemTable("pg_catalog", name, shape.schema, _PG_CATALOG.get(name, _empty(shape.schema)))
        for name, shape in PG_CATALOG.items()
    ]
    helpers = (
        (lookups.RELATIONS, lookups.RELATIONS_SCHEMA, lookups.relations),
        (user_types.TYPES, user_types.TYPES_SCHEMA, user_types.names),
        (lookups.SIZES, lookups.SIZES_SCHEMA, lookups.sizes),
        (lookups.KEYWORDS, lookups.KEYWORDS_SCHEMA, lookups.keywords),
        (lookups.TEXTS, lookups.TEXTS_SCHEMA, lookups.texts),
        (privileges.PRIVILEGES, privileges.PRIVILEGES_SCHEMA, privileges.privileges),
    )
    found += [SystemTable("pg_catalog", *helper) for helper in helpers]
    found += mysql_databases.tables()
    return {(table.database, table.name): table for table in found}


SYSTEM_TABLES: SystemTables = _registry()
