"""Statements nobody would write: token soup, and valid ones with parts changed.

Seeds are the statements of sqllogictest/cases. Everything comes from a seeded `random.Random`, so
an input is known by its number.
"""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

CASES = Path(__file__).parent.parent.parent / "sqllogictest" / "cases"
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\w+|\s+|[^\w\s]")
_ODD = (
    *("'", '"', "`", "(", ")", "((", "))", "[", "]", "{", "}", ";", "--", "/*", "*/", "/*!", "$1"),
    *("$$", "$a$", "?", "@@", "@x", ":=", "::", ":a", "\\", "\x00", "\u202e", "é", "日本", "😀"),
    *(
        "0x",
        "1e999",
        "-",
        "+",
        "*",
        "%",
        "||",
        "->>",
        "#>",
        "@>",
        "~*",
        "!~",
        "<>",
        "<=>",
        "=",
        ",",
    ),
    *("1e-400", "99999999999999999999999999999999999999999", "0.", ".5", "''", '""', "E'\\x'"),
    *("NULL", "x'zz'", "b'2'", "_utf8mb4'a'", "INTERVAL '1'", "INTERVAL '1 fortnight'", "DATE ''"),
)
_WORDS = (
    *("SELECT", "FROM", "WHERE", "GROUP", "BY", "ORDER", "HAVING", "LIMIT", "OFFSET"),
    *("UNION", "ALL", "EXCEPT", "INTERSECT", "DISTINCT", "ON", "JOIN", "LEFT", "RIGHT"),
    *("FULL", "CROSS", "LATERAL", "USING", "NATURAL", "AS", "AND", "OR", "NOT", "IN", "IS"),
    *("NULL", "LIKE", "ILIKE", "BETWEEN", "CASE", "WHEN", "THEN", "ELSE", "END", "CAST"),
    *("EXISTS", "ANY", "SOME", "WITH", "RECURSIVE", "VALUES", "INSERT", "INTO", "UPDATE"),
    *("SET", "DELETE", "REPLACE", "CREATE", "TABLE", "VIEW", "DATABASE", "DROP", "ALTER"),
    *("ADD", "COLUMN", "MODIFY", "RENAME", "TRUNCATE", "SHOW", "DESCRIBE", "EXPLAIN"),
    *("ANALYZE", "VERBOSE", "FORMAT", "JSON", "RANGE", "ALIGN", "TO", "FILL", "PREV"),
    *("LINEAR", "SAMPLE", "LATEST", "PARTITION", "OVER", "ROWS", "PRECEDING", "FOLLOWING"),
    *("UNBOUNDED", "CURRENT", "ROW", "FILTER", "WITHIN", "ROLLUP", "CUBE", "TQL", "EVAL"),
    *("COPY", "STDIN", "PREPARE", "EXECUTE", "DECLARE", "CURSOR", "FETCH", "CLOSE", "BEGIN"),
    *("COMMIT", "ROLLBACK", "SAVEPOINT", "SET", "TIMEZONE", "ADMIN", "flush_table", "KILL"),
    *("USE", "PRIMARY", "KEY", "TIME", "INDEX", "DEFAULT", "ON", "CONFLICT", "DO", "NOTHING"),
    *("DUPLICATE", "RETURNING", "MERGE", "MATCHED", "INTERVAL", "TIMESTAMP", "DATE", "INT"),
    *("BIGINT", "DOUBLE", "STRING", "ARRAY", "sum", "avg", "count", "min", "max"),
    *("last_value", "first_value", "now", "date_bin", "time_bucket", "date_trunc", "extract"),
    *("coalesce", "unnest", "generate_series", "to_char", "ts", "host", "v", "fz", "public"),
    *("information_schema", "tables", "columns", "pg_catalog", "pg_class", "greptime"),
    *("true", "false", "0", "1", "-1", "42", "1.5", "'1h'", "'5s'", "'2024-01-01'", "'a'"),
    *("*",),
)


@cache
def seeds() -> tuple[str, ...]:
    """The statements of all cases."""
    found: list[str] = []
    for path in sorted(CASES.rglob("*.slt")):
        for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            lines = [line for line in block.splitlines() if not line.startswith("#")]
            if lines and re.match(r"(statement|query)\b", lines[0]):
                body = "\n".join(lines[1:]).split("\n----")[0].strip()
                found += [body] if body else []
    return tuple(dict.fromkeys(found))


def statement(chance: random.Random) -> str:
    """A random input."""
    form = chance.random()
    if form < 0.15:
        return _soup(chance)
    text = chance.choice(seeds())
    if form < 0.2:
        return _bytes(chance, text)
    if form < 0.65:
        return _alike(chance, text)
    for _ in range(chance.choice([1, 1, 2, 3, 6])):
        text = _changed(chance, text)
    return text[:20_000]


def _soup(chance: random.Random) -> str:
    count = chance.choice([1, 3, 8, 20, 60])
    words = [_word(chance) for _ in range(count)]
    return chance.choice([" ", " ", ""]).join(words)


def _word(chance: random.Random) -> str:
    return chance.choice(_ODD if chance.random() < 0.35 else _WORDS)


def _bytes(chance: random.Random, text: str) -> str:
    """With single characters changed."""
    letters = list(text)
    for _ in range(chance.randint(1, 5)):
        place = chance.randrange(len(letters) + 1)
        form = chance.randrange(3)
        if form == 0 and letters:
            del letters[min(place, len(letters) - 1)]
        elif form == 1:
            letters.insert(place, chance.choice(["'", '"', "(", ")", ";", "\x00", "é", "\\", "%"]))
        elif letters:
            letters[min(place, len(letters) - 1)] = chr(chance.randrange(1, 0x250))
    return "".join(letters)


_NAME = re.compile(r"[A-Za-z_]\w*")
_LITERAL = re.compile(r"'.*'|\d+", re.DOTALL)


@cache
def _vocabulary() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names and the literals of all seeds."""
    tokens = [token for text in seeds() for token in _TOKEN.findall(text)]
    names = (token for token in tokens if _NAME.fullmatch(token))
    literals = (token for token in tokens if _LITERAL.fullmatch(token))
    return tuple(names), (*literals, *_ODD_VALUES)


_ODD_VALUES = (
    *("0", "-1", "NULL", "''", "1e308", "1e-320", "9223372036854775807", "9223372036854775808"),
    *("-9223372036854775809", "2147483648", "'NaN'", "'infinity'", "'1h'", "'0s'", "'-5s'", "'1M'"),
    *("'9999-12-31'", "'0001-01-01'", "'2024-02-30'", "'+14:00'", "'Asia/Shanghai'", "'é'", "true"),
    *("340282366920938463463374607431768211456", "0.1e1", "'{\"a\":1}'", "ARRAY[1]", "'\\x00'"),
)


def _alike(chance: random.Random, text: str) -> str:
    """With some names for other names and literals for other literals: mostly still a statement."""
    tokens = _TOKEN.findall(text)
    names, literals = _vocabulary()
    for place in chance.sample(range(len(tokens)), min(len(tokens), chance.choice([2, 4, 8]))):
        if _NAME.fullmatch(tokens[place]):
            tokens[place] = chance.choice(names)
        elif _LITERAL.fullmatch(tokens[place]):
            tokens[place] = chance.choice(literals)
    return "".join(tokens)


def _changed(chance: random.Random, text: str) -> str:
    """With a token, or a run of them, dropped, doubled, moved, replaced or taken from elsewhere."""
    tokens = _TOKEN.findall(text) or [" "]
    start = chance.randrange(len(tokens))
    end = min(len(tokens), start + chance.choice([1, 1, 1, 3, 8]))
    form = chance.randrange(8)
    if form == 0:
        del tokens[start:end]
    elif form == 1:
        tokens[end:end] = tokens[start:end]
    elif form == 2:
        place = chance.randrange(len(tokens))
        tokens[start], tokens[place] = tokens[place], tokens[start]
    elif form == 3:
        tokens[start:end] = [f" {_word(chance)} "]
    elif form == 4:
        tokens.insert(start, f" {_word(chance)} ")
    elif form == 5:
        other = _TOKEN.findall(chance.choice(seeds())) or [" "]
        place = chance.randrange(len(other))
        tokens[start:end] = other[place : place + chance.choice([1, 4, 12])]
    elif form == 6:
        depth = chance.choice([2, 5, 40])
        tokens[start:end] = ["("] * depth + tokens[start:end] + [")"] * depth
    else:
        tokens = tokens[:end]
    return "".join(tokens)
