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
# What follows these words is the name of a table, a database or a column.
_NAMES_FOLLOW = frozenset(
    {"TABLE", "VIEW", "DATABASE", "SCHEMA", "INTO", "UPDATE", "JOIN", "COLUMN", "CONSTRAINT"}
    | {"REFERENCES", "DESCRIBE", "DESC", "USE", "TRUNCATE"}
)
# The same, in statements that begin with a certain word only.
_NAMES_FOLLOW_IN = {
    "ALTER": frozenset({"ADD", "DROP", "MODIFY", "CHANGE", "RENAME", "TO", "AFTER"}),
    "CREATE": frozenset({"LIKE"}),
    "DELETE": frozenset({"FROM"}),
    "DROP": frozenset({","}),
    "RENAME": frozenset({"TO", ","}),
    "SHOW": frozenset({"FROM", "IN"}),
}
_LISTS = frozenset({"INDEX", "KEY", "PRIMARY KEY", "UNIQUE", "COLUMNS"})  # names in parentheses
_WRITES = frozenset({"INSERT", "REPLACE"})


def mark_quoted_names(tokens: list[Token], text: str) -> None:
    """Makes names of the double-quoted words that cannot be meant as strings, in place.

    In queries these are: what stands beside a dot (`t."x"`) or behind FROM and JOIN; the argument
    of an average or sum (`avg("x")`); a whole item of ORDER BY, GROUP BY or PARTITION BY, where a
    constant would do nothing; what a condition of WHERE, HAVING or ON compares with a constant,
    for the same reason; and a whole item of a SELECT list, without an alias, that the same
    statement names in such a place.
    In other statements: names of tables, columns and databases wherever the grammar has nothing
    else, so that what SHOW CREATE TABLE prints can be read back.
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
    verb: str = ""  # the statement's first word
    opened: bool = False  # it had a parenthesis, or a query began

    def step(self, place: int, token: Token) -> None:
        kind = token.token_type
        if not self.verb:
            self.verb = token.text.upper()
        if kind is TokenType.STRING and self.text[token.start] == '"':
            self.word(place, token)
        elif kind is TokenType.L_PAREN:
            self.clauses.append(self.list_of(place))
            self.opened = True
        elif kind is TokenType.R_PAREN and len(self.clauses) > 1:
            self.clauses.pop()
        elif kind is TokenType.SEMICOLON:
            self.end_statement()
        else:
            self.clause(token)

    def clause(self, token: Token) -> None:
        """What a word that is no name begins."""
        word = token.text.upper()
        if token.token_type is TokenType.SELECT:
            self.clauses[-1] = "select"
            self.opened = True
        elif token.token_type in _BY:
            self.clauses[-1] = "by"
        elif word in _CONDITIONS:
            self.clauses[-1] = "where"
        elif word == "FROM" and self.clauses[-1] == "select":
            self.clauses[-1] = "from"
        elif word == "SET" and self.verb == "UPDATE":
            self.clauses[-1] = "assignments"
        elif word in ("FROM", "LIMIT", "JOIN", "VALUES"):
            self.clauses[-1] = ""
            self.opened = self.opened or word == "VALUES"

    def list_of(self, place: int) -> str:
        """What the parenthesis at a place holds: table elements, names, partition rules or else."""
        before, earlier = self.back(place - 1), self.back(place - 2)
        if self.verb == "CREATE" and not self.opened:
            return "elements"
        if self.verb in _WRITES and not self.opened:
            return "names"
        in_definition = self.verb in ("CREATE", "ALTER")
        if in_definition and (before in _LISTS or earlier in (_LISTS | {"REFERENCES"})):
            return "names"
        closed = before == ")" and "PARTITION" in self.words_before(place)
        if in_definition and (closed or before in ("PARTITION", "INTO")):
            return "rules"
        return "where" if self.clauses[-1] == "where" else ""

    def back(self, place: int) -> str:
        """The word at a place, nothing before the first."""
        return self.tokens[place].text.upper() if place >= 0 else ""

    def words_before(self, place: int) -> list[str]:
        """`PARTITION ON COLUMNS` before the list that ends just before a place."""
        depth, at = 0, place - 1
        while at >= 0:
            depth += {")": 1, "(": -1}.get(self.back(at), 0)
            at -= 1
            if depth == 0:
                break
        return [self.back(at - back) for back in range(3)]

    def word(self, place: int, token: Token) -> None:
        before = self.tokens[place - 1].token_type if place else TokenType.SEMICOLON
        after = self.tokens[place + 1].text.upper() if place + 1 < len(self.tokens) else ";"
        begins = before in _BY or before in (TokenType.COMMA, TokenType.SELECT, TokenType.DISTINCT)
        sorts = self.clauses[-1] == "by" and begins and after in _BY_ENDS
        named = before is TokenType.DOT or after == "." or sorts
        named = named or self.is_summed(place, after) or self.is_compared(place)
        if named or self.is_placed(place, before, after):
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

    def is_placed(self, place: int, before: TokenType, after: str) -> bool:
        """True where the grammar of a statement or a list has room for nothing but a name."""
        clause = self.clauses[-1]
        if clause == "rules":
            return after in _COMPARISONS
        if clause in ("elements", "names"):
            return before in (TokenType.L_PAREN, TokenType.COMMA)
        at = place - 1
        if clause == "assignments" and self.back(at) in ("SET", ","):
            return after == "="
        while self.back(at) in ("IF", "NOT", "EXISTS"):
            at -= 1
        word = self.back(at)
        if word == "FROM" and clause == "from":
            return True
        special = _NAMES_FOLLOW_IN.get(self.verb, frozenset())
        at_top = len(self.clauses) == 1 and clause in ("", "from")
        in_query = self.verb == "CREATE" and self.opened
        return word in _NAMES_FOLLOW or (word in special and at_top and not in_query)

    def end_statement(self) -> None:
        for token in self.items:
            if token.text in self.names:
                token.token_type = TokenType.IDENTIFIER
        self.clauses, self.items, self.names = [""], [], set()
        self.verb, self.opened = "", False
