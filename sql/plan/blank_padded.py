"""CHAR(n) and VARCHAR(n) of PostgreSQL in queries: casts that cut, comparisons that see no blanks.

Called by plan.py for PostgreSQL's wire. Inside, a CHAR has no blanks at its end, neither in tables
nor in what a cast makes; whoever sends it to a client pads it (see shown_types.py). So only what is
compared with one has to lose its own.
https://www.postgresql.org/docs/15/datatype-character.html
"""

from __future__ import annotations

from sqlglot import exp

from engine.datatypes import TypeId
from sql.decode.lengths import char_length
from sql.plan.scopes import Scopes

_BLANK_PADDED = (exp.DType.CHAR, exp.DType.NCHAR, exp.DType.BPCHAR)
_CUT = (exp.DType.VARCHAR, *_BLANK_PADDED)
_PADDED = "blank_padded"  # marks what stands for a cast to CHAR
_COMPARISONS = (
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE),
    *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.In, exp.Between),
)


def cast_length(to: exp.Expr) -> int:
    """How many characters a cast to CHAR leaves; 0 for other types and for BPCHAR without a length.

    >>> [cast_length(exp.DataType.build(text)) for text in ("char(5)", "char", "varchar(5)")]
    [5, 1, 0]
    """
    if not isinstance(to, exp.DataType) or to.this not in _BLANK_PADDED:
        return 0
    return _length(to) or (1 if to.this is not exp.DType.BPCHAR else 0)


def _length(to: exp.DataType) -> int:
    size = to.expressions[0].name if to.expressions else ""
    return int(size) if size.isdigit() else 0


def cut_cast(cast: exp.Cast) -> None:
    """A cast to VARCHAR(n) or CHAR(n) leaves n characters. Changes the tree in place.

    >>> from sqlglot import parse_one
    >>> tree = parse_one("SELECT a::VARCHAR(3), b::CHAR(4)", read="postgres")
    >>> for cast in list(tree.find_all(exp.Cast)):
    ...     cut_cast(cast)
    >>> tree.sql("duckdb")
    "SELECT LEFT(CAST(a AS TEXT), 3), RTRIM(LEFT(CAST(b AS TEXT), 4), ' ')"
    """
    to = cast.to
    if type(cast) is not exp.Cast or not isinstance(to, exp.DataType) or to.this not in _CUT:
        return
    length = cast_length(to) or _length(to)
    text: exp.Expr = exp.cast(cast.this.copy(), exp.DType.TEXT)
    if length:
        text = exp.Left(this=text, expression=exp.Literal.number(length))
    if to.this in _BLANK_PADDED:
        text = _trimmed(text)
        text.meta[_PADDED] = True
    if length or to.this in _BLANK_PADDED:
        cast.replace(text)


def _trimmed(text: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="RTRIM", expressions=[text, exp.Literal.string(" ")])


def without_blanks(tree: exp.Expr, scopes: Scopes) -> exp.Expr:
    """Literals and parameters that are compared with a CHAR lose the blanks at their end."""
    columns = any(char_length(column) for table in scopes.tables for column in table.columns)
    if not columns and not any(node.meta.get(_PADDED) for node in tree.find_all(exp.Anonymous)):
        return tree
    for node in list(tree.find_all(*_COMPARISONS)):
        sides = [node.this, node.args.get("expression"), *node.expressions]
        sides += [node.args.get("low"), node.args.get("high")]
        given = [side for side in sides if isinstance(side, exp.Expr)]
        if any(_is_padded(side.unnest(), scopes) for side in given):
            for side in given:
                _trim(side.unnest())
    return tree


def _is_padded(node: exp.Expr, scopes: Scopes) -> bool:
    if node.meta.get(_PADDED):
        return True
    column = scopes.column(node)
    return column is not None and column.type.id is TypeId.STRING and char_length(column) > 0


def _trim(node: exp.Expr) -> None:
    if isinstance(node, exp.Literal) and node.is_string:
        node.set("this", node.name.rstrip(" "))
    elif isinstance(node, exp.Parameter | exp.Placeholder):
        node.replace(_trimmed(exp.cast(node.copy(), exp.DType.TEXT)))
