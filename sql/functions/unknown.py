"""DuckDB's refusals of function calls in our words: no such function, or not with these arguments.

Called by sql/run/errors.py with DuckDB's message; reads the registry for near names and signatures.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache

from engine.errors import DbError, ErrorKind
from sql.functions.index import FUNCTIONS
from sql.functions.registry import PREFIX, Function

_OURS = re.compile(r"UDF: (?:ArrowFunction|Act)Error: \[(\w+)\] (.*)", re.DOTALL)
_MISSING = re.compile(
    r"(?:Scalar |Table |Aggregate )?Function with name \"?(\w+)\"? does not exist"
)
_NO_MATCH = re.compile(
    r"No function matches the given name and argument types '(\w+)\((.*?)\)'\.", re.DOTALL
)
_NO_OPERATOR = re.compile(
    r"No function matches the given name and argument types '(\W+?)\((.*?)\)'\.", re.DOTALL
)
_NO_MACRO = re.compile(r"Macro \"?(\w+)\(\)\"? (?:does not support|has multiple overloads)")


def function_error(message: str, text: str) -> DbError | None:
    """The client's error if DuckDB's message is about a function call; `text` finds its place."""
    for pattern, make in _ERRORS:
        found = pattern.search(message)
        if found is not None:
            return make(found, text)
    return None


def _from_arrow(found: re.Match[str], _: str) -> DbError:
    kind = ErrorKind.__members__.get(found[1], ErrorKind.INVALID_ARGUMENT)
    return DbError(kind, found[2].strip())


def _missing(found: re.Match[str], text: str) -> DbError:
    name = _shown(found[1])
    near = near_names(name)
    hint = f"did you mean {', '.join(near)}?" if near else "SHOW FUNCTIONS lists what there is"
    return _error(f"function {name} does not exist", name, hint, text)


def _no_match(found: re.Match[str], text: str) -> DbError:
    name = _shown(found[1])
    types = found[2].replace("STRING_LITERAL", "unknown").replace("INTEGER_LITERAL", "integer")
    hint = _signatures(name) or "an argument may need a cast"
    return _error(f"function {name}({types.lower()}) does not exist", name, hint, text)


def _no_operator(found: re.Match[str], _: str) -> DbError:
    types = [_plain_type(part) for part in found[2].split(", ")]
    shown = f" {found[1]} ".join(types) if len(types) == 2 else f"{found[1]} {', '.join(types)}"
    message = f"operator does not exist: {shown}"
    return DbError(ErrorKind.UNDEFINED_FUNCTION, message, hint="an operand may need a cast")


def _plain_type(name: str) -> str:
    return {"STRING_LITERAL": "unknown", "INTEGER_LITERAL": "integer"}.get(name, name.lower())


def _no_macro(found: re.Match[str], text: str) -> DbError:
    name = _shown(found[1])
    hint = _signatures(name) or "an argument may need a cast"
    return _error(f"function {name} does not take these arguments", name, hint, text)


_ERRORS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], DbError]], ...] = (
    (_OURS, _from_arrow),
    (_MISSING, _missing),
    (_NO_MATCH, _no_match),
    (_NO_OPERATOR, _no_operator),
    (_NO_MACRO, _no_macro),
)


def _error(message: str, name: str, hint: str, text: str) -> DbError:
    place = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)
    position = place.start() + 1 if place is not None else None
    return DbError(ErrorKind.UNDEFINED_FUNCTION, message, hint=hint, position=position)


def _shown(name: str) -> str:
    """The name the client used."""
    return name.removeprefix(PREFIX).removesuffix("_mysql").removesuffix("_arrow")


@cache
def _by_name() -> dict[str, tuple[Function, ...]]:
    made: dict[str, tuple[Function, ...]] = {}
    for entry in FUNCTIONS:
        for name in entry.names:
            made[name] = (*made.get(name, ()), entry)
    return made


def near_names(name: str) -> list[str]:
    """Up to three functions whose names resemble this one.

    >>> near_names("lenght")[0]
    'length'
    """
    return get_close_matches(name.lower(), list(_by_name()), n=3, cutoff=0.7)


def _signatures(name: str) -> str:
    found = _by_name().get(name.lower(), ())
    shown = dict.fromkeys(f.signature for f in found)
    return f"call it as {' or '.join(shown)}" if shown else ""
