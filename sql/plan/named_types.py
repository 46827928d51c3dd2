"""Names of types in a statement: PostgreSQL's own that we carry as text, and those of users.

`resolve_types` runs before anything asks a tree for types: in plans and in definitions of tables.
"""

from __future__ import annotations

from typing import TypeVar

from sqlglot import exp

from catalog.objects import UserType
from engine import datatypes as dt
from engine.datatypes import DataType
from engine.named import BASE_TYPES
from sql.dialect.object_nodes import NamedType
from sql.dialect.parser import parse
from sql.plan.context import Meaning, TypeLookup
from sql.plan.parameters import parameter_number
from sql.session import Wire

_T = TypeVar("_T", bound=exp.Expr)
_KNOWN = {
    exp.DType.TIMETZ: "timetz",
    exp.DType.MONEY: "money",
    exp.DType.SMALLMONEY: "money",
    exp.DType.BIT: "bit",
    exp.DType.POINT: "point",
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
    for word in list(tree.find_all(exp.ObjectIdentifier)):
        base = BASE_TYPES.get(word.name.lower())
        if base is not None and word is not tree:
            word.replace(NamedType(this=exp.DType.USERDEFINED, type=dt.named_type(base)))
    for node in list(tree.find_all(exp.DataType)):
        found = _type_of(node, lookup)
        if found is None:
            element = _element(node, lookup)
            if element is not None and node is not tree:
                name = exp.to_identifier(_parts(node)[1][1:], quoted=True)
                inner = NamedType(this=node.this, type=element, kind=name)
                node.replace(exp.DataType(this=exp.DType.ARRAY, expressions=[inner], nested=True))
            continue
        parent, domain = node.parent, found.domain
        made: exp.Expr = NamedType(this=node.this, type=found.type, kind=node.args.get("kind"))
        made.set("expressions", [size.copy() for size in node.expressions])
        if node is tree:
            return made  # type: ignore[return-value] # a type in a type's place
        node.replace(made)
        if domain is not None and isinstance(parent, exp.ColumnDef):
            _define(parent, domain)
        elif domain is not None and type(parent) is exp.Cast:
            checked = _checked(parent, domain)
            if parent is tree:
                return checked  # type: ignore[return-value] # a value in a value's place
            parent.replace(checked)
    return tree


def domain_parameters(tree: exp.Expr, lookup: TypeLookup) -> dict[int, int]:
    """OIDs of the domains that parameters are cast to, by the parameters' places from 0."""
    found: dict[int, int] = {}
    for cast in tree.find_all(exp.Cast):
        number, to = parameter_number(cast.this), cast.to
        if number is not None and isinstance(to, exp.DataType):
            meaning = _type_of(to, lookup)
            if meaning is not None and meaning.domain is not None:
                found[number - 1] = meaning.domain.id
    return found


# --- Domains --------------------------------------------------------------------------------------


def _define(column: exp.ColumnDef, domain: UserType) -> None:
    """Gives a column what its domain asks for, as if it had been written there."""
    given = [one.args["kind"] for one in column.args.get("constraints") or ()]
    added: list[exp.Expr] = []
    if domain.not_null and not any(isinstance(k, exp.NotNullColumnConstraint) for k in given):
        added.append(exp.NotNullColumnConstraint())
    if domain.default is not None and not any(
        isinstance(k, exp.DefaultColumnConstraint) for k in given
    ):
        default = exp.DefaultColumnConstraint(this=_expression(domain.default))
        default.this.meta["text"] = domain.default
        added.append(default)
    for _, text in domain.checks:
        name = exp.column(column.this.copy())
        added.append(exp.CheckColumnConstraint(this=_with_value(text, name)))
    for kind in added:
        column.append("constraints", exp.ColumnConstraint(kind=kind))


def _checked(cast: exp.Cast, domain: UserType) -> exp.Expr:
    """A cast whose value is asked whether it is one of the domain's."""
    value, case = cast.copy(), exp.Case(ifs=[])
    if domain.not_null:
        message = f"domain {domain.name} does not allow null values"
        case = case.when(exp.Is(this=value.copy(), expression=exp.null()), _error(message, value))
    for name, text in domain.checks:
        message = f'value for domain {domain.name} violates check constraint "{name}"'
        fails = exp.Not(this=exp.paren(_with_value(text, value)))
        case = case.when(fails, _error(message, value))
    return case.else_(value) if case.args["ifs"] else cast


def _error(message: str, like: exp.Cast) -> exp.Expr:
    failing = exp.Anonymous(this="error", expressions=[exp.Literal.string(message)])
    return exp.Cast(this=failing, to=like.args["to"].copy())


def _expression(text: str) -> exp.Expr:
    tree = parse(f"SELECT {text}", Wire.HTTP)[0].tree
    assert isinstance(tree, exp.Select)
    found: exp.Expr = tree.expressions[0]
    return found


def _with_value(text: str, value: exp.Expr) -> exp.Expr:
    """A condition with something in the place of VALUE."""
    tree = exp.paren(_expression(text))
    for column in list(tree.find_all(exp.Column)):
        if not column.table and column.name.lower() == "value":
            column.replace(value.copy())
    return tree


# --- Names ----------------------------------------------------------------------------------------


def _type_of(node: exp.DataType, lookup: TypeLookup) -> Meaning | None:
    if isinstance(node, NamedType):
        return None
    known = _KNOWN.get(node.this)
    if known is not None:
        return Meaning(dt.named_type(BASE_TYPES[known]))
    if node.this is exp.DType.HSTORE:
        return lookup("", "hstore")
    if node.this is not exp.DType.USERDEFINED:
        return None
    schema, name = _parts(node)
    if not schema or schema == "pg_catalog":
        base = BASE_TYPES.get(name)
        if base is not None:
            return Meaning(dt.named_type(base))
    return lookup(schema, name)


def _element(node: exp.DataType, lookup: TypeLookup) -> DataType | None:
    """The type whose array pg_type calls by this name: `_mood` is `mood[]`."""
    if isinstance(node, NamedType) or node.this is not exp.DType.USERDEFINED:
        return None
    schema, name = _parts(node)
    found = lookup(schema, name[1:]) if name.startswith("_") else None
    return found.type if found is not None and found.domain is None else None


def _parts(node: exp.DataType) -> tuple[str, str]:
    """Schema (or nothing) and name."""
    kind = node.args.get("kind")
    if isinstance(kind, exp.Dot):
        schema, name = kind.this, kind.expression
        schema = schema.expression if isinstance(schema, exp.Dot) else schema
        return schema.name, name.name
    return "", kind.name if isinstance(kind, exp.Expr) else str(kind or "")
