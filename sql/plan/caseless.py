"""Words of MySQL's information_schema compare as there: in any case.

Called by plan.py for statements that read system tables. `IS_NULLABLE = 'yes'` is what Connector/J
asks; the columns hold `YES`. Names of tables and columns keep their case, as on a MySQL server with
lower_case_table_names=0. https://dev.mysql.com/doc/refman/8.4/en/charset-collation-information-schema.html
"""

from __future__ import annotations

from sqlglot import exp

_WORDS = frozenset(
    {"is_nullable", "table_type", "constraint_type", "column_key", "data_type", "engine", "extra"}
    | {"row_format", "index_type", "is_updatable", "is_visible", "privilege_type", "routine_type"}
)


def caseless(tree: exp.Expr) -> exp.Expr:
    """Compares the words of system tables with others in lower case; the tree is changed."""
    for node in tree.find_all(exp.EQ, exp.NEQ, exp.In):
        others = node.expressions if isinstance(node, exp.In) else [node.expression]
        if _is_word(node.this) and others and all(map(_is_text, others)):
            node.set("this", exp.Lower(this=node.this))
            for other in others:
                other.replace(exp.Lower(this=other.copy()))
    return tree


def _is_text(node: exp.Expr) -> bool:
    return node.is_string or isinstance(node, exp.Parameter)


def _is_word(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and node.name.lower() in _WORDS
