"""The syntax tree nodes that sqlglot lacks.

Made by the grammar modules beside this one, read by statements and planning. Each node's named
arguments are in `arg_types`; in the comments `str` means a plain Python string, `bool` a flag,
anything else a sub-tree. Every node generates text that parses back to an equal tree.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

LARGE_OBJECT = "LARGE OBJECT"  # the kind of COMMENT ON
MATERIALIZED = "MATERIALIZED VIEW"  # the kind of CREATE and ALTER


class RangeAggregate(exp.Expression, exp.Condition):
    """`this RANGE '10s' [FILL x]`; `this` is any operand, planning checks it.

    `fill` is NULL, the words PREV or LINEAR as `exp.Var`, or a constant expression.
    """

    arg_types = {"this": True, "range": True, "fill": False}


class Align(exp.Expression):
    """`ALIGN this [TO to] [BY (expressions)] [FILL fill]`, kept in a SELECT's `align` argument.

    `by` tells `BY ()` (true, no expressions) from an omitted BY. `to` is the word NOW as `exp.Var`,
    a string or any constant expression.
    """

    arg_types = {
        "this": True,
        "to": False,
        "by": False,  # bool
        "expressions": False,
        "fill": False,
    }


class SampleBy(exp.Expression):
    """`SAMPLE BY this [FROM start TO end] [FILL(expressions)] [ALIGN TO …]`.

    Kept in a SELECT's `sample_by` argument. `this` is the width as a string. Fills are NULL, the
    words NONE, PREV or LINEAR as `exp.Var`, or constants. Without `first_observation` (bool)
    buckets follow the calendar of `zone`, moved by `offset`; both are strings.
    """

    arg_types = {
        "this": True,
        "start": False,
        "end": False,
        "expressions": False,
        "first_observation": False,
        "zone": False,
        "offset": False,
    }


class LatestOn(exp.Expression):
    """`LATEST ON this PARTITION BY expressions`, kept in a SELECT's `latest_on` argument.

    Without `this` (`LATEST BY a`) the time index is meant.
    """

    arg_types = {"this": False, "expressions": True}


class UserVariable(exp.Expression, exp.Condition):
    """MySQL's `@this`; `this` is a str."""

    arg_types = {"this": True}


class Option(exp.Expression):
    """One `key = value` of a WITH or COPY option list; `this` is the key as a str, lower case."""

    arg_types = {"this": True, "expression": False}


class TimeIndex(exp.Expression, exp.ColumnConstraintKind):
    """`TIME INDEX` on a column, or `TIME INDEX (expressions)` among the table's elements."""

    arg_types = {"expressions": False}


class ColumnIndex(exp.Expression, exp.ColumnConstraintKind):
    """`INVERTED|SKIPPING|FULLTEXT|VECTOR INDEX [WITH (options)]`; `this` is the first word."""

    arg_types = {"this": True, "expressions": False}


class TableOptions(exp.Property):
    """`WITH (k = v, …)` of CREATE TABLE or CREATE DATABASE: a list of `Option`."""

    arg_types = {"expressions": True}


class RefreshView(exp.Expression):
    """`REFRESH MATERIALIZED VIEW [CONCURRENTLY] this [WITH NO DATA]`; the last is `empty`."""

    arg_types = {"this": True, "concurrently": False, "empty": False}


class TruncateTables(exp.TruncateTable):
    """TRUNCATE; `ranges` are the pairs of times of FILE RANGE."""

    arg_types = {**exp.TruncateTable.arg_types, "ranges": False}


class IgnoredProperty(exp.Property):
    """A storage clause without meaning here (`TABLESPACE x`, `AUTO_INCREMENT=5`); this: str.

    COLLATE has one for MySQL's tables: new columns compare so, with `convert` all of them.
    """

    arg_types = {"this": True, "convert": False}


class PartitionOnColumns(exp.Property):
    """`PARTITION ON COLUMNS (columns) (expressions)`."""

    arg_types = {"columns": True, "expressions": False}


class Repartition(exp.Expression):
    """An ALTER TABLE action; `this` is PARTITION, SPLIT or MERGE (str).

    `sources` are the rules to be split or merged, `expressions` the new ones.
    """

    arg_types = {
        "this": True,
        "sources": False,
        "columns": False,
        "expressions": False,
        "options": False,
    }


class ChangeColumn(exp.Expression):
    """`MODIFY COLUMN this …` with exactly one change.

    `dtype` (with `constraints` and `position`, MySQL's full definition), `default`, `drop_default`
    (bool), `allow_null` (bool: DROP NOT NULL, or SET NOT NULL when false), `set_index`/
    `unset_index` (a `ColumnIndex`).
    """

    arg_types = {
        "this": True,
        "dtype": False,
        "constraints": False,
        "default": False,
        "drop_default": False,
        "set_index": False,
        "unset_index": False,
        "allow_null": False,
        "position": False,
        "rename": False,  # MySQL's CHANGE COLUMN: the new name
    }


class RenameTables(exp.Expression):
    """MySQL's `RENAME TABLE a TO b, c TO d`: a list of `exp.Alter`, each with one AlterRename."""

    arg_types = {"expressions": True}


class AlterOptions(exp.Expression):
    """`SET 'k' = 'v', …` or `UNSET 'k', …` (`unset`: bool) of ALTER TABLE and ALTER DATABASE."""

    arg_types = {"expressions": True, "unset": False}


class ShowStatement(exp.Expression):
    """`SHOW [scope] [FULL] this [FROM target] [FROM db] [LIKE like] [WHERE where]`.

    `this` is the object words as an upper-case str (`TABLES`, `CREATE TABLE`, `TABLE STATUS`),
    synonyms folded (SCHEMAS → DATABASES, FIELDS → COLUMNS, KEYS → INDEX).
    """

    arg_types = {
        "this": True,
        "full": False,  # bool
        "scope": False,  # str: GLOBAL or SESSION
        "target": False,
        "db": False,
        "like": False,
        "variable": False,  # an identifier: SHOW VARIABLES name
        "where": False,
        "purpose": False,  # str: SHOW CREATE TABLE t FOR purpose
    }


class ShowSetting(exp.Expression):
    """PostgreSQL's `SHOW name`; `this` is the setting's lower-case name as a str, or `all`."""

    arg_types = {"this": True}


class DescribeTable(exp.Expression):
    """`DESCRIBE this [column]`."""

    arg_types = {"this": True, "column": False}


class Explain(exp.Expression):
    """`EXPLAIN [ANALYZE] [VERBOSE] [FORMAT format] this`; `format` is an upper-case str."""

    arg_types = {"this": True, "analyze": False, "verbose": False, "format": False}


class Assignment(exp.Expression):
    """One variable of SET: `this` its lower-case name (str), `expressions` its value list.

    `scope` is SESSION, LOCAL, GLOBAL or PERSIST (str); `user` marks MySQL's @variables. Values are
    literals, `exp.Var` for bare words (`DEFAULT`, `ON`, `utf8`) or expressions. `names` (SET NAMES,
    with `collate`), `character set`, `timezone`, `role` and `session_authorization` are names too.
    """

    arg_types = {
        "this": True,
        "expressions": True,
        "scope": False,
        "user": False,
        "collate": False,
    }


class SetVariables(exp.Expression):
    """`SET a = 1, b = 2`: a list of `Assignment`."""

    arg_types = {"expressions": True}


class SetTransaction(exp.Expression):
    """`SET [SESSION CHARACTERISTICS AS] TRANSACTION modes`; `modes` is a list of str."""

    arg_types = {"modes": True, "session": False}


class Reset(exp.Expression):
    """`RESET this`; `this` is a lower-case str, or `all`."""

    arg_types = {"this": True}


class BeginTransaction(exp.Expression):
    """`BEGIN` and `START TRANSACTION`; `modes` is a list of str such as `ISOLATION LEVEL …`."""

    arg_types = {"modes": False}


class CommitTransaction(exp.Expression):
    """`COMMIT` or `END`, `AND CHAIN` with `chain`."""

    arg_types = {"chain": False}


class RollbackTransaction(exp.Expression):
    """`ROLLBACK` or `ABORT`, `AND CHAIN` with `chain`, `TO savepoint` with an identifier."""

    arg_types = {"chain": False, "savepoint": False}


class Savepoint(exp.Expression):
    """`SAVEPOINT this`."""

    arg_types = {"this": True}


class ReleaseSavepoint(exp.Expression):
    """`RELEASE [SAVEPOINT] this`."""

    arg_types = {"this": True}


class CopyStatement(exp.Expression):
    """`COPY this [(columns)] FROM|TO endpoint …`.

    `this` is a table, a query, or a database's identifier with `database`. `endpoint` is the word
    STDIN or STDOUT as `exp.Var`, or a path. `options` and `connection` are lists of `Option`: the
    old keyword spellings are turned into the parenthesised ones. `assigned` tells `FORMAT = 'csv'`
    from PostgreSQL's `FORMAT csv`: the two have other defaults for files.
    """

    arg_types = {
        "this": True,
        "columns": False,
        "into": False,  # bool: FROM endpoint into the table
        "endpoint": True,
        "options": False,
        "assigned": False,  # bool: an option was written with an equals sign
        "connection": False,
        "database": False,  # bool
        "where": False,
        "limit": False,
    }


class PrepareStatement(exp.Expression):
    """`PREPARE this [(types)] AS statement`, or MySQL's `PREPARE this FROM source`.

    `text` is the inner statement as written (str), set with `statement`.
    """

    arg_types = {
        "this": True,
        "types": False,
        "statement": False,
        "text": False,
        "source": False,
    }


class ExecuteStatement(exp.Expression):
    """`EXECUTE this [(expressions)]`, or MySQL's `EXECUTE this [USING @a, …]`."""

    arg_types = {"this": True, "expressions": False}


class Deallocate(exp.Expression):
    """`DEALLOCATE [PREPARE] this`; without `this`: ALL."""

    arg_types = {"this": False}


class DeclareCursor(exp.Expression):
    """`DECLARE this [BINARY] [INSENSITIVE] [[NO] SCROLL] CURSOR [WITH HOLD] FOR query`.

    `scroll` is true, false (NO SCROLL) or absent.
    """

    arg_types = {
        "this": True,
        "query": True,
        "binary": False,
        "insensitive": False,
        "scroll": False,
        "hold": False,
    }


class FetchCursor(exp.Expression):
    """`FETCH|MOVE [direction [count]] FROM this`.

    `direction` is one of NEXT, PRIOR, FIRST, LAST, ABSOLUTE, RELATIVE, FORWARD, BACKWARD (str);
    `count` an int literal, or the word ALL as `exp.Var`. A bare count means FORWARD.
    """

    arg_types = {"this": True, "direction": True, "count": False, "move": False}


class CloseCursor(exp.Expression):
    """`CLOSE this`; without `this`: ALL."""

    arg_types = {"this": False}


class Discard(exp.Expression):
    """`DISCARD this`; `this` is ALL, PLANS, SEQUENCES or TEMP (str)."""

    arg_types = {"this": True}


class Admin(exp.Expression):
    """`ADMIN this`, a function call; `text` is the call as written, the result column's name.

    `SELECT this [AS name]` is the same: `shown` is the result column's name then.
    """

    arg_types = {"this": True, "text": False, "shown": False}
    _hash_raw_args = True


class Call(exp.Expression):
    """`CALL [db.]this`, a function call."""

    arg_types = {"this": True, "db": False}


class Tql(exp.Expression):
    """`TQL EVAL|EXPLAIN|ANALYZE [VERBOSE] [FORMAT f] (start, end, step[, lookback]) promql [AS a]`.

    `this` is EVAL, EXPLAIN or ANALYZE (str) and `text` the PromQL as written (str). `expressions`
    are the bounds as SQL expressions, absent in a bare TQL.
    """

    arg_types = {
        "this": True,
        "text": True,
        "expressions": False,
        "verbose": False,
        "format": False,
        "alias": False,
    }
    _hash_raw_args = True


class GrantStatement(exp.Expression):
    """GRANT or REVOKE; `this` is what kind of objects it is about (str).

    TABLE, SEQUENCE, `TABLES IN SCHEMA` and its kin, SCHEMA, DATABASE, FUNCTION and what else is for
    everybody, or ROLE for memberships. `privileges` are upper-case words, `option` WITH GRANT
    OPTION or GRANT OPTION FOR.
    """

    arg_types = {
        "this": True,
        "expressions": False,
        "grantees": True,
        "privileges": False,
        "revoke": False,
        "option": False,
    }
    _hash_raw_args = True


class RoleStatement(exp.Expression):
    """CREATE, ALTER or DROP (`this`) of a ROLE, USER or GROUP (`kind`).

    `options` are upper-case words, some with what they name behind them: `PASSWORD secret`.
    """

    arg_types = {
        "this": True,
        "kind": True,
        "expressions": True,
        "options": False,
        "exists": False,
    }
    _hash_raw_args = True


class CreateFlow(exp.Expression):
    """`CREATE [OR REPLACE] FLOW [IF NOT EXISTS] this SINK TO sink … AS expression`.

    `expire`, `interval` and `comment` are strings, `options` a tuple of `Option`; `start` (int) is
    where the query begins in the request.
    """

    arg_types = {
        "this": True,
        "sink": True,
        "expression": True,
        "start": False,
        "replace": False,  # bool
        "exists": False,  # bool
        "expire": False,
        "interval": False,
        "comment": False,
        "options": False,
    }


class DropFlow(exp.Expression):
    """`DROP FLOW [IF EXISTS] this`."""

    arg_types = {"this": True, "exists": False}


class Utility(exp.Expression):
    """A known statement that is only recognised: `this` its upper-case verb, `text` the rest (str).

    LISTEN, NOTIFY, LOCK TABLE, LOAD DATA, VACUUM, CREATE TRIGGER and their kin: what happens
    (nothing, or a precise refusal) is for the executor to say.
    """

    arg_types = {"this": True, "text": False}
    _hash_raw_args = True


def words_of(node: exp.Expr, key: str) -> list[str]:
    """The list of plain strings in an argument such as `modes`."""
    value: Any = node.args.get(key) or []
    return [str(item) for item in value]


def constant_text(value: exp.Expr) -> str | None:
    """The text of a setting's constant value, None if it is not constant.

    Strings lose their quotes, bare words and numbers stay as written.
    """
    if isinstance(value, exp.Neg):
        inner = constant_text(value.this)
        return None if inner is None else f"-{inner}"
    if isinstance(value, exp.Boolean):
        return "on" if value.this else "off"
    if isinstance(value, (exp.Literal, exp.Var, exp.Identifier)):
        return str(value.name)
    return None
