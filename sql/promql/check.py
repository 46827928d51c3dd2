"""Types of PromQL expressions, checked before anything is evaluated.

`evaluate.py` calls `check` on a parsed tree; errors are Prometheus' in meaning.
"""

from __future__ import annotations

from engine.errors import DbError, ErrorKind
from sql.promql import regex
from sql.promql.lexer import syntax_error
from sql.promql.model import Match, Matcher
from sql.promql.signatures import FUNCTIONS, Signature
from sql.promql.tree import (
    COMPARISONS,
    SETS,
    Aggregate,
    Binary,
    Call,
    Extension,
    MatrixSelector,
    Node,
    Number,
    Parens,
    Subquery,
    Text,
    Type,
    Unary,
    VectorSelector,
    unwrap,
)

_ANCHORED = ("changes", "delta", "increase", "rate", "resets")
_SMOOTHED = ("delta", "increase", "rate")


def check(node: Node) -> Type:
    """The type of an expression. Raises: DbError(SYNTAX) if its parts do not fit."""
    if isinstance(node, Number):
        return Type.SCALAR
    if isinstance(node, Text):
        return Type.STRING
    if isinstance(node, Parens):
        return check(node.inner)
    if isinstance(node, VectorSelector):
        _check_selector(node)
        return Type.VECTOR
    if isinstance(node, MatrixSelector):
        _check_selector(node.selector)
        return Type.MATRIX
    if isinstance(node, Subquery):
        expect(node.inner, Type.VECTOR, "subquery")
        return Type.MATRIX
    return _check_operation(node)


def _check_selector(node: VectorSelector) -> None:
    """A selector of everything is refused: at least one matcher must need its label."""
    if not any(_refuses_empty(matcher) for matcher in node.matchers):
        raise syntax_error(
            "vector selector must contain at least one non-empty matcher", node.start
        )


def _refuses_empty(matcher: Matcher) -> bool:
    """Whether a series without the label does not match."""
    if matcher.op is Match.EQUAL:
        return matcher.value != ""
    if matcher.op is Match.NOT_EQUAL:
        return matcher.value == ""
    return regex.matches_empty(matcher.value) != (matcher.op is Match.REGEX)


def _check_operation(node: Node) -> Type:
    if isinstance(node, Unary):
        found = check(node.inner)
        if found not in (Type.SCALAR, Type.VECTOR):
            raise syntax_error(
                "unary expression only allowed on expressions of type scalar or instant vector, "
                f'got "{found.value}"',
                node.start,
            )
        return found
    if isinstance(node, Binary):
        return _check_binary(node)
    if isinstance(node, Aggregate):
        return _check_aggregate(node)
    assert isinstance(node, Call), node
    return _check_call(node)


def expect(node: Node, wanted: Type, where: str) -> None:
    """Checks an expression that must have this type. Raises: DbError(SYNTAX)."""
    found = check(node)
    if found is not wanted:
        raise syntax_error(
            f"expected type {wanted.value} in {where}, got {found.value}", node.start
        )


def _check_binary(node: Binary) -> Type:
    left, right = check(node.left), check(node.right)
    for side, kind in ((node.left, left), (node.right, right)):
        if kind not in (Type.SCALAR, Type.VECTOR):
            raise syntax_error(
                "binary expression must contain only scalar and instant vector types", side.start
            )
    scalars = (left is Type.SCALAR) + (right is Type.SCALAR)
    if scalars == 2 and node.op in COMPARISONS and not node.boolean:
        raise syntax_error("comparisons between scalars must use BOOL modifier", node.start)
    if scalars and node.op in SETS:
        raise syntax_error(
            f'set operator "{node.op}" not allowed in binary scalar expression', node.start
        )
    matching = node.matching
    if scalars and (matching.on or matching.labels or matching.group):
        raise syntax_error("vector matching only allowed between instant vectors", node.start)
    if scalars and (matching.fill_left is not None or matching.fill_right is not None):
        raise syntax_error(
            "filling in missing series only allowed between instant vectors", node.start
        )
    return Type.SCALAR if scalars == 2 else Type.VECTOR


def _check_aggregate(node: Aggregate) -> Type:
    expect(node.inner, Type.VECTOR, "aggregation expression")
    if node.parameter is not None:
        wanted = Type.STRING if node.op == "count_values" else Type.SCALAR
        expect(node.parameter, wanted, "aggregation parameter")
    return Type.VECTOR


def _check_call(node: Call) -> Type:
    signature = FUNCTIONS[node.name]
    _check_count(node, signature)
    for place, argument in enumerate(node.arguments):
        wanted = signature.parameters[min(place, len(signature.parameters) - 1)]
        if node.name == "info" and place == 1:
            _check_info(argument)
            continue
        expect(argument, wanted, f'call to function "{node.name}"')
        _check_extension(node, argument)
    return signature.returns


def _check_count(node: Call, signature: Signature) -> None:
    least = len(signature.parameters) - signature.optional
    most = len(signature.parameters)
    given = len(node.arguments)
    name = node.name
    if signature.variadic:
        if given < least:
            raise syntax_error(
                f'expected at least {least} argument(s) in call to "{name}", got {given}',
                node.start,
            )
    elif signature.optional and not least <= given <= most:
        bound = f"at least {least}" if given < least else f"at most {most}"
        raise syntax_error(
            f'expected {bound} argument(s) in call to "{name}", got {given}', node.start
        )
    elif not signature.optional and given != least:
        raise syntax_error(
            f'expected {least} argument(s) in call to "{name}", got {given}', node.start
        )


def _check_info(argument: Node) -> None:
    named = isinstance(argument, VectorSelector) and argument.bare
    if not named:
        raise syntax_error("expected label selectors only", argument.start)


def _check_extension(node: Call, argument: Node) -> None:
    """Anchored and smoothed ranges have a meaning for a few functions only."""
    inner = unwrap(argument)
    if not isinstance(inner, MatrixSelector):
        return
    extension = inner.selector.extension
    if extension is Extension.NONE:
        return
    allowed = _ANCHORED if extension is Extension.ANCHORED else _SMOOTHED
    if node.name not in allowed:
        # Prometheus finds out when it evaluates: to clients it is no error of syntax.
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"{extension.value} modifier can only be used with: {', '.join(allowed)} "
            f"- not with {node.name}",
        )
