"""PostgreSQL's catalog functions as DuckDB expressions.

`MAKERS` (used by pg_rewrites.py) says what a call becomes, by its name; `FUNCTIONS` are the macros
that some of them call, created once when a store opens. Functions of data (strings, dates, …) are
not here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.decode.interval_fields import MODIFIERS, spelled
from sql.system import pg_privileges
from sql.system.pg_catalog.lookups import SIZES, Kind
from sql.system.pg_catalog.types import TYPES
from sql.system.pg_regtypes import TYPE_OIDS, is_text, relation, text_of, to_oid, type_name

_Arguments = Sequence[exp.Expr]
_Maker = Callable[[_Arguments], exp.Expr]


def _map(pairs: Sequence[tuple[str, str]]) -> str:
    return "MAP {" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


_TYPE_NAMES = _map([(str(t.oid), _text(t.spelled)) for t in TYPES])
_TYPE_NUMBERS = _map([(_text(name), str(oid)) for name, oid in TYPE_OIDS.items()])
_INTERVALS = _map([(str(number), _text(spelled(number))) for number in MODIFIERS])
# The name of a built-in type, with its schema or quoted as a generated name is.
_IN_CATALOG = """'^(?:pg_catalog|"pg_catalog")\\."?([^"]*)"?'"""

FUNCTIONS: tuple[str, ...] = (
    f"""CREATE OR REPLACE MACRO _pg_format_type(o, m) AS CASE
        WHEN o IS NULL THEN NULL
        WHEN CAST(o AS BIGINT) = 0 THEN '-'
        WHEN coalesce(CAST(m AS BIGINT), -1) < 0
            THEN coalesce({_TYPE_NAMES}[CAST(o AS BIGINT)], '???')
        WHEN CAST(o AS BIGINT) = 1700 THEN printf('numeric(%d,%d)',
            (CAST(m AS BIGINT) - 4) >> 16, (CAST(m AS BIGINT) - 4) & 65535)
        WHEN CAST(o AS BIGINT) IN (1042, 1043) THEN printf('%s(%d)',
            CASE CAST(o AS BIGINT) WHEN 1042 THEN 'character' ELSE 'character varying' END,
            CAST(m AS BIGINT) - 4)
        WHEN CAST(o AS BIGINT) IN (1560, 1562) THEN printf('%s(%d)',
            CASE CAST(o AS BIGINT) WHEN 1560 THEN 'bit' ELSE 'bit varying' END, CAST(m AS BIGINT))
        WHEN CAST(o AS BIGINT) IN (1083, 1114)
            THEN printf('%s(%d) without time zone',
            CASE CAST(o AS BIGINT) WHEN 1083 THEN 'time' ELSE 'timestamp' END, CAST(m AS BIGINT))
        WHEN CAST(o AS BIGINT) IN (1184, 1266)
            THEN printf('%s(%d) with time zone',
            CASE CAST(o AS BIGINT) WHEN 1266 THEN 'time' ELSE 'timestamp' END, CAST(m AS BIGINT))
        WHEN CAST(o AS BIGINT) = 1186 THEN {_INTERVALS}[CAST(m AS BIGINT)]
        ELSE coalesce({_TYPE_NAMES}[CAST(o AS BIGINT)], '???') END""",
    f"""CREATE OR REPLACE MACRO _pg_to_regtype(t) AS coalesce(
        {_TYPE_NUMBERS}[regexp_replace(
            regexp_replace(lower(trim(CAST(t AS VARCHAR))), {_IN_CATALOG}, '\\1'),
            '\\s*\\([0-9, ]*\\)', '')],
        TRY_CAST(t AS BIGINT))""",
    # A name as it is printed: lower case without quotes, quotes only where they are needed.
    """CREATE OR REPLACE MACRO _pg_plain_name(t) AS CASE WHEN contains(t, '"')
        THEN regexp_replace(regexp_replace(trim(t), '\\s*\\.\\s*', '.', 'g'),
            '"([a-z_][a-z0-9_$]*)"', '\\1', 'g')
        ELSE lower(regexp_replace(trim(t), '\\s*\\.\\s*', '.', 'g')) END""",
    """CREATE OR REPLACE MACRO _pg_size_pretty(b) AS CASE
        WHEN abs(b) < 10240 THEN printf('%d bytes', CAST(b AS BIGINT))
        WHEN abs(b) < 10484736 THEN printf('%d kB', CAST(round(b / 1024) AS BIGINT))
        WHEN abs(b) < 10736369664 THEN printf('%d MB', CAST(round(b / 1048576) AS BIGINT))
        WHEN abs(b) < 10994042536000 THEN printf('%d GB', CAST(round(b / 1073741824) AS BIGINT))
        ELSE printf('%d TB', CAST(round(b / 1099511627776) AS BIGINT)) END""",
    """CREATE OR REPLACE MACRO _pg_quote_ident(t) AS CASE
        WHEN regexp_full_match(CAST(t AS VARCHAR), '[a-z_][a-z0-9_]*') THEN CAST(t AS VARCHAR)
        ELSE '"' || replace(CAST(t AS VARCHAR), '"', '""') || '"' END""",
    """CREATE OR REPLACE MACRO _pg_quote_literal(t) AS
        chr(39) || replace(CAST(t AS VARCHAR), chr(39), chr(39) || chr(39)) || chr(39)""",
    """CREATE OR REPLACE MACRO _pg_parse_ident(t) AS
        list_transform(regexp_extract_all(CAST(t AS VARCHAR), '"(?:[^"]|"")*"|[^".]+'),
            lambda i: CASE WHEN i[1] = '"' THEN replace(i[2:-2], '""', '"')
                           ELSE lower(trim(i)) END)""",
    """CREATE OR REPLACE MACRO _pg_expandarray(a) AS
        list_transform(range(1, len(a) + 1), lambda i: {'x': a[i], 'n': i})""",
)


def _constant(sql: str) -> _Maker:
    made: exp.Expr = exp.maybe_parse(sql, dialect="duckdb")
    return lambda _: made.copy()


def _macro(name: str) -> _Maker:
    return lambda arguments: exp.Anonymous(this=name, expressions=list(arguments))


def _format_type(arguments: _Arguments) -> exp.Expr:
    modifier = arguments[1].copy() if len(arguments) > 1 else exp.null()
    return type_name(arguments[0], modifier)


def _definition(arguments: _Arguments) -> exp.Expr:
    """pg_get_constraintdef and its kin; pg_get_viewdef also takes the view's name."""
    first = arguments[0]
    return text_of(Kind.DEFINITION, to_oid("regclass", first) if is_name(first) else first)


def _of_function(kind: Kind) -> _Maker:
    """pg_get_functiondef and its kin."""
    return lambda arguments: text_of(kind, arguments[0])


def is_name(node: exp.Expr) -> bool:
    """True if an argument of type regclass was given as a literal name."""
    return node.is_string and is_text(node)


def _index_definition(arguments: _Arguments) -> exp.Expr:
    """The whole definition, or of one column when a place is given."""
    if len(arguments) == 1 or arguments[1].sql() == "0":
        return _definition(arguments)
    oid, place = arguments[0], arguments[1]
    column = text_of(Kind.INDEX_COLUMN, oid, place.copy())
    whole = exp.EQ(this=place.copy(), expression=exp.Literal.number(0))
    return exp.case().when(whole, _definition(arguments)).else_(column)


def _serial(arguments: _Arguments) -> exp.Expr:
    """pg_get_serial_sequence: the sequence that belongs to a table's column."""
    oid = to_oid("regclass", arguments[0])
    places = exp.select("min(_columns.attnum)").from_("pg_catalog.pg_attribute AS _columns")
    places = places.where(
        exp.EQ(this=exp.column("attrelid", "_columns"), expression=oid),
        exp.EQ(this=exp.column("attname", "_columns"), expression=arguments[1].copy()),
    )
    return text_of(Kind.SERIAL, oid.copy(), exp.Subquery(this=places))


def _owner(arguments: _Arguments) -> exp.Expr:
    """pg_get_userbyid."""
    unknown = exp.Anonymous(
        this="printf", expressions=[exp.Literal.string("unknown (OID=%d)"), arguments[0].copy()]
    )
    return exp.Coalesce(this=text_of(Kind.ROLE, arguments[0]), expressions=[unknown])


def _comment(arguments: _Arguments) -> exp.Expr:
    """obj_description: relations, constraints, routines and schemas have comments."""
    catalogs = ("pg_class", "pg_constraint", "pg_proc", "pg_namespace")
    if len(arguments) > 1 and arguments[1].name == "pg_largeobject":
        return _large_object_comment(arguments[0])
    if len(arguments) > 1 and arguments[1].is_string and arguments[1].name not in catalogs:
        return exp.cast(exp.null(), "TEXT")
    return text_of(Kind.COMMENT, _oid(arguments[0]))


def _large_object_comment(oid: exp.Expr) -> exp.Expr:
    table = exp.table_("pg_description", db="pg_catalog")
    query = exp.select("description").from_(table)
    query = query.where("classoid = 2613", exp.column("objoid").eq(oid.copy()))
    return exp.Subquery(this=query)


def _column_comment(arguments: _Arguments) -> exp.Expr:
    return text_of(Kind.COMMENT, _oid(arguments[0]), arguments[1].copy())


def _oid(argument: exp.Expr) -> exp.Expr:
    return to_oid("regclass", argument) if is_name(argument) else argument


def _size(arguments: _Arguments) -> exp.Expr:
    found = relation("_size", _oid(arguments[0]), SIZES)
    return exp.Coalesce(this=found, expressions=[exp.Literal.number(0)])


def _database_size(_: _Arguments) -> exp.Expr:
    table = exp.table_(exp.to_identifier(SIZES, quoted=True), db="pg_catalog")
    query = exp.select("CAST(coalesce(sum(_size), 0) AS BIGINT)").from_(table)
    return exp.Subquery(this=query)


def _described(arguments: _Arguments) -> exp.Expr:
    """pg_describe_object: relations; other objects depend on nothing here."""
    noun = exp.Literal.string("table ")
    return exp.DPipe(this=noun, expression=relation("_shown", arguments[1]), safe=True)


def _visible(arguments: _Arguments) -> exp.Expr:
    return relation("_visible", _oid(arguments[0]))


def _setting(arguments: _Arguments) -> exp.Expr:
    """current_setting of a computed name (the planner answers literal ones)."""
    name = exp.func("lower", arguments[0].copy())
    same = exp.EQ(this=exp.func("lower", exp.column("name", "_settings")), expression=name)
    query = exp.select("max(_settings.setting)").from_("pg_catalog.pg_settings AS _settings")
    return exp.Subquery(this=query.where(same))


def _upper(arguments: _Arguments) -> exp.Expr:
    """array_upper: the length, NULL for an empty array."""
    length = exp.Anonymous(this="len", expressions=[arguments[0].copy()])
    return exp.Nullif(this=length, expression=exp.Literal.number(0))


def _remove(arguments: _Arguments) -> exp.Expr:
    """array_remove."""
    element = exp.to_identifier("_e")
    differs = exp.NullSafeNEQ(this=exp.column("_e"), expression=arguments[1].copy())
    keep = exp.Lambda(this=differs, expressions=[element])
    return exp.Anonymous(this="list_filter", expressions=[arguments[0].copy(), keep])


def _age(arguments: _Arguments) -> exp.Expr:
    """The age of a transaction id is nothing; of a time, an interval."""
    first = arguments[0]
    if isinstance(first, exp.Column) and first.name.lower().endswith("xid"):
        return exp.Literal.number(0)
    return exp.Anonymous(this="age", expressions=list(arguments))


_SPECIFIERS = re.compile(r"%(?:(\d+)\$)?([sIL%])")
_AS_TEXT = {"I": "_pg_quote_ident", "L": "_pg_quote_literal"}


def format_call(node: exp.Expr) -> exp.Expr:
    """`format('%I is %s', a, b)` as a concatenation.

    https://www.postgresql.org/docs/15/functions-string.html#FUNCTIONS-STRING-FORMAT
    Requires: the pattern is a literal. Widths and flags are not supported: such a call is left.
    """
    pattern, arguments = node.this.name, node.expressions
    if "%" in _SPECIFIERS.sub("", pattern):
        return node
    parts: list[exp.Expr] = []
    end = following = 0
    for found in _SPECIFIERS.finditer(pattern):
        parts.append(exp.Literal.string(pattern[end : found.start()]))
        end = found.end()
        if found[2] == "%":
            parts.append(exp.Literal.string("%"))
            continue
        following = int(found[1]) if found[1] else following + 1
        if following > len(arguments):
            raise DbError(ErrorKind.INVALID_ARGUMENT, "too few arguments for format()")
        parts.append(_formatted(found[2], arguments[following - 1].copy()))
    parts.append(exp.Literal.string(pattern[end:]))
    return exp.Concat(expressions=parts, safe=True)


def _formatted(specifier: str, value: exp.Expr) -> exp.Expr:
    text = exp.cast(value, "TEXT")
    if specifier == "s":
        return exp.Coalesce(this=text, expressions=[exp.Literal.string("")])
    shown = exp.Anonymous(this=_AS_TEXT[specifier], expressions=[text])
    return exp.Coalesce(this=shown, expressions=[exp.Literal.string("NULL")])


def current_schemas(arguments: _Arguments) -> exp.Expr:
    """The current schema, after pg_catalog if implicit ones are asked for."""
    implicit = bool(arguments) and isinstance(arguments[0], exp.Boolean) and arguments[0].this
    system = [exp.Literal.string("pg_catalog")] if implicit else []
    return exp.Array(expressions=[*system, exp.CurrentSchema()])


_TRUE, _FALSE = _constant("TRUE"), _constant("FALSE")
_NULL = _constant("CAST(NULL AS VARCHAR)")
_ZERO = _constant("CAST(0 AS BIGINT)")
_VISIBLE = (
    *("type", "function", "operator", "opclass", "opfamily", "collation", "conversion"),
    *("ts_config", "ts_dict", "ts_parser", "ts_template", "statistics_obj"),
)
# Of what nobody is refused.
_PRIVILEGES = (
    *("sequence", "function", "language", "server", "tablespace", "type"),
    *("foreign_data_wrapper", "parameter"),
)
_UNKNOWN = (
    *("triggerdef", "partkeydef", "statisticsobjdef", "ruledef", "function_arg_default"),
    *("statisticsobjdef_columns", "partition_constraintdef"),
)
_OF_FUNCTIONS = {
    "functiondef": Kind.DEFINITION,
    "function_result": Kind.RESULT,
    "function_arguments": Kind.ARGUMENTS,
    "function_identity_arguments": Kind.IDENTITY_ARGUMENTS,
    "function_sqlbody": Kind.BODY,
}

MAKERS: dict[str, _Maker] = {
    "format_type": _format_type,
    "pg_table_is_visible": _visible,
    **{f"pg_{name}_is_visible": _TRUE for name in _VISIBLE},
    **{f"has_{name}_privilege": _TRUE for name in _PRIVILEGES},
    **pg_privileges.MAKERS,
    "row_security_active": _FALSE,
    "pg_get_userbyid": _owner,
    "pg_get_expr": lambda arguments: arguments[0],
    "pg_get_constraintdef": _definition,
    "pg_get_viewdef": _definition,
    "pg_get_indexdef": _index_definition,
    **{f"pg_get_{name}": _NULL for name in _UNKNOWN},
    **{f"pg_get_{name}": _of_function(kind) for name, kind in _OF_FUNCTIONS.items()},
    "pg_get_serial_sequence": _serial,
    "pg_describe_object": _described,
    "pg_partition_ancestors": _constant("unnest(CAST([] AS BIGINT[]))"),
    "pg_partition_root": _constant("CAST(NULL AS BIGINT)"),
    "obj_description": _comment,
    "col_description": _column_comment,
    "shobj_description": _NULL,
    "pg_relation_size": _size,
    "pg_table_size": _size,
    "pg_total_relation_size": _size,
    "pg_indexes_size": _ZERO,
    "pg_database_size": _database_size,
    "pg_tablespace_size": _database_size,
    "pg_size_pretty": _macro("_pg_size_pretty"),
    "pg_encoding_to_char": _constant("'UTF8'"),
    "pg_char_to_encoding": _constant("6"),
    "pg_client_encoding": _constant("'UTF8'"),
    "getdatabaseencoding": _constant("'UTF8'"),
    "pg_tablespace_location": _constant("''"),
    "pg_is_other_temp_schema": _FALSE,
    "pg_relation_is_publishable": _FALSE,
    "pg_relation_is_updatable": _constant("28"),
    "pg_column_is_updatable": _TRUE,
    "pg_index_column_has_property": _FALSE,
    "pg_stat_get_numscans": _ZERO,
    "pg_relation_filenode": lambda arguments: _oid(arguments[0]),
    "pg_blocking_pids": _constant("CAST([] AS BIGINT[])"),
    "to_regclass": lambda arguments: to_oid("regclass", arguments[0], strict=False),
    "to_regtype": lambda arguments: to_oid("regtype", arguments[0], strict=False),
    "to_regnamespace": lambda arguments: to_oid("regnamespace", arguments[0], strict=False),
    "to_regrole": lambda arguments: to_oid("regrole", arguments[0], strict=False),
    "to_regproc": lambda arguments: to_oid("regproc", arguments[0], strict=False),
    "quote_ident": _macro("_pg_quote_ident"),
    "quote_literal": _macro("_pg_quote_literal"),
    "parse_ident": _macro("_pg_parse_ident"),
    "age": _age,
    "set_config": lambda arguments: arguments[1],
    "current_setting": _setting,
    "current_schemas": current_schemas,
    "array_upper": _upper,
    "array_lower": _constant("1"),
    "array_remove": _remove,
    "json_build_object": _macro("json_object"),
    "jsonb_build_object": _macro("json_object"),
}
