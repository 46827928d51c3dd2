"""Types with a name of their own: what casts to them call, and PostgreSQL's functions of them."""

from __future__ import annotations

from sql.functions.registry import Function, arrow

CATEGORY = "Range"

FUNCTIONS: tuple[Function, ...] = ()

HELPERS: dict[str, object] = {
    "read_named": arrow("named", "read_named", "VARCHAR, VARCHAR", "VARCHAR"),
    "record_field": arrow("named", "record_fields", "VARCHAR, BIGINT", "VARCHAR"),
    "show_record": arrow("named", "show_records", "VARCHAR[]", "VARCHAR"),
}
