"""What operators and functions of hstore become: sql/plan/extension_forms.py calls these."""

from __future__ import annotations

from sql.functions.registry import Function, arrow

CATEGORY = "Extension"

FUNCTIONS: tuple[Function, ...] = ()

_TEXT, _LIST = "VARCHAR", "VARCHAR[]"

HELPERS: dict[str, object] = {
    "hstore_keys": arrow("hstore", "keys", _TEXT, _LIST),
    "hstore_values": arrow("hstore", "values", _TEXT, _LIST),
    "hstore_flat": arrow("hstore", "flat", _TEXT, _LIST),
    "hstore_matrix": arrow("hstore", "matrix", _TEXT, "VARCHAR[][]"),
    "hstore_value": arrow("hstore", "value", "VARCHAR, VARCHAR", _TEXT),
    "hstore_several": arrow("hstore", "several", "VARCHAR, VARCHAR[]", _LIST),
    "hstore_test": arrow("hstore", "test", "VARCHAR, VARCHAR, VARCHAR[]", "BOOLEAN"),
    "hstore_contains": arrow("hstore", "contains", "VARCHAR, VARCHAR", "BOOLEAN"),
    "hstore_joined": arrow("hstore", "joined", "VARCHAR, VARCHAR", _TEXT),
    "hstore_less": arrow("hstore", "less", "VARCHAR, VARCHAR", _TEXT),
    "hstore_part": arrow("hstore", "part", "VARCHAR, VARCHAR, VARCHAR[]", _TEXT),
    "hstore_made": arrow("hstore", "made", "VARCHAR[], VARCHAR[]", _TEXT),
    "hstore_paired": arrow("hstore", "paired", _LIST, _TEXT),
    "hstore_json": arrow("hstore", "as_json", "VARCHAR, BOOLEAN", _TEXT),
}
