"""The columns of every information_schema table.

Where a table has live rows, ours come first in GreptimeDB's order; then what PostgreSQL's standard
view has more, so that one table serves the clients of every wire. The rest are MySQL's and
PostgreSQL's tables about things that do not exist here: empty, with their documented columns
(https://dev.mysql.com/doc/refman/8.4/en/information-schema.html,
https://www.postgresql.org/docs/15/information-schema.html).
"""

from __future__ import annotations

import pyarrow as pa

_INT = pa.int64()
_TYPES = {
    "int": _INT,
    "uint": pa.uint64(),
    "ms": pa.timestamp("ms"),
    "us": pa.timestamp("us"),
    "bool": pa.bool_(),
    "float": pa.float64(),
}

# table[!]: column[ type[!]], …; text unless said otherwise, `!` never NULL: a column, or all of a
# table's. After a semicolon: columns that only PostgreSQL's sessions see.
_TEXT = """
tables: table_catalog, table_schema, table_name, table_type, table_id int, data_length int,
    max_data_length int, index_length int, max_index_length int, avg_row_length int, engine,
    version int, row_format, table_rows int, data_free int, auto_increment int, create_time us,
    update_time us, check_time us, table_collation, checksum int, create_options, table_comment,
    temporary; self_referencing_column_name, reference_generation, user_defined_type_catalog,
    user_defined_type_schema, user_defined_type_name, is_insertable_into, is_typed, commit_action
columns: table_catalog, table_schema, table_name, column_name, ordinal_position int,
    character_maximum_length int, character_octet_length int, numeric_precision int, numeric_scale
    int, datetime_precision int, character_set_name, collation_name, column_key, extra,
    privileges, generation_expression, greptime_data_type, data_type, semantic_type,
    column_default, is_nullable, column_type, column_comment, srs_id int; numeric_precision_radix
    int, interval_type, interval_precision int, character_set_catalog, character_set_schema,
    collation_catalog, collation_schema, domain_catalog, domain_schema, domain_name, udt_catalog,
    udt_schema, udt_name, scope_catalog, scope_schema, scope_name, maximum_cardinality int,
    dtd_identifier, is_self_referencing, is_identity, identity_generation, identity_start,
    identity_increment, identity_maximum, identity_minimum, identity_cycle, is_generated,
    is_updatable
schemata: catalog_name, schema_name, default_character_set_name, default_collation_name, sql_path,
    options; schema_owner, default_character_set_catalog, default_character_set_schema
views: table_catalog, table_schema, table_name, view_definition, check_option, is_updatable,
    definer, security_type, character_set_client, collation_connection; is_insertable_into,
    is_trigger_updatable, is_trigger_deletable, is_trigger_insertable_into
table_constraints: constraint_catalog text!, constraint_schema text!, constraint_name text!,
    table_schema text!, table_name text!, constraint_type text!, enforced text!; table_catalog,
    is_deferrable, initially_deferred, nulls_distinct
key_column_usage: constraint_catalog, constraint_schema, constraint_name, table_catalog,
    real_table_catalog, table_schema, table_name, column_name, ordinal_position int,
    position_in_unique_constraint int, referenced_table_schema, referenced_table_name,
    referenced_column_name, greptime_index_type
statistics: table_catalog, table_schema, table_name, non_unique int, index_schema, index_name,
    seq_in_index int, column_name, collation, cardinality int, sub_part int, packed, nullable,
    index_type, comment, index_comment, is_visible, expression, greptime_index_type
partitions: table_catalog, table_schema, table_name, partition_name, subpartition_name,
    partition_ordinal_position int, subpartition_ordinal_position int, partition_method,
    subpartition_method, partition_expression, subpartition_expression, partition_description,
    table_rows int, avg_row_length int, data_length int, max_data_length int, index_length int,
    data_free int, create_time us, update_time us, check_time us, checksum int, partition_comment,
    nodegroup, tablespace_name, greptime_partition_id uint
engines!: engine, support, comment, transactions, xa, savepoints
character_sets!: character_set_name, default_collate_name, description, maxlen int;
    character_set_catalog, character_set_schema, character_repertoire, form_of_use,
    default_collate_catalog, default_collate_schema
collations!: collation_name, character_set_name, id int, is_default, is_compiled, sortlen int;
    collation_catalog, collation_schema, pad_attribute
collation_character_set_applicability!: collation_name, character_set_name; collation_catalog,
    collation_schema, character_set_catalog, character_set_schema
build_info!: git_branch, git_commit, git_commit_short, git_clean, pkg_version
process_list: id, catalog, schemas, query, client, frontend, start_timestamp ms, elapsed_time int
processlist: id int, user, host, db, command, time int, state, info
region_statistics: region_id uint, table_id int, region_number int, region_rows uint,
    written_bytes_since_open uint, query_cpu_time_millis uint, query_scanned_bytes uint, disk_size
    uint, memtable_size uint, manifest_size uint, sst_size uint, sst_num uint, index_size uint,
    engine, region_role
region_peers: table_catalog, table_schema, table_name, region_id uint, peer_id uint, peer_addr,
    is_leader, status, down_seconds int
cluster_info: peer_id int!, peer_type text!, peer_addr, peer_hostname, total_cpu_millicores int!,
    total_memory_bytes int!, cpu_usage_millicores int!, memory_usage_bytes int!, version text!,
    git_commit text!, start_time ms, uptime, active_time, node_status
flows: flow_name, flow_id int, state_size uint, table_catalog, flow_definition, comment,
    expire_after int, source_table_ids, sink_table_name, flownode_ids, options, created_time ms,
    updated_time ms, last_execution_time ms, source_table_names, flownode_addrs
flow_statistics: flow_id int, flow_name, start_time ms, last_execution_time ms, uptime_seconds
    uint, state_size uint
procedure_info: procedure_id, procedure_type, start_time ms, end_time ms, status, lock_keys
check_constraints: constraint_catalog, constraint_schema, constraint_name, check_clause
column_privileges!: grantee, table_catalog, table_schema, table_name, column_name, privilege_type,
    is_grantable; grantor
column_statistics!: schema_name, table_name, column_name, histogram
events!: event_catalog, event_schema, event_name, definer, time_zone, event_body, event_definition,
    event_type, execute_at us, interval_value, interval_field, sql_mode, starts us, ends us,
    status, on_completion, created us, last_altered us, last_executed us, event_comment,
    originator int, character_set_client, collation_connection, database_collation
files!: file_id int, file_name, file_type, tablespace_name, table_catalog, table_schema,
    table_name, logfile_group_name, logfile_group_number int, engine, fulltext_keys, deleted_rows
    int, update_count int, free_extents int, total_extents int, extent_size int, initial_size int,
    maximum_size int, autoextend_size int, creation_time us, last_update_time us, last_access_time
    us, recover_time int, transaction_counter int, version int, row_format, table_rows int,
    avg_row_length int, data_length int, max_data_length int, index_length int, data_free int,
    create_time us, update_time us, check_time us, checksum int, status, extra
global_status!: variable_name, variable_value
session_status!: variable_name, variable_value
global_variables: variable_name, variable_value
session_variables: variable_name, variable_value
optimizer_trace!: query, trace, missing_bytes_beyond_max_mem_size int, insufficient_privileges int
profiling!: query_id int, seq int, state, duration float, cpu_user float, cpu_system float,
    context_voluntary int, context_involuntary int, block_ops_in int, block_ops_out int,
    messages_sent int, messages_received int, page_faults_major int, page_faults_minor int, swaps
    int, source_function, source_file, source_line int
referential_constraints: constraint_catalog, constraint_schema, constraint_name,
    unique_constraint_catalog, unique_constraint_schema, unique_constraint_name, match_option,
    update_rule, delete_rule, table_name, referenced_table_name
routines: specific_name, routine_catalog, routine_schema, routine_name, routine_type, data_type,
    character_maximum_length int, character_octet_length int, numeric_precision int, numeric_scale
    int, datetime_precision int, character_set_name, collation_name, dtd_identifier, routine_body,
    routine_definition, external_name, external_language, parameter_style, is_deterministic,
    sql_data_access, sql_path, security_type, created us, last_altered us, sql_mode,
    routine_comment, definer, character_set_client, collation_connection, database_collation;
    specific_catalog, specific_schema, type_udt_catalog, type_udt_schema, type_udt_name
parameters: specific_catalog, specific_schema, specific_name, ordinal_position int, parameter_mode,
    is_result, as_locator, parameter_name, data_type, character_maximum_length int,
    character_octet_length int, numeric_precision int, numeric_scale int, datetime_precision int,
    character_set_name, collation_name, dtd_identifier, routine_type, udt_catalog, udt_schema,
    udt_name, parameter_default
schema_privileges!: grantee, table_catalog, table_schema, privilege_type, is_grantable
table_privileges!: grantee, table_catalog, table_schema, table_name, privilege_type, is_grantable;
    grantor, with_hierarchy
role_table_grants: grantor, grantee, table_catalog, table_schema, table_name, privilege_type,
    is_grantable, with_hierarchy
user_privileges: grantee, table_catalog, privilege_type, is_grantable
triggers!: trigger_catalog, trigger_schema, trigger_name, event_manipulation, event_object_catalog,
    event_object_schema, event_object_table, action_order int, action_condition, action_statement,
    action_orientation, action_timing, action_reference_old_table, action_reference_new_table,
    action_reference_old_row, action_reference_new_row, created us, sql_mode, definer,
    character_set_client, collation_connection, database_collation
plugins: plugin_name, plugin_version, plugin_status, plugin_type, plugin_type_version,
    plugin_library, plugin_library_version, plugin_author, plugin_description, plugin_license,
    load_option
constraint_column_usage: table_catalog, table_schema, table_name, column_name, constraint_catalog,
    constraint_schema, constraint_name
constraint_table_usage: table_catalog, table_schema, table_name, constraint_catalog,
    constraint_schema, constraint_name
view_table_usage: view_catalog, view_schema, view_name, table_catalog, table_schema, table_name
sequences: sequence_catalog, sequence_schema, sequence_name, data_type, numeric_precision int,
    numeric_precision_radix int, numeric_scale int, start_value, minimum_value, maximum_value,
    increment, cycle_option
domains: domain_catalog, domain_schema, domain_name, data_type, character_maximum_length int,
    character_octet_length int, domain_default, udt_catalog, udt_schema, udt_name
enabled_roles: role_name
applicable_roles: grantee, role_name, is_grantable
information_schema_catalog_name: catalog_name
region_info: region_id uint, table_id int, region_number int, region_group int, region_sequence
    int, state, role, writable bool, committed_sequence uint, flushed_sequence uint,
    manifest_version uint, compaction_time_window, region_options, sst_format, node_id uint
ssts_manifest: table_dir, region_id uint, table_id int, region_number int, region_group int,
    region_sequence int, file_id, index_version uint, level int, file_path, file_size uint,
    index_file_path, index_file_size uint, num_rows uint, num_row_groups uint, num_series uint,
    min_ts ms, max_ts ms, sequence uint, origin_region_id uint, node_id uint, visible bool,
    primary_key_min, primary_key_max
ssts_storage: file_path, file_size uint, last_modified_ms ms, node_id uint
ssts_index_meta: table_dir, index_file_path, region_id uint, table_id int, region_number int,
    region_group int, region_sequence int, file_id, index_file_size uint, index_type, target_type,
    target_key, target_json, blob_size uint, meta_json, node_id uint
table_semantics: table_catalog, table_schema, table_name, table_id int, signal_type, source,
    source_version, pipeline, metadata_quality, semantic_options
"""


def _read(text: str) -> dict[str, tuple[pa.Schema, frozenset[str]]]:
    shapes = {}
    for line in text.strip().replace("\n    ", " ").splitlines():
        name, _, body = line.partition(": ")
        filled, name = name.endswith("!"), name.rstrip("!")
        shared, _, postgres = body.partition("; ")
        fields = [_field(column, filled) for column in shared.split(", ")]
        fields += [_field(column) for column in postgres.split(", ") if column]
        extra = frozenset(column.split()[0] for column in postgres.split(", ") if column)
        shapes[name] = pa.schema(fields), extra
    return shapes


def _field(text: str, filled: bool = False) -> pa.Field:
    name, _, kind = text.partition(" ")
    nullable = not (filled or kind.endswith("!"))
    return pa.field(name, _TYPES.get(kind.rstrip("!"), pa.string()), nullable)


_READ = _read(_TEXT)
SHAPES = {name: schema for name, (schema, _) in _READ.items()}
POSTGRES_COLUMNS = {name: extra for name, (_, extra) in _READ.items() if extra}
# PostgreSQL's `cardinal_number`: where drivers of its clients expect an int4.
CARDINALS = frozenset(
    {"ordinal_position", "position_in_unique_constraint", "maximum_cardinality"}
    | {"character_maximum_length", "character_octet_length", "datetime_precision"}
    | {"numeric_precision", "numeric_precision_radix", "numeric_scale", "interval_precision"}
)
INFORMATION_SCHEMA_NAMES = frozenset(SHAPES)
# Found by name on every wire, but in lists of tables on PostgreSQL only.
UNLISTED = frozenset(
    {"applicable_roles", "constraint_column_usage", "constraint_table_usage", "domains"}
    | {"enabled_roles", "information_schema_catalog_name", "role_table_grants", "sequences"}
    | {"view_table_usage", "user_privileges", "plugins", "processlist", "triggers"}
    | {"global_variables", "session_variables"}
)
