"""RANGE … ALIGN … BY … TO … FILL through a whole database against a slow, obvious reference.

Random rows, and queries of several aggregates that each have a width and a fill of their own.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import pytest
from fix_database import Client, client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sql.database import Database, DatabaseOptions
from sql.session import Wire

Row = tuple[str | None, int, int | None]  # series, time in ms, value
Values = list[int]


def _first(rows: list[Row]) -> int | None:
    return min(rows, key=lambda row: row[1])[2] if rows else None


def _last(rows: list[Row]) -> int | None:
    return max(rows, key=lambda row: row[1])[2] if rows else None


def _of(function: Callable[[Values], float], least: int = 1) -> Callable[[list[Row]], Any]:
    def over(rows: list[Row]) -> float | None:
        values = [value for _, _, value in rows if value is not None]
        return function(values) if len(values) >= least else None

    return over


def _quantile(values: Values) -> float:
    place = 0.25 * (len(values) - 1)
    low, ordered = math.floor(place), sorted(values)
    high = min(low + 1, len(values) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


# What is written → what it means over the rows of a slot.
AGGREGATES: dict[str, Callable[[list[Row]], Any]] = {
    "count(*)": len,
    "count(val)": _of(len, 0),
    "count(DISTINCT val)": _of(lambda values: len(set(values)), 0),
    "sum(val)": _of(sum),
    "min(val)": _of(min),
    "max(val)": _of(max),
    "avg(val)": _of(statistics.fmean),
    "median(val)": _of(statistics.median),
    "stddev(val)": _of(statistics.stdev, 2),
    "stddev_pop(val)": _of(statistics.pstdev),
    "var_pop(val)": _of(statistics.pvariance),
    "quantile_cont(val, 0.25)": _of(_quantile),
    "first_value(val)": _first,
    "last_value(val)": _last,
    "first_value(val ORDER BY ts DESC)": _last,
    "bool_and(val > 0)": _of(lambda values: all(value > 0 for value in values)),
    "sum(val + 1)": _of(lambda values: sum(values) + len(values)),
    "max(abs(val))": _of(lambda values: max(map(abs, values))),
}
NESTED: dict[str, tuple[str, Callable[[list[Row]], Any]]] = {
    "spread": (
        "(max(val) - min(val)) RANGE '{}'",
        _of(lambda values: max(values) - min(values)),
    ),
    "scaled": ("round(sum(val) RANGE '{}' * 2.5, 1)", _of(lambda values: sum(values) * 2.5)),
    "guarded": ("coalesce(max(val) RANGE '{}', -100)", lambda rows: _or(_of(max)(rows), -100)),
}


def _or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


@dataclass(frozen=True)
class Item:
    """One output: an aggregate over a width, with a fill ('' for none)."""

    kind: str
    width: int
    fill: str

    def sql(self) -> str:
        return f"{self.kind} RANGE '{self.width}ms' {f'FILL {self.fill}' if self.fill else ''}"


def reference(
    rows: list[Row], items: list[Item], step: int, origin: int, *, together: bool
) -> dict[tuple[str | None, int], list[Any]]:
    """The answer, by looking at every slot and every row."""
    widest = max(item.width for item in items)
    filled = any(item.fill for item in items)
    found: dict[tuple[str | None, int], list[Any]] = {}
    for series in {None} if together else {row[0] for row in rows}:
        own = rows if together else [row for row in rows if row[0] == series]
        first = origin + (min(row[1] for row in own) - widest - origin) // step * step
        every = range(first, max(row[1] for row in own) + 1, step)
        touched = [s for s in every if any(s <= row[1] < s + widest for row in own)]
        gaps = filled and bool(touched)
        slots = list(range(touched[0], touched[-1] + 1, step)) if gaps else touched
        columns = []
        for item in items:
            plain = {slot: _value(item, own, slot) if slot in touched else None for slot in slots}
            columns.append([_filled(item.fill, plain, slot) for slot in slots])
        for place, slot in enumerate(slots):
            found[series, slot] = [column[place] for column in columns]
    return found


def _value(item: Item, rows: list[Row], slot: int) -> Any:
    return AGGREGATES[item.kind]([row for row in rows if slot <= row[1] < slot + item.width])


def _filled(fill: str, plain: dict[int, Any], slot: int) -> Any:
    value = plain[slot]
    if fill in ("", "NULL"):
        return value
    if fill not in ("PREV", "LINEAR"):
        return int(fill) if value is None else value
    before = [s for s in plain if s <= slot and plain[s] is not None]
    if fill == "PREV":
        return plain[before[-1]] if before else None
    after = [s for s in plain if s >= slot and plain[s] is not None]
    if value is not None or not before or not after:
        return value
    low, high = before[-1], after[0]
    return plain[low] + (plain[high] - plain[low]) * (slot - low) / (high - low)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "", None]),
        st.integers(-90_000, 90_000),
        st.one_of(st.none(), st.integers(-9, 9)),
    ),
    min_size=1,
    max_size=10,
    unique_by=lambda row: row[:2],
)
WIDTHS = st.sampled_from([500, 3_000, 10_000, 24_000, 61_000])
STEPS = st.sampled_from([1_000, 3_000, 7_000, 60_000])
_PLAIN_FILLS = st.sampled_from(["", "NULL", "PREV"])
_NUMBERS = [kind for kind in AGGREGATES if not kind.startswith("bool")]
ITEMS = st.one_of(
    st.builds(
        Item, st.sampled_from(list(AGGREGATES)), WIDTHS, st.sampled_from(["", "NULL", "PREV"])
    ),
    st.builds(Item, st.sampled_from(_NUMBERS), WIDTHS, st.sampled_from(["LINEAR", "7"])),
)
# Session zone → where midnight of 1970-01-01 is there, in milliseconds.
ZONES = {"UTC": 0, "+08:00": -28_800_000, "Asia/Kolkata": -19_800_000, "-03:30": 12_600_000}


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    database = Database.open(tmp_path_factory.mktemp("range") / "data", DatabaseOptions())
    made = client(database, Wire.HTTP)
    made.run("CREATE TABLE host (ts TIMESTAMP(3) TIME INDEX, host STRING PRIMARY KEY, val BIGINT)")
    yield made
    database.close()


def fill_table(db: Client, rows: list[Row]) -> None:
    db.run("TRUNCATE host")
    cells = [
        f"({time}, {'NULL' if host is None else repr(host)}, {'NULL' if v is None else v})"
        for host, time, v in rows
    ]
    for half in (cells[::2], cells[1::2]):
        if half:
            db.run(f"INSERT INTO host VALUES {', '.join(half)}")


def milliseconds(moment: Any) -> int:
    """A time without a zone, which is UTC, as an epoch."""
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def alike(found: Any, expected: Any) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(float(found), float(expected), rel_tol=1e-9, abs_tol=1e-9)


SETTINGS = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.mark.slow
@SETTINGS
@given(
    rows=ROWS,
    items=st.lists(ITEMS, min_size=1, max_size=4),
    step=STEPS,
    zone=st.sampled_from(list(ZONES)),
    origin=st.sampled_from([None, 0, 1_500, -400, 123_456]),
    together=st.booleans(),
    whole=st.booleans(),
)
def test_random_queries_agree_with_the_reference(
    db: Client,
    rows: list[Row],
    items: list[Item],
    step: int,
    zone: str,
    origin: int | None,
    together: bool,
    whole: bool,
) -> None:
    fill_table(db, rows)
    db.run(f"SET time_zone = '{zone}'")
    by = "BY ()" if together else ""
    start = "" if origin is None else f"TO ('1970-01-01'::TIMESTAMP + INTERVAL '{origin} ms')"
    if whole:  # one fill for all, after ALIGN
        items = [Item(item.kind, item.width, items[0].fill) for item in items]
        asked = ", ".join(f"{item.kind} RANGE '{item.width}ms'" for item in items)
        tail = f"FILL {items[0].fill}" if items[0].fill else ""
    else:
        asked, tail = ", ".join(item.sql() for item in items), ""
    if len(set(asked.split(", "))) != len(asked.split(", ")):
        asked = ", ".join(f"{part} AS c{n}" for n, part in enumerate(_split(items, whole=whole)))
    key = "" if together else "host, "
    query = f"SELECT {key}ts, {asked} FROM host ALIGN '{step}ms' {start} {by} {tail}"
    answer = db.run(query)
    db.run("SET time_zone = 'UTC'")
    base = ZONES[zone] if origin is None else origin
    expected = reference(rows, items, step, base, together=together)
    found = {}
    for row in answer:
        series, rest = (None, row) if together else (row[0], row[1:])
        found[series, milliseconds(rest[0])] = list(rest[1:])
    assert found.keys() == expected.keys(), query
    for slot, values in expected.items():
        assert all(map(alike, found[slot], values)), (query, slot, found[slot], values)


def _split(items: list[Item], *, whole: bool) -> list[str]:
    return [f"{i.kind} RANGE '{i.width}ms'" if whole else i.sql() for i in items]


@pytest.mark.slow
@SETTINGS
@given(
    rows=ROWS,
    name=st.sampled_from(list(NESTED)),
    width=WIDTHS,
    step=STEPS,
    bounds=st.tuples(st.integers(-90_000, 90_000), st.integers(0, 90_000)),
)
def test_nested_expressions_over_a_part_agree_with_the_reference(
    db: Client, rows: list[Row], name: str, width: int, step: int, bounds: tuple[int, int]
) -> None:
    fill_table(db, rows)
    shown, meaning = NESTED[name]
    low, high = bounds[0], bounds[0] + bounds[1]
    query = (
        f"SELECT host, ts, {shown.format(f'{width}ms')} AS c FROM "
        f"(SELECT * FROM host WHERE ts >= {low} AND ts < {high}) AS part "
        f"ALIGN '{step}ms' TO '1970-01-01T00:00:00Z' BY (host)"
    )
    kept = [row for row in rows if low <= row[1] < high]
    counted = [Item("count(*)", width, "")]
    slots = reference(kept, counted, step, 0, together=False) if kept else {}
    found = {(row[0], milliseconds(row[1])): row[2] for row in db.run(query)}
    assert found.keys() == slots.keys(), query
    for series, slot in slots:
        own = [row for row in kept if row[0] == series and slot <= row[1] < slot + width]
        assert alike(found[series, slot], meaning(own)), (query, series, slot)
