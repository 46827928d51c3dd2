"""Tells DuckDB our functions: macros, and functions over Arrow columns. Called when a store opens.

Macros are kept in the store's file; they are made anew only when the registry has changed.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from engine.errors import DbError
from sql.functions.expansion import is_typed
from sql.functions.index import FUNCTIONS, HELPERS
from sql.functions.registry import PREFIX, ArrowFunction, Macro
from sql.system.pg_functions import FUNCTIONS as CATALOG_MACROS

_MARK = f"{PREFIX}installed"


def install(cursor: duckdb.DuckDBPyConnection) -> None:
    """Makes every function known to the store of this cursor."""
    for name, made in _arrow_functions():
        _install_arrow(cursor, name, made)
    statements = [*CATALOG_MACROS, *_macro_statements()]
    digest = hashlib.sha256("\n".join(statements).encode()).hexdigest()
    if _installed(cursor) == digest:
        return
    cursor.execute("BEGIN")
    try:
        for statement in statements:
            cursor.execute(statement)
        cursor.execute(f"CREATE OR REPLACE MACRO {_MARK}() AS '{digest}'")
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")


def _installed(cursor: duckdb.DuckDBPyConnection) -> str | None:
    try:
        row = cursor.execute(f"SELECT {_MARK}()").fetchone()
    except duckdb.CatalogException:
        return None
    return str(row[0]) if row else None


# --- Macros ---------------------------------------------------------------------------------------


def _macro_statements() -> Iterator[str]:
    """CREATE statements of what DuckDB must know, each after those of the macros it uses."""
    helpers = {f"{PREFIX}{name}": how for name, how in HELPERS.items() if isinstance(how, tuple)}
    entries = {f.engine_name: f.how.overloads for f in FUNCTIONS if isinstance(f.how, Macro)}
    macros: dict[str, tuple[str, ...]] = helpers | entries
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name in done:
            return
        done.add(name)
        text = ", ".join(macros[name])
        for used in _used(text):
            if used in macros:
                yield from visit(used)
        yield f"CREATE OR REPLACE MACRO {name}{text}"

    roots = [*helpers, *(name for name, how in entries.items() if is_typed(how))]
    for overloads in entries.values():
        roots += [used for used in _used(", ".join(overloads)) if used in macros]
    for name in roots:
        yield from visit(name)


def _used(text: str) -> list[str]:
    return re.findall(rf"\b{PREFIX}\w+", text)


# --- Functions over Arrow columns -----------------------------------------------------------------


def _arrow_functions() -> Iterator[tuple[str, ArrowFunction]]:
    for name, how in HELPERS.items():
        if isinstance(how, ArrowFunction):
            yield f"{PREFIX}{name}", how
    for entry in FUNCTIONS:
        if isinstance(entry.how, ArrowFunction):
            yield entry.engine_name, entry.how


def _install_arrow(cursor: duckdb.DuckDBPyConnection, name: str, how: ArrowFunction) -> None:
    try:
        cursor.create_function(
            name,
            _lazy(how),
            list(how.parameters),
            how.returns,
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,
        )
    except duckdb.NotImplementedException:
        return  # another store of this process shares the instance and has it


@cache  # DuckDB keeps no reference of its own once the cursor that made a function is closed
def _lazy(how: ArrowFunction) -> Callable[..., pa.Array]:
    """The function, whose module is imported when it is first called."""
    loaded: list[Callable[..., pa.Array]] = []

    def called(*columns: pa.ChunkedArray) -> pa.Array:
        if not loaded:
            loaded.append(getattr(importlib.import_module(how.module), how.function))
        arrays: list[Any] = [column.combine_chunks() for column in columns]
        try:
            return loaded[0](*arrays)
        except DbError as error:
            # DuckDB keeps only the text; sql/run/errors.py finds the kind in it again.
            raise ArrowFunctionError(f"[{error.kind.name}] {error.message}") from error

    # DuckDB counts the parameters of the signature.
    kind = inspect.Parameter.POSITIONAL_ONLY
    names = [inspect.Parameter(f"c{n}", kind) for n in range(len(how.parameters))]
    called.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
    return called


class ArrowFunctionError(Exception):
    """An error of one of these functions, on its way through DuckDB."""
