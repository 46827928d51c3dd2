"""Dates as people write them (`Jan 5, 2023`, `09/12/2023`), made ISO text for the readers of times.

Asked only about text that the kernels of `time_kernels` do not know. Which number is the month is
never guessed: a date of three numbers that does not begin with the year needs an order.
Source: https://www.postgresql.org/docs/15/datatype-datetime.html (tables 8.10, 8.11).
"""

from __future__ import annotations

import re
from functools import lru_cache

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = re.compile(
    r"[T\s](\d{1,2})(:\d\d(?::\d\d(?:\.\d+)?)?)\s*([ap]m\b)?\s*([+-]\d[\d:]*|Z\b|UTC\b|GMT\b)?",
    re.I,
)
_PIECE = re.compile(r"[A-Za-z]+|\d+")
_PLAIN = re.compile(r"\s*[A-Za-z0-9]+(?:(?:\s*,\s*|\s+|[-./])[A-Za-z0-9]+)*\s*")
_TEXT_MAX = 64  # characters; no date is longer
_CENTURY_TURN = 70  # two-digit years below are of this century


@lru_cache(4096)
def iso_moment(text: str, order: str = "") -> str | None:
    """The date, and the time behind it, in ISO's form; None if it is not of a form known here.

    `order` is MDY, DMY or YMD and says what three numbers mean; empty: they mean nothing.

    >>> iso_moment("Jan 5, 2023 10:11 PM")
    '2023-01-05 22:11'
    >>> iso_moment("09/12/2023", "MDY"), iso_moment("09/12/2023", "DMY"), iso_moment("09/12/2023")
    ('2023-09-12', '2023-12-09', None)
    """
    if len(text) > _TEXT_MAX:
        return None
    time = _TIME.search(text)
    rest = text if time is None else f"{text[: time.start()]} {text[time.end() :]}"
    day = _iso_date(rest, order) if _PLAIN.fullmatch(rest) else None
    if day is None or time is None:
        return day
    clock = _clock(*time.groups(default=""))
    return None if clock is None else f"{day} {clock}"


def _clock(hour: str, minutes: str, half: str, zone: str) -> str | None:
    if half:
        if not 1 <= int(hour) <= 12:
            return None
        hour = f"{int(hour) % 12 + (12 if half.lower() == 'pm' else 0)}"
    offset = "Z" if zone.upper() in ("UTC", "GMT", "Z") else zone
    return f"{int(hour):02}{minutes}{offset}"


def _iso_date(text: str, order: str) -> str | None:
    pieces = _PIECE.findall(text)
    words = [word.lower() for word in pieces if word.isalpha() and not _named(word, _DAYS)]
    numbers = [piece for piece in pieces if piece.isdigit()]
    if len(words) == 1 and len(numbers) == 2:
        return _with_month(_named(words[0], _MONTHS), *numbers)
    if words or len(numbers) != 3:
        return None
    if len(numbers[0]) > 2:  # 2023/09/12 is the same in every order
        order = "YMD"
    parts = dict(zip(order, numbers, strict=False))
    return _date(parts["Y"], parts["M"], parts["D"]) if parts else None


def _with_month(month: int, first: str, second: str) -> str | None:
    """The year stands first only if it has all its digits."""
    year, day = (first, second) if len(first) > 2 else (second, first)
    return _date(year, str(month), day) if month else None


def _named(word: str, names: tuple[str, ...]) -> int:
    """The 1-based number of the name that the word is or abbreviates; 0 if it is none."""
    for number, name in enumerate(names, 1):
        if len(word) >= 3 and name.startswith(word.lower()):
            return number
    return 0


def _date(year: str, month: str, day: str) -> str | None:
    if len(day) > 2 or len(month) > 2 or len(year) not in (2, 4):
        return None
    if len(year) == 2:
        year = f"{20 if int(year) < _CENTURY_TURN else 19}{year}"
    return f"{year}-{int(month):02}-{int(day):02}"
