"""Reading option lists: WITH of tables and databases, SET and UNSET of ALTER, options of indexes.

Called by create.py and by ALTER. Which keys exist and what they may be is in catalog/options.py;
values are kept as text, as SHOW CREATE TABLE prints them.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from catalog.options import (
    Check,
    between,
    check_database_option,
    check_table_option,
    check_together,
    flag,
    one_of,
    rate,
)
from engine.errors import DbError, ErrorKind
from sql.dialect import nodes

# What PostgreSQL stores per relation and we have no use for.
_POSTGRES_STORAGE = (
    "fillfactor",
    "autovacuum_",
    "toast",
    "parallel_workers",
    "oids",
    "user_catalog",
)


def option_text(value: exp.Expr | None) -> str:
    """An option's value as text; NULL is empty. Raises: DbError INVALID_ARGUMENT."""
    if value is None or isinstance(value, exp.Null):
        return ""
    if isinstance(value, exp.Boolean):
        return "true" if value.this else "false"
    text = nodes.constant_text(value)
    if text is None:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, f"an option's value must be a constant: {value.sql()}"
        )
    return text


def table_options(options: Iterable[nodes.Option], relational: bool = False) -> dict[str, str]:
    """The options of CREATE TABLE … WITH, canonical.

    Raises: DbError INVALID_ARGUMENT for an unknown key or a bad value.
    """
    result = {}
    for option in options:
        key = str(option.this)
        if relational and key.startswith(_POSTGRES_STORAGE):
            continue
        result[key] = check_table_option(key, option_text(option.args.get("expression")))
    check_together(result)
    return result


def given_options(options: Iterable[nodes.Option], relational: bool = False) -> dict[str, str]:
    """The options of ALTER … SET as written. Raises: DbError INVALID_ARGUMENT for no constant."""
    return {
        str(option.this): option_text(option.args.get("expression"))
        for option in options
        if not (relational and str(option.this).startswith(_POSTGRES_STORAGE))
    }


def database_options(options: Iterable[nodes.Option]) -> dict[str, str]:
    """The options of CREATE DATABASE … WITH, canonical.

    Raises: DbError INVALID_ARGUMENT for an unknown key or a bad value.
    """
    return {key: check_database_option(key, text) for key, text in given_options(options).items()}


_INDEX_OPTIONS: dict[str, dict[str, tuple[str, Check]]] = {
    "INVERTED": {},
    "SKIPPING": {
        "false_positive_rate": ("0.01", rate),
        "granularity": ("10240", between(1, 1 << 31)),
        "type": ("BLOOM", lambda key, text: one_of("bloom")(key, text).upper()),
    },
    "FULLTEXT": {
        "analyzer": ("English", lambda key, text: one_of("english", "chinese")(key, text).title()),
        "backend": ("bloom", one_of("bloom", "tantivy")),
        "case_sensitive": ("false", flag),
        "false_positive_rate": ("0.01", rate),
        "granularity": ("10240", between(1, 1 << 31)),
    },
    # Searches are exact and scan the column; the options are kept for programs that write them.
    "VECTOR": {
        "connectivity": ("16", between(2, 2048)),
        "engine": ("usearch", one_of("usearch")),
        "expansion_add": ("128", between(1, 1 << 31)),
        "expansion_search": ("64", between(1, 1 << 31)),
        "metric": ("l2sq", one_of("l2sq", "cosine", "inner_product", "dot", "ip", "l2", "cos")),
    },
}


def index_options(column: str, kind: str, options: Iterable[nodes.Option]) -> dict[str, str]:
    """All options of a column's index with their defaults, sorted by key.

    Raises: DbError INVALID_ARGUMENT, UNSUPPORTED for an index nobody knows.
    """
    known = _INDEX_OPTIONS.get(kind)
    if known is None:
        raise DbError(ErrorKind.UNSUPPORTED, f"{kind} INDEX is not supported")
    result = {key: default for key, (default, _) in known.items()}
    for option in options:
        key = str(option.this)
        if key not in known:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"Invalid column option, column name: {column}, "
                f"error: invalid {kind} INDEX option: {key}",
            )
        result[key] = known[key][1](key, option_text(option.args.get("expression")))
    if result.get("backend") == "tantivy":
        del result["granularity"], result["false_positive_rate"]  # of bloom filters only
    return result
