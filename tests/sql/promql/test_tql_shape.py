"""What the columns of TQL are called, and in which order they stand."""

from __future__ import annotations

import pytest

from catalog.records import Column, Table, TableKind
from engine import datatypes as dt
from engine.schema import Semantic
from sql.promql.parser import parse
from sql.promql.shape import Shape, shape_of
from sql.promql.source_tables import Catalogue, metrics


def table(name: str, fields: tuple[str, ...], tags: tuple[str, ...]) -> Table:
    columns = [Column("ts", dt.TIMESTAMP_MILLISECOND, False, semantic=Semantic.TIMESTAMP)]
    columns += [Column(tag, dt.STRING, semantic=Semantic.TAG) for tag in tags]
    columns += [Column(field, dt.FLOAT64, semantic=Semantic.FIELD) for field in fields]
    return Table(1, "public", name, TableKind.TIME_SERIES, tuple(columns), tags)


TABLES = {
    "m": table("m", ("val",), ("host", "dc")),
    "n": table("n", ("val",), ("host",)),
    "b": table("b", ("val",), ("le", "host")),
    "two": table("two", ("x", "y"), ("host",)),
}


def shape(text: str) -> Shape:
    catalogue = Catalogue(
        "public",
        lambda database, name: TABLES.get(name),
        lambda database: list(TABLES.values()),
        lambda name: True,
    )
    return shape_of(parse(text), lambda selector: metrics(selector.matchers, catalogue))


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("m", "ts host dc val"),
        ("(m)", "ts host dc val"),
        ("two", "ts host x y"),
        ('two{__field__="y"}', "ts host y"),
        ("unknown", "time value"),
        ("abs(m)", "ts abs(val) host dc"),
        ("sgn(m)", "ts signum(val) host dc"),
        ("deg(rad(m))", "ts degrees(radians(val)) host dc"),
        ("rate(m[1m])", "ts prom_rate(ts_range,val,ts,Int64(60000)) host dc"),
        ("irate(m[1m])", "ts prom_irate(ts_range,val) host dc"),
        ("sum_over_time(m[1m:10s])", "ts prom_sum_over_time(ts_range,val) host dc"),
        (
            "quantile_over_time(0.5, m[1m])",
            "ts prom_quantile_over_time(ts_range,val,Float64(0.5)) host dc",
        ),
        ("sum(m)", "ts sum(m.val)"),
        ("sum by (dc, none, host) (m)", "dc host ts sum(m.val)"),
        ("avg without (host) (m)", "dc ts avg(m.val)"),
        ("stddev(m)", "ts stddev_pop(m.val)"),
        ("quantile(0.9, m)", "ts quantile(Float64(0.9),m.val)"),
        ("count(sum by (dc) (m))", "ts count(sum(m.val))"),
        ("sum(abs(m))", "ts sum(abs(val))"),
        ("max(two)", "ts max(two.x) max(two.y)"),
        ("topk(2, m)", "val host dc ts"),
        ('count_values("v", m)', "count(m.val) ts v"),
        ("m + 1", "host dc ts val + Float64(1)"),
        ("2 ^ m", "host dc ts power(Float64(2),val)"),
        ("m > 1", "ts host dc val"),
        ("m > bool 1", "host dc ts val > Float64(1)"),
        ("m * (3 - 1) * 2", "host dc ts val * Float64(2) * Float64(2)"),
        ("m / on (host) n", "host ts m.val / n.val"),
        ("m / n", "host ts m.val / n.val"),
        ("m - m", "host dc ts lhs.val - rhs.val"),
        ("n / (n + m)", "host dc ts n.val / n.val + m.val"),
        ("m == n", "ts val host dc"),
        ("m and n", "ts host dc val"),
        ("n or m", "ts dc host val"),
        ("-m", "host dc ts (- val)"),
        ("+m", "ts host dc val"),
        ("time()", "time time / Float64(1000)"),
        ("time() < m", "ts val host dc"),
        ("time() + m", "host dc ts .time / Float64(1000) + m.val"),
        ("vector(1)", "time greptime_value"),
        ("1", "time greptime_value"),
        ("1 + 2", "time Float64(1) + Float64(2)"),
        ("hour()", 'time date_part(Utf8("hour"),time)'),
        ("day_of_week(m)", 'ts date_part(Utf8("dow"),ts) host dc'),
        ("scalar(n)", "ts scalar(val)"),
        ("timestamp(m)", "ts value host dc"),
        ("histogram_quantile(0.9, b)", "ts host val"),
        ("histogram_quantile(0.9, sum by (le) (b))", "ts sum(b.val)"),
        ('label_replace(m, "z", "$1", "host", "(.*)")', "ts val z host dc"),
        ('label_join(m, "dc", "-", "host")', "ts val dc host"),
        ('absent(m{host="a", dc=~"b"})', "ts val host"),
        ("sort(m)", "ts val host dc"),
        ('{__name__=~"m|n"}', "ts val __name__ dc host"),
    ],
)
def test_columns(text: str, columns: str) -> None:
    names = shape(text).columns
    assert " ".join(names) == columns
    assert len(set(names)) == len(names)


def test_an_alias_puts_the_value_first() -> None:
    assert shape("sum by (dc) (m)").aliased("v").columns == ("v", "dc", "ts")
