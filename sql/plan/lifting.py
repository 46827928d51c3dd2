"""Literals lifted out of a statement's text, so that dashboards share one plan.

A dashboard asks the same query with another host and another hour each time. Literals that a WHERE
clause compares a name with become parameters; the plan cache then knows the query by what is left.
So do those that UPDATE sets columns to, or adds, for applications that change row after row.
Found in the text alone, before anything is parsed: in doubt a literal stays where it is, and a
query whose lifted form fails is run again as it was written (sql/statements/query.py).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

TEXT_CHARS_MAX = 4_096
VALUES_MAX = 64

_STRING = r"'(?:[^'\\]|'')*'"
_LITERAL = rf"(?:{_STRING}|-?\d+(?:\.\d+)?(?![\w.]))"
_WHOLE = r"-?\d{1,18}(?![\w.])"
_CLOSING = (
    "SELECT|FROM|GROUP|ORDER|HAVING|LIMIT|OFFSET|UNION|EXCEPT|INTERSECT|WINDOW|QUALIFY"
    "|ALIGN|RETURNING"
)
_NAME = r"""(?:(?<![\w.])[A-Za-z_][\w.]*|"[^"]*"|`[^`]*`)"""
_END = rf"(?=\s*(?:;|\)|\Z|(?:AND|OR|{_CLOSING})\b))"

_QUERY = re.compile(r"\s*(SELECT|WITH|UPDATE|DELETE)\s", re.IGNORECASE)
# Comments, placeholders, variables, escapes, dollar quotes: not worth the risk. Times finer than
# a parameter's microseconds have to stay what they are.
_UNUSUAL = re.compile(r"[$?@#\\]|--|/\*|:\d\d\.\d{7}")
_MARK = re.compile(r"\$\d+")  # no other dollar is in a text that is lifted
_SCAN = re.compile(
    rf"""
    (?P<where>\bWHERE\b)
  | (?P<set>\bSET\b)
  | (?P<close>\b(?:{_CLOSING})\b)
  | (?P<compared>{_NAME}\s*(?:<=|>=|<>|!=|[=<>])\s*)(?P<literal>{_LITERAL}){_END}
  | (?P<assigned>{_NAME}\s*=\s*)(?P<value>{_LITERAL})(?=\s*(?:,|(?:WHERE|FROM)\b))
  | (?P<changed>{_NAME}\s*=\s*{_NAME}\s*[-+]\s*)(?P<by>{_WHOLE})(?=\s*(?:,|(?:WHERE|FROM)\b))
  | (?P<among>{_NAME}\s+IN\s*\(\s*)(?P<items>{_LITERAL}(?:\s*,\s*{_LITERAL})*)(?=\s*\))
  | (?P<between>\bBETWEEN\s+)(?P<low>{_LITERAL})(?P<and>\s+AND\s+)(?P<high>{_LITERAL}){_END}
  | {_STRING} | "[^"]*" | `[^`]*`
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Lifted(NamedTuple):
    """A query with `$n` for its lifted literals, and their values."""

    text: str
    values: tuple[object, ...]


def lift(text: str, *, numbered: bool = True) -> Lifted | None:
    """The lifted form of a query; None when there is nothing to lift, or anything unusual in it.

    Not `numbered`: with `?` for each literal, as MySQL has placeholders.

    >>> lift("SELECT v FROM t WHERE host = 'a' AND ts > 5 LIMIT 3")
    Lifted(text='SELECT v FROM t WHERE host = $1 AND ts > $2 LIMIT 3', values=('a', 5))
    """
    if len(text) > TEXT_CHARS_MAX or not _QUERY.match(text) or _UNUSUAL.search(text):
        return None
    if not numbered and '"' in text:
        return None  # a text or a name in MySQL: what it is compared with decides
    values: list[object] = []
    lifting = setting = False

    def replaced(found: re.Match[str]) -> str:
        nonlocal lifting, setting
        if found.lastgroup in ("where", "set"):
            lifting, setting = True, found.lastgroup == "set"
        elif found.lastgroup == "close":
            lifting = setting = False
        elif lifting and len(values) < VALUES_MAX:
            if found.lastgroup in ("value", "by") and setting:
                name = found["assigned"] or found["changed"]
                return name + _lifted(found["value"] or found["by"], values)
            if found.lastgroup == "literal":
                return found["compared"] + _lifted(found["literal"], values)
            if found.lastgroup == "items":
                return found["among"] + _lifted_list(found["items"], values)
            if found.lastgroup == "high":
                low = _lifted(found["low"], values)
                return found["between"] + low + found["and"] + _lifted(found["high"], values)
        return found.group()

    form = _SCAN.sub(replaced, text)
    if not values:
        return None
    return Lifted(form if numbered else _MARK.sub("?", form), tuple(values))


def _lifted_list(items: str, values: list[object]) -> str:
    literals = re.findall(_LITERAL, items)
    if len(values) + len(literals) > VALUES_MAX:
        return items
    return ", ".join(_lifted(literal, values) for literal in literals)


def _lifted(literal: str, values: list[object]) -> str:
    if literal.startswith("'"):
        values.append(literal[1:-1].replace("''", "'"))
    else:
        values.append(Decimal(literal) if "." in literal else int(literal))
    return f"${len(values)}"
