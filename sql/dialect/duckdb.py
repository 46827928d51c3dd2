"""The SQL that DuckDB is told: `to_duckdb(tree)`.

sqlglot's DuckDB generator does most of the translation; here is what our dialects, types and time
semantics need beyond it. Trees must be free of RANGE, TQL and session variables by now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ErrorLevel
from sqlglot.generators.duckdb import DuckDBGenerator

from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql import types
from sql.charsets import charset_named, decoded_hexadecimal
from sql.dialect import nodes
from sql.dialect.object_nodes import NamedType
from sql.dialect.pieces import IN_STORE
from sql.functions.expansion import Expansion, expansion_sql

# now() and its kin are naive UTC timestamps here, whatever DuckDB's own session zone is.
_NOW = "(now() AT TIME ZONE 'UTC')"
_EPOCH = "CAST('1970-01-01' AS TIMESTAMP)"
_CLOCKS = frozenset({"now", "sysdate", "utc_timestamp"})
# PostgreSQL's operators by name: https://www.postgresql.org/docs/15/functions-matching.html
_OPERATORS: dict[str, tuple[type[exp.Expr], bool]] = {
    "~": (exp.RegexpLike, False),
    "!~": (exp.RegexpLike, True),
    "~*": (exp.RegexpILike, False),
    "!~*": (exp.RegexpILike, True),
    "~~": (exp.Like, False),
    "!~~": (exp.Like, True),
    "~~*": (exp.ILike, False),
    "!~~*": (exp.ILike, True),
    "=": (exp.EQ, False),
    "<>": (exp.NEQ, False),
    "!=": (exp.NEQ, False),
    "<": (exp.LT, False),
    "<=": (exp.LTE, False),
    ">": (exp.GT, False),
    ">=": (exp.GTE, False),
    "+": (exp.Add, False),
    "-": (exp.Sub, False),
    "*": (exp.Mul, False),
    "||": (exp.DPipe, False),
}
_RENAMED = {
    "approx_distinct": "approx_count_distinct",
    "approx_percentile_cont": "approx_quantile",
    "char_length": "length",
    "covar": "covar_samp",
}
_UNITS = {  # PostgreSQL's short names of what intervals count
    **dict.fromkeys(("MON", "MONS"), "MONTH"),
    **dict.fromkeys(("YR", "YRS"), "YEAR"),
    **dict.fromkeys(("HR", "HRS"), "HOUR"),
    "MINS": "MINUTE",
    "SECS": "SECOND",
}
_INTEGERS = exp.DataType.INTEGER_TYPES
_FROM_EPOCH = {
    TypeId.TIMESTAMP_SECOND: "make_timestamp_ms(CAST({} AS BIGINT) * 1000)",
    TypeId.TIMESTAMP_MILLISECOND: "make_timestamp_ms({})",
    TypeId.TIMESTAMP_MICROSECOND: "make_timestamp({})",
    TypeId.TIMESTAMP_NANOSECOND: "make_timestamp_ns({})",
}


class GnomonDuckDBGenerator(DuckDBGenerator):
    """Trees of our dialects → text for DuckDB 2.0."""

    def select_sql(self, expression: exp.Select) -> str:
        """Without MySQL's modifiers (SQL_NO_CACHE and others): they advise its own execution."""
        expression.set("operation_modifiers", None)
        return super().select_sql(expression)

    def datatype_sql(self, expression: exp.DataType) -> str:
        """Our types by their DuckDB names; what only DuckDB knows stays."""
        try:
            return types.duckdb_name(types.from_sql(expression))
        except DbError:
            return super().datatype_sql(expression)

    # --- Clocks and time --------------------------------------------------------------------------

    def now_sql(self, _expression: exp.Expr) -> str:
        """The transaction's start, naive UTC."""
        return _NOW

    def interval_sql(self, expression: exp.Interval) -> str:
        """`INTERVAL '3 mons'`: units by a name that DuckDB knows."""
        unit = expression.args.get("unit")
        known = _UNITS.get(unit.name.upper()) if isinstance(unit, exp.Var) else None
        if known is not None:
            expression = exp.Interval(this=expression.this.copy(), unit=exp.var(known))
        return super().interval_sql(expression)

    def datebin_sql(self, expression: exp.DateBin) -> str:
        """`date_bin(width, ts[, origin])`: the default origin is the epoch, not DuckDB's own."""
        width = expression.this
        if width.is_string:
            width = exp.cast(width, "INTERVAL")
        # sqlglot takes the third argument for another dialect's unit
        origin = expression.args.get("unit") or expression.args.get("origin")
        start = self.sql(origin) if origin is not None else _EPOCH
        return f"time_bucket({self.sql(width)}, {self.sql(expression, 'expression')}, {start})"

    # --- Operators --------------------------------------------------------------------------------

    def operator_sql(self, expression: exp.Operator) -> str:
        """`a OPERATOR(schema.~) b` is `a ~ b`."""
        name = str(expression.args["operator"]).rsplit(".", 1)[-1]
        left, right = expression.this, expression.expression
        if name not in _OPERATORS:
            return f"{self.sql(left)} {name} {self.sql(right)}"
        operator, negated = _OPERATORS[name]
        node = operator(this=left.copy(), expression=right.copy())
        return self.sql(exp.Not(this=node) if negated else node)

    def collate_sql(self, expression: exp.Collate) -> str:
        """Text is compared byte-wise; collations of other systems change nothing."""
        if not expression.meta.get(IN_STORE):
            return self.sql(expression, "this")
        text = expression.this
        if not text.is_string:
            text = exp.cast(text.copy(), exp.DType.VARCHAR)
        return f"({self.sql(text)} COLLATE {expression.expression.name})"

    def introducer_sql(self, expression: exp.Introducer) -> str:
        """MySQL's `_utf8mb4'x'`: all text is UTF-8; `_gbk 0xD5D4` are bytes of that set."""
        value, name = expression.expression, expression.name.removeprefix("_").lower()
        if isinstance(value, exp.HexString) and name != "binary":
            text = decoded_hexadecimal(value.name, charset_named(name))
            value = exp.Literal.string(text)
        return self.sql(value)

    def div_sql(self, expression: exp.Div) -> str:
        """Integers divide to integers where both are known to be, or may be (sql/plan/typed.py)."""
        left, right = expression.left, expression.right
        if expression.args.get("by_types"):
            return self.binary(expression, "//")
        if expression.args.get("typed") and _is_integer(left) and _is_integer(right):
            return self.binary(expression, "//")
        if expression.args.get("safe") and not (right.is_number and float(right.to_py())):
            return f"{self.sql(left)} / NULLIF({self.sql(right)}, 0)"
        return self.binary(expression, "/")

    def like_sql(self, expression: exp.Like) -> str:
        """A backslash escapes in LIKE patterns, which DuckDB must be told."""
        return self._with_escape(expression, "LIKE")

    def ilike_sql(self, expression: exp.ILike) -> str:
        """As LIKE."""
        return self._with_escape(expression, "ILIKE")

    def _with_escape(self, expression: exp.Binary, operator: str) -> str:
        pattern = expression.expression
        if expression.args.get("negate"):
            operator = f"NOT {operator}"
        text = f"{self.sql(expression, 'this')} {operator} {self.sql(pattern)}"
        plain = isinstance(pattern, (exp.Any, exp.All)) or (
            pattern.is_string and "\\" not in pattern.name
        )
        if plain or isinstance(expression.parent, exp.Escape):
            return text
        return f"{text} ESCAPE '\\'"

    def dot_sql(self, expression: exp.Dot) -> str:
        """`pg_catalog.f(x)` is `f(x)`."""
        schema = expression.this
        if isinstance(expression.expression, exp.Func) and schema.name in _FUNCTION_SCHEMAS:
            return self.sql(expression, "expression")
        return super().dot_sql(expression)

    # --- Casts to PostgreSQL's object names -------------------------------------------------------

    def cast_sql(self, expression: exp.Cast, safe_prefix: str | None = None) -> str:
        """`'t'::regclass` becomes a call of `to_regclass`, `oid::regclass` of `regclass_out`.

        Both are for the system catalog to define; a cast to oid is a cast to BIGINT.
        """
        to = expression.to
        if isinstance(to, exp.ObjectIdentifier):
            name = to.name.lower()
            if name == "oid":
                return f"CAST({self.sql(expression, 'this')} AS BIGINT)"
            named = expression.this.is_string or isinstance(expression.this, exp.Parameter)
            function = f"to_{name}" if named else f"{name}_out"
            return f"{function}({self.sql(expression, 'this')})"
        if isinstance(to, exp.DataType) and _is_integer(expression.this):
            epoch = self._epoch_sql(expression)
            if epoch is not None:
                return epoch
        return super().cast_sql(expression, safe_prefix)

    def _epoch_sql(self, expression: exp.Cast) -> str | None:
        """`5::TimestampSecond`: an integer counts in the type's unit, milliseconds when bare."""
        try:
            target = types.from_sql(expression.to, time_series=True)
        except DbError:
            return None
        if target.id not in _FROM_EPOCH:
            return None
        made = _FROM_EPOCH[target.id].format(self.sql(expression, "this"))
        return f"CAST({made} AS {types.duckdb_name(target)})"

    # --- Aggregates -------------------------------------------------------------------------------

    def firstvalue_sql(self, expression: exp.FirstValue) -> str:
        """As an aggregate: the value at the first row."""
        return self._edge_value(expression, first=True)

    def lastvalue_sql(self, expression: exp.LastValue) -> str:
        """As an aggregate: the value at the last row."""
        return self._edge_value(expression, first=False)

    def _edge_value(self, expression: exp.Func, first: bool, skip_nulls: bool = False) -> str:
        if isinstance(_parent_beyond_nulls(expression), exp.Window):
            return self.function_fallback_sql(expression)
        argument = expression.this
        if not isinstance(argument, exp.Order):
            value = self.sql(argument)
            return f"{'first' if first else 'last'}({value})"
        keys: list[Any] = argument.expressions
        value = self.sql(argument, "this")
        if len(keys) != 1:
            return f"{'first' if first else 'last'}({value}{self.sql(self._order(keys))})"
        smallest = first != bool(keys[0].args.get("desc"))
        function = "arg_min" if smallest else "arg_max"
        return f"{function}{'' if skip_nulls else '_null'}({value}, {self.sql(keys[0], 'this')})"

    def _order(self, keys: list[Any]) -> exp.Order:
        return exp.Order(expressions=[key.copy() for key in keys])

    def ignorenulls_sql(self, expression: exp.IgnoreNulls) -> str:
        """`last_value(x ORDER BY ts) IGNORE NULLS` as an aggregate skips NULLs by itself."""
        this = expression.this
        edge = isinstance(this, (exp.FirstValue, exp.LastValue))
        if edge and not isinstance(expression.parent, exp.Window):
            return self._edge_value(this, isinstance(this, exp.FirstValue), skip_nulls=True)
        return super().ignorenulls_sql(expression)

    def withingroup_sql(self, expression: exp.WithinGroup) -> str:
        """`approx_percentile_cont(q) WITHIN GROUP (ORDER BY x)` takes its value from the order."""
        this = expression.this
        if isinstance(this, exp.Anonymous) and this.name.lower() == "approx_percentile_cont":
            key = expression.expression.expressions[0]
            quantile = self.sql(this.expressions[0])
            if key.args.get("desc"):
                quantile = f"1 - {quantile}"
            return f"approx_quantile({self.sql(key, 'this')}, {quantile})"
        return super().withingroup_sql(expression)

    def anonymous_sql(self, expression: exp.Anonymous) -> str:
        """Functions known by another name."""
        name = expression.name.lower()
        if name in _CLOCKS:
            return _NOW
        if name == "approx_median":
            return f"approx_quantile({self.expressions(expression, flat=True)}, 0.5)"
        if name in _RENAMED:
            return f"{_RENAMED[name]}({self.expressions(expression, flat=True)})"
        return super().anonymous_sql(expression)

    # --- Writes -----------------------------------------------------------------------------------

    def insert_sql(self, expression: exp.Insert) -> str:
        """MySQL's INSERT IGNORE and ON DUPLICATE KEY UPDATE in DuckDB's words."""
        if expression.args.get("ignore"):
            expression = expression.copy()
            expression.set("ignore", None)
            if not expression.args.get("conflict"):
                expression.set("alternative", "IGNORE")
        return super().insert_sql(expression)

    def onconflict_sql(self, expression: exp.OnConflict) -> str:
        """ON DUPLICATE KEY UPDATE names no key; `VALUES(a)` is the row that was refused.

        The parser takes keys for terms of an order, which a wire's own NULL order then completes.
        """
        if not expression.args.get("duplicate"):
            expression = expression.copy()
            keys = [key.this for key in expression.args.get("conflict_keys") or []]
            expression.set("conflict_keys", keys)
            return super().onconflict_sql(expression)
        changes = [self.sql(change.transform(_excluded)) for change in expression.expressions]
        return f" ON CONFLICT DO UPDATE SET {', '.join(changes)}"


def _excluded(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Anonymous) and node.name.upper() == "VALUES":
        return exp.column(node.expressions[0].name, table="excluded")
    return node


def _is_integer(node: exp.Expr) -> bool:
    """True for what is visibly an integer."""
    if isinstance(node, (exp.Paren, exp.Neg)):
        return _is_integer(node.this)
    if isinstance(node, exp.Cast):
        return node.is_type(*_INTEGERS) or node.to.is_type(*_INTEGERS)
    return node.is_int or isinstance(node, (exp.Count, exp.IntDiv))


def _parent_beyond_nulls(node: exp.Expr) -> exp.Expr | None:
    parent = node.parent
    return parent.parent if isinstance(parent, (exp.IgnoreNulls, exp.RespectNulls)) else parent


_FUNCTION_SCHEMAS = frozenset({"pg_catalog", "information_schema"})


def _uservariable(generator: Any, node: nodes.UserVariable) -> str:
    return f"getvariable({generator.sql(exp.Literal.string('@' + node.name))})"


_TRANSFORMS: dict[Any, Callable[..., str]] = {
    exp.CurrentTimestamp: GnomonDuckDBGenerator.now_sql,
    exp.Localtimestamp: GnomonDuckDBGenerator.now_sql,
    exp.UtcTimestamp: GnomonDuckDBGenerator.now_sql,
    exp.DateBin: GnomonDuckDBGenerator.datebin_sql,
    exp.Operator: GnomonDuckDBGenerator.operator_sql,
    exp.Like: GnomonDuckDBGenerator.like_sql,
    exp.ILike: GnomonDuckDBGenerator.ilike_sql,
    exp.FirstValue: GnomonDuckDBGenerator.firstvalue_sql,
    exp.LastValue: GnomonDuckDBGenerator.lastvalue_sql,
    exp.DataType: GnomonDuckDBGenerator.datatype_sql,
    NamedType: GnomonDuckDBGenerator.datatype_sql,
    exp.Anonymous: GnomonDuckDBGenerator.anonymous_sql,
    exp.Div: GnomonDuckDBGenerator.div_sql,
    exp.IgnoreNulls: GnomonDuckDBGenerator.ignorenulls_sql,
    exp.Collate: GnomonDuckDBGenerator.collate_sql,
    nodes.UserVariable: _uservariable,
    Expansion: expansion_sql,
}


class GnomonDuckDB(DuckDB):
    """What DuckDB 2.0 understands. Used for generation only."""

    class Generator(GnomonDuckDBGenerator):
        """As its base; a dialect names its generator so."""

        TRANSFORMS = DuckDBGenerator.TRANSFORMS | _TRANSFORMS


def to_duckdb(tree: exp.Expr, *, keep: bool = True) -> str:
    """The tree as one DuckDB statement; every name is quoted.

    The tree is left as it is, unless the caller has no more use for it (`keep` is false).

    Raises: DbError UNSUPPORTED for a node that no planning rule has rewritten (TQL in a CTE),
    LIMIT_EXCEEDED for a tree nested too deeply.
    """
    try:
        text: str = tree.sql(
            dialect=GnomonDuckDB,
            copy=keep,
            identify=True,
            comments=False,
            unsupported_level=ErrorLevel.IGNORE,
        )
    except ValueError as error:
        what = str(error).rsplit(" ", 1)[-1]
        raise DbError(ErrorKind.UNSUPPORTED, f"{what} is not supported here") from error
    except RecursionError as error:
        raise DbError(ErrorKind.LIMIT_EXCEEDED, "the statement is nested too deeply") from error
    return text
