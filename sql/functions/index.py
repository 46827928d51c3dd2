"""The registry's entries, all of them, and how to find one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import ModuleType

from sql.functions.entries import (
    addresses,
    aggregates,
    arrays,
    geo,
    hstore,
    json,
    mysql,
    named,
    numbers,
    search,
    session,
    sketches,
    strings,
    times,
    vectors,
)
from sql.functions.registry import Function, Native
from sql.session import Wire

_MODULES: tuple[ModuleType, ...] = (
    *(strings, numbers, times, json, arrays, aggregates, sketches),
    *(search, vectors, geo, addresses, named, hstore, session, mysql),
)
FUNCTIONS: tuple[Function, ...] = tuple(
    replace(entry, category=module.CATEGORY) for module in _MODULES for entry in module.FUNCTIONS
)
# What macros are made with, by the name without its prefix.
HELPERS: Mapping[str, object] = {
    name: made for module in _MODULES for name, made in module.HELPERS.items()
}


@cache
def of_wire(wire: Wire) -> Mapping[str, Function]:
    """The functions a wire offers, by every name."""
    return {name: f for f in FUNCTIONS if wire in f.wires for name in f.names}


@cache
def own_names(wire: Wire) -> frozenset[str]:
    """Names (in capitals) whose calls are ours to rewrite, so that no parser may interpret them."""
    ours = (f for f in FUNCTIONS if wire in f.wires and not _is_plain(f))
    kept = _SYNTAX if wire is Wire.MYSQL else _SYNTAX | {"FORMAT"}
    return frozenset(name.upper() for f in ours for name in f.names) - kept


def _is_plain(entry: Function) -> bool:
    return isinstance(entry.how, Native) and entry.how.name is None and len(entry.names) == 1


# Calls with a syntax of their own, and aggregates that RANGE queries and windows know by node.
_SYNTAX = frozenset(
    {"SUBSTRING", "TRIM", "OVERLAY", "POSITION", "EXTRACT", "CAST", "GROUP_CONCAT", "STRING_AGG"}
    | {"AVG", "COUNT", "MEAN", "STDDEV", "STDDEV_POP", "STDDEV_SAMP", "VARIANCE", "VAR_SAMP"}
    | {"VAR_POP", "COALESCE", "NOW", "CURRENT_DATE", "IF", "APPROX_DISTINCT"}
    | {"BOOL_AND", "EVERY", "PERCENTILE_CONT", "QUANTILE_CONT", "MAP", "COVAR_SAMP", "RANGE"}
    | {"LOWER", "LCASE", "UPPER", "UCASE"}
    | {"COVAR", "VAR", "DATE_TRUNC", "DATETRUNC", "DATE_BIN", "TIME_BUCKET", "RAND", "RANDOM"}
)
