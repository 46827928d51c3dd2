"""What an agent wishes for tables that its rows make: `x-greptime-hints` and its single headers.

Called by endpoints that ingest. A hint nobody knows is passed over, so that newer agents work.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers

from engine.errors import DbError, ErrorKind

_ALL = "x-greptime-hints"
_ONE = "x-greptime-hint-"
_OPTIONS = ("ttl", "append_mode", "merge_mode", "skip_wal", "sst_format")
_TRUE, _FALSE = "true", "false"


def hints_of(headers: Headers) -> dict[str, str]:
    """The hints of a request: `key=value` after commas in one header, or one header each.

    Raises: DbError INVALID_ARGUMENT for a hint without an equals sign.
    """
    found = {}
    for piece in ",".join(headers.getlist(_ALL)).split(","):
        key, equals, value = piece.partition("=")
        if piece.strip() and not equals:
            raise DbError(ErrorKind.INVALID_ARGUMENT, f"{_ALL}: {piece.strip()!r} is not key=value")
        if equals:
            found[key.strip().lower()] = value.strip()
    for name, value in headers.items():
        if name.startswith(_ONE):
            found[name.removeprefix(_ONE).replace("-", "_")] = value.strip()
    return found


def may_create(hints: Mapping[str, str]) -> bool:
    """False if tables and columns that are missing are to be errors.

    Raises: DbError INVALID_ARGUMENT.
    """
    value = hints.get("auto_create_table", _TRUE).lower()
    if value not in (_TRUE, _FALSE):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"the hint auto_create_table is true or false, not {value!r}",
        )
    return value == _TRUE


def table_options(hints: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    """The options of tables that have to be made: the defaults, over them the hints.

    A hint for append_mode takes a default merge_mode away: the two exclude each other.
    """
    options = dict(defaults)
    if hints.get("append_mode", "").lower() == _TRUE:
        options.pop("merge_mode", None)
    options.update((key, hints[key]) for key in _OPTIONS if key in hints)
    return options
