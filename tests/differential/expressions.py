"""Random typed expressions that PostgreSQL 15 accepts.

Chance comes from a `random.Random`: hypothesis' own in tests (so that failures shrink), a seeded
one in long runs. Called by queries.py. What is known to differ is not asked:

- round() of a DOUBLE: halves go away from zero, as in MySQL, there to the even number;
- a DOUBLE as text: `7.0`, as our other wires show it, there `7`;
- an INTERVAL as text: `1 month`, there `1 mon`;
- NUMERIC without a size: 38 digits, 10 of them after the point, there any number of them;
- COALESCE, GREATEST and UNION of NUMERIC(38, 3) (sums) and NUMERIC(38, 0) (ceilings) have no digits
  after the point: it may still be met, once in some thousand queries;
- ROLLUP and CUBE over what is constant, which DuckDB folds before it groups.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.differential.schema import (
    BOOLEAN,
    DATE,
    FLOAT,
    INT,
    INTERVAL,
    NUMERIC,
    TEXT,
    TIMESTAMP,
)

Columns = list[tuple[str, str]]  # (name as written, type)
TYPES = (INT, NUMERIC, FLOAT, TEXT, BOOLEAN, DATE, TIMESTAMP)
_LITERALS: dict[str, tuple[str, ...]] = {
    INT: ("0", "1", "-1", "2", "7", "-7", "100", "NULL::int"),
    NUMERIC: (
        "0.0",
        "1.5",
        "-2.5",
        "0.005",
        "-0.125",
        "100.10",
        "3::numeric(9,2)",
        "NULL::numeric(9,2)",
    ),
    FLOAT: ("0.5::float8", "-1.25::float8", "2e0", "NULL::float8", "1e3"),
    TEXT: ("''", "'ann'", "'Ann'", "'%a%'", "'é'", "'a b'", "'x'::text", "NULL::text"),
    BOOLEAN: ("true", "false", "NULL::boolean"),
    DATE: ("DATE '2024-02-29'", "'2023-12-31'::date", "DATE '2020-01-01'", "NULL::date"),
    TIMESTAMP: (
        "TIMESTAMP '2024-03-01 00:00:00'",
        "'2024-02-29 23:59:59.5'::timestamp",
        "TIMESTAMP '1999-12-31 12:30:00'",
        "NULL::timestamp",
    ),
    INTERVAL: (
        "INTERVAL '1 day'",
        "INTERVAL '90 minutes'",
        "INTERVAL '1 month'",
        "INTERVAL '1 hour 30 seconds'",
        "INTERVAL '-2 hours'",
    ),
}
_FIELDS = ("year", "month", "day", "dow", "doy", "week", "quarter", "isodow", "isoyear")
_CLOCK_FIELDS = ("hour", "minute")
_UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute")
_PATTERNS = ("'a%'", "'%a%'", "'_nn'", "'%'", "''", "'A__'", "'%\\%'", "'%b'")
_REGEXES = ("'^a'", "'n+'", "'[A-Z]'", "'^.{3}$'", "'a|o'")


class Expressions:
    """Makes expressions over some columns."""

    def __init__(self, chance: random.Random, columns: Columns) -> None:
        self.chance = chance
        self.columns = columns
        self._makers: dict[str, tuple[Callable[[int], str], ...]] = {
            INT: (self._int_arithmetic, self._int_of_text, self._int_of_time, self._int_cast),
            NUMERIC: (self._numeric_arithmetic, self._numeric_function),
            FLOAT: (self._float_arithmetic, self._float_function),
            TEXT: (self._text_function, self._text_cast, self._text_join),
            BOOLEAN: (self._comparison, self._logic, self._null_test, self._text_test),
            DATE: (self._date_function,),
            TIMESTAMP: (self._timestamp_function,),
            INTERVAL: (self._interval_function,),
        }

    def make(self, kind: str, depth: int) -> str:
        """An expression of a type, at most `depth` deep."""
        if depth <= 0 or self.chance.random() < 0.25:
            return self.leaf(kind)
        if self.chance.random() < 0.2:
            return self._choice(kind, depth - 1)
        return self.chance.choice(self._makers[kind])(depth - 1)

    def leaf(self, kind: str) -> str:
        """A column if there is one, or a literal."""
        names = [name for name, its in self.columns if its == kind]
        if names and self.chance.random() < 0.8:
            return self.chance.choice(names)
        return self.chance.choice(_LITERALS[kind])

    def pick(self, *choices: str) -> str:
        """One of some texts."""
        return self.chance.choice(choices)

    def _choice(self, kind: str, depth: int) -> str:
        one, two = self.make(kind, depth), self.make(kind, depth)
        form = self.chance.randrange(5)
        if form == 0:
            return f"CASE WHEN {self.make(BOOLEAN, depth)} THEN {one} ELSE {two} END"
        if form == 1:
            return f"CASE WHEN {self.make(BOOLEAN, depth)} THEN {one} END"
        if form == 2:
            return f"COALESCE({one}, {two})"
        if form == 3:
            return f"NULLIF({one}, {two})"
        return f"({one})" if kind in (BOOLEAN, INTERVAL) else f"GREATEST({one}, {two})"

    # Numbers.

    def _int_arithmetic(self, depth: int) -> str:
        one, two = self.make(INT, depth), self.make(INT, 0)
        form = self.chance.randrange(6)
        if form < 3:
            return f"({one} {self.pick('+', '-')} {two})"
        if form == 3:
            return f"({self.leaf(INT)} * {self.pick('2', '-3', '7')})"
        return f"({one} {self.pick('/', '%')} {self.pick('2', '-3', '7', '(-2)')})"

    def _int_of_text(self, depth: int) -> str:
        text = self.make(TEXT, depth)
        return self.pick(
            f"length({text})",
            f"octet_length({text})",
            f"strpos({text}, 'a')",
            f"position('n' in {text})",
            f"abs({self.make(INT, depth)})",
            f"sign({self.make(INT, depth)})::int",
            f"ascii({text})",
        )

    def _int_of_time(self, depth: int) -> str:
        if self.chance.random() < 0.5:
            return f"extract({self.pick(*_FIELDS)} from {self.make(DATE, depth)})::int"
        if self.chance.random() < 0.3:
            return f"({self.make(DATE, depth)} - {self.make(DATE, depth)})"
        field = self.pick(*_FIELDS, *_CLOCK_FIELDS)
        return f"extract({field} from {self.make(TIMESTAMP, depth)})::int"

    def _int_cast(self, depth: int) -> str:
        if self.chance.random() < 0.5:
            return f"({self.make(BOOLEAN, depth)})::int"
        return f"round({self.make(NUMERIC, 0)})::int"

    def _numeric_arithmetic(self, depth: int) -> str:
        one, two = self.make(NUMERIC, depth), self.make(self.pick(NUMERIC, INT), depth)
        form = self.chance.randrange(5)
        if form < 2:
            return f"({one} {self.pick('+', '-')} {two})"
        if form == 2:
            return f"({self.leaf(NUMERIC)} * {self.leaf(NUMERIC)})"
        if form == 3:
            return f"({self.leaf(NUMERIC)} % {self.pick('3', '-2.5', '0.7')})"
        return f"round({one} / {self.pick('3', '-7', '0.7')}, 4)"

    def _numeric_function(self, depth: int) -> str:
        value = self.make(NUMERIC, depth)
        return self.pick(
            f"round({value}, {self.pick('0', '1', '2', '-1')})",
            f"round({value})",
            f"trunc({value}, 1)",
            f"floor({value})",
            f"ceil({value})",
            f"abs({value})",
            f"({self.make(INT, depth)})::numeric(12,2)",
            f"({value})::numeric(12,1)",
            f"(- {self.leaf(NUMERIC)})",
        )

    def _float_arithmetic(self, depth: int) -> str:
        one, two = self.make(FLOAT, depth), self.make(self.pick(FLOAT, INT, NUMERIC), depth)
        if self.chance.random() < 0.6:
            return f"({one} {self.pick('+', '-', '*')} {two})"
        return f"({one} / {self.pick('2', '4.0', '-0.5')})"

    def _float_function(self, depth: int) -> str:
        value = self.make(FLOAT, depth)
        return self.pick(
            f"floor({value})",
            f"ceil({value})",
            f"trunc({value})",
            f"abs({value})",
            f"({self.make(self.pick(INT, NUMERIC), depth)})::float8",
            f"sqrt(abs({value}))",
        )

    # Text.

    def _text_function(self, depth: int) -> str:
        text = self.make(TEXT, depth)
        return self.pick(
            f"upper({text})",
            f"lower({text})",
            f"left({text}, {self.pick('2', '-1', '0')})",
            f"right({text}, {self.pick('2', '-1', '0')})",
            f"substring({text} from {self.pick('1', '2', '-1')} for {self.pick('2', '3')})",
            f"substr({text}, 2)",
            f"replace({text}, 'a', 'zz')",
            f"trim({text})",
            f"ltrim({text})",
            f"reverse({text})",
            f"repeat({text}, 2)",
            f"lpad({text}, 6, '*')",
            f"split_part({text}, ' ', {self.pick('1', '2', '-1')})",
            f"initcap({text})",
            f"translate({text}, 'abn', 'xy')",
            f"regexp_replace({text}, {self.pick(*_REGEXES)}, '<\\&>')",
            f"md5({text})",
        )

    def _text_cast(self, depth: int) -> str:
        kind = self.pick(INT, BOOLEAN, DATE, TIMESTAMP, NUMERIC)
        value = self.leaf(kind) if kind == NUMERIC else self.make(kind, depth)
        form = self.pick("({})::text", "CAST({} AS text)", "CAST({} AS varchar)::text")
        return form.format(value)

    def _text_join(self, depth: int) -> str:
        one, two = self.make(TEXT, depth), self.make(TEXT, depth)
        other = self.make(self.pick(INT, TEXT), depth)
        return self.pick(
            f"({one} || {two})",
            f"concat({one}, {other}, {two})",
            f"concat_ws('-', {one}, {two})",
            f"to_char({self.make(TIMESTAMP, 0)}, 'YYYY-MM-DD HH24:MI:SS')",
        )

    # Truth.

    def _comparison(self, depth: int) -> str:
        kind = self.pick(INT, NUMERIC, FLOAT, TEXT, DATE, TIMESTAMP)
        one, two = self.make(kind, depth), self.make(kind, depth)
        form = self.chance.randrange(5)
        if form < 2:
            return f"({one} {self.pick('=', '<>', '<', '<=', '>', '>=')} {two})"
        if form == 2:
            negation = self.pick("", "NOT ")
            return f"({one} {negation}BETWEEN {two} AND {self.make(kind, 0)})"
        if form == 3:
            negation = self.pick("", "NOT ")
            return f"({one} {negation}IN ({two}, {self.make(kind, 0)}, {self.make(kind, 0)}))"
        return f"({one} IS {self.pick('', 'NOT ')}DISTINCT FROM {two})"

    def _logic(self, depth: int) -> str:
        one, two = self.make(BOOLEAN, depth), self.make(BOOLEAN, depth)
        return self.pick(f"({one} AND {two})", f"({one} OR {two})", f"(NOT {one})")

    def _null_test(self, depth: int) -> str:
        kind = self.pick(*TYPES)
        value = self.make(kind, depth)
        truth = self.make(BOOLEAN, depth)
        return self.pick(
            f"(({value}) IS NULL)",
            f"(({value}) IS NOT NULL)",
            f"(({truth}) IS TRUE)",
            f"(({truth}) IS NOT FALSE)",
            f"(({truth}) IS UNKNOWN)",
        )

    def _text_test(self, depth: int) -> str:
        text = self.make(TEXT, depth)
        return self.pick(
            f"({text} {self.pick('', 'NOT ')}LIKE {self.pick(*_PATTERNS)})",
            f"({text} ILIKE {self.pick(*_PATTERNS)})",
            f"({text} {self.pick('~', '~*', '!~', '!~*')} {self.pick(*_REGEXES)})",
            f"starts_with({text}, 'a')",
        )

    # Time.

    def _date_function(self, depth: int) -> str:
        return self.pick(
            f"({self.make(DATE, depth)} + {self.make(INT, 0)})",
            f"({self.make(DATE, depth)} - 30)",
            f"({self.make(TIMESTAMP, depth)})::date",
            f"date_trunc('{self.pick(*_UNITS[:5])}', {self.make(DATE, depth)})::date",
        )

    def _timestamp_function(self, depth: int) -> str:
        moment = self.make(TIMESTAMP, depth)
        return self.pick(
            f"date_trunc('{self.pick(*_UNITS)}', {moment})",
            f"({moment} {self.pick('+', '-')} {self.leaf(INTERVAL)})",
            f"({self.make(DATE, depth)})::timestamp",
            f"({self.make(DATE, depth)} + {self.leaf(INTERVAL)})",
            f"date_bin('15 minutes', {moment}, TIMESTAMP '2001-01-01')",
        )

    def _interval_function(self, depth: int) -> str:
        return self.pick(
            f"({self.make(TIMESTAMP, depth)} - {self.make(TIMESTAMP, depth)})",
            f"({self.leaf(INTERVAL)} * {self.pick('2', '3')})",
            f"({self.leaf(INTERVAL)} + {self.leaf(INTERVAL)})",
        )
