"""Names of types in a statement: PostgreSQL's own that we carry as text, and those of users.

`resolve_types` runs before anything asks a tree for types: in plans and in definitions of tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlglot import exp

from engine import datatypes as dt
from engine.datatypes import DataType
from engine.named import BASE_TYPES
from sql.dialect.object_nodes import NamedType

TypeLookup = Callable[[str, str], DataType | None]  # (database or nothing, name)

_T = TypeVar("_T", bound=exp.Expr)
_KNOWN = {
    exp.DType.TIMETZ: "timetz",
    exp.DType.MONEY: "money",
    exp.DType.SMALLMONEY: "money",
    exp.DType.BIT: "bit",
    exp.DType.INET: "inet",
    exp.DType.XML: "xml",
    exp.DType.INT4RANGE: "int4range",
    exp.DType.INT8RANGE: "int8range",
    exp.DType.NUMRANGE: "numrange",
    exp.DType.DATERANGE: "daterange",
    exp.DType.TSRANGE: "tsrange",
    exp.DType.TSTZRANGE: "tstzrange",
    exp.DType.INT4MULTIRANGE: "int4multirange",
    exp.DType.INT8MULTIRANGE: "int8multirange",
    exp.DType.NUMMULTIRANGE: "nummultirange",
    exp.DType.DATEMULTIRANGE: "datemultirange",
    exp.DType.TSMULTIRANGE: "tsmultirange",
    exp.DType.TSTZMULTIRANGE: "tstzmultirange",
}


def resolve_types(tree: _T, lookup: TypeLookup) -> _T:
    """Replaces the nodes of such types by ones that know what they are; in place."""
    for node in list(tree.find_all(exp.DataType)):
        found = _type_of(node, lookup)
        if found is None:
            continue
        made = NamedType(this=node.this, type=found, kind=node.args.get("kind"))
        if node is tree:
            return made  # type: ignore[return-value] # a type in a type's place
        node.replace(made)
    return tree


def _type_of(node: exp.DataType, lookup: TypeLookup) -> DataType | None:
    if isinstance(node, NamedType):
        return None
    known = _KNOWN.get(node.this)
    if known is not None:
        return dt.named_type(BASE_TYPES[known])
    if node.this is not exp.DType.USERDEFINED:
        return None
    schema, name = _parts(node)
    if not schema or schema == "pg_catalog":
        base = BASE_TYPES.get(name)
        if base is not None:
            return dt.named_type(base)
    return lookup(schema, name)


def _parts(node: exp.DataType) -> tuple[str, str]:
    """Schema (or nothing) and name."""
    kind = node.args.get("kind")
    if isinstance(kind, exp.Dot):
        schema, name = kind.this, kind.expression
        schema = schema.expression if isinstance(schema, exp.Dot) else schema
        return schema.name, name.name
    return "", kind.name if isinstance(kind, exp.Expr) else str(kind or "")
