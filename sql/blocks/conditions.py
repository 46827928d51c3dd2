"""Names of conditions that RAISE may use in place of a SQLSTATE.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re

from engine.errors import DbError, ErrorKind

_STATES = {
    "warning": "01000",
    "no_data": "02000",
    "connection_exception": "08000",
    "feature_not_supported": "0A000",
    "cardinality_violation": "21000",
    "data_exception": "22000",
    "string_data_right_truncation": "22001",
    "numeric_value_out_of_range": "22003",
    "null_value_not_allowed": "22004",
    "invalid_datetime_format": "22007",
    "datetime_field_overflow": "22008",
    "division_by_zero": "22012",
    "invalid_parameter_value": "22023",
    "invalid_text_representation": "22P02",
    "integrity_constraint_violation": "23000",
    "restrict_violation": "23001",
    "not_null_violation": "23502",
    "foreign_key_violation": "23503",
    "unique_violation": "23505",
    "check_violation": "23514",
    "exclusion_violation": "23P01",
    "invalid_transaction_state": "25000",
    "read_only_sql_transaction": "25006",
    "invalid_sql_statement_name": "26000",
    "invalid_cursor_name": "34000",
    "invalid_catalog_name": "3D000",
    "invalid_schema_name": "3F000",
    "serialization_failure": "40001",
    "deadlock_detected": "40P01",
    "syntax_error": "42601",
    "insufficient_privilege": "42501",
    "duplicate_column": "42701",
    "duplicate_object": "42710",
    "duplicate_function": "42723",
    "datatype_mismatch": "42804",
    "undefined_column": "42703",
    "undefined_function": "42883",
    "undefined_object": "42704",
    "undefined_table": "42P01",
    "duplicate_database": "42P04",
    "duplicate_prepared_statement": "42P05",
    "duplicate_schema": "42P06",
    "duplicate_table": "42P07",
    "insufficient_resources": "53000",
    "too_many_connections": "53300",
    "object_in_use": "55006",
    "lock_not_available": "55P03",
    "query_canceled": "57014",
    "admin_shutdown": "57P01",
    "plpgsql_error": "P0000",
    "raise_exception": "P0001",
    "no_data_found": "P0002",
    "too_many_rows": "P0003",
    "assert_failure": "P0004",
    "internal_error": "XX000",
}


def sqlstate_of(code: str) -> str:
    """The SQLSTATE that a name, or itself, stands for. Raises: DbError UNDEFINED_OBJECT."""
    if re.fullmatch("[0-9A-Z]{5}", code):
        return code
    state = _STATES.get(code.lower())
    if state is None:
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'unrecognized exception condition "{code}"')
    return state
