"""Double-quoted words of MySQL's sessions: strings, except where only a name makes sense.

Called by sql/dialect/parser.py on a request's tokens, before they are parsed. It looks at places,
never at which columns there are: the same text means the same whatever the tables hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot.tokenizer_core import Token, TokenType

_BY = frozenset({TokenType.ORDER_BY, TokenType.GROUP_BY, TokenType.PARTITION_BY})
_SELECT_ENDS = frozenset({",", "FROM", ")", ";"})
_CONDITIONS = frozenset({"WHERE", "HAVING", "ON"})
_BEFORE_OPERAND = _CONDITIONS | {"AND", "OR", "NOT", "("}
_COMPARISONS = frozenset({"=", "<", ">", "<=", ">=", "<>", "!=", "LIKE", "RLIKE", "REGEXP"})
_CONSTANTS = frozenset({TokenType.STRING, TokenType.NUMBER})
_SUMS = frozenset({"AVG", "SUM", "STDDEV", "VARIANCE"})
_BY_ENDS = frozenset(
    {",", "ASC", "DESC", "NULLS", ")", ";", "LIMIT", "OFFSET", "HAVING", "WINDOW", "ORDER BY"}
    | {"ROWS", "RANGE", "GROUPS", "UNION", "UNION ALL", "INTERSECT", "EXCEPT", "ALIGN", "FILL"}
)


def mark_quoted_names(tokens: list[Token], text: str) -> None:
    """Makes names of the double-quoted words that cannot be meant as strings, in place.

    These are: what stands beside a dot (`t."x"`); the argument of an average or sum (`avg("x")`); a
    whole item of ORDER BY, GROUP BY or PARTITION BY, where a constant would do nothing; what a
    condition of WHERE, HAVING or ON compares with a constant, for the same reason; and a whole
    item of a SELECT list, without an alias, that the same statement names in such a place.
    """
    reader = _Reader(tokens, text)
    for place, token in enumerate(tokens):
        reader.step(place, token)
    reader.end_statement()


@dataclass
class _Reader:
    tokens: list[Token]
    text: str
    clauses: list[str] = field(default_factory=lambda: [""])  # innermost last, one a parenthesis
    items: list[Token] = field(default_factory=list)  # whole SELECT items of this statement
    names: set[str] = field(default_factory=set)  # words that are names elsewhere in it

    def step(self, place: int, token: Token) -> None:
        kind = token.token_type
        if kind is TokenType.STRING and self.text[token.start] == '"':
            self.word(place, token)
        elif kind is TokenType.L_PAREN:
            self.clauses.append("where" if self.clauses[-1] == "where" else "")
        elif kind is TokenType.R_PAREN and len(self.clauses) > 1:
            self.clauses.pop()
        elif kind is TokenType.SELECT:
            self.clauses[-1] = "select"
        elif kind in _BY:
            self.clauses[-1] = "by"
        elif kind is TokenType.SEMICOLON:
            self.end_statement()
        elif token.text.upper() in _CONDITIONS:
            self.clauses[-1] = "where"
        elif token.text.upper() in ("FROM", "LIMIT", "JOIN"):
            self.clauses[-1] = ""

    def word(self, place: int, token: Token) -> None:
        before = self.tokens[place - 1].token_type if place else TokenType.SEMICOLON
        after = self.tokens[place + 1].text.upper() if place + 1 < len(self.tokens) else ";"
        begins = before in _BY or before in (TokenType.COMMA, TokenType.SELECT, TokenType.DISTINCT)
        sorts = self.clauses[-1] == "by" and begins and after in _BY_ENDS
        named = before is TokenType.DOT or after == "." or sorts
        if named or self.is_summed(place, after) or self.is_compared(place):
            token.token_type = TokenType.IDENTIFIER
            self.names.add(token.text)
        elif self.clauses[-1] == "select" and begins and after in _SELECT_ENDS:
            self.items.append(token)

    def is_summed(self, place: int, after: str) -> bool:
        """True for the only argument of a function that adds numbers."""
        opened = place > 1 and self.tokens[place - 1].token_type is TokenType.L_PAREN
        return opened and after == ")" and self.tokens[place - 2].text.upper() in _SUMS

    def is_compared(self, place: int) -> bool:
        """True for the left side of a condition whose right side is a constant."""
        if self.clauses[-1] != "where":
            return False
        before = self.tokens[place - 1].text.upper()
        words = [token.text.upper() for token in self.tokens[place + 1 : place + 4]]
        operator = place + 1
        if words[:1] == ["NOT"]:
            operator, words = place + 2, words[1:]
        if before not in _BEFORE_OPERAND or not words:
            return False
        if words[0] == "IS":
            return True
        right = operator + (2 if words[:2] == ["IN", "("] else 1)
        constant = right < len(self.tokens) and self.tokens[right].token_type in _CONSTANTS
        return constant and words[0] in (_COMPARISONS | {"IN", "BETWEEN"})

    def end_statement(self) -> None:
        for token in self.items:
            if token.text in self.names:
                token.token_type = TokenType.IDENTIFIER
        self.clauses, self.items, self.names = [""], [], set()
