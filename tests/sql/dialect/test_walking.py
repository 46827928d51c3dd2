"""Quick walking and copying give what the library's own give."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fix_database import Databases, client
from sqlglot import exp

from bench.plan import QUESTIONS, SETUP
from sql.dialect import walking
from sql.dialect.parser import parse
from sql.session import Wire

TEXTS = (
    "SELECT 1",
    "SELECT a, count(*) FILTER (WHERE b > 1) FROM t JOIN u USING (a) WHERE x IN (1, 2) GROUP BY 1",
    "WITH c AS (SELECT * FROM t) SELECT c.*, (SELECT max(v) FROM c d WHERE d.a = c.a) FROM c",
    "SELECT ts, avg(v) RANGE '5m' FILL PREV FROM t ALIGN '1m' BY (host)",
    "INSERT INTO t (a, b) VALUES (1, 'x'), (2, NULL) ON CONFLICT DO NOTHING",
    "SELECT CASE a WHEN 1 THEN 'x' ELSE b || 'y' END /* why */ FROM t ORDER BY 1 DESC LIMIT 3",
)


@pytest.mark.parametrize("text", TEXTS)
def test_walks_are_the_same(text: str) -> None:
    tree = parse(text, Wire.POSTGRES)[0].tree
    assert tree is not None
    assert list(map(id, tree.bfs())) == list(map(id, walking.PLAIN["bfs"](tree)))
    for kinds in ((exp.Column,), (exp.Identifier, exp.Literal), (exp.Expression,)):
        found, expected = tree.find_all(*kinds), walking.PLAIN["find_all"](tree, *kinds)
        assert list(map(id, found)) == list(map(id, expected))
    pruned = [id(node) for node in tree.bfs(prune=lambda node: isinstance(node, exp.Column))]
    plain = walking.PLAIN["bfs"](tree, prune=lambda node: isinstance(node, exp.Column))
    assert pruned == [id(node) for node in plain]


@pytest.mark.parametrize("text", TEXTS)
def test_copies_are_the_same(text: str) -> None:
    tree = parse(text, Wire.POSTGRES)[0].tree
    assert tree is not None
    ours, plain = tree.copy(), walking.PLAIN["__deepcopy__"](tree, {})
    assert ours == tree
    for one, other, old in zip(ours.walk(), plain.walk(), tree.walk(), strict=True):
        assert one is not old
        assert type(one) is type(other)
        assert (one.arg_key, one.index, one.meta) == (other.arg_key, other.index, other.meta)
        assert one.comments == other.comments
        assert one.parent is None or any(one is child for child in one.parent.iter_expressions())


def test_a_tree_that_changed_is_searched_again() -> None:
    tree = parse("SELECT a, b FROM t WHERE a = 1", Wire.POSTGRES)[0].tree
    assert tree is not None
    assert [column.name for column in tree.find_all(exp.Column)] == ["a", "b", "a"]
    tree.expressions[0].replace(exp.column("c"))
    assert [column.name for column in tree.find_all(exp.Column)] == ["c", "b", "a"]
    tree.append("expressions", exp.column("d"))
    assert [column.name for column in tree.find_all(exp.Column)] == ["c", "b", "d", "a"]
    tree.set("where", None)
    assert [column.name for column in tree.find_all(exp.Column)] == ["c", "b", "d"]


def test_searches_while_planning_see_every_change(
    monkeypatch: pytest.MonkeyPatch, databases: Databases
) -> None:
    """Rules change trees between searches; each search is compared with a fresh walk."""
    database = databases.open()
    for text in SETUP:
        client(database, Wire.HTTP).run(text)
    kept, plain, compared = exp.Expression.find_all, walking.PLAIN["find_all"], 0

    def compare(self: exp.Expr, *kinds: type[exp.Expr], bfs: bool = True) -> Iterator[exp.Expr]:
        nonlocal compared
        compared += 1
        found = list(kept(self, *kinds, bfs=bfs))
        assert list(map(id, found)) == list(map(id, plain(self, *kinds, bfs=bfs)))
        return iter(found)

    monkeypatch.setattr(exp.Expression, "find_all", compare)
    for question in QUESTIONS.values():
        text = question.format(n=1, low="2024-01-01 00:00:00", high="2024-01-01 01:00:00")
        client(database).run(text)
    assert compared > 20 * len(QUESTIONS)
