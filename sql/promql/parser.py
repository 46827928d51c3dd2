"""PromQL text to a tree, by recursive descent over the operators' precedence.

`evaluate.py` calls `parse`; the grammar is Prometheus 3's with its experimental parts (duration
expressions, fill modifiers, anchored and smoothed selectors). Types are checked in `check.py`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from sql.promql import lexer
from sql.promql.lexer import Token, syntax_error
from sql.promql.selectors import SelectorParser
from sql.promql.signatures import AGGREGATIONS, FUNCTIONS, PARAMETER_AGGREGATIONS
from sql.promql.tree import (
    COMPARISONS,
    SETS,
    Aggregate,
    Binary,
    Call,
    Extension,
    Matching,
    MatrixSelector,
    Node,
    Number,
    Parens,
    Shift,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)

_LEVELS = {
    "or": 1,
    "and": 2,
    "unless": 2,
    **dict.fromkeys(COMPARISONS, 3),
    "+": 4,
    "-": 4,
    **dict.fromkeys(("*", "/", "%", "atan2", "</", ">/"), 5),
    "^": 6,
}
_UNARY_LEVEL = 5
_REMEMBERED_CHARACTERS_MAX = 2_000
# Words that cannot be a metric's name where an expression begins.
_RESERVED = frozenset({"bool", "on", "ignoring", "group_left", "group_right", "atan2"})


def parse(text: str) -> Node:
    """The tree of an expression. Raises: DbError(SYNTAX) with the position."""
    return _remembered(text) if len(text) <= _REMEMBERED_CHARACTERS_MAX else _parsed(text)


@lru_cache(maxsize=512)
def _remembered(text: str) -> Node:
    """Dashboards ask the same again, for other times. Nobody changes a tree."""
    return _parsed(text)


def _parsed(text: str) -> Node:
    parser = _Parser(text)
    tree = parser.expression(0)
    parser.expect_end()
    return tree


class _Parser(SelectorParser):
    """Expressions; selectors, modifiers and durations are the base class's."""

    def __init__(self, text: str) -> None:
        super().__init__(lexer.tokens(text))

    def expect_end(self) -> None:
        """Refuses anything after the expression."""
        if self.now.kind != "end":
            raise self.unexpected("expression")

    def expression(self, lowest: int) -> Node:
        """An expression whose operators bind at least as tightly as `lowest`."""
        with self.deeper():
            left = self._unary()
            chained = 0
            while True:
                op = self._operator()
                level = _LEVELS.get(op, 0)
                if level == 0 or level < lowest:
                    return left
                left = self._binary(left, op, level)
                chained += 1
                self.refuse_depth(chained)

    def _operator(self) -> str:
        token = self.now
        if token.kind == "op":
            return token.text if token.text in _LEVELS else ""
        if token.kind == "name":
            low = token.text.lower()
            return low if low in _LEVELS else ""
        return ""

    def _unary(self) -> Node:
        token = self.now
        if token.kind == "op" and token.text in "+-" and token.text:
            self.advance()
            inner = self.expression(_UNARY_LEVEL + 1)
            if isinstance(inner, Number):
                sign = -1.0 if token.text == "-" else 1.0
                return Number(sign * inner.value, start=token.start, end=inner.end)
            return Unary(token.text, inner, start=token.start, end=inner.end)
        return self._postfix(self._primary())

    def _binary(self, left: Node, op: str, level: int) -> Node:
        at = self.now.start
        self.advance()
        boolean = self.take_word("bool")
        if boolean and op not in COMPARISONS:
            raise syntax_error("bool modifier can only be used on comparison operators", at)
        matching = self._matching(op)
        right = self.expression(level if op == "^" else level + 1)
        return Binary(op, left, right, boolean, matching, start=left.start, end=right.end)

    def _matching(self, op: str) -> Matching:
        found = Matching()
        if self.word() in ("on", "ignoring") and self.ahead().text == "(":
            on = self.word() == "on"
            self.advance()
            found = replace(found, on=on, labels=self.label_list())
            if self.word() in ("group_left", "group_right"):
                found = self._grouping(found, op)
        return self._fills(found, op)

    def _grouping(self, found: Matching, op: str) -> Matching:
        token = self.now
        side = self.word().removeprefix("group_")
        self.advance()
        if op in SETS:
            raise syntax_error(f'no grouping allowed for "{op}" operation', token.start)
        include = self.label_list() if self.now.text == "(" else ()
        for label in include:
            if found.on and label in found.labels:
                raise syntax_error(
                    f'label "{label}" must not occur in ON and GROUP clause at once', token.start
                )
        return replace(found, group=side, include=include)

    def _fills(self, found: Matching, op: str) -> Matching:
        while self.word() in ("fill", "fill_left", "fill_right") and self.ahead().text == "(":
            token = self.now
            if op in SETS:
                raise syntax_error(
                    "filling in missing series not allowed for set operators", token.start
                )
            word = self.word()
            self.advance()
            self.expect("(")
            value = self.signed_number()
            self.expect(")")
            if word != "fill_right":
                found = replace(found, fill_left=value)
            if word != "fill_left":
                found = replace(found, fill_right=value)
        return found

    def _primary(self) -> Node:
        token = self.now
        if token.kind in ("number", "duration"):
            return self.number_literal()
        if token.kind == "string":
            self.advance()
            value = lexer.unquote(token.text, token.start)
            return Text(value, start=token.start, end=token.end)
        if token.text == "(":
            self.advance()
            inner = self.expression(0)
            end = self.expect(")").end
            return Parens(inner, start=token.start, end=end)
        if token.text == "{":
            return self.selector("")
        if token.kind == "name":
            return self._named(token)
        raise self.unexpected("expression")

    def _named(self, token: Token) -> Node:
        low, following = token.text.lower(), self.ahead()
        if low in AGGREGATIONS and (
            following.text == "(" or following.text.lower() in ("by", "without")
        ):
            return self._aggregate(low)
        if following.text == "(":
            return self._call(token)
        if low in ("inf", "nan"):
            self.advance()
            return Number(math.inf if low == "inf" else math.nan, start=token.start, end=token.end)
        if low in _RESERVED:
            raise self.unexpected("expression")
        self.advance()
        return self.selector(token.text)

    def _call(self, token: Token) -> Node:
        name = token.text if token.text in FUNCTIONS else token.text.lower()
        if name not in FUNCTIONS:
            raise syntax_error(f'unknown function with name "{token.text}"', token.start)
        self.advance()
        arguments, end = self._arguments()
        return Call(name, arguments, start=token.start, end=end)

    def _arguments(self) -> tuple[tuple[Node, ...], int]:
        self.expect("(")
        found: list[Node] = []
        while self.now.text != ")":
            found.append(self.expression(0))
            if self.now.text != ")":
                self.expect(",")
                if self.now.text == ")":
                    raise syntax_error(
                        "trailing commas not allowed in function call args", self.now.start
                    )
        return tuple(found), self.expect(")").end

    def _aggregate(self, op: str) -> Node:
        token = self.now
        self.advance()
        without, labels, given = self._by()
        arguments, end = self._arguments()
        if not given:
            without, labels, given = self._by()
            end = self.before.end if given else end
        wanted = 2 if op in PARAMETER_AGGREGATIONS else 1
        if len(arguments) != wanted:
            raise syntax_error(
                f"wrong number of arguments for aggregate expression provided, "
                f"expected {wanted}, got {len(arguments)}",
                token.start,
            )
        parameter = arguments[0] if wanted == 2 else None
        return Aggregate(op, arguments[-1], parameter, labels, without, start=token.start, end=end)

    def _by(self) -> tuple[bool, tuple[str, ...], bool]:
        word = self.word()
        if word not in ("by", "without"):
            return False, (), False
        self.advance()
        return word == "without", self.label_list(), True

    def _postfix(self, node: Node) -> Node:
        """Ranges, subqueries and modifiers behind an expression."""
        while True:
            word = self.word()
            if self.now.text == "[" and self.now.kind == "op":
                node = self._bracket(node)
            elif word == "offset":
                node = self._shifted(node, offset=True)
            elif self.now.text == "@":
                node = self._shifted(node, offset=False)
            elif word in ("anchored", "smoothed"):
                node = self._extended(node, Extension(word))
            else:
                return node

    def _bracket(self, node: Node) -> Node:
        opening = self.now
        self.advance()
        span = self.duration_expression(0)
        if self.now.text != ":":
            end = self.expect("]").end
            if not isinstance(node, VectorSelector):
                raise syntax_error("ranges only allowed for vector selectors", opening.start)
            if node.shift != Shift():
                raise syntax_error("no offset modifiers allowed before range", opening.start)
            return MatrixSelector(node, span, start=node.start, end=end)
        self.advance()
        step = None if self.now.text == "]" else self.duration_expression(0)
        end = self.expect("]").end
        return Subquery(node, span, step, start=node.start, end=end)

    def _shifted(self, node: Node, *, offset: bool) -> Node:
        token = self.now
        word = "offset" if offset else "@"
        if not isinstance(node, (VectorSelector, MatrixSelector, Subquery)):
            raise syntax_error(
                f"{word} modifier must be preceded by an instant vector selector or range vector "
                "selector or a subquery",
                token.start,
            )
        self.advance()
        shift = node.selector.shift if isinstance(node, MatrixSelector) else node.shift
        if (shift.offset if offset else shift.at) is not None:
            raise syntax_error(f"{word} may not be set multiple times", token.start)
        if offset:
            shift = replace(shift, offset=self.offset_operand())
        else:
            shift = replace(shift, at=self.at_operand())
        end = self.before.end
        if isinstance(node, MatrixSelector):
            return replace(node, selector=replace(node.selector, shift=shift), end=end)
        return replace(node, shift=shift, end=end)

    def _extended(self, node: Node, extension: Extension) -> Node:
        token = self.now
        selector = node.selector if isinstance(node, MatrixSelector) else node
        if not isinstance(selector, VectorSelector):
            raise syntax_error(
                f"{extension.value} modifier must be preceded by a vector selector", token.start
            )
        if selector.extension is not Extension.NONE:
            raise syntax_error("anchored and smoothed may be set once", token.start)
        if extension is Extension.ANCHORED and not isinstance(node, MatrixSelector):
            raise syntax_error("anchored modifier needs a range", token.start)
        self.advance()
        changed = replace(selector, extension=extension)
        if isinstance(node, MatrixSelector):
            return replace(node, selector=changed, end=token.end)
        return replace(changed, end=token.end)
