"""COPY's options, old spelling and new, with PostgreSQL's defaults and refusals."""

from __future__ import annotations

import pytest

from engine.errors import DbError
from sql.dialect import nodes
from sql.dialect.copy import copy_options
from sql.dialect.parser import parse
from sql.results import CopyFormat, CopyOptions
from sql.session import Wire


def options(text: str) -> CopyOptions:
    tree = parse(f"COPY t {text}", Wire.POSTGRES)[0].tree
    assert isinstance(tree, nodes.CopyStatement)
    return copy_options(tree)


def test_defaults_depend_on_the_format() -> None:
    assert options("FROM STDIN") == CopyOptions()
    csv = options("FROM STDIN WITH (FORMAT csv)")
    assert (csv.format, csv.delimiter, csv.null) == (CopyFormat.CSV, ",", "")
    assert options("TO STDOUT (FORMAT binary)").format is CopyFormat.BINARY


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FROM STDIN WITH CSV HEADER", "FROM STDIN (FORMAT csv, HEADER)"),
        ("FROM STDIN DELIMITER '|' NULL AS 'x'", "FROM STDIN (DELIMITER '|', NULL 'x')"),
        ("TO STDOUT CSV QUOTE '~'", "TO STDOUT (FORMAT csv, QUOTE '~')"),
        ("TO STDOUT CSV FORCE QUOTE a, b", "TO STDOUT (FORMAT csv, FORCE_QUOTE (a, b))"),
        ("TO STDOUT CSV FORCE QUOTE *", "TO STDOUT (FORMAT 'csv', FORCE_QUOTE *)"),
        ("FROM STDIN BINARY", "FROM STDIN WITH (FORMAT BINARY)"),
    ],
)
def test_the_old_spelling_means_the_new(old: str, new: str) -> None:
    assert options(old) == options(new)


def test_the_escape_follows_the_quote() -> None:
    assert options("FROM STDIN (FORMAT csv, QUOTE '~')").escape == "~"
    assert options("FROM STDIN (FORMAT csv, QUOTE '~', ESCAPE '!')").escape == "!"


def test_header_match() -> None:
    matched = options("FROM STDIN (FORMAT csv, HEADER match)")
    assert (matched.header, matched.match_header) == (True, True)
    assert not options("FROM STDIN (FORMAT csv, HEADER false)").header


@pytest.mark.parametrize(
    "text",
    [
        "FROM STDIN (FORMAT xml)",
        "FROM STDIN (NOSUCH 1)",
        "FROM STDIN (NULL 'a', NULL 'b')",
        "FROM STDIN (DELIMITER '||')",
        "FROM STDIN (QUOTE '~')",
        "FROM STDIN (FORMAT csv, DELIMITER '\"')",
        "FROM STDIN (FORMAT binary, DELIMITER ',')",
        "FROM STDIN (ENCODING 'morse')",
        "FROM STDIN (NULL E'a\\n')",
        "FROM STDIN (FORMAT csv, HEADER perhaps)",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(DbError):
        options(text)
