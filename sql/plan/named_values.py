"""Values of types with a name of their own: casts to them, and literals and parameters beside them.

Runs on a resolved tree, before types of parameters are told. A text is read as its type reads it:
a literal now, others by a function when the statement runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlglot import exp

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from engine.named import NamedKind
from sql.dialect.object_nodes import NamedType
from sql.named.read import read
from sql.named.records import show_record
from sql.plan.extension_forms import READ
from sql.plan.named_operators import named_operators
from sql.plan.parameters import parameter_number
from sql.plan.scopes import Scopes
from sql.plan.typed import inferred_type
from sql.types import from_sql

_COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_SINGLE_ADDRESSES = ((r"^([0-9.]+)$", r"\1/32"), (r"^([0-9a-f:.]+)$", r"\1/128"))


def named_values(
    tree: exp.Expr, scopes: Scopes, declared: Sequence[DataType | None] = ()
) -> exp.Expr:
    """Rewrites in place; `declared` are types that the client gave its parameters.

    Raises: DbError INVALID_TEXT and its kin for a literal.
    """

    def infer(node: exp.Expr) -> DataType | None:
        number = parameter_number(node)
        told = number is not None and number <= len(declared)
        return declared[number - 1] if told and number else inferred_type(scopes, node)

    for node in list(tree.find_all(*_COMPARED, exp.In, exp.Between)):
        _compare(node, scopes)
    for cast in list(tree.find_all(exp.Cast))[::-1]:
        type_ = _target(cast)
        if type_ is not None:
            _read_cast(cast, type_, scopes)
        elif cast.is_type(*exp.DataType.TEXT_TYPES):
            _show_network(cast, infer)
    for dot in list(tree.find_all(exp.Dot))[::-1]:
        _take_field(dot, infer)
    return named_operators(tree, infer)


def _show_network(cast: exp.Cast, infer: Callable[[exp.Expr], DataType | None]) -> None:
    """An inet as a text tells the length of its network, of a single address too."""
    type_ = infer(cast.this)
    if type_ is not None and type_.named is not None and type_.named.name == "inet":
        text: exp.Expr = exp.cast(cast.this.copy(), exp.DType.VARCHAR)
        for pattern, whole in _SINGLE_ADDRESSES:
            given = [text, exp.Literal.string(pattern), exp.Literal.string(whole)]
            text = exp.Anonymous(this="regexp_replace", expressions=given)
        cast.set("this", text)


def _take_field(dot: exp.Dot, infer: Callable[[exp.Expr], DataType | None]) -> None:
    """`(value).field` of a composite type. Raises: DbError UNDEFINED_COLUMN, UNSUPPORTED."""
    value = dot.this.unnest()
    type_ = infer(value)
    if type_ is None or type_.named is None or type_.named.kind is not NamedKind.COMPOSITE:
        return
    names = [name for name, _ in type_.named.fields]
    if dot.name not in names:
        message = f'column "{dot.name}" not found in the composite type'
        raise DbError(ErrorKind.UNDEFINED_COLUMN, message)
    place = names.index(dot.name)
    field = type_.named.fields[place][1]
    if field.element is not None:
        raise DbError(ErrorKind.UNSUPPORTED, f'field "{dot.name}" is an array: ask for the whole')
    text = exp.cast(value.copy(), exp.DType.VARCHAR)
    arguments = [text, exp.Literal.number(place)]
    taken = exp.Anonymous(this="gn_record_field", expressions=arguments)
    whole = isinstance(dot.parent, exp.Select)
    made: exp.Expr = exp.Cast(this=taken, to=_node(field))
    dot.replace(exp.alias_(made, dot.name, quoted=True) if whole else made)


def typed_parameters(tree: exp.Expr, types: Sequence[DataType]) -> exp.Expr:
    """Parameters of these types, told to DuckDB as such."""
    named = {n for n, type_ in enumerate(types, 1) if type_.innermost.named is not None}
    if not named:
        return tree
    for node in list(tree.find_all(exp.Parameter)):
        number = parameter_number(node)
        if number in named and not isinstance(node.parent, exp.Cast):
            made = typed_as(node.copy(), types[number - 1])
            if node is tree:
                return made
            node.replace(made)
    return tree


def _target(cast: exp.Cast) -> DataType | None:
    to = cast.args.get("to")
    if not isinstance(to, exp.DataType) or to.find(NamedType) is None:
        return None
    type_ = from_sql(to)
    return type_ if type_.innermost.named is not None else None


def typed_as(node: exp.Expr, type_: DataType) -> exp.Cast:
    """The node, cast to a type with a name of its own or to an array of one."""
    return exp.Cast(this=node, to=_node(type_))


def _node(type_: DataType) -> exp.DataType:
    if type_.element is not None:
        inner = _node(type_.element)
        return exp.DataType(this=exp.DType.ARRAY, expressions=[inner], nested=True)
    return NamedType(this=exp.DType.USERDEFINED, type=type_)


# --- Comparisons ----------------------------------------------------------------------------------


def _compare(node: exp.Expr, scopes: Scopes) -> None:
    operands = list(_operands(node))
    told = (inferred_type(scopes, one) for one in operands)
    type_ = next((t for t in told if t is not None and t.named is not None), None)
    if type_ is None:
        return
    for one in operands:
        if one.is_string or parameter_number(one) is not None:
            one.replace(typed_as(one.copy(), type_))


def _operands(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.Binary):
        yield from (node.left, node.right)
        return
    yield node.this
    yield from (node.args[key] for key in ("low", "high") if node.args.get(key) is not None)
    yield from node.expressions


# --- Casts ----------------------------------------------------------------------------------------


def _read_cast(cast: exp.Cast, type_: DataType, scopes: Scopes) -> None:
    value = cast.this
    while isinstance(value, exp.Paren):
        value = value.this
    if isinstance(value, exp.Null | exp.Parameter) or cast.meta.get(READ):
        return
    if value.is_string and type_.named is not None:
        try:
            cast.set("this", exp.Literal.string(read(type_.named, value.name)))
        except DbError:
            if isinstance(cast, exp.TryCast):
                cast.set("this", exp.null())
                return
            raise
        return
    if type_.element is not None:
        _read_array(cast, value, type_, scopes)
        return
    if _is_row(value):
        cast.set("this", _row(value, type_))
        return
    if inferred_type(scopes, value) != type_:
        cast.set("this", _reading(exp.cast(value.copy(), exp.DType.VARCHAR), type_))


def takes_type(value: exp.Expr) -> bool:
    """True for what has no type before it is told one: literals of text, arrays and rows."""
    return value.is_string or isinstance(value, exp.Array) or _is_row(value)


def _is_row(value: exp.Expr) -> bool:
    call = isinstance(value, exp.Anonymous) and value.name.lower() == "row"
    return call or isinstance(value, exp.Tuple)


def _read_array(cast: exp.Cast, value: exp.Expr, type_: DataType, scopes: Scopes) -> None:
    assert type_.element is not None
    if isinstance(value, exp.Array):
        for item in list(value.expressions):
            inner = typed_as(item.copy(), type_.element)
            item.replace(inner)
            _read_cast(inner, type_.element, scopes)
        return
    if inferred_type(scopes, value) == type_ or type_.element.element is not None:
        return
    item = exp.to_identifier("_item")
    function = exp.Lambda(this=_reading(exp.column(item), type_), expressions=[item])
    texts = exp.cast(value.copy(), exp.DataType.build("VARCHAR[]", dialect="duckdb"))
    cast.set("this", exp.Anonymous(this="list_transform", expressions=[texts, function]))


def _reading(text: exp.Expr, type_: DataType) -> exp.Expr:
    named = type_.innermost.named
    assert named is not None
    tag = exp.Literal.string(named.tag)
    return exp.Anonymous(this="gn_read_named", expressions=[text, tag])


def _row(value: exp.Expr, type_: DataType) -> exp.Expr:
    """ROW(…)::type from the texts of its fields."""
    assert type_.named is not None
    if type_.named.kind is not NamedKind.COMPOSITE:
        return value.copy()
    texts = [exp.cast(item.copy(), exp.DType.VARCHAR) for item in value.expressions]
    if all(item.this.is_string for item in texts):
        text = show_record(item.this.name for item in texts)
        return exp.Literal.string(read(type_.named, text))
    fields = exp.Array(expressions=texts)
    shown = exp.Anonymous(this="gn_show_record", expressions=[fields])
    return _reading(shown, type_)
