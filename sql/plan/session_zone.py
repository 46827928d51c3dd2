"""Functions that show or read a time as the clocks of the session's zone do.

A planning rule, run before the calls are rewritten: `date_format` shows a time in the session's
zone, as results do; `to_unixtime` and `unix_timestamp` read text without an offset in it. In UTC
there is nothing to do. What they mean otherwise is in sql/functions.
"""

from __future__ import annotations

from datetime import timedelta

from sqlglot import exp

from sql.functions.rewrites.build import number, own, text
from sql.settings import zone_of

_SHOWN = frozenset({"date_format"})
_READ = frozenset({"to_unixtime", "unix_timestamp"})


def zone_calls(tree: exp.Expr, timezone: str) -> exp.Expr:
    """Rewrites the first arguments of such calls in place."""
    if timezone == "UTC":
        return tree
    for node in list(tree.find_all(exp.Anonymous)):
        name = node.name.lower()
        if name not in _SHOWN | _READ or not node.expressions:
            continue
        helper = "local_time" if name in _SHOWN else "utc_time"
        first = node.expressions[0]
        first.replace(own(helper, first, _zone(timezone)))
    return tree


def _zone(timezone: str) -> exp.Expr:
    """A name as DuckDB knows it, or the seconds east of UTC."""
    fixed = zone_of(timezone).utcoffset(None)
    return text(timezone) if fixed is None else number(fixed // timedelta(seconds=1))
