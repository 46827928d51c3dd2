"""How values look as text: everything in which the wires differ.

A style is a frozen value made once per session setting (time zone, bytea_output) and shared by all
columns; text.py reads it. PostgreSQL's and MySQL's are here side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class BinaryText(Enum):
    """How bytes become text."""

    RAW = "raw"
    HEX = "hex"  # \\xDEADBEEF, bytea_output = hex
    ESCAPE = "escape"  # printable ASCII and \\ooo, bytea_output = escape


class IntervalText(Enum):
    """How intervals become text."""

    POSTGRES = "postgres"  # 1 year 2 mons 3 days 04:05:06.789
    ISO8601 = "iso_8601"  # P1Y2M3DT4H5M6.789S
    VERBOSE = "postgres_verbose"  # @ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs
    SQL = "sql_standard"  # +1-2 +3 +4:05:06.789


class DateText(Enum):
    """How dates and timestamps become text."""

    ISO = "ISO"  # 2023-01-02 03:04:05+01
    SQL = "SQL"  # 01/02/2023 03:04:05 CET
    POSTGRES = "Postgres"  # Mon Jan 02 03:04:05 2023 CET
    GERMAN = "German"  # 02.01.2023 03:04:05 CET


class NestedText(Enum):
    """How lists become text; structs and maps are JSON everywhere."""

    ARRAY = "array"  # {1,NULL,"a b"}
    JSON = "json"  # [1,null,"a b"]
    BRACKETS = "brackets"  # [1, null, a b]: as JSON, but text is quoted only where it has to be


@dataclass(frozen=True, slots=True)
class TextStyle:
    """One way of writing values as text.

    Floats are written with an exponent when theirs is below `exponent_low` or not below
    `exponent_high` (`single_high` for 32-bit floats). `fraction_digits` caps the digits of a
    second's fraction; `trim_fraction` drops trailing zeros, otherwise a type's own digits are
    always written.
    """

    true: bytes = b"t"
    false: bytes = b"f"
    binary: BinaryText = BinaryText.HEX
    exponent_low: int = -4
    exponent_high: int = 15
    single_high: int = 6
    long_exponent: bool = True  # e+05 rather than e5
    nan: bytes = b"NaN"
    infinity: bytes = b"Infinity"
    timezone: str = "UTC"  # IANA name or +HH:MM
    zone_suffix: bool = True  # TIMESTAMP_TZ ends with its offset
    fraction_digits: int = 6
    trim_fraction: bool = True
    era: bool = True  # years before 1 are written `0044 … BC`, otherwise years have ISO 8601's sign
    interval: IntervalText = IntervalText.POSTGRES
    dates: DateText = DateText.ISO
    day_first: bool = False  # where the style does not say it: DateStyle's DMY
    encoding: str = "UTF8"  # PostgreSQL's name of what the client reads
    nested: NestedText = NestedText.ARRAY


def unzoned(style: TextStyle) -> TextStyle:
    """The same style, which shows times as they are stored."""
    return style if style.timezone == "UTC" else replace(style, timezone="UTC")


POSTGRES = TextStyle()
"""PostgreSQL's text format with its default settings, in UTC."""

MYSQL = TextStyle(
    true=b"1",
    false=b"0",
    binary=BinaryText.RAW,
    # my_gcvt writes plain digits while the point stays within DBL_DIG (15) digits.
    exponent_low=-15,
    exponent_high=15,
    single_high=15,
    long_exponent=False,
    nan=b"nan",
    infinity=b"inf",
    zone_suffix=False,
    trim_fraction=False,
    era=False,
    interval=IntervalText.ISO8601,
    nested=NestedText.BRACKETS,
)
"""MySQL's text format, in UTC."""
