"""MySQL's `@v := value` in a SELECT list: what the items after it read.

Called by plan.py. Only what one row says is planned: each later `@v` becomes the value that was
given to it. A variable that lasts beyond the statement, or changes from row to row, is refused.
https://dev.mysql.com/doc/refman/8.4/en/user-variables.html
"""

from __future__ import annotations

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect.nodes import UserVariable


def inline_assignments(tree: exp.Expr) -> exp.Expr:
    """The tree without assignments; it is changed. Raises: DbError UNSUPPORTED."""
    for select in tree.find_all(exp.Select):
        if select.find(exp.PropertyEQ) is not None:
            _inline(select)
    for node in tree.find_all(exp.PropertyEQ):
        if isinstance(node.this, UserVariable):
            raise _refused(node.this)
    return tree


def _inline(select: exp.Select) -> None:
    values: dict[str, exp.Expr] = {}
    unread: dict[str, UserVariable] = {}
    for item in select.expressions:
        for variable in list(item.find_all(UserVariable)):
            name = str(variable.this)
            if not _is_target(variable) and name in values:
                variable.replace(exp.paren(values[name].copy()))
                unread.pop(name, None)
        for name, assignment in _assignments(item).items():
            if name in {str(v.this) for v in item.find_all(UserVariable) if not _is_target(v)}:
                raise _refused(assignment.this)
            values[name] = _stripped(_whole(assignment).copy())
            unread[name] = assignment.this
        _stripped(item)
    if not _is_about_the_catalog(select):
        for variable in unread.values():
            raise _refused(variable)


def _is_about_the_catalog(select: exp.Select) -> bool:
    """True for what drivers ask information_schema; nobody reads their variables afterwards."""
    tables = list(select.find_all(exp.Table))
    return bool(tables) and all(t.db.lower() == "information_schema" for t in tables)


def _assignments(item: exp.Expr) -> dict[str, exp.PropertyEQ]:
    """The first assignment to each variable."""
    found: dict[str, exp.PropertyEQ] = {}
    for node in item.find_all(exp.PropertyEQ):
        if isinstance(node.this, UserVariable):
            found.setdefault(str(node.this.this), node)
    return found


def _is_target(variable: UserVariable) -> bool:
    return isinstance(variable.parent, exp.PropertyEQ) and variable.arg_key == "this"


def _whole(assignment: exp.PropertyEQ) -> exp.Expr:
    """The CASE or IF whose branches assign: its value is the variable's."""
    node: exp.Expr = assignment
    while isinstance(node.parent, exp.If | exp.Case | exp.Paren) and not _is_condition(node):
        node = node.parent
    return node


def _is_condition(node: exp.Expr) -> bool:
    return isinstance(node.parent, exp.If | exp.Case) and node.arg_key == "this"


def _stripped(item: exp.Expr) -> exp.Expr:
    """The item with values in place of assignments."""
    for node in list(item.find_all(exp.PropertyEQ)):
        if isinstance(node.this, UserVariable):
            value = exp.paren(node.expression)
            if node is item:
                return value
            node.replace(value)
    return item


def _refused(variable: exp.Expr) -> DbError:
    return DbError(
        ErrorKind.UNSUPPORTED,
        f"@{variable.this} := … is supported where later items of the same SELECT list read it",
        hint=f"SET @{variable.this} = (SELECT …) keeps a value for later statements",
    )
