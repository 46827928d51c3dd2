"""pg_locks: the advisory locks that sessions hold or wait for; others are not told."""

from __future__ import annotations

import pyarrow as pa

from sql.acts.functions import number_of
from sql.acts.locks import Key
from sql.system.arrow import fill
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.table import SystemContext

_WORD = 0xFFFF_FFFF


def pg_locks(context: SystemContext) -> pa.Table:
    """One row for each session and lock."""
    numbers = [_numbers(key) for _, key, _, _ in context.locks]
    return fill(
        SHAPES["pg_locks"].schema,
        len(numbers),
        {
            "locktype": "advisory",
            "classid": [found[0] for found in numbers],
            "objid": [found[1] for found in numbers],
            "objsubid": [found[2] for found in numbers],
            "pid": [session for session, _, _, _ in context.locks],
            "mode": [
                "ShareLock" if shared else "ExclusiveLock" for _, _, shared, _ in context.locks
            ],
            "granted": [granted for _, _, _, granted in context.locks],
            "fastpath": False,
        },
    )


def _numbers(key: Key) -> tuple[int, int, int]:
    """(classid, objid, objsubid): how PostgreSQL spreads a name of one or two numbers."""
    if isinstance(key, str):
        return 0, number_of(key), 1
    assert isinstance(key, tuple)
    if len(key) == 1:
        return key[0] >> 32 & _WORD, key[0] & _WORD, 1
    return key[0] & _WORD, key[1] & _WORD, 2
