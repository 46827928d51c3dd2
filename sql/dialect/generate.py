"""Text of our own nodes, for every dialect: mixed into sqlglot's generators.

Each `<node>_sql` method writes what the grammar reads back as an equal tree.
"""

# ruff: noqa: D102  (each method writes the node that it is named after)

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.generator import Generator

from sql.dialect import nodes, object_nodes
from sql.dialect.generate_mysql import MYSQL_NODES
from sql.dialect.generate_roles import RolesGenerator
from sql.dialect.key_nodes import KEY_NODES

_AFTER_COLUMNS = exp.Properties.Location.POST_SCHEMA
PROPERTY_PLACES = {
    nodes.TableOptions: _AFTER_COLUMNS,
    nodes.IgnoredProperty: _AFTER_COLUMNS,
    nodes.PartitionOnColumns: _AFTER_COLUMNS,
    exp.EngineProperty: _AFTER_COLUMNS,
    exp.SchemaCommentProperty: _AFTER_COLUMNS,
    exp.OnCommitProperty: exp.Properties.Location.POST_EXPRESSION,
    exp.WithDataProperty: exp.Properties.Location.POST_EXPRESSION,
    exp.LikeProperty: _AFTER_COLUMNS,
    exp.TemporaryProperty: exp.Properties.Location.POST_CREATE,
}


def _clause(name: str) -> Callable[..., str]:
    return lambda generator, select: generator.sql(select, name)


def _join(generator: Any, join: exp.Join) -> str:
    """A join, with the tolerance of ASOF and LT JOIN."""
    text: str = generator.join_sql(join)
    tolerance = join.args.get("tolerance")
    return f"{text} TOLERANCE {tolerance.name}" if tolerance is not None else text


class ExtensionGenerator(RolesGenerator):
    """Writes the nodes of nodes.py."""

    AFTER_HAVING_MODIFIER_TRANSFORMS: ClassVar[dict[str, Callable[..., str]]] = {
        "sample_by": _clause("sample_by"),
        "latest_on": _clause("latest_on"),
        "align": _clause("align"),
        **Generator.AFTER_HAVING_MODIFIER_TRANSFORMS,
    }

    def _flag(self, node: exp.Expr, key: str, words: str) -> str:
        return words if node.args.get(key) else ""

    def _prefixed(self, node: exp.Expr, words: str, key: str) -> str:
        text = self.sql(node, key)
        return f"{words} {text}" if text else ""

    # --- Queries ----------------------------------------------------------------------------------

    def insert_sql(self, expression: exp.Insert) -> str:
        """REPLACE INTO as it is read: `INSERT OR REPLACE` is another product's."""
        text: str = super().insert_sql(expression)
        replaces = expression.args.get("alternative") == "REPLACE"
        return text.replace("INSERT OR REPLACE", "REPLACE", 1) if replaces else text

    def rangeaggregate_sql(self, node: nodes.RangeAggregate) -> str:
        fill = self._prefixed(node, "FILL", "fill")
        return self._words(
            self.sql(node, "this"), "RANGE", self._interval(node.args["range"]), fill
        )

    def _interval(self, node: exp.Expr) -> str:
        text = self.sql(node)
        return text if node.is_string else f"({text})"

    def align_sql(self, node: nodes.Align) -> str:
        to = node.args.get("to")
        origin = ""
        if to is not None:
            origin = f"TO {self.sql(to) if isinstance(to, exp.Var) else self._interval(to)}"
        by = f"BY ({self.expressions(node, flat=True)})" if node.args.get("by") else ""
        fill = self._prefixed(node, "FILL", "fill")
        return " " + self._words("ALIGN", self._interval(node.this), origin, by, fill)

    def sampleby_sql(self, node: nodes.SampleBy) -> str:
        fills = self.expressions(node, flat=True)
        align = " ALIGN TO FIRST OBSERVATION" if node.args.get("first_observation") else ""
        if node.args.get("zone") or node.args.get("offset"):
            zone = self._prefixed(node, "TIME ZONE", "zone")
            offset = self._prefixed(node, "WITH OFFSET", "offset")
            align = " " + self._words("ALIGN TO CALENDAR", zone, offset)
        start = self._prefixed(node, "FROM", "start")
        end = self._prefixed(node, "TO", "end")
        fill = f"FILL ({fills})" if fills else ""
        return " " + self._words("SAMPLE BY", self.sql(node, "this"), start, end, fill) + align

    def lateston_sql(self, node: nodes.LatestOn) -> str:
        time = self.sql(node, "this")
        keys = self.expressions(node, flat=True)
        return f" LATEST ON {time} PARTITION BY {keys}" if time else f" LATEST BY {keys}"

    def uservariable_sql(self, node: nodes.UserVariable) -> str:
        name = node.name
        plain = name.replace("_", "a").replace(".", "a").replace("$", "a").isalnum()
        return f"@{name}" if plain else f"@`{name}`"

    def parameter_sql(self, node: exp.Parameter) -> str:
        return "?" if self.dialect.parser_class.STRING_ALIASES else f"${node.name}"

    def tql_sql(self, node: nodes.Tql) -> str:
        bounds = f"({self.expressions(node, flat=True)})" if node.expressions else ""
        return self._words(
            "TQL",
            node.name,
            self._flag(node, "verbose", "VERBOSE"),
            f"FORMAT {node.args['format']}" if node.args.get("format") else "",
            bounds,
            node.args["text"],
            self._prefixed(node, "AS", "alias"),
        )

    # --- Tables -----------------------------------------------------------------------------------

    def option_sql(self, node: nodes.Option) -> str:
        key = self.sql(exp.Literal.string(node.name))
        value = self.sql(node, "expression")
        return f"{key} = {value}" if value else key

    def timeindex_sql(self, node: nodes.TimeIndex) -> str:
        columns = f" ({self.expressions(node, flat=True)})" if node.expressions else ""
        return f"TIME INDEX{columns}"

    def columnindex_sql(self, node: nodes.ColumnIndex) -> str:
        options = f" WITH ({self.expressions(node, flat=True)})" if node.expressions else ""
        return f"{node.name} INDEX{options}"

    def tableoptions_sql(self, node: nodes.TableOptions) -> str:
        return f"WITH ({self.expressions(node, flat=True)})"

    def truncatetables_sql(self, node: nodes.TruncateTables) -> str:
        """`TRUNCATE TABLE t FILE RANGE (a, b), …`."""
        plain: str = self.truncatetable_sql(node)
        ranges = self.expressions(node, key="ranges", flat=True)
        return f"{plain} FILE RANGE {ranges}" if ranges else plain

    def refreshview_sql(self, node: nodes.RefreshView) -> str:
        return self._words(
            "REFRESH MATERIALIZED VIEW",
            "CONCURRENTLY" if node.args.get("concurrently") else "",
            self.sql(node, "this"),
            "WITH NO DATA" if node.args.get("empty") else "",
        )

    def ignoredproperty_sql(self, node: nodes.IgnoredProperty) -> str:
        return node.name

    def likeproperty_sql(self, node: exp.LikeProperty) -> str:
        options = (f"{option.name} {option.args['value'].name}" for option in node.expressions)
        return self._words("LIKE", self.sql(node, "this"), *options)

    def partitiononcolumns_sql(self, node: nodes.PartitionOnColumns) -> str:
        columns = self.expressions(node, key="columns", flat=True)
        rules = self.expressions(node, flat=True)
        return f"PARTITION ON COLUMNS ({columns}) ({rules})"

    def repartition_sql(self, node: nodes.Repartition) -> str:
        sources = self.expressions(node, key="sources", flat=True)
        columns = self.expressions(node, key="columns", flat=True)
        rules = self.expressions(node, flat=True)
        options = self.expressions(node, key="options", flat=True)
        return self._words(
            "PARTITION" if node.name == "PARTITION" else f"{node.name} PARTITION ({sources})",
            f"ON COLUMNS ({columns})" if columns else "",
            "INTO" if node.name == "SPLIT" else "",
            f"({rules})" if rules else "",
            f"WITH ({options})" if options else "",
        )

    def changecolumn_sql(self, node: nodes.ChangeColumn) -> str:
        verb = "CHANGE" if node.args.get("rename") else "MODIFY"
        constraints = self.expressions(node, key="constraints", sep=" ", flat=True)
        return self._words(
            f"{verb} COLUMN {self.sql(node, 'this')}",
            self.sql(node, "rename"),
            self.sql(node, "dtype"),
            constraints,
            self._prefixed(node, "SET DEFAULT", "default"),
            self._flag(node, "drop_default", "DROP DEFAULT"),
            self._nullability(node),
            self.sql(node, "position"),
            self._prefixed(node, "SET", "set_index"),
            self._prefixed(node, "UNSET", "unset_index"),
        )

    def _nullability(self, node: nodes.ChangeColumn) -> str:
        allow = node.args.get("allow_null")
        return "" if allow is None else f"{'DROP' if allow else 'SET'} NOT NULL"

    def renametables_sql(self, node: nodes.RenameTables) -> str:
        pairs = (
            f"{self.sql(alter, 'this')} TO {self.sql(alter.args['actions'][0], 'this')}"
            for alter in node.expressions
        )
        return f"RENAME TABLE {', '.join(pairs)}"

    def alteroptions_sql(self, node: nodes.AlterOptions) -> str:
        verb = "UNSET" if node.args.get("unset") else "SET"
        return f"{verb} {self.expressions(node, flat=True)}"

    # --- SHOW, DESCRIBE, EXPLAIN ------------------------------------------------------------------

    def showstatement_sql(self, node: nodes.ShowStatement) -> str:
        what = node.name
        target = self.sql(node, "target")
        if target and not what.startswith("CREATE "):
            target = f"FROM {target}"
        purpose = node.args.get("purpose")
        return self._words(
            "SHOW",
            self._flag(node, "full", "FULL"),
            node.args.get("scope"),
            what,
            target,
            f"FOR {purpose}" if purpose else "",
            self._prefixed(node, "FROM", "db"),
            self._prefixed(node, "LIKE", "like"),
            self.sql(node, "where").strip(),
        )

    def showsetting_sql(self, node: nodes.ShowSetting) -> str:
        return f"SHOW {node.name}"

    def describetable_sql(self, node: nodes.DescribeTable) -> str:
        return self._words("DESCRIBE", self.sql(node, "this"), self.sql(node, "column"))

    def explain_sql(self, node: nodes.Explain) -> str:
        return self._words(
            "EXPLAIN",
            self._flag(node, "analyze", "ANALYZE"),
            self._flag(node, "verbose", "VERBOSE"),
            f"FORMAT {node.args['format']}" if node.args.get("format") else "",
            self.sql(node, "this"),
        )

    # --- Settings and transactions ----------------------------------------------------------------

    def assignment_sql(self, node: nodes.Assignment) -> str:
        values = self.expressions(node, flat=True)
        collate = self._prefixed(node, "COLLATE", "collate")
        if node.name in ("names", "character set"):
            return self._words(node.args.get("scope"), node.name.upper(), values, collate)
        sign = "@" if node.args.get("user") else ""
        return self._words(node.args.get("scope"), f"{sign}{node.name} = {values}")

    def setvariables_sql(self, node: nodes.SetVariables) -> str:
        return f"SET {self.expressions(node, flat=True)}"

    def settransaction_sql(self, node: nodes.SetTransaction) -> str:
        scope = "SESSION CHARACTERISTICS AS " if node.args.get("session") else ""
        return f"SET {scope}TRANSACTION {', '.join(nodes.words_of(node, 'modes'))}"

    def reset_sql(self, node: nodes.Reset) -> str:
        return f"RESET {node.name}"

    def begintransaction_sql(self, node: nodes.BeginTransaction) -> str:
        return self._words("START TRANSACTION", ", ".join(nodes.words_of(node, "modes")))

    def committransaction_sql(self, node: nodes.CommitTransaction) -> str:
        return self._words("COMMIT", self._flag(node, "chain", "AND CHAIN"))

    def rollbacktransaction_sql(self, node: nodes.RollbackTransaction) -> str:
        savepoint = self._prefixed(node, "TO SAVEPOINT", "savepoint")
        return self._words("ROLLBACK", savepoint, self._flag(node, "chain", "AND CHAIN"))

    def savepoint_sql(self, node: nodes.Savepoint) -> str:
        return f"SAVEPOINT {self.sql(node, 'this')}"

    def releasesavepoint_sql(self, node: nodes.ReleaseSavepoint) -> str:
        return f"RELEASE SAVEPOINT {self.sql(node, 'this')}"

    # --- COPY, prepared statements, cursors -------------------------------------------------------

    def copystatement_sql(self, node: nodes.CopyStatement) -> str:
        this = self.sql(node, "this")
        columns = self.expressions(node, key="columns", flat=True)
        equals = "=" if node.args.get("assigned") else ""
        options = ", ".join(self._copy_option(o, equals) for o in node.args.get("options") or [])
        connection = self.expressions(node, key="connection", flat=True)
        return self._words(
            "COPY",
            self._flag(node, "database", "DATABASE"),
            f"({this})" if isinstance(node.this, (exp.Query, nodes.Tql, exp.DML)) else this,
            f"({columns})" if columns else "",
            "FROM" if node.args.get("into") else "TO",
            self.sql(node, "endpoint"),
            f"WITH ({options})" if options else "",
            f"CONNECTION ({connection})" if connection else "",
            self.sql(node, "where").strip(),
            self._prefixed(node, "LIMIT", "limit"),
        )

    def _copy_option(self, option: nodes.Option, equals: str) -> str:
        value = self.sql(option, "expression")
        return self._words(
            self.sql(exp.Literal.string(option.name)), equals if value else "", value
        )

    def preparestatement_sql(self, node: nodes.PrepareStatement) -> str:
        types = self.expressions(node, key="types", flat=True)
        return self._words(
            f"PREPARE {self.sql(node, 'this')}",
            f"({types})" if types else "",
            self._prefixed(node, "AS", "statement"),
            self._prefixed(node, "FROM", "source"),
        )

    def executestatement_sql(self, node: nodes.ExecuteStatement) -> str:
        values = self.expressions(node, flat=True)
        variables = node.expressions and isinstance(node.expressions[0], nodes.UserVariable)
        bound = f"USING {values}" if variables else f"({values})"
        return self._words(f"EXECUTE {self.sql(node, 'this')}", bound if values else "")

    def deallocate_sql(self, node: nodes.Deallocate) -> str:
        return f"DEALLOCATE PREPARE {self.sql(node, 'this') or 'ALL'}"

    def declarecursor_sql(self, node: nodes.DeclareCursor) -> str:
        scroll = node.args.get("scroll")
        return self._words(
            f"DECLARE {self.sql(node, 'this')}",
            self._flag(node, "binary", "BINARY"),
            self._flag(node, "insensitive", "INSENSITIVE"),
            "" if scroll is None else "SCROLL" if scroll else "NO SCROLL",
            "CURSOR",
            self._flag(node, "hold", "WITH HOLD"),
            f"FOR {self.sql(node, 'query')}",
        )

    def fetchcursor_sql(self, node: nodes.FetchCursor) -> str:
        return self._words(
            "MOVE" if node.args.get("move") else "FETCH",
            node.args["direction"],
            self.sql(node, "count"),
            f"FROM {self.sql(node, 'this')}",
        )

    def closecursor_sql(self, node: nodes.CloseCursor) -> str:
        return f"CLOSE {self.sql(node, 'this') or 'ALL'}"

    def discard_sql(self, node: nodes.Discard) -> str:
        return f"DISCARD {node.name}"

    # --- The rest ---------------------------------------------------------------------------------

    def admin_sql(self, node: nodes.Admin) -> str:
        if node.args.get("shown"):
            return f"SELECT {self.sql(node, 'this')}"
        return f"ADMIN {node.args.get('text') or self.sql(node, 'this')}"

    def call_sql(self, node: nodes.Call) -> str:
        return f"CALL {self.sql(node, 'this')}"

    def createflow_sql(self, node: nodes.CreateFlow) -> str:
        clauses = (
            ("EXPIRE AFTER", "expire"),
            ("EVAL INTERVAL", "interval"),
            ("COMMENT", "comment"),
        )
        return self._words(
            "CREATE OR REPLACE FLOW" if node.args.get("replace") else "CREATE FLOW",
            "IF NOT EXISTS" if node.args.get("exists") else "",
            self.sql(node, "this"),
            f"SINK TO {self.sql(node, 'sink')}",
            *(f"{words} {self.sql(node, key)}" for words, key in clauses if node.args.get(key)),
            f"WITH {self.sql(node, 'options')}" if node.args.get("options") else "",
            f"AS {self.sql(node, 'expression')}",
        )

    def dropflow_sql(self, node: nodes.DropFlow) -> str:
        return self._words(
            "DROP FLOW", "IF EXISTS" if node.args.get("exists") else "", self.sql(node, "this")
        )

    def objectstatement_sql(self, node: object_nodes.ObjectStatement) -> str:
        verb, kind = str(node.this).split()
        parts = [self.sql(node, "table")]
        if kind == "EXTENSION":
            schema = self._prefixed(node.args["table"], "SCHEMA", "db")
            exists = self._flag(node, "exists", "IF NOT EXISTS")
            return self._words(verb, kind, exists, self.sql(node.args["table"], "this"), schema)
        if kind == "SEQUENCE":
            exists = "IF NOT EXISTS" if verb == "CREATE" else "IF EXISTS"
            parts.insert(0, self._flag(node, "exists", exists))
            parts += map(self._sequence_option, node.expressions or ())
        else:
            parts.append(self._type_action(verb, node))
        return self._words(verb, self._flag(node, "temporary", "TEMPORARY"), kind, *parts)

    def _type_action(self, verb: str, node: object_nodes.ObjectStatement) -> str:
        form = str(node.args["form"])
        items = [self._type_item(one) for one in node.expressions or ()]
        if form == "DOMAIN":
            return f"AS {items[0].split(' ', 1)[1]}"
        if verb == "CREATE":
            return f"AS {'' if form == 'COMPOSITE' else f'{form} '}({', '.join(items)})"
        if form in ("RENAME VALUE", "RENAME ATTRIBUTE"):
            return f"{form} {items[0]} TO {items[1]}"
        if form == "ATTRIBUTE":
            return ", ".join(map(self._attribute, node.expressions))
        if form == "ADD VALUE":
            place = self._prefixed(node, str(node.args.get("place")), "beside")
            return self._words(form, self._flag(node, "exists", "IF NOT EXISTS"), items[0], place)
        return f"{form} {self.sql(node, 'to')}"

    def _attribute(self, action: exp.Expr) -> str:
        verb, _, exists = str(action.this).upper().partition(" ")
        subject = self.sql(action, "expression")
        if verb == "TYPE":
            name, kind = self.sql(action.expression, "this"), self.sql(action.expression, "kind")
            return f"ALTER ATTRIBUTE {name} TYPE {kind}"
        return self._words(f"{verb} ATTRIBUTE", exists, subject)

    def _type_item(self, item: exp.Expr) -> str:
        if isinstance(item, nodes.Option):
            return f"{item.this} = {self.sql(item, 'expression')}"
        return self.sql(item)

    def namedtype_sql(self, node: object_nodes.NamedType) -> str:
        return node.args["type"].named.name or self.sql(node, "kind")

    def _sequence_option(self, option: exp.Expr) -> str:
        key, value = option.name, self.sql(option, "expression")
        if key == "role":
            return f"OWNER TO {value}"
        if key in ("owner", "type"):
            return f"OWNED BY {value or 'NONE'}" if key == "owner" else f"AS {value}"
        word = {"minimum": "MINVALUE", "maximum": "MAXVALUE"}.get(key, key.upper())
        if key == "schema":
            return f"SET SCHEMA {value}"
        if key == "cycle":
            value = value and " "
        return f"{word} {value}".rstrip() if value or key == "restart" else f"NO {word}"

    def identity_sql(self, node: object_nodes.Identity) -> str:
        options = " ".join(map(self._sequence_option, node.expressions or ()))
        how = "ALWAYS" if node.args.get("always") else "BY DEFAULT"
        return f"GENERATED {how} AS IDENTITY{f' ({options})' if options else ''}"

    def utility_sql(self, node: nodes.Utility) -> str:
        return self._words(node.name, node.args.get("text"))


def _own_nodes() -> dict[type[exp.Expr], Callable[..., str]]:
    """sqlglot finds methods by name for its own classes only; ours are listed for it."""
    found: dict[type[exp.Expr], Callable[..., str]] = {
        exp.Join: _join,
        exp.Parameter: ExtensionGenerator.parameter_sql,
        exp.LikeProperty: ExtensionGenerator.likeproperty_sql,
    }
    for module in (nodes, object_nodes):
        classes: list[tuple[str, Any]] = inspect.getmembers(module, inspect.isclass)
        for _, node in classes:
            if node.__module__ == module.__name__:
                found[node] = getattr(ExtensionGenerator, f"{node.key}_sql")
    return found | MYSQL_NODES | KEY_NODES


EXTENSIONS: dict[Any, Any] = _own_nodes()
