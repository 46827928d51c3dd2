"""Our dialects: sqlglot's PostgreSQL and MySQL with one shared set of extensions, and DuckDB.

`dialect_of(wire)` gives the dialect a client speaks; `duckdb.py` holds the one DuckDB is told.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.mysql import MySQL
from sqlglot.dialects.postgres import Postgres
from sqlglot.generators.mysql import MySQLGenerator
from sqlglot.generators.postgres import PostgresGenerator
from sqlglot.parser import Parser, binary_range_parser
from sqlglot.parsers.mysql import MySQLParser
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import TokenizerCore, TokenType

from engine.named import BASE_TYPES
from sql.dialect.alter import AlterGrammar
from sql.dialect.array_types import array_by_name
from sql.dialect.copy import CopyGrammar
from sql.dialect.core import text_literal
from sql.dialect.generate import EXTENSIONS, PROPERTY_PLACES, ExtensionGenerator
from sql.dialect.mysql_statements import MysqlStatements
from sql.dialect.mysql_types import MysqlTypes
from sql.dialect.pieces import CALLED
from sql.dialect.series import SeriesGrammar
from sql.dialect.settings import SettingsGrammar
from sql.dialect.show import ShowGrammar
from sql.functions.index import own_names
from sql.session import Wire

if importlib.util.find_spec("sqlglotc") is not None:
    # Compiled classes cannot be extended by Python ones; without this the failure is obscure.
    raise ImportError("Gnomon extends sqlglot and needs it interpreted: uninstall sqlglotc")

# Names that a text may follow, and names of types that are not here, to be told so.
_LITERAL_TYPES = frozenset({*BASE_TYPES, "citext", "hstore"} | {"tsquery", "tsvector", "point"})
_LITERAL_TYPES |= {"box", "circle", "line", "lseg", "path", "polygon", "txid_snapshot"}
_STATEMENTS = {
    "SHOW": "_show_statement",
    "DESC": "_describe_statement",
    "DESCRIBE": "_describe_statement",
    "EXPLAIN": "_explain_statement",
    "SET": "_set_statement",
    "RESET": "_reset_statement",
    "DISCARD": "_discard_statement",
    "BEGIN": "_begin_statement",
    "START": "_start_statement",
    "COMMIT": "_commit_statement",
    "END": "_commit_statement",
    "ROLLBACK": "_rollback_statement",
    "ABORT": "_rollback_statement",
    "SAVEPOINT": "_savepoint_statement",
    "RELEASE": "_release_statement",
    "COPY": "_copy_statement",
    "LOAD": "_load_statement",
    "DO": "_do_statement",
    "ANALYZE": "_maintenance_statement",
    "CHECKSUM": "_maintenance_statement",
    "CHECK": "_maintenance_statement",
    "OPTIMIZE": "_maintenance_statement",
    "REPAIR": "_maintenance_statement",
    "PREPARE": "_prepare_statement",
    "EXECUTE": "_execute_statement",
    "DEALLOCATE": "_deallocate_statement",
    "DECLARE": "_declare_statement",
    "FETCH": "_fetch_statement",
    "MOVE": "_move_statement",
    "CLOSE": "_close_statement",
    "USE": "_use_statement",
    "KILL": "_kill_statement",
    "ADMIN": "_admin_statement",
    "CALL": "_call_statement",
    "COMMENT": "_comment_statement",
    "TQL": "_tql_statement",
    "CREATE": "_create_statement",
    "DROP": "_drop_statement",
    "ALTER": "_alter_statement",
    "RENAME": "_rename_statement",
    "TRUNCATE": "_truncate_statement",
    "REFRESH": "_refresh_statement",
    "INSERT": "_insert_statement",
    "REPLACE": "_replace_statement",
    "UPDATE": "_parse_update",
    "DELETE": "_parse_delete",
    "MERGE": "_parse_merge",
    "GRANT": "_grant_statement",
    "REVOKE": "_revoke_statement",
} | dict.fromkeys(
    (
        *("LOCK", "UNLOCK", "LISTEN", "UNLISTEN", "NOTIFY", "VACUUM"),
        *("ANALYSE", "CHECKPOINT", "REINDEX", "CLUSTER", "SECURITY"),
        *("FLUSH", "HANDLER", "IMPORT", "REASSIGN", "XA", "HELP"),
        *("SIGNAL", "PURGE", "BINLOG", "INSTALL", "UNINSTALL", "SHUTDOWN", "RESTART", "UNDROP"),
        *("ATTACH", "DETACH", "PRAGMA", "CHANGE"),
    ),
    "_utility_statement",
)

# Words that other dialects make keywords or commands and that are plain names to us.
_NOT_KEYWORDS = frozenset(
    {"LOCK TABLES", "UNLOCK TABLES", "CACHE", "UNCACHE", "USER-DEFINED", "@?", "CHARSET"}
)
_KEYWORDS = {
    "INT8": TokenType.BIGINT,
    "TIMESTAMP": TokenType.TIMESTAMP,
    "SERIAL": TokenType.SERIAL,
    "BIGSERIAL": TokenType.BIGSERIAL,
    "SMALLSERIAL": TokenType.SMALLSERIAL,
    "NAME": TokenType.NAME,
}


def _keywords(base: dict[str, TokenType], **changes: TokenType) -> dict[str, TokenType]:
    kept = {word: token for word, token in base.items() if word not in _NOT_KEYWORDS}
    return kept | _KEYWORDS | changes


def _constraints(base: dict[str, Any]) -> dict[str, Any]:
    index = dict.fromkeys(
        ("INVERTED", "SKIPPING", "FULLTEXT", "VECTOR"),
        lambda parser: parser.column_index_constraint(),
    )
    return (
        base
        | index
        | {
            "TIME": lambda parser: parser.time_index_constraint(),
            "DEFAULT": lambda parser: parser.default_constraint(),
        }
    )


_TEXT_PARSERS = {
    TokenType.BYTE_STRING: text_literal,
    TokenType.HEREDOC_STRING: text_literal,
    TokenType.RAW_STRING: text_literal,
    TokenType.NATIONAL_STRING: text_literal,
}
_SESSION_PARAMETER = {TokenType.DAT: lambda parser, _: parser._parse_session_parameter()}
_PARAMETER = {TokenType.PARAMETER: lambda parser: parser._parse_parameter()}
_QUESTION_MARK = {TokenType.PLACEHOLDER: lambda parser: parser.question_mark()}


def _ranges(base: dict[TokenType, Any], matches: TokenType) -> dict[TokenType, Any]:
    """`text @@ term` is the peer's matches_term(text, term), `~` a regular expression."""
    own = {matches: _call_of("matches_term"), TokenType.TILDE: binary_range_parser(exp.RegexpLike)}
    return base | own


def _call_of(function: str) -> Callable[[Any, exp.Expr], exp.Expr]:
    """An operator that is this function of its sides."""

    def call(parser: Any, this: exp.Expr) -> exp.Expr:
        term = parser._parse_bitwise()
        if term is None:
            raise parser.expected("what is searched for")
        node: exp.Expr = parser.expression(exp.Anonymous(this=function, expressions=[this, term]))
        return node

    return call


class Grammar(
    MysqlStatements,
    SeriesGrammar,
    ShowGrammar,
    SettingsGrammar,
    CopyGrammar,
    AlterGrammar,
):
    """All statement families; a dialect mixes it in before sqlglot's parser of its kind."""

    STATEMENTS = _STATEMENTS


def _functions(base: dict[str, Any], wire: Wire, **added: Any) -> dict[str, Any]:
    """Without the names that sql/functions gives their meaning: they stay plain calls."""
    ours = own_names(wire)
    return {name: build for name, build in base.items() if name not in ours} | added


def _now_call(arguments: list[exp.Expr]) -> exp.Expr:
    """now(), which remembers that it was not spelled CURRENT_TIMESTAMP: its column is named so."""
    made = exp.CurrentTimestamp.from_arg_list(arguments)
    made.meta["name"] = "now"
    return made


_SPELLED_OUT = re.compile(r"[a-zA-Z]")
_ONE_PART = re.compile(r"\s*-?\d+(?:\.\d+)?\s*[a-zA-Z]+\s*$")


class GnomonPostgresParser(Grammar, PostgresParser):
    """What PostgreSQL clients say."""

    # Behind AS any word is a name: Metabase calls a column "select".
    RESERVED_TOKENS = PostgresParser.RESERVED_TOKENS - {TokenType.SELECT}
    FUNCTIONS = _functions(PostgresParser.FUNCTIONS, Wire.POSTGRES, NOW=_now_call)
    FUNC_TOKENS = PostgresParser.FUNC_TOKENS | {
        *(TokenType.DATABASE, TokenType.SCHEMA, TokenType.DELETE)
    }
    FUNCTION_PARSERS = _functions(PostgresParser.FUNCTION_PARSERS, Wire.POSTGRES)

    STRING_PARSERS = PostgresParser.STRING_PARSERS | _TEXT_PARSERS
    PRIMARY_PARSERS = PostgresParser.PRIMARY_PARSERS | _TEXT_PARSERS | _SESSION_PARAMETER
    PLACEHOLDER_PARSERS = _PARAMETER
    RANGE_PARSERS = _ranges(PostgresParser.RANGE_PARSERS, TokenType.DAT) | {
        TokenType.AT_QMARK: _call_of("jsonb_path_exists")
    }
    CONSTRAINT_PARSERS = _constraints(PostgresParser.CONSTRAINT_PARSERS)

    def _parse_types(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        """Adds arrays of object identifiers (`oid[]`, `regclass[]`) to the known types."""
        found = super()._parse_types(*args, **kwargs)
        if isinstance(found, exp.ObjectIdentifier) and self._match_pair(
            TokenType.L_BRACKET, TokenType.R_BRACKET
        ):
            found = exp.DataType(this=exp.DType.ARRAY, expressions=[found], nested=True)
        return array_by_name(found)

    def _parse_type(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        """Adds literals of types that sqlglot has no word for: `macaddr '08:00:2b:01:02:03'`."""
        word, literal = self._curr, self._next
        is_name = word.token_type is TokenType.VAR and word.text.lower() in _LITERAL_TYPES
        if not is_name or literal is None or literal.token_type is not TokenType.STRING:
            return super()._parse_type(*args, **kwargs)
        self._advance()
        kind = exp.to_identifier(word.text.lower())
        to = exp.DataType(this=exp.DType.USERDEFINED, kind=kind)
        return self.expression(exp.Cast(this=self._parse_string(), to=to))

    def _parse_function_call(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        """Leaves the name that a function is called by, which is its column's, beside its node."""
        called = self._curr.text if self._curr else ""
        found = super()._parse_function_call(*args, **kwargs)
        node = found
        while isinstance(node, (exp.Window, exp.Filter, exp.WithinGroup)):
            node = node.this
        if isinstance(node, exp.Func) and not isinstance(node, exp.Anonymous):
            node.meta.setdefault(CALLED, called.lower())
        return found

    def _parse_interval_span(self, this: Any, *args: Any, **kwargs: Any) -> Any:
        """sqlglot takes `1 day 2:00` and `1 day ago` for one day: such texts stay whole."""
        if this.is_string and _SPELLED_OUT.search(this.name) and not _ONE_PART.match(this.name):
            return self.expression(exp.Interval(this=this))
        return super()._parse_interval_span(this, *args, **kwargs)


class GnomonHttpParser(GnomonPostgresParser):
    """PostgreSQL's grammar with `?` parameters."""

    PLACEHOLDER_PARSERS = _PARAMETER | _QUESTION_MARK
    JSON_OPERATORS = {
        token: parse
        for token, parse in PostgresParser.JSON_OPERATORS.items()
        if token is not TokenType.PLACEHOLDER
    }


class GnomonMySQLParser(MysqlTypes, Grammar, MySQLParser):
    """What MySQL clients say. `||` concatenates, as with PIPES_AS_CONCAT."""

    FUNCTIONS = _functions(
        MySQLParser.FUNCTIONS,
        Wire.MYSQL,
        NOW=exp.CurrentTimestamp.from_arg_list,
        LOCALTIMESTAMP=exp.Localtimestamp.from_arg_list,
        FIRST_VALUE=exp.FirstValue.from_arg_list,
        LAST_VALUE=exp.LastValue.from_arg_list,
    )
    DISJUNCTION = Parser.DISJUNCTION
    FUNCTION_PARSERS = _functions(
        MySQLParser.FUNCTION_PARSERS,
        Wire.MYSQL,
        CHAR=MySQLParser.FUNCTION_PARSERS["CHAR"],
        VALUES=lambda parser: exp.Anonymous(this="VALUES", expressions=[parser._parse_column()]),
    )
    STATEMENTS = _STATEMENTS | {"VALUES": "_values_statement"}

    def _values_statement(self) -> exp.Expr:
        """`VALUES ROW(1, 2), ROW(3, 4)`; ROW may be missing, as elsewhere."""
        rows = self.expression(exp.Values(expressions=self._parse_csv(self._parse_value)))
        made: exp.Expr = self._parse_query_modifiers(self._parse_set_operations(rows)) or rows
        return made

    def _parse_value(self, values: bool = True) -> exp.Tuple | None:
        row = self._curr.text.upper() == "ROW" and self._next.token_type is TokenType.L_PAREN
        if row:
            self._advance()
        return super()._parse_value(values)

    def _parse_limit(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        """MySQL's way to say "no limit" is the greatest BIGINT UNSIGNED."""
        found = super()._parse_limit(*args, **kwargs)
        count = found.args.get("expression") if isinstance(found, exp.Limit) else None
        if isinstance(count, exp.Literal) and len(count.name) > 18 and count.name.isdigit():
            count.replace(exp.Literal.number(min(int(count.name), 2**63 - 1)))
        return found

    def _parse_interval(self, *args: Any, **kwargs: Any) -> Any:
        """`INTERVAL(n, a, b)` is a function; `INTERVAL (n) DAY` is not."""
        start = self._index
        if self._match(TokenType.INTERVAL) and self._curr.token_type is TokenType.L_PAREN:
            items = self._parse_wrapped_csv(self._parse_disjunction)
            if len(items) > 1:
                return self.expression(exp.Anonymous(this="interval", expressions=items))
        self._retreat(start)
        return super()._parse_interval(*args, **kwargs)

    def _parse_bitwise(self) -> exp.Expr | None:
        this = super()._parse_bitwise()
        while self._match(TokenType.DPIPE):
            right = super()._parse_bitwise()
            this = self.expression(exp.DPipe(this=this, expression=right, safe=True))
        return this

    STRING_PARSERS = MySQLParser.STRING_PARSERS | _TEXT_PARSERS
    PRIMARY_PARSERS = MySQLParser.PRIMARY_PARSERS | _TEXT_PARSERS
    PLACEHOLDER_PARSERS = _PARAMETER | _QUESTION_MARK
    RANGE_PARSERS = _ranges(MySQLParser.RANGE_PARSERS, TokenType.SESSION_PARAMETER)
    CONSTRAINT_PARSERS = _constraints(MySQLParser.CONSTRAINT_PARSERS) | {
        "CHARSET": lambda parser: exp.CharacterSetColumnConstraint(this=parser.take_name())
    }


class _DollarCore(TokenizerCore):
    """Tells `$1,$2` from `$tag$text$tag$`: no tag begins with a digit."""

    __slots__ = ()

    def _scan_string(self, start: str) -> bool:
        if start == "$" and self._peek.isdigit():
            self._add(TokenType.PARAMETER)
            return True
        return super()._scan_string(start)


# Template patterns of to_char, to_date and to_timestamp that sqlglot does not know.
_NAMES_IN_TIMES = {
    **dict.fromkeys(("Mon", "mon", "MON"), "%b"),
    **dict.fromkeys(("Month", "month", "MONTH"), "%B"),
    **dict.fromkeys(("Dy", "DY"), "%a"),
    **dict.fromkeys(("Day", "DAY"), "%A"),
    **dict.fromkeys(("AM", "PM"), "%p"),
}


class GnomonPostgres(Postgres):
    """The dialect of the PostgreSQL wire."""

    TIME_MAPPING = Postgres.TIME_MAPPING | _NAMES_IN_TIMES

    class Tokenizer(Postgres.Tokenizer):
        """No commands: every statement is parsed. Names may stand in backticks too.

        PostgreSQL gives the backtick no meaning, and statements travel between our wires.
        """

        COMMANDS: ClassVar[set[TokenType]] = set()
        IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ['"', "`"]
        KEYWORDS = _keywords(Postgres.Tokenizer.KEYWORDS) | {"@?": TokenType.AT_QMARK}

        def _init_core(self) -> TokenizerCore:
            core = super()._init_core()
            core.__class__ = _DollarCore  # it has no fields of its own
            return core

    Parser = GnomonPostgresParser

    class Generator(ExtensionGenerator, PostgresGenerator):
        """Writes our nodes too."""

        PROPERTIES_LOCATION = PostgresGenerator.PROPERTIES_LOCATION | PROPERTY_PLACES
        TRANSFORMS = PostgresGenerator.TRANSFORMS | EXTENSIONS


class GnomonHttp(GnomonPostgres):
    """The dialect of HTTP: PostgreSQL's, with `?` as well."""

    class Tokenizer(GnomonPostgres.Tokenizer):
        """FLOAT has 32 bits."""

        KEYWORDS = _keywords(Postgres.Tokenizer.KEYWORDS, FLOAT=TokenType.FLOAT)

    Parser = GnomonHttpParser

    class Generator(ExtensionGenerator, PostgresGenerator):
        """Writes our nodes too."""

        PROPERTIES_LOCATION = PostgresGenerator.PROPERTIES_LOCATION | PROPERTY_PLACES
        TRANSFORMS = PostgresGenerator.TRANSFORMS | EXTENSIONS


class GnomonMySQL(MySQL):
    """The dialect of the MySQL wire."""

    DPIPE_IS_STRING_CONCAT = True
    SUPPORTS_USER_DEFINED_TYPES = True  # UINT8, TIMESTAMP_MS and their kin

    class Tokenizer(MySQL.Tokenizer):
        """No commands: every statement is parsed."""

        COMMANDS: ClassVar[set[TokenType]] = set()
        KEYWORDS = _keywords(
            MySQL.Tokenizer.KEYWORDS
            | dict.fromkeys(("LONG", "LONG VARCHAR"), TokenType.MEDIUMTEXT)
            | dict.fromkeys(("LONG VARBINARY", "LONG BYTE"), TokenType.MEDIUMBLOB)
            | dict.fromkeys(("NATIONAL CHAR", "NATIONAL CHARACTER"), TokenType.NCHAR)
            | dict.fromkeys(("MIDDLEINT", "INT3"), TokenType.MEDIUMINT),
            **{"NATIONAL VARCHAR": TokenType.NVARCHAR},
        )

    Parser = GnomonMySQLParser

    class Generator(ExtensionGenerator, MySQLGenerator):
        """Writes our nodes too."""

        PROPERTIES_LOCATION = MySQLGenerator.PROPERTIES_LOCATION | PROPERTY_PLACES
        TYPE_MAPPING = {
            kind: name
            for kind, name in MySQLGenerator.TYPE_MAPPING.items()
            if kind is not exp.DType.TIMESTAMP
        }
        TRANSFORMS = MySQLGenerator.TRANSFORMS | EXTENSIONS


_DIALECTS: dict[Wire, type[Dialect]] = {
    Wire.POSTGRES: GnomonPostgres,
    Wire.MYSQL: GnomonMySQL,
    Wire.HTTP: GnomonHttp,
}


def dialect_of(wire: Wire) -> type[Dialect]:
    """The dialect that the clients of a wire speak."""
    return _DIALECTS[wire]


def to_sql(tree: exp.Expr, wire: Wire) -> str:
    """The tree as text in a wire's dialect; parses back to an equal tree."""
    return tree.sql(dialect=_DIALECTS[wire], comments=False)
