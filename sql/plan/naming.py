"""Names of result columns that have no alias, as each wire's own server would give them."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from sql.dialect import nodes
from sql.dialect.dialects import dialect_of
from sql.dialect.object_nodes import NamedType
from sql.dialect.pieces import CALLED, SPELLING
from sql.session import Wire

_POSTGRES_TYPES = {"INT": "int4", "BIGINT": "int8", "SMALLINT": "int2", "DOUBLE": "float8"}
_POSTGRES_TYPES |= {"FLOAT": "float4", "BOOLEAN": "bool", "DECIMAL": "numeric", "REAL": "float4"}
_POSTGRES_TYPES |= {"DOUBLE PRECISION": "float8", "INTEGER": "int4", "CHAR": "bpchar"}


def name_outputs(tree: exp.Expr, wire: Wire) -> exp.Expr:
    """Gives every unnamed expression of the outermost select list an alias, in place."""
    if isinstance(tree, exp.Values):
        return _named_values(tree, wire)
    select = _leftmost(tree)
    if select is None:
        return tree
    # Set at once: replacing them one by one costs the square of their number.
    select.set("expressions", [_named(item, wire) for item in select.expressions])
    return tree


def name_as_written(tree: exp.Expr) -> exp.Expr:
    """Gives plain columns of the outermost select list the case they are written in, in place.

    For MySQL's information_schema, whose columns are in capitals: what servers show there differs
    (MySQL its own case, MariaDB the statement's), and programs read rows by the names they wrote.
    """
    select = _leftmost(tree)
    if select is not None:
        select.set("expressions", [_as_written(item) for item in select.expressions])
    return tree


def _as_written(item: exp.Expr) -> exp.Expr:
    if not isinstance(item, exp.Column) or not isinstance(item.this, exp.Identifier):
        return item
    name = item.this.meta.get(SPELLING, item.name)
    return exp.Alias(this=item, alias=exp.to_identifier(name, quoted=True))


def _named(projection: exp.Expr, wire: Wire) -> exp.Expr:
    if isinstance(projection, exp.Alias | exp.Star | exp.Aliases | exp.Column):
        return projection
    if wire is Wire.POSTGRES:
        name = postgres_name(projection)
    elif wire is Wire.MYSQL and projection.is_string and projection.name:
        name = projection.name
    else:
        name = expression_name(projection, wire)
    return exp.Alias(this=projection, alias=exp.to_identifier(name, quoted=True))


def _named_values(values: exp.Values, wire: Wire) -> exp.Expr:
    """VALUES as a statement: `column1` and so on in PostgreSQL, `column_0` in MySQL."""
    first = values.expressions[0]
    count = len(first.expressions) if isinstance(first, exp.Tuple) else 1
    shown = "column_{}" if wire is Wire.MYSQL else "column{}"
    start = 0 if wire is Wire.MYSQL else 1
    names = [exp.to_identifier(shown.format(n)) for n in range(start, start + count)]
    made = exp.select("*")
    for key in ("order", "limit", "offset"):
        made.set(key, values.args.pop(key, None))
    alias = exp.TableAlias(this=exp.to_identifier("values", quoted=True), columns=names)
    values.set("alias", alias)
    return made.from_(values, copy=False)


def _leftmost(tree: exp.Expr | None) -> exp.Select | None:
    while tree is not None and not isinstance(tree, exp.Select):
        tree = tree.this if isinstance(tree, exp.SetOperation | exp.Subquery) else None
    return tree


def expression_name(node: exp.Expr, wire: Wire) -> str:
    """The expression's text, functions in lower case: `count(*)`, `a + 1`."""
    return node.sql(
        dialect=dialect_of(wire), normalize_functions="lower", unsupported_level=ErrorLevel.IGNORE
    )


def postgres_name(node: exp.Expr) -> str:
    """PostgreSQL's FigureColname: the function, the cast's argument or type, else `?column?`."""
    return _figured(node)[0]


_UNNAMED = ("?column?", False)


def _figured(node: exp.Expr) -> tuple[str, bool]:
    """A name, and whether it stays in a cast, which names what has none or a weak one."""
    if isinstance(node, exp.Paren | exp.Bracket | nodes.RangeAggregate):
        return _figured(node.this)
    if isinstance(node, exp.Column | exp.Dot):
        return str(node.name), True
    if isinstance(node, exp.Cast):
        name, is_strong = _figured(node.this)
        if is_strong:
            return name, True
        if isinstance(node.to, NamedType):
            return str(node.to.args["type"].innermost.named.name), False
        type_name = node.to.sql(dialect="postgres").split("(")[0].rstrip("[]")
        return _POSTGRES_TYPES.get(type_name, type_name.lower()), False
    if isinstance(node, exp.Case):
        default = node.args.get("default")
        name, is_strong = _figured(default) if default is not None else _UNNAMED
        return (name, True) if is_strong else ("case", False)
    if isinstance(node, exp.Subquery):
        select = _leftmost(node)
        first = select.expressions[0] if select is not None and select.expressions else None
        if first is None:
            return _UNNAMED
        return (first.alias, True) if first.alias else _figured(first)
    name = _call_name(node)
    return name, name not in ("?column?", "interval")


_TRIMS = {"LEADING": "ltrim", "TRAILING": "rtrim"}


def _call_name(node: exp.Expr) -> str:
    if isinstance(node, exp.Window | exp.Filter | exp.WithinGroup):
        return postgres_name(node.this)
    if isinstance(node, exp.AtTimeZone):
        return "timezone"
    if isinstance(node, exp.Trim) and "trim(" in node.sql(dialect="postgres").lower()[:5]:
        return _TRIMS.get(str(node.args.get("position") or "").upper(), "btrim")
    if isinstance(node, exp.Array):
        return "array"
    if isinstance(node, exp.Func) and node.meta.get(CALLED):
        return str(node.meta[CALLED])
    if isinstance(node, exp.CurrentTimestamp):
        return str(node.meta.get("name", "current_timestamp"))
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    if isinstance(node, exp.Boolean):
        return "bool"  # a cast of a word there
    if isinstance(node, exp.Binary | exp.Unary | exp.Literal | exp.Null | exp.Interval):
        return "interval" if isinstance(node, exp.Interval) else "?column?"
    if isinstance(node, exp.Func):
        text = node.sql(dialect_of(Wire.POSTGRES), unsupported_level=ErrorLevel.IGNORE)
        return text.split("(")[0].lower() or "?column?"
    return "?column?"
