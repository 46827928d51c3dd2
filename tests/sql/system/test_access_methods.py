"""What pg_index, pg_opclass and pg_am tell of how an index compares its keys."""

from __future__ import annotations

import pytest
from fix_database import Client

_CLASSES = """SELECT am.amname, array_agg(oc.opcname ORDER BY oc.opcname)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
    JOIN pg_opclass oc ON oc.oid = ANY(i.indclass) AND oc.opcmethod = am.oid
    WHERE c.relname = 'k' GROUP BY 1"""


@pytest.mark.parametrize(
    ("keys", "method", "classes"),
    [
        ("(i, v)", "btree", ["int4_ops", "text_ops"]),
        ("(v varchar_pattern_ops DESC, at)", "btree", ["timestamptz_ops", "varchar_pattern_ops"]),
        ("USING hash (v)", "hash", ["text_ops"]),
        ("USING gin (j jsonb_path_ops)", "gin", ["jsonb_path_ops"]),
        ("USING gin (a)", "gin", ["array_ops"]),
        ("(a)", "btree", ["array_ops"]),
        ("USING brin (at, i)", "brin", ["int4_minmax_ops", "timestamptz_minmax_ops"]),
    ],
)
def test_an_index_tells_its_operator_classes(
    db: Client, keys: str, method: str, classes: list[str]
) -> None:
    db.run("CREATE TABLE t (i INT, v VARCHAR(9), at TIMESTAMPTZ, j JSONB, a INT[])")
    db.run(f"CREATE INDEX k ON t {keys}")
    assert db.run(_CLASSES) == [(method, classes)]


def test_families_hold_classes_of_one_method_and_known_types(db: Client) -> None:
    lost = """SELECT oc.opcname FROM pg_opclass oc
        LEFT JOIN pg_opfamily f ON f.oid = oc.opcfamily AND f.opfmethod = oc.opcmethod
        LEFT JOIN pg_type t ON t.oid = oc.opcintype WHERE f.oid IS NULL OR t.oid IS NULL"""
    assert db.run(lost) == []
    family = """SELECT t.typname FROM pg_opfamily f JOIN pg_opclass oc ON oc.opcfamily = f.oid
        JOIN pg_type t ON t.oid = oc.opcintype JOIN pg_am am ON am.oid = f.opfmethod
        WHERE f.opfname = 'integer_ops' AND am.amname = 'btree' ORDER BY 1"""
    assert db.run(family) == [("int2",), ("int4",), ("int8",)]


def test_operators_have_postgresqls_numbers_and_partners(db: Client) -> None:
    shown = (
        "SELECT o.oid, o.oprname, c.oprname, n.oprname, o.oprcanhash FROM pg_operator o"
        " JOIN pg_operator c ON c.oid = o.oprcom JOIN pg_operator n ON n.oid = o.oprnegate"
        " WHERE o.oprleft = 'int4'::regtype AND o.oprright = 'int4'::regtype ORDER BY 1"
    )
    found = {name: (oid, *rest) for oid, name, *rest in db.run(shown)}
    assert found["="] == ("96", "=", "<>", True)
    assert found["<"] == ("97", ">", ">=", False)
    assert len(found) == 6
    doubled = "SELECT oid FROM pg_operator GROUP BY oid HAVING count(*) > 1"
    assert db.run(doubled) == []
    joined = db.run(
        "SELECT amopstrategy, oprname FROM pg_amop a JOIN pg_operator o ON o.oid = amopopr"
        " JOIN pg_opclass c ON c.opcfamily = amopfamily AND c.opcmethod = amopmethod"
        " WHERE c.opcname = 'text_ops' AND amoplefttype = 25 AND amoprighttype = 25"
        " AND amopmethod = 403 ORDER BY 1"
    )
    assert joined == [(1, "<"), (2, "<="), (3, "="), (4, ">="), (5, ">")]


def test_casts_say_when_they_are_taken(db: Client) -> None:
    found = db.run(
        "SELECT castcontext::text FROM pg_cast WHERE castsource = 'int4'::regtype"
        " AND castTarget = ANY (ARRAY['int8'::regtype, 'int2'::regtype, 'bool'::regtype])"
        " ORDER BY 1"
    )
    assert found == [("a",), ("e",), ("i",)]
