"""What clients of PostgreSQL ask its catalogs, in words that DuckDB understands.

`rewrite_pg` runs before table names are resolved: it takes off the schema of functions, operators
and types, turns the reg* types and functions that look things up by OID into subqueries on system
tables, and settles PostgreSQL's zero-based vectors and set-returning functions. Statements that
use none of these are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from sqlglot import exp

from sql.dialect.pieces import IN_STORE
from sql.functions.index import of_wire
from sql.functions.registry import Kind
from sql.session import Wire
from sql.system.pg_catalog.lookups import KEYWORDS
from sql.system.pg_catalog.shapes import (
    ARRAY_COLUMNS,
    NAME_COLUMNS,
    REGPROC_COLUMNS,
    SHAPES,
    ZERO_BASED_COLUMNS,
)
from sql.system.pg_functions import MAKERS, current_schemas, format_call
from sql.system.pg_regtypes import REG_TYPES, to_oid, to_text

_SCHEMAS = frozenset({"pg_catalog", "information_schema"})


def rewrite_pg(tree: exp.Expr) -> exp.Expr:
    """Rewrites in place and returns the tree, or what replaces it.

    Requires: output columns are named already, where their names matter. Raises: DbError
    UNDEFINED_OBJECT for an unknown type.

    >>> from sqlglot import parse_one
    >>> query = "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a"
    >>> rewrite_pg(parse_one(query, read="postgres")).sql("duckdb")
    'SELECT _PG_FORMAT_TYPE(a.atttypid, a.atttypmod) FROM pg_attribute AS a'
    """
    rewriter = _Rewriter(tree)
    for node in reversed(list(tree.walk(bfs=True))):
        handle = _HANDLERS.get(type(node))
        made = handle(rewriter, node) if handle is not None else node
        if made is not node:
            if node is tree:
                tree = made
            else:
                node.replace(made)
    return tree


class _Rewriter:
    """What the handlers know of the whole statement."""

    def __init__(self, tree: exp.Expr) -> None:
        self.shown = {id(node) for select in _outermost(tree) for node in select.expressions}
        names = {t.alias_or_name: t.name.lower() for t in tree.find_all(exp.Table)}
        self.catalogs = {alias: name for alias, name in names.items() if name in SHAPES}

    # --- Names with a schema ----------------------------------------------------------------------

    def dot(self, node: exp.Expr) -> exp.Expr:
        """`pg_catalog.f(x)` is `f(x)`."""
        schema, inner = node.this, node.expression
        is_schema = isinstance(schema, exp.Identifier) and schema.name.lower() in _SCHEMAS
        return inner if is_schema and isinstance(inner, exp.Expr) else node

    def operator(self, node: exp.Expr) -> exp.Expr:
        """`a OPERATOR(pg_catalog.~) b` is `a ~ b`."""
        symbol = str(node.args["operator"]).rpartition(".")[2]
        make = _OPERATORS.get(symbol)
        return make(node.this, node.expression) if make is not None else node

    def collate(self, node: exp.Expr) -> exp.Expr:
        """Strings are ordered by bytes, but for what the planner has said of a citext."""
        inner: exp.Expr = node.this
        return node if node.meta.get(IN_STORE) else inner

    # --- Casts ------------------------------------------------------------------------------------

    def cast(self, node: exp.Expr) -> exp.Expr:
        """Casts to and from the reg* types, and types with PostgreSQL's own names."""
        assert isinstance(node, exp.Cast)
        name, depth = _type_name(node.args["to"])
        if name in REG_TYPES and not depth:
            return self._reg_cast(name, node)
        if name in _PG_TYPES:
            suffix = "[]" * depth
            node.set("to", exp.DataType.build(_PG_TYPES[name] + suffix, dialect="duckdb"))
        inner = node.this
        flat = inner.is_string and inner.name.startswith("{") and inner.name[1:2] != "{"
        if (
            flat and _is_array(node.to) and not _of_bytes(node.to)
        ):  # others: sql/plan/array_literals.py
            inner.replace(array_literal(inner.name))
        if isinstance(inner, exp.Column) and _is_text_type(node):
            if self._is_regproc(inner):
                return to_text("regproc", inner)
            if self._is_zero_based(inner):
                return vector_text(inner)
        return node

    def _reg_cast(self, kind: str, node: exp.Expr) -> exp.Expr:
        value = node.this
        if isinstance(node, exp.TryCast):
            return to_oid(kind, value, strict=False)
        if self._is_shown(node) or _wants_text(node):
            return to_text(kind, value)
        return to_oid(kind, value)

    def _is_shown(self, node: exp.Expr) -> bool:
        """True for an output column of the statement (or one under an alias or parentheses)."""
        while isinstance(node.parent, exp.Alias | exp.Paren):
            node = node.parent
        return id(node) in self.shown

    # --- Columns ----------------------------------------------------------------------------------

    def _is_regproc(self, node: exp.Column) -> bool:
        return bool(self.catalogs) and node.name.lower() in REGPROC_COLUMNS

    def column(self, node: exp.Expr) -> exp.Expr:
        """`tableoid`; in the output, function OIDs as names and vectors as text."""
        assert isinstance(node, exp.Column)
        name = node.name.lower()
        if name in ("user", "current_role") and not node.table and not node.this.quoted:
            return self._shown_as(node, exp.CurrentUser())
        if name == "tableoid" and self.catalogs:
            return self._table_oid(node)
        if name == "xmin" and self.catalogs and node.table in {"", *self.catalogs}:
            return self._row_version(node)
        if not self._is_shown(node):
            return node
        if self._is_regproc(node):
            return self._shown_as(node, to_text("regproc", node))
        return self._shown_as(node, vector_text(node)) if self._is_zero_based(node) else node

    def _shown_as(self, node: exp.Column, made: exp.Expr) -> exp.Expr:
        """What is shown in a column's place keeps its name."""
        return exp.alias_(made, node.name, quoted=True) if id(node) in self.shown else made

    def _table_oid(self, node: exp.Column) -> exp.Expr:
        owner = node.table if node.table else next(iter(self.catalogs))
        if owner not in self.catalogs:  # of a derived table that selects it
            return node
        number = exp.Literal.number(SHAPES[self.catalogs[owner]].oid)
        bare = id(node) in self.shown or isinstance(node.parent, exp.Select)
        return exp.alias_(number, node.name, quoted=True) if bare else number

    def _row_version(self, node: exp.Column) -> exp.Expr:
        """`xmin`, by which DataGrip tells what is new to it: that may be anything, so it grows."""
        epoch = exp.Extract(this=exp.var("EPOCH"), expression=exp.CurrentTimestamp())
        number = exp.cast(epoch, exp.DType.BIGINT)
        bare = id(node) in self.shown or isinstance(node.parent, exp.Select)
        return exp.alias_(number, node.name, quoted=True) if bare else number

    def bracket(self, node: exp.Expr) -> exp.Expr:
        """int2vector, oidvector and the letters of a name count from 0, DuckDB's from 1."""
        inner = node.this
        is_name = isinstance(inner, exp.Column) and inner.name.lower() in NAME_COLUMNS
        if self._is_zero_based(inner) or (is_name and self.catalogs):
            node.set("expressions", [_next(place) for place in node.expressions])
        return node

    def _is_zero_based(self, node: exp.Expr) -> bool:
        column = isinstance(node, exp.Column) and node.name.lower() in ZERO_BASED_COLUMNS
        return column and bool(self.catalogs)

    def comparison(self, node: exp.Expr) -> exp.Expr:
        """`polroles = '{0}'`: array literals are written otherwise here."""
        for column, other in ((node.this, node.expression), (node.expression, node.this)):
            if not isinstance(column, exp.Column) or column.name.lower() not in ARRAY_COLUMNS:
                continue
            if other.is_string and other.name.startswith("{") and self.catalogs:
                other.replace(array_literal(other.name))
        return node

    def coalesce(self, node: exp.Expr) -> exp.Expr:
        """`coalesce(array_agg(…), '{}')`, `CASE … acldefault(…) ELSE '{}' END`: the empty array."""
        others = node.expressions or [node.args.get("default")]
        if isinstance(node, exp.Case) and node.find(exp.Array) is None:
            return node
        for other in others:
            if other is not None and other.is_string and other.name == "{}" and self.catalogs:
                other.replace(exp.Array(expressions=[]))
        return node

    def select(self, node: exp.Expr) -> exp.Expr:
        """GROUP BY a name that is an output's and also a table's means the output."""
        group = node.args.get("group")
        if group is None:
            return node
        sources = [node.args.get("from_"), *node.args.get("joins", ())]
        tables = {source.this.alias_or_name for source in sources if source is not None}
        outputs = [projection.alias for projection in node.expressions]
        for key in list(group.expressions):
            unqualified = isinstance(key, exp.Column) and not key.table
            if unqualified and key.name in tables and key.name in outputs:
                key.replace(exp.Literal.number(outputs.index(key.name) + 1))
        return node

    # --- Functions --------------------------------------------------------------------------------

    def format(self, node: exp.Expr) -> exp.Expr:
        """format() with a literal pattern."""
        return format_call(node) if node.this.is_string else node

    def call(self, node: exp.Expr) -> exp.Expr:
        """Catalog functions by name."""
        name = node.name.lower()
        if name == "generate_subscripts":
            return self._subscripts(node)
        if name == "_pg_expandarray":
            return node if _inside_unnest(node) else exp.Unnest(expressions=[node.copy()])
        if name in _PARTITIONS and isinstance(node.parent, exp.Table):
            return node  # a table function: see `table`
        make = MAKERS.get(name)
        if make is None or (name == "current_setting" and node.expressions[0].is_string):
            return node
        return make(node.expressions)

    def _subscripts(self, node: exp.Expr) -> exp.Expr:
        array = node.expressions[0]
        first = 0 if self._is_zero_based(array) else 1
        length = exp.Anonymous(this="len", expressions=[array.copy()])
        end = length if first == 0 else exp.Add(this=length, expression=exp.Literal.number(1))
        places = exp.Anonymous(this="range", expressions=[exp.Literal.number(first), end])
        return exp.Unnest(expressions=[places])

    def schemas(self, node: exp.Expr) -> exp.Expr:
        """current_schemas(…)."""
        return current_schemas([node.this] if node.this is not None else [])

    def table(self, node: exp.Expr) -> exp.Expr:
        """`FROM pg_catalog.unnest(a) x`: the alias names the column too."""
        assert isinstance(node, exp.Table)
        call = node.this
        if not isinstance(call, exp.Func):
            return node
        node.set("db", None)
        if isinstance(call, exp.Anonymous):
            return _table_function(node, call)
        if isinstance(call, exp.StringToArray) or _is_scalar(_name_of(call)):
            return _one_row(node, call)  # a scalar function gives one row
        if isinstance(call, exp.Explode) and not isinstance(call, exp.Posexplode):
            alias = node.args.get("alias")
            if alias is not None and not alias.args.get("columns"):
                alias.set("columns", [alias.this.copy()])
            return exp.Unnest(expressions=[call.this], alias=alias)
        return node


def array_literal(text: str) -> exp.Array:
    """PostgreSQL's text form of a one-dimensional array.

    https://www.postgresql.org/docs/15/arrays.html#ARRAYS-IO

    >>> array_literal('{1, NULL, "a,b"}').sql("duckdb")
    "['1', NULL, 'a,b']"
    """
    items: list[exp.Expr] = []
    for quoted, bare in _ARRAY_ITEMS.findall(text.strip()[1:-1]):
        if not quoted and bare.strip().upper() == "NULL":
            items.append(exp.null())
        else:
            plain = re.sub(r"\\(.)", r"\1", quoted) if quoted else bare.strip()
            items.append(exp.Literal.string(plain))
    return exp.Array(expressions=items)


_ARRAY_ITEMS = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",]+)')


def _is_array(node: exp.Expr) -> bool:
    return isinstance(node, exp.DataType) and node.this is exp.DType.ARRAY


def _of_bytes(to: exp.DataType) -> bool:
    return any(inner.this in _BYTES for inner in to.find_all(exp.DataType))


_BYTES = (exp.DType.BINARY, exp.DType.VARBINARY, exp.DType.BLOB)


def vector_text(vector: exp.Expr) -> exp.Expr:
    """An int2vector or oidvector as PostgreSQL prints it: numbers with spaces between."""
    space = exp.Literal.string(" ")
    return exp.Anonymous(this="array_to_string", expressions=[vector.copy(), space])


def _table_function(node: exp.Table, call: exp.Anonymous) -> exp.Expr:
    """PostgreSQL's own table functions as queries."""
    name = call.name.lower()
    if name == "pg_options_to_table":
        return _options_table(node, call.expressions[0])
    if name == "pg_get_keywords":
        keywords = exp.table_(
            exp.to_identifier(KEYWORDS, quoted=True), db=exp.to_identifier("pg_catalog")
        )
        return _derived(node, exp.select("*").from_(keywords))
    if name in _PARTITIONS:  # no relation here is a partition, or has any
        return _derived(node, exp.maybe_parse(_PARTITIONS[name], dialect="duckdb"))
    return _one_row(node, call) if name in _SCALARS or _is_scalar(name) else node


# A list as a value, rows in FROM.
_ALSO_ROWS = frozenset({"range", "generate_series", "json_object_keys", "jsonb_object_keys"})


def _name_of(call: exp.Func) -> str:
    """What the function is called: the first of its names, the one PostgreSQL has."""
    return call.sql_names()[0].lower()


def _is_scalar(name: str) -> bool:
    """True for a function of the registry that gives one value wherever it stands."""
    entry = of_wire(Wire.POSTGRES).get(name)
    return entry is not None and entry.kind is Kind.SCALAR and name not in _ALSO_ROWS


_PARTITIONS = {
    "pg_partition_tree": """SELECT CAST(NULL AS BIGINT) AS relid, CAST(NULL AS BIGINT) AS
        parentrelid, CAST(NULL AS BOOLEAN) AS isleaf, CAST(NULL AS INTEGER) AS level WHERE false""",
    "pg_partition_ancestors": """SELECT CAST(NULL AS BIGINT) AS relid,
        CAST(NULL AS BIGINT) AS ordinality WHERE false""",
}


def _options_table(node: exp.Table, options: exp.Expr) -> exp.Expr:
    """`pg_options_to_table(array)`: the names and values of `name=value` texts."""
    query = exp.select(
        "split_part(_o, '=', 1) AS option_name", "split_part(_o, '=', 2) AS option_value"
    )
    alias = exp.TableAlias(this=exp.to_identifier("_t"), columns=[exp.to_identifier("_o")])
    source = exp.Unnest(expressions=[options.copy()], alias=alias)
    return _derived(node, query.from_(source))


def _one_row(node: exp.Table, call: exp.Func) -> exp.Expr:
    """`FROM f(x) AS a`, f no table function: one row with one column a."""
    name = node.alias or (
        call.name.lower() if isinstance(call, exp.Anonymous) else call.sql_names()[0].lower()
    )
    return _derived(node, exp.select(exp.alias_(call.copy(), name, quoted=True)))


def _derived(node: exp.Table, query: exp.Select) -> exp.Expr:
    """A query in a table's place, under its alias."""
    alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier("_derived"))
    return exp.Subquery(this=query, alias=alias)


_SCALARS = frozenset({"string_to_array", "regexp_split_to_array", "parse_ident", "version"})


def _outermost(tree: exp.Expr | None) -> Iterator[exp.Select]:
    """The SELECTs whose columns the client sees."""
    if isinstance(tree, exp.Select):
        yield tree
    elif isinstance(tree, exp.SetOperation):
        yield from _outermost(tree.this)
        yield from _outermost(tree.expression)
    elif isinstance(tree, exp.Subquery):
        yield from _outermost(tree.this)


def _next(place: exp.Expr) -> exp.Expr:
    """A subscript plus one (the parser has taken one off literal ones already)."""
    return exp.Add(this=exp.paren(place.copy()), expression=exp.Literal.number(1))


def _inside_unnest(node: exp.Expr) -> bool:
    return isinstance(node.parent, exp.Unnest | exp.Explode | exp.Table | exp.Lateral)


def _wants_text(node: exp.Expr) -> bool:
    """True if what is around a reg* value makes it text."""
    parent = node.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    if isinstance(parent, exp.Cast):
        return _is_text_type(parent)
    if isinstance(parent, exp.Anonymous):
        return parent.name.lower() in ("format", "quote_ident", "concat")
    return isinstance(parent, exp.DPipe | exp.Concat | exp.Format | exp.RegexpLike | exp.Like)


# --- Types ----------------------------------------------------------------------------------------

_PG_TYPES = {
    "name": "TEXT",
    "text": "TEXT",
    "varchar": "TEXT",
    "bpchar": "TEXT",
    "char": "TEXT",
    "cstring": "TEXT",
    "pg_node_tree": "TEXT",
    "aclitem": "TEXT",
    "oid": "BIGINT",
    "xid": "BIGINT",
    "regclass": "BIGINT",
    "regtype": "BIGINT",
    "regproc": "BIGINT",
    "bool": "BOOLEAN",
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float4": "REAL",
    "float8": "DOUBLE",
    "numeric": "DECIMAL(38, 10)",
    "int2vector": "SMALLINT[]",
    "oidvector": "BIGINT[]",
    "timestamptz": "TIMESTAMPTZ",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "json": "JSON",
    "jsonb": "JSON",
}


def _type_name(node: exp.Expr) -> tuple[str, int]:
    """The name of a type that sqlglot does not know or knows as an OID's, and its dimensions."""
    if isinstance(node, exp.ObjectIdentifier):
        return str(node.this.value if hasattr(node.this, "value") else node.this).lower(), 0
    if not isinstance(node, exp.DataType):
        return "", 0
    if node.this is exp.DType.ARRAY and node.expressions:
        name, depth = _type_name(node.expressions[0])
        return name, depth + 1
    if node.this is exp.DType.NAME:
        return "name", 0
    kind = node.args.get("kind")
    if node.this is not exp.DType.USERDEFINED or kind is None:
        return "", 0
    schema, _, name = (kind.sql() if isinstance(kind, exp.Expr) else str(kind)).rpartition(".")
    return ("" if schema not in ("", "pg_catalog") else name.strip('"').lower()), 0


def _is_text_type(node: exp.Cast) -> bool:
    name, depth = _type_name(node.to)
    return not depth and (node.to.this in exp.DataType.TEXT_TYPES or _PG_TYPES.get(name) == "TEXT")


# --- Operators ------------------------------------------------------------------------------------

_Binary = Callable[[exp.Expr, exp.Expr], exp.Expr]


def _binary(kind: type[exp.Binary]) -> _Binary:
    return lambda left, right: kind(this=left, expression=right)


def _negated(kind: type[exp.Binary]) -> _Binary:
    return lambda left, right: exp.Not(this=kind(this=left, expression=right))


_OPERATORS: dict[str, _Binary] = {
    "~": _binary(exp.RegexpLike),
    "~*": _binary(exp.RegexpILike),
    "!~": _negated(exp.RegexpLike),
    "!~*": _negated(exp.RegexpILike),
    "~~": _binary(exp.Like),
    "~~*": _binary(exp.ILike),
    "!~~": _negated(exp.Like),
    "!~~*": _negated(exp.ILike),
    "=": _binary(exp.EQ),
    "<>": _binary(exp.NEQ),
    "<": _binary(exp.LT),
    ">": _binary(exp.GT),
    "<=": _binary(exp.LTE),
    ">=": _binary(exp.GTE),
    "+": _binary(exp.Add),
    "-": _binary(exp.Sub),
    "||": _binary(exp.DPipe),
}

_HANDLERS: dict[type[exp.Expr], Callable[[_Rewriter, exp.Expr], exp.Expr]] = {
    exp.Dot: _Rewriter.dot,
    exp.Operator: _Rewriter.operator,
    exp.Collate: _Rewriter.collate,
    exp.Cast: _Rewriter.cast,
    exp.TryCast: _Rewriter.cast,
    exp.Column: _Rewriter.column,
    exp.Bracket: _Rewriter.bracket,
    exp.EQ: _Rewriter.comparison,
    exp.NEQ: _Rewriter.comparison,
    exp.Anonymous: _Rewriter.call,
    exp.Coalesce: _Rewriter.coalesce,
    exp.Case: _Rewriter.coalesce,
    exp.CurrentSchemas: _Rewriter.schemas,
    exp.Format: _Rewriter.format,
    exp.Select: _Rewriter.select,
    exp.Table: _Rewriter.table,
}
