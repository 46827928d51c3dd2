"""The .slt runner itself: it reads its format and notices every kind of wrong answer."""

from __future__ import annotations

from datetime import UTC

import pytest

from sqllogictest.clients import Answer, Refused, codes_of
from sqllogictest.parse import CaseError, Query, Statement, parse
from sqllogictest.runner import check
from sqllogictest.values import ValueShapeError, canonical, timestamp_text, trim_fraction, zone


class Scripted:
    """A client that gives the outcomes it was made with."""

    wire = "postgres"

    def __init__(self, *outcomes: Answer | Refused) -> None:
        self.outcomes = list(outcomes)
        self.asked: list[str] = []

    def run(self, sql: str) -> Answer:
        self.asked.append(sql)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    def set_timezone(self, name: str) -> None:
        self.run(f"zone {name}")

    def close(self) -> None:
        self.outcomes.clear()


def one(text: str, outcome: Answer | Refused) -> str | None:
    (record,) = parse(text)
    failure = check(Scripted(outcome), record, "case_db")
    return None if failure is None else failure.message


def test_records_carry_sql_wires_and_expectations() -> None:
    first, second = parse(
        "# about\nskipif http\nstatement count 2\nINSERT INTO t\nVALUES (1)\n\n"
        "onlyif mysql\nquery IT rowsort header\nSELECT 1\n----\na | b\n1 | x \\| y\n"
    )
    assert isinstance(first, Statement)
    assert first.sql == "INSERT INTO t\nVALUES (1)"
    assert first.count == 2
    assert first.wires == {"postgres", "mysql"}
    assert isinstance(second, Query)
    assert second.wires == {"mysql"}
    assert second.rows == (("a", "b"), ("1", "x \\| y"))
    assert second.header
    assert second.sort == "rowsort"


@pytest.mark.parametrize(
    "text",
    [
        "statement perhaps\nSELECT 1\n",
        "statement ok\n\n",
        "query\nSELECT 1\n----\n1\n",
        "query X\nSELECT 1\n----\n1\n",
        "query I\nSELECT 1\n",
        "query II\nSELECT 1\n----\n1\n",
        "query I sideways\nSELECT 1\n----\n1\n",
        "skipif oracle\nstatement ok\nSELECT 1\n",
        "noise\nSELECT 1\n",
    ],
)
def test_a_broken_file_is_an_error_with_its_line(text: str) -> None:
    with pytest.raises(CaseError, match=r"<text>:\d"):
        parse(text)


def test_right_answers_pass() -> None:
    rows = Answer(("a", "b"), (("1", "t"), (None, "f")))
    assert one("query IB header\nSELECT\n----\na | b\n1 | true\nNULL | false\n", rows) is None
    assert one("query IB rowsort\nSELECT\n----\nNULL | false\n1 | true\n", rows) is None
    assert one("statement count 3\nINSERT\n", Answer(affected=3)) is None
    assert one("statement error 42P01 gone\nSELECT\n", Refused("42P01", "t is GONE")) is None


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("query I\nS\n----\n1\n", Answer(("a",), (("2",),))),
        ("query I\nS\n----\n1\n", Answer(("a",), (("1",), ("1",)))),
        ("query I\nS\n----\n1\n", Answer(("a", "b"), (("1", "1"),))),
        ("query I\nS\n----\n1\n", Answer(("a",), (("x",),))),
        ("query I header\nS\n----\na\n1\n", Answer(("b",), (("1",),))),
        ("query T\nS\n----\n(empty)\n", Answer(("a",), ((None,),))),
        ("query I\nS\n----\n1\n2\n", Answer(("a",), (("2",), ("1",)))),
        ("query I\nS\n----\n1\n", Refused("42P01", "gone")),
        ("statement ok\nS\n", Refused("42P01", "gone")),
        ("statement count 1\nS\n", Answer(affected=2)),
        ("statement error\nS\n", Answer(affected=0)),
        ("statement error 42P01\nS\n", Refused("42703", "gone")),
        ("statement error away\nS\n", Refused("42P01", "gone")),
        ("timezone UTC\n", Refused("22023", "no such zone")),
    ],
)
def test_wrong_answers_fail(text: str, outcome: Answer | Refused) -> None:
    assert one(text, outcome) is not None


def test_db_stands_for_the_case_s_database_both_ways() -> None:
    client = Scripted(Answer(("a",), (("case_db",),)))
    (record,) = parse("query T\nSELECT '$db'\n----\n$db\n")
    assert check(client, record, "case_db") is None
    assert client.asked == ["SELECT 'case_db'"]


def test_sqlstates_are_spelled_as_each_wire_spells_them() -> None:
    assert codes_of("42P01", "postgres") == {"42P01"}
    assert "1146" in codes_of("42P01", "mysql")
    assert "4001" in codes_of("42P01", "http")


def test_wires_spellings_of_one_value_are_equal() -> None:
    assert {canonical(raw, "R") for raw in ("20", "20.0", "2e1")} == {"20.0"}
    assert {canonical(raw, "B") for raw in ("t", "1", "true")} == {"true"}
    assert canonical("1.50", "D") == "1.50"
    assert canonical(" a|b\n", "T") == "\\sa\\|b\\n"
    assert trim_fraction("2024-01-01T00:00:00.250Z") == "2024-01-01T00:00:00.25Z"
    assert trim_fraction("v1.500") == "v1.500"
    with pytest.raises(ValueShapeError):
        canonical("1.5", "I")


def test_counts_of_any_unit_become_text_in_a_zone() -> None:
    assert timestamp_text(0, 0, UTC) == "1970-01-01 00:00:00"
    assert timestamp_text(-1, 3, UTC) == "1969-12-31 23:59:59.999"
    assert timestamp_text(1_700_000_000_123_456_789, 9, UTC) == "2023-11-14 22:13:20.123456789"
    assert timestamp_text(0, 3, zone("-05:00")) == "1969-12-31 19:00:00"
    assert timestamp_text(1_704_067_200, 0, zone("Asia/Shanghai")) == "2024-01-01 08:00:00"
