"""Types with a name of their own: what casts to them call, and PostgreSQL's functions of them."""

from __future__ import annotations

from sql.functions.registry import Function, arrow

CATEGORY = "Range"

FUNCTIONS: tuple[Function, ...] = ()

HELPERS: dict[str, object] = {
    "named_key": arrow("named", "named_keys", "VARCHAR, VARCHAR", "BLOB"),
    "range_test": arrow(
        "named", "range_tests", "VARCHAR, VARCHAR, VARCHAR, VARCHAR, VARCHAR", "BOOLEAN"
    ),
    "range_made": arrow(
        "named", "ranges_made", "VARCHAR, VARCHAR, VARCHAR, VARCHAR, VARCHAR, VARCHAR", "VARCHAR"
    ),
    "range_new": arrow("named", "new_ranges", "VARCHAR, VARCHAR, VARCHAR, VARCHAR", "VARCHAR"),
    "range_bound": arrow("named", "range_bounds", "VARCHAR, VARCHAR, VARCHAR", "VARCHAR"),
    "range_fact": arrow("named", "range_facts", "VARCHAR, VARCHAR, VARCHAR", "BOOLEAN"),
    "read_named": arrow("named", "read_named", "VARCHAR, VARCHAR", "VARCHAR"),
    "record_field": arrow("named", "record_fields", "VARCHAR, BIGINT", "VARCHAR"),
    "show_record": arrow("named", "show_records", "VARCHAR[]", "VARCHAR"),
}
