"""RANGE … ALIGN queries on random data against a slow, obvious twin."""

from __future__ import annotations

import pytest
from fix_ranges import HOST, Lab, Milliseconds
from hypothesis import given, settings
from hypothesis import strategies as st

Sample = tuple[str | None, int, int | None]  # series, time in ms, value


def twin(
    samples: list[Sample], step: int, width: int, origin: int, fill: str
) -> dict[tuple[str | None, int], float | None]:
    """sum per (series, slot), by looking at every slot and every sample."""
    result: dict[tuple[str | None, int], float | None] = {}
    for series in {sample[0] for sample in samples}:
        own = [(time, value) for name, time, value in samples if name == series]
        slots = _twin_slots([time for time, _ in own], step, width, origin)
        sums: dict[int, float | None] = {}
        for slot in slots:
            inside = [v for time, v in own if slot <= time < slot + width and v is not None]
            sums[slot] = float(sum(inside)) if inside else None
        touched = [s for s in slots if any(s <= time < s + width for time, _ in own)]
        if fill and touched:
            touched = list(range(touched[0], touched[-1] + 1, step))
        result |= {(series, slot): _twin_fill(sums, touched, slot, fill) for slot in touched}
    return result


def _twin_slots(times: list[int], step: int, width: int, origin: int) -> list[int]:
    low, high = min(times) - width, max(times)
    first = origin + (low - origin) // step * step
    return list(range(first, high + 1, step))


def _twin_fill(
    sums: dict[int, float | None], slots: list[int], slot: int, fill: str
) -> float | None:
    value = sums.get(slot)
    if value is not None or fill in ("", "NULL"):
        return value
    if fill not in ("PREV", "LINEAR"):
        return float(fill)
    before = [s for s in slots if s < slot and sums.get(s) is not None]
    if fill == "PREV":
        return sums[before[-1]] if before else None
    after = [s for s in slots if s > slot and sums.get(s) is not None]
    if not before or not after:
        return None
    low, high = sums[before[-1]], sums[after[0]]
    assert low is not None
    assert high is not None
    return low + (high - low) * (slot - before[-1]) / (after[0] - before[-1])


SAMPLES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.integers(-60_000, 60_000),
        st.one_of(st.none(), st.integers(-9, 9)),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda sample: sample[:2],
)


@pytest.fixture(scope="module")
def random_lab() -> Lab:
    made = Lab()
    made.create(HOST)
    return made


@settings(max_examples=30, deadline=None)
@given(
    samples=SAMPLES,
    step=st.sampled_from([1_000, 3_000, 7_000, 10_000, 60_000]),
    width=st.sampled_from([500, 3_000, 10_000, 25_000, 60_000]),
    origin=st.sampled_from([0, 1_500, -400, 123_456]),
    fill=st.sampled_from(["", "NULL", "PREV", "LINEAR", "42"]),
)
def test_random_queries_agree_with_the_twin(
    random_lab: Lab, samples: list[Sample], step: int, width: int, origin: int, fill: str
) -> None:
    lab = random_lab
    lab.duck.execute("TRUNCATE host")
    lab.insert("host", [(Milliseconds(time), name, value) for name, time, value in samples])
    clause = f"FILL {fill}" if fill else ""
    start = f"('1970-01-01'::TIMESTAMP + INTERVAL '{origin} milliseconds')"
    planned = lab.plan(
        f"""SELECT host, ts, sum(val) RANGE '{width}ms' {clause} FROM host
        ALIGN '{step}ms' TO {start}"""
    )
    got = lab.duck.sql(f"SELECT #1, epoch_ms(#2), #3::DOUBLE FROM ({planned})").fetchall()
    expected = twin(samples, step, width, origin, fill)
    assert len(got) == len(expected)
    assert {(row[0], row[1]): row[2] for row in got} == pytest.approx(expected, abs=1e-9)


KINDS = ("count", "sum", "min", "max", "avg", "first_value", "last_value", "median")


def twin_value(kind: str, rows: list[tuple[int, int | None]]) -> float | None:
    """An aggregate of (time, value) rows, in the plainest way."""
    values = [value for _, value in rows if value is not None]
    if kind == "count":
        return len(values)
    if kind in ("first_value", "last_value"):
        return sorted(rows)[0 if kind == "first_value" else -1][1] if rows else None
    if not values:
        return None
    middle = sorted(values)[(len(values) - 1) // 2 : len(values) // 2 + 1]
    return {
        "sum": sum(values),
        "min": min(values),
        "max": max(values),
        "avg": sum(values) / len(values),
        "median": sum(middle) / len(middle),
    }[kind]


@settings(max_examples=40, deadline=None)
@given(
    samples=SAMPLES,
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True),
    step=st.sampled_from([1_000, 2_000, 3_000, 60_000]),
    widths=st.lists(st.sampled_from([500, 3_000, 24_000, 25_500, 61_000]), min_size=3, max_size=3),
    origin=st.sampled_from([0, 1_500, -400]),
    keep=st.sampled_from(["", "FILTER (WHERE val > 0)"]),
)
def test_random_aggregates_of_several_widths_agree_with_the_twin(
    random_lab: Lab,
    samples: list[Sample],
    kinds: list[str],
    step: int,
    widths: list[int],
    origin: int,
    keep: str,
) -> None:
    lab = random_lab
    lab.duck.execute("TRUNCATE host")
    lab.insert("host", [(Milliseconds(time), name, value) for name, time, value in samples])
    asked = list(zip(kinds, widths, strict=False))
    items = ", ".join(f"{kind}(val) {keep} RANGE '{width}ms'" for kind, width in asked)
    start = f"('1970-01-01'::TIMESTAMP + INTERVAL '{origin} milliseconds')"
    planned = lab.plan(f"SELECT host, ts, {items} FROM host ALIGN '{step}ms' TO {start}")
    assert not keep or "FILTER" in planned
    columns = ", ".join(f"#{place + 3}::DOUBLE" for place in range(len(asked)))
    got = lab.duck.sql(f"SELECT #1, epoch_ms(#2), {columns} FROM ({planned})").fetchall()
    widest = max(width for _, width in asked)
    expected: dict[tuple[str | None, int], list[float | None]] = {}
    for series in {sample[0] for sample in samples}:
        own = [(time, value) for name, time, value in samples if name == series]
        for slot in _twin_slots([time for time, _ in own], step, widest, origin):
            if not any(slot <= time < slot + widest for time, _ in own):
                continue
            kept = [(t, v) for t, v in own if not keep or (v is not None and v > 0)]
            expected[series, slot] = [
                twin_value(kind, [(t, v) for t, v in kept if slot <= t < slot + width])
                for kind, width in asked
            ]
    found = {(row[0], row[1]): list(row[2:]) for row in got}
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert found[key] == pytest.approx(values), key
