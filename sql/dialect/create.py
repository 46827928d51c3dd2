"""Reading CREATE TABLE trees, and the column definitions of ALTER TABLE.

`read_create_table` checks what a definition says in itself; whether its names are free or its
partitions complete is for the catalog's callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from catalog.records import Column
from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.collations import collated
from sql.dialect import nodes
from sql.dialect.definitions import TableDefinition, check_names
from sql.dialect.dialects import to_sql
from sql.dialect.json2 import kept_spelling
from sql.dialect.mysql_types import SPELLING
from sql.dialect.object_nodes import Identity, NamedType, bits_name, interval_name, user_type_name
from sql.dialect.options import given_options, index_options, table_options
from sql.dialect.pieces import collation_of, prefixes, written
from sql.dialect.wall_times import column_type
from sql.session import Wire

_SERIALS = frozenset({exp.DType.SERIAL, exp.DType.BIGSERIAL, exp.DType.SMALLSERIAL})
_SIZED = frozenset({exp.DType.VARCHAR, exp.DType.CHAR, exp.DType.NCHAR, exp.DType.NVARCHAR})
_NAMED_TEXTS = frozenset(
    {exp.DType.TINYTEXT, exp.DType.MEDIUMTEXT, exp.DType.LONGTEXT, exp.DType.ENUM, exp.DType.SET}
)
_TABLE_CONSTRAINTS = (exp.UniqueColumnConstraint, exp.CheckColumnConstraint, exp.ForeignKey)
_CONSTANTS = (exp.Literal, exp.Boolean, exp.Null, exp.HexString, exp.BitString)
_ENGINES = frozenset({"mito", "metric"})


def is_external(tree: exp.Create) -> bool:
    """True for CREATE EXTERNAL TABLE."""
    properties = tree.args.get("properties")
    return properties is not None and properties.find(exp.ExternalProperty) is not None


def read_create_table(tree: exp.Create, collation: str = "") -> TableDefinition:
    """What a CREATE TABLE defines; `collation` is the database's.

    Requires: `tree` is a CREATE TABLE as the parser makes it, identifiers folded.
    Raises: DbError (SYNTAX, INVALID_ARGUMENT, INVALID_TABLE_DEFINITION, DUPLICATE_COLUMN,
    UNDEFINED_COLUMN, UNDEFINED_OBJECT, UNSUPPORTED).
    """
    assert tree.kind == "TABLE"
    reader = _Reader(tree)
    for element in reader.elements:
        reader.read_element(element)
    return reader.definition(collation)


@dataclass(frozen=True)
class ColumnDefinition:
    """One column as ALTER TABLE writes it.

    `is_key`: it joins the primary key. `says_null` tells a written NULL or NOT NULL from neither.
    """

    column: Column
    is_key: bool
    auto_increment: bool
    says_null: bool
    sequence_options: Sequence[exp.Expr] = ()
    keys: Sequence[exp.ForeignKey] = ()
    constraints: Sequence[exp.Expr] = ()  # UNIQUE and CHECK


def read_column(
    definition: exp.ColumnDef, *, time_series: bool, collation: str = ""
) -> ColumnDefinition:
    """What `ADD COLUMN` or MySQL's `MODIFY COLUMN` defines; `collation` is the table's.

    Raises: DbError as `read_create_table`; UNSUPPORTED for constraints a column cannot be given
    once the table is there.
    """
    table = exp.Schema(this=exp.Table(), expressions=[definition.copy()])
    reader = _Reader(exp.Create(this=table, kind="TABLE"))
    reader.read_element(reader.elements[0])
    name = definition.name
    if reader.time_indexes:
        raise _column_error(name, "a table has one time index from the beginning")
    keys = [one for one in reader.constraints if isinstance(one, exp.ForeignKey)]
    others = [one for one in reader.constraints if not isinstance(one, exp.ForeignKey)]
    if time_series and reader._is_relational():
        raise reader._not_for_series()
    draft = reader.drafts[0]
    is_key = name in reader.inline_keys
    column = reader._column(draft, None, (name,) if is_key else (), time_series)
    if not time_series:
        (column,) = collated([column], reader._collations(), collation)
    said = draft.nullable is not None
    options = reader.sequence_options.get(name, [])
    numbers = bool(reader.auto_increment)
    return ColumnDefinition(column, is_key, numbers, said, options, keys, others)


def read_default(column: Column, value: exp.Expr, *, time_series: bool) -> str | None:
    """The text of `SET DEFAULT value`, None for NULL. Raises: DbError UNSUPPORTED."""
    text = str(value.meta.get("text", "now()"))
    draft = _Draft(column.name, None, default=value, default_text=text)
    return _default(draft, time_series, column.nullable)


def read_index(column: Column, index: nodes.ColumnIndex) -> dict[str, str]:
    """The options of `SET … INDEX`. Raises: DbError INVALID_TABLE_DEFINITION, INVALID_ARGUMENT."""
    draft = _Draft(column.name, None, indexes={index.name: index.expressions})
    return _indexes(draft, column.type)[index.name]


@dataclass
class _Draft:
    """One column under work."""

    name: str
    kind: exp.Expr | None
    nullable: bool | None = None
    default: exp.Expr | None = None
    default_text: str = ""
    comment: str = ""
    identity: str = ""
    generated: exp.Expr | None = None
    virtual: bool = False
    touched: bool = False
    spelling: str = ""
    collation: str = ""
    indexes: dict[str, list[nodes.Option]] = field(default_factory=dict)


class _Reader:
    """Collects the elements of one CREATE TABLE."""

    def __init__(self, tree: exp.Create) -> None:
        self.tree = tree
        schema = tree.this if isinstance(tree.this, exp.Schema) else None
        self.table: exp.Table = tree.this if schema is None else schema.this
        self.elements: list[exp.Expr] = [] if schema is None else schema.expressions
        self.drafts: list[_Draft] = []
        self.inline_keys: list[str] = []
        self.key_name = ""
        self.keys: list[tuple[str, ...]] = []
        self.time_indexes: list[str] = []
        self.constraints: list[exp.Expr] = []
        self.auto_increment: list[str] = []
        self.sequence_options: dict[str, list[exp.Expr]] = {}
        self.indexes: list[tuple[str, tuple[str, ...], str, tuple[int, ...]]] = []
        properties = tree.args.get("properties")
        self.properties: list[exp.Expr] = properties.expressions if properties else []

    # --- Elements ---------------------------------------------------------------------------------

    def read_element(self, element: exp.Expr) -> None:
        if isinstance(element, exp.ColumnDef):
            self._read_column(element)
        elif isinstance(element, exp.Constraint):  # CONSTRAINT name …
            for inner in element.expressions:
                inner.meta["name"] = element.this.name
                self.read_element(inner)
        elif isinstance(element, exp.PrimaryKey):
            self.keys.append(tuple(_name(key) for key in element.expressions))
            self.key_name = str(element.meta.get("name", ""))
        elif isinstance(element, nodes.TimeIndex):
            if len(element.expressions) != 1:
                raise DbError(
                    ErrorKind.SYNTAX,
                    "Invalid time index: it should contain only one column in time index",
                )
            self.time_indexes.append(_name(element.expressions[0]))
        elif isinstance(element, _TABLE_CONSTRAINTS):
            if isinstance(element.this, exp.Schema) and element.this.this is not None:
                element.meta["name"] = element.this.this.name  # MySQL's UNIQUE KEY name (…)
                element.this.set("this", None)
            self.constraints.append(element)
        elif isinstance(element, exp.IndexColumnConstraint):  # MySQL's KEY k (a): a hint
            name, parts = getattr(element.this, "name", ""), element.expressions
            method = str(element.args.get("kind") or "btree").lower()
            self.indexes.append((name, tuple(map(_name, parts)), method, prefixes(parts)))
        else:
            raise DbError(ErrorKind.UNSUPPORTED, f"{element.sql()} is not supported")

    def _read_column(self, definition: exp.ColumnDef) -> None:
        draft = _Draft(definition.name, definition.args.get("kind"), spelling=written(definition))
        if isinstance(draft.kind, exp.DataType) and draft.kind.this in _SERIALS:
            self.auto_increment.append(draft.name)
            draft.nullable = False
        for wrapped in definition.args.get("constraints") or []:
            constraint = (
                wrapped.args.get("kind") if isinstance(wrapped, exp.ColumnConstraint) else wrapped
            )
            if isinstance(constraint, exp.Expr) and wrapped.name and constraint is not wrapped:
                constraint.meta["name"] = wrapped.this.name
            self._read_constraint(draft, constraint)
        self.drafts.append(draft)

    def _read_constraint(self, draft: _Draft, constraint: Any) -> None:
        if isinstance(constraint, exp.NotNullColumnConstraint):
            draft.nullable = bool(constraint.args.get("allow_null"))
        elif isinstance(constraint, exp.DefaultColumnConstraint):
            draft.default = constraint.this
            draft.default_text = str(constraint.meta.get("text", ""))
        elif isinstance(constraint, exp.CommentColumnConstraint):
            draft.comment = constraint.name
        elif isinstance(constraint, exp.OnUpdateColumnConstraint):
            draft.touched = True
        elif isinstance(constraint, exp.PrimaryKeyColumnConstraint):
            self.inline_keys.append(draft.name)
            self.key_name = str(constraint.meta.get("name", ""))
        elif isinstance(constraint, nodes.TimeIndex):
            self.time_indexes.append(draft.name)
        elif isinstance(constraint, nodes.ColumnIndex):
            draft.indexes[constraint.name] = constraint.expressions
        else:
            self._read_relational(draft, constraint)

    def _read_relational(self, draft: _Draft, constraint: Any) -> None:
        """Constraints that only relational tables can have."""
        column = exp.to_identifier(draft.name, quoted=True)
        if isinstance(constraint, exp.AutoIncrementColumnConstraint):
            self.auto_increment.append(draft.name)
        elif isinstance(constraint, Identity):
            self.auto_increment.append(draft.name)
            self.sequence_options[draft.name] = constraint.expressions or []
            draft.identity = "always" if constraint.args.get("always") else "by default"
        elif isinstance(constraint, exp.ComputedColumnConstraint):
            draft.generated = constraint.this.unnest()
            draft.virtual = not constraint.args.get("persisted")
        elif isinstance(constraint, exp.UniqueColumnConstraint):
            asked = {name: constraint.args.get(name) for name in ("nulls", "options")}
            unique = exp.UniqueColumnConstraint(this=exp.Schema(expressions=[column]), **asked)
            self._add(unique, constraint)
        elif isinstance(constraint, exp.Reference):
            self._add(exp.ForeignKey(expressions=[column], reference=constraint), constraint)
        elif isinstance(constraint, exp.CheckColumnConstraint):
            self.constraints.append(constraint)
        elif isinstance(constraint, exp.CollateColumnConstraint):
            draft.collation = constraint.this.name
        elif isinstance(constraint, exp.BinaryColumnConstraint):
            draft.collation = "utf8mb4_bin"  # MySQL's CHAR(36) BINARY: the character set's own
        elif not isinstance(constraint, _WITHOUT_MEANING):
            raise DbError(ErrorKind.UNSUPPORTED, f"{constraint.sql()} is not supported")

    def _add(self, constraint: exp.Expr, written: exp.Expr) -> None:
        """A column's constraint as one of the table, by the name that was written."""
        constraint.meta["name"] = written.meta.get("name", "")
        self.constraints.append(constraint)

    # --- The whole --------------------------------------------------------------------------------

    def definition(self, collation: str) -> TableDefinition:
        time_index = self._time_index()
        key = self._primary_key(time_index)
        external = is_external(self.tree)
        engine = None if external else self._engine()
        partition = self._find(nodes.PartitionOnColumns)
        query, like = self.tree.args.get("expression"), self._find(exp.LikeProperty)
        declares_series = engine is not None or partition is not None
        if time_index is None and like is None and query is None and declares_series:
            raise DbError(ErrorKind.SYNTAX, "Missing time index constraint")
        if (time_index is not None or external) and self._is_relational():
            raise self._not_for_series()
        columns = self._columns(time_index, key, external=external)
        options = self._external_options() if external else self._options(time_index is None)
        if time_index is None and not external and like is None and options.keys() - {"comment"}:
            raise DbError(
                ErrorKind.SYNTAX,
                "Missing time index constraint",
                hint=f"the option {min(options)} is one of tables with a TIME INDEX",
            )
        comment = self._find(exp.SchemaCommentProperty)
        said = [p.name for p in self.properties if isinstance(p, nodes.IgnoredProperty)]
        collation = collation_of(said) or collation
        if time_index is None and not external:
            columns = tuple(collated(columns, self._collations(), collation))
        definition = TableDefinition(
            database=self.table.text("db") or None,
            name=self.table.name,
            columns=columns,
            if_not_exists=bool(self.tree.args.get("exists")),
            or_replace=bool(self.tree.args.get("replace")),
            temporary=self._find(exp.TemporaryProperty) is not None,
            unlogged=self._find(exp.UnloggedProperty) is not None,
            drop_on_commit="ON COMMIT DROP" in said,
            empty_on_commit=any(p.args.get("delete") for p in self.properties),
            primary_key=key,
            time_index=time_index,
            options=options,
            engine="file" if external else engine or "mito",
            external=external,
            comment=options.pop("comment", "") or (comment.name if comment is not None else ""),
            partition_columns=self._partition_columns(partition),
            partition_rules=_rules(partition),
            like=None if like is None else (like.this.text("db") or None, like.this.name),
            as_query=query,
            with_data=not any(p.args.get("no") for p in self.properties),
            constraints=tuple(self.constraints),
            key_name=self.key_name,
            auto_increment=tuple(self.auto_increment),
            sequence_options=self.sequence_options,
            indexes=tuple(self.indexes),
            collation=collation,
        )
        check_names(definition)
        return definition

    def _collations(self) -> dict[str, str]:
        return {draft.name: draft.collation for draft in self.drafts}

    def _is_relational(self) -> bool:
        """True if something is declared that only a relational table can have."""
        generated = any(draft.generated is not None for draft in self.drafts)
        return bool(self.constraints or self.auto_increment) or generated

    def _find(self, kind: type[Any]) -> Any:
        return next((p for p in self.properties if isinstance(p, kind)), None)

    def _not_for_series(self) -> DbError:
        return DbError(
            ErrorKind.UNSUPPORTED,
            "a table with a time index has no UNIQUE, CHECK, FOREIGN KEY, AUTO_INCREMENT"
            " or generated column",
            hint="leave out the TIME INDEX to get a relational table",
        )

    def _time_index(self) -> str | None:
        if len(self.time_indexes) > 1:
            raise DbError(
                ErrorKind.SYNTAX,
                "Invalid time index: expected only one time index constraint but actual "
                f"{len(self.time_indexes)}",
            )
        return self.time_indexes[0] if self.time_indexes else None

    def _primary_key(self, time_index: str | None) -> tuple[str, ...]:
        problem = "Illegal primary keys definition: "
        if len(self.inline_keys) > 1:
            problem += "not allowed to inline multiple primary keys in columns options"
            raise DbError(ErrorKind.INVALID_TABLE_DEFINITION, problem)
        if len(self.keys) + len(self.inline_keys) > 1:
            problem += "found definitions of primary keys in multiple places"
            raise DbError(ErrorKind.INVALID_TABLE_DEFINITION, problem)
        key = self.keys[0] if self.keys else tuple(self.inline_keys)
        if time_index is not None and time_index in key:
            problem = f'column "{time_index}" is the time index and cannot be in the primary key'
            raise DbError(
                ErrorKind.INVALID_TABLE_DEFINITION,
                problem,
                hint="the time index is part of a row's identity anyway",
            )
        if len(set(key)) < len(key):
            raise DbError(ErrorKind.DUPLICATE_COLUMN, "a column appears twice in the primary key")
        return key

    def _engine(self) -> str | None:
        found = self._find(exp.EngineProperty)
        name = "" if found is None else found.this.name
        return name if name in _ENGINES else None

    def _options(self, relational: bool) -> dict[str, str]:
        given = (p for p in self.properties if isinstance(p, nodes.TableOptions))
        return table_options((o for p in given for o in p.expressions), relational)

    def _partition_columns(self, partition: Any) -> tuple[str, ...]:
        return tuple(_name(c) for c in partition.args["columns"]) if partition is not None else ()

    # --- Columns ----------------------------------------------------------------------------------

    def _external_options(self) -> dict[str, str]:
        """As written: what they may be is told by the format of the files."""
        given = (p for p in self.properties if isinstance(p, nodes.TableOptions))
        return given_options(o for p in given for o in p.expressions)

    def _columns(
        self, time_index: str | None, key: tuple[str, ...], *, external: bool
    ) -> tuple[Column, ...]:
        if self.tree.args.get("expression") is not None:
            drafts = [draft for draft in self.drafts if draft.kind is not None]
        else:
            drafts = self.drafts
        series = time_index is not None or external
        return tuple(self._column(draft, time_index, key, series) for draft in drafts)

    def _column(
        self, draft: _Draft, time_index: str | None, key: tuple[str, ...], series: bool
    ) -> Column:
        if draft.kind is None:
            raise DbError(ErrorKind.SYNTAX, f'column "{draft.name}" has no type')
        data_type = column_type(draft.kind, time_series=series)
        if draft.name == time_index:
            _check_time_index(draft, data_type)
            semantic, nullable = Semantic.TIMESTAMP, False
        else:
            semantic = Semantic.TAG if draft.name in key else Semantic.FIELD
            nullable = draft.nullable is not False and (series or draft.name not in key)
        return Column(
            name=draft.name,
            type=data_type,
            nullable=nullable,
            default=_default(draft, series, nullable),
            semantic=semantic if series else None,
            comment=draft.comment,
            declared=kept_spelling(draft.kind) if series else declared_type(draft.kind),
            identity=draft.identity,
            generated="" if draft.generated is None else to_sql(draft.generated, Wire.HTTP),
            virtual=draft.virtual,
            touched=draft.touched,
            spelling=draft.spelling,
            indexes=_indexes(draft, data_type),
        )


_WITHOUT_MEANING = (exp.CharacterSetColumnConstraint, exp.ZeroFillColumnConstraint)


def _name(node: exp.Expr) -> str:
    """The column an identifier, column or ordered key part names."""
    if isinstance(node, (exp.Ordered, exp.ColumnPrefix)):
        return _name(node.this)
    return node.name


def _check_time_index(draft: _Draft, data_type: DataType) -> None:
    problem = None
    if not data_type.is_timestamp:
        problem = "time index column data type should be timestamp"
    elif draft.nullable:
        problem = "time index column can't be null"
    if problem is not None:
        raise _column_error(draft.name, problem)


def _column_error(column: str, problem: str) -> DbError:
    return DbError(
        ErrorKind.INVALID_TABLE_DEFINITION,
        f"Invalid column option, column name: {column}, error: {problem}",
    )


def _default(draft: _Draft, series: bool, nullable: bool) -> str | None:
    """The default as SQL text in the HTTP dialect; time-series tables take constants and now()."""
    default = draft.default
    if default is None or (isinstance(default, exp.Null) and nullable):
        return None
    if isinstance(default, exp.Null):
        raise _column_error(draft.name, "NULL is not a default for a NOT NULL column")
    if isinstance(default, exp.CurrentTimestamp):
        text = draft.default_text.lower().replace(" ", "")
        return "now()" if text == "now()" else "current_timestamp()"
    if series and not _is_constant(default):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f"Unsupported default constraint for column: '{draft.name}', "
            f"reason: expr '{draft.default_text or default.sql()}' not supported",
            hint="a constant, current_timestamp() or now()",
        )
    return to_sql(default, Wire.HTTP)


def _is_constant(node: exp.Expr) -> bool:
    if isinstance(node, (exp.Neg, exp.Paren, exp.Cast)):
        return _is_constant(node.this)
    return isinstance(node, _CONSTANTS)


def declared_type(kind: exp.Expr) -> str:
    """The spelling of a type that the type alone forgets, empty if there is nothing to keep."""
    name = kind.meta.get(SPELLING) or user_type_name(kind)
    if name is not None or not isinstance(kind, exp.DataType):
        return name or ""
    if isinstance(kind, NamedType):
        return bits_name(kind)
    if kind.this is exp.DType.JSONB:
        return "jsonb"
    if kind.this is exp.DType.CHAR and not kind.expressions:
        return "CHAR(1)"
    sized = kind.this in _SIZED and bool(kind.expressions)
    if sized or kind.this in _NAMED_TEXTS or kind.this in _SERIALS or kind.this is exp.DType.YEAR:
        return kind.sql(dialect="mysql" if kind.this in _NAMED_TEXTS else "postgres")
    return interval_name(kind)


def _indexes(draft: _Draft, data_type: DataType) -> dict[str, dict[str, str]]:
    if "FULLTEXT" in draft.indexes and data_type.id is not TypeId.STRING:
        raise _column_error(draft.name, "FULLTEXT index only supports string type")
    if "VECTOR" in draft.indexes and not data_type.dimensions:
        raise _column_error(draft.name, "a VECTOR index needs a VECTOR column")
    return {
        kind: index_options(draft.name, kind, options) for kind, options in draft.indexes.items()
    }


def _rules(partition: Any) -> tuple[str, ...]:
    return tuple(to_sql(rule, Wire.HTTP) for rule in partition.expressions) if partition else ()
