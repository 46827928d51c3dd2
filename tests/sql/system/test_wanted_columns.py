"""What a statement reads of system tables: sizes are asked of the engine only when wanted."""

from __future__ import annotations

import pytest

from sql.dialect.parser import parse
from sql.plan.literals import names_read
from sql.session import Wire


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT a, upper(B) FROM t WHERE c = 1 ORDER BY d", {"a", "b", "c", "d"}),
        ("SELECT count(*) FROM t", set()),
        ("SELECT t.a FROM t JOIN u ON t.x = u.y", {"a", "x", "y"}),
        ("SELECT * FROM t", None),
        ("SELECT t.* FROM t", None),
        ("SELECT a FROM (SELECT * FROM t) AS s", None),
        ("SELECT a FROM t JOIN u USING (b)", None),
        ("SELECT a FROM t NATURAL JOIN u", None),
        ("SELECT t FROM t", None),
        ("SELECT row_to_json(x) FROM t AS x", None),
    ],
)
def test_names_that_a_statement_may_read(text: str, names: set[str] | None) -> None:
    tree = parse(text, Wire.POSTGRES)[0].tree
    assert tree is not None
    assert names_read(tree) == (None if names is None else frozenset(names))
