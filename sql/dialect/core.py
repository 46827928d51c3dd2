"""The part of the grammar all our dialects share: dispatch, errors, literals, RANGE and ALIGN.

`Core` extends sqlglot's parser; the statement families (show.py, settings.py, …) build on it and
dialects.py puts them together. It never falls back to an unparsed command as sqlglot does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection
from typing import Any, ClassVar, TypeVar

from sqlglot import exp
from sqlglot.errors import ParseError
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType

from engine.errors import DbError, ErrorKind
from sql.dialect import json2, nodes, walking

walking.install()

T = TypeVar("T")
_NO_TOKEN = Token(TokenType.SENTINEL, "")

# How a query starts; any other statement starts with a word of `STATEMENTS`.
_QUERY_STARTS = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "("})
_WORDLESS = frozenset({TokenType.IDENTIFIER, TokenType.STRING, TokenType.NUMBER})
_AFTER_LIST = frozenset(
    {TokenType.R_PAREN, TokenType.FROM, TokenType.ORDER_BY, TokenType.HAVING, TokenType.LIMIT}
)
_FILL_END = frozenset({TokenType.COMMA, TokenType.FROM, TokenType.R_PAREN, TokenType.SENTINEL})


_BARE = (exp.Literal, exp.Parameter, exp.Placeholder)  # what needs no parentheses

_NATIONAL = frozenset({"CHAR", "CHARACTER", "VARCHAR"})


class GrammarError(ParseError):
    """A syntax error at a token, or at the end of the statement without one."""

    def __init__(self, description: str, token: Token | None) -> None:
        super().__init__(description, [{"description": description}])
        self.description = description
        self.token = token


def text_literal(parser: Any, token: Token) -> exp.Expr:
    """A string in any quoting (E'…', $tag$…$tag$) is just a string."""
    literal: exp.Expr = parser.expression(exp.Literal(this=token.text, is_string=True), token)
    return literal


class Core(Parser):
    """Shared grammar. `STATEMENTS` maps a statement's first word to the method that parses it."""

    STATEMENTS: ClassVar[dict[str, str]] = {}

    # Set by parser.py before each statement of a request.
    placeholders: tuple[int, ...] = ()  # offsets of the request's `?` tokens, ascending
    first_placeholder: int = 0  # how many of them belong to earlier statements
    tql_texts: ClassVar[dict[int, Any]] = {}

    # --- Errors -----------------------------------------------------------------------------------

    def raise_error(self, message: str, token: Token = _NO_TOKEN) -> None:
        """Raises at the token, or where the parser stands."""
        at = token or self._curr
        raise GrammarError(message, at if at else None)

    def expected(self, what: str) -> GrammarError:
        """The error of finding something else than `what` here; to be raised by the caller."""
        return GrammarError(f"expected {what}", self._curr if self._curr else None)

    def unexpected(self) -> GrammarError:
        """The error of finding this token at all."""
        return GrammarError("", self._curr if self._curr else None)

    def _parse_as_command(self, start: Token) -> exp.Command:
        raise self.unexpected()

    def _parse_command(self) -> exp.Command:
        raise self.unexpected()

    # --- Statements -------------------------------------------------------------------------------

    def _parse_statement(self) -> exp.Expr | None:
        if not self._curr:
            return None
        if self._curr.token_type in _WORDLESS:
            raise self.unexpected()
        word = self._curr.text.upper()
        method = self.STATEMENTS.get(word)
        if method is not None:
            comments = self._curr.comments
            self._advance()
            statement: exp.Expr = getattr(self, method)()
            statement.add_comments(comments, prepend=True)
            return statement
        if word in _QUERY_STARTS:
            return super()._parse_statement()
        raise self.unexpected()

    def statement_inside(self) -> exp.Expr:
        """A statement within another (EXPLAIN, PREPARE, DECLARE)."""
        statement = self._parse_statement()
        if statement is None:
            raise self.expected("a statement")
        return statement

    def query_inside(self) -> exp.Expr:
        """A query within another statement."""
        query = self.statement_inside()
        if not isinstance(query, (exp.Query, exp.Values, nodes.Tql)):
            raise self.expected("a query")
        return query

    # --- Small pieces -----------------------------------------------------------------------------

    def _parse_types(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        """NATIONAL CHARACTER and its kin are text like any other; JSON2 has paths with types."""
        if kwargs.get("schema") and self.at_word(json2.WORD):
            return json2.read_json2(self)
        if self.at_word("NATIONAL") and self._next.text.upper() in _NATIONAL:
            self._advance()
        return super()._parse_types(*args, **kwargs)

    def build_cast(self, *args: Any, **kwargs: Any) -> exp.Expr:
        """`('{a}')::text[]` casts a literal as `'{a}'::text[]` does; psycopg's own quoting."""
        inner = kwargs.get("this")
        if isinstance(inner, exp.Paren) and isinstance(inner.unnest(), _BARE):
            kwargs["this"] = inner.unnest()
        return super().build_cast(*args, **kwargs)

    def word(self, *words: str) -> bool:
        """Takes the given words if they come next."""
        return self._match_text_seq(*words)

    def require(self, *words: str) -> None:
        """Takes the given words or fails."""
        for word in words:
            if not self._match_text_seq(word):
                raise self.expected(word)

    def at_word(self, *words: str) -> bool:
        """True if one of the given words comes next; takes nothing."""
        return self._curr.token_type not in _WORDLESS and self._curr.text.upper() in words

    def take_word(self) -> str:
        """Takes the next token's text as written; it must be an unquoted word."""
        token = self._curr
        if not token or token.token_type in _WORDLESS or not token.text[:1].isidentifier():
            raise self.expected("a name")
        self._advance()
        return self.original(token)

    def original(self, token: Token) -> str:
        """A token as the client wrote it (keyword tokens are upper-cased by the tokenizer)."""
        return self.sql[token.start : token.end + 1]

    def take_name(self) -> exp.Identifier:
        """Takes an identifier, quoted or not. Where only a name can stand, MySQL's "x" is one."""
        if self._curr.token_type is TokenType.STRING and self.original(self._curr)[:1] == '"':
            self._advance()
            return self._identifier_expression(quoted=True)
        if self._curr.token_type in (TokenType.STRING, TokenType.NUMBER):
            raise self.expected("a name")
        name = self._parse_id_var(any_token=True)
        if not isinstance(name, exp.Identifier):
            raise self.expected("a name")
        return name

    def take_names(self) -> list[exp.Identifier]:
        """Takes `(a, b, …)`."""
        return self._parse_wrapped_csv(self.take_name)

    def take_string(self) -> exp.Literal:
        """Takes a string literal."""
        if self._curr.token_type not in self.STRING_PARSERS:
            raise self.expected("a string")
        string = self._parse_string()
        if not isinstance(string, exp.Literal):
            raise self.expected("a string")
        return string

    def take_table(self) -> exp.Table:
        """Takes a table name of one to three parts, without an alias. No string is a name."""
        if self._curr.token_type is TokenType.STRING and self.sql[self._curr.start] == "'":
            raise self.expected("a table name")
        table = self._parse_table_parts(schema=True)
        if not isinstance(table, exp.Table):
            raise self.expected("a table name")
        return table

    def take_expression(self) -> exp.Expr:
        """Takes a scalar expression."""
        expression = self._parse_disjunction()
        if expression is None:
            raise self.expected("an expression")
        return expression

    def take_rest(self) -> str:
        """Takes all tokens up to the statement's end; returns them as written."""
        if not self._curr:
            return ""
        start = self._curr
        while self._curr:
            self._advance()
        return self.sql[start.start : self._prev.end + 1]

    def skip_parentheses(self) -> None:
        """Passes `(…)` if it stands here."""
        depth = 0
        while self._curr and (depth or self._curr.token_type is TokenType.L_PAREN):
            depth += self._curr.token_type is TokenType.L_PAREN
            depth -= self._curr.token_type is TokenType.R_PAREN
            self._advance()
            if not depth:
                return

    def take_options(self) -> list[nodes.Option]:
        """Takes `(k = v, 'a.b' = 'c', …)`."""
        return self._parse_wrapped_csv(self.take_option)

    def take_option(self) -> nodes.Option:
        """Takes one `key = value` of a WITH list."""
        key = self.take_key()
        self._match(TokenType.EQ)
        return self.expression(nodes.Option(this=key, expression=self.take_option_value()))

    def take_key(self) -> str:
        """Takes an option's key: a string, an identifier, or dotted words; lower case."""
        if self._curr.token_type in self.STRING_PARSERS or self._curr.token_type in _WORDLESS:
            key = self._curr.text
            self._advance()
            return key.lower()
        key = self.take_word()
        while self._match(TokenType.DOT):
            key = f"{key}.{self.take_word()}"
        return key.lower()

    def take_option_value(self) -> exp.Expr:
        """Takes an option's value: a constant, or a bare word as `exp.Var`."""
        token = self._curr
        if token.token_type is TokenType.IDENTIFIER:  # "x" may stand for 'x'
            self._advance()
            return exp.Literal.string(token.text)
        if token.text[:1].isidentifier() and token.token_type not in self.PRIMARY_PARSERS:
            return exp.var(self.take_word())
        value = self._parse_unary()
        if value is None:
            raise self.expected("a value")
        return value

    def _parse_csv(
        self, parse_method: Callable[[], T | None], sep: TokenType = TokenType.COMMA
    ) -> list[T]:
        """As sqlglot's, but a comma may end the list, as GreptimeDB has it; two are refused."""
        first = parse_method()
        if first is None:
            return []
        items = [first]
        while self._match(sep):
            if isinstance(items[-1], exp.Expr):
                self._add_comments(items[-1])
            if self._trailing_comma():
                break
            item = parse_method()
            if item is None:
                raise self.unexpected()
            items.append(item)
        return items

    def _parse_projections(self) -> tuple[list[exp.Expr], list[exp.Expr] | None]:
        """As sqlglot's, but `SELECT a,` and nothing more in its place is a statement cut short."""
        projections = super()._parse_projections()
        is_comma = self._prev and self._prev.token_type is TokenType.COMMA
        if is_comma and (not self._curr or self._ends_definition()):
            raise self.expected("an expression")
        return projections

    def _ends_definition(self) -> bool:
        """True at the last parenthesis of `CREATE TABLE a AS (SELECT …)`; a subquery's is none."""
        if self._next or self._curr.token_type is not TokenType.R_PAREN:
            return False
        depth, place = 0, self._index
        while place > 0:
            kind = self._tokens[place].token_type
            depth += (kind is TokenType.R_PAREN) - (kind is TokenType.L_PAREN)
            if depth == 0:
                return self._tokens[place - 1].token_type is TokenType.ALIAS
            place -= 1
        return False

    def _trailing_comma(self) -> bool:
        """True if the comma just taken ends its list."""
        return not self._curr or self._curr.token_type in _AFTER_LIST

    # --- Literals and parameters ------------------------------------------------------------------

    def _parse_parameter(self) -> exp.Parameter:
        """`$1` in PostgreSQL and HTTP, `@name` in MySQL."""
        if self.original(self._prev) == "@":
            variable: Any = nodes.UserVariable(this=self._user_variable_name())
            return self.expression(variable)  # type: ignore[no-any-return] # only stored
        if not self._match(TokenType.NUMBER) or not self._prev.text.isdigit():
            raise GrammarError("expected a parameter number", self._prev)
        number = exp.Literal.number(self._prev.text)
        if not 1 <= int(self._prev.text) <= 65535:
            raise DbError(
                ErrorKind.UNDEFINED_PARAMETER,
                f"there is no parameter ${self._prev.text}",
                position=self._prev.start + 1,
            )
        return self.expression(exp.Parameter(this=number))

    def _parse_user_defined_type(self, identifier: exp.Identifier) -> exp.Expr | None:
        """A type that only sql/types.py or the catalog may know."""
        kind: exp.Expr = identifier
        while self._match(TokenType.DOT):
            kind = exp.Dot(this=kind, expression=self.take_name())
        return exp.DataType(this=exp.DType.USERDEFINED, kind=kind)

    def _user_variable_name(self) -> str:
        token = self._curr
        if not token or not (token.token_type in _WORDLESS or token.text[:1].isidentifier()):
            raise self.expected("a variable name")
        self._advance()
        name = token.text if token.token_type in _WORDLESS else self.original(token)
        return name.lower()

    def question_mark(self) -> exp.Expr:
        """A `?` becomes the parameter of its rank among the statement's `?`."""
        rank = bisect_right(self.placeholders, self._prev.start) - self.first_placeholder
        return self.expression(exp.Parameter(this=exp.Literal.number(rank)))

    # --- RANGE and ALIGN --------------------------------------------------------------------------

    def _parse_unary(self) -> exp.Expr | None:
        this = super()._parse_unary()
        if isinstance(this, nodes.UserVariable) and self._match(TokenType.COLON_EQ):
            value = self.take_expression()
            return self.expression(exp.PropertyEQ(this=this, expression=value))
        while this is not None and self._at_range():
            self._advance()
            interval = self.take_interval()
            this = self.expression(
                nodes.RangeAggregate(this=this, range=interval, fill=self._range_fill())
            )
        return this

    def _at_range(self) -> bool:
        """True at `RANGE '5s'` and `RANGE (INTERVAL …)`, not at a window frame."""
        if self._curr.token_type is not TokenType.RANGE or not self._at_interval_after():
            return False
        after = self._tokens[self._index + 2] if self._index + 2 < self._tokens_size else None
        frame = after is not None and after.text.upper() in ("PRECEDING", "FOLLOWING")
        return not frame

    def _at_interval_after(self) -> bool:
        """True if a duration string or a parenthesised interval follows the current token."""
        return self._next.token_type in (TokenType.STRING, TokenType.L_PAREN)

    def take_interval(self) -> exp.Expr:
        """Takes `'5s'` or `(INTERVAL …)`."""
        if self._match(TokenType.L_PAREN):
            interval = self.take_expression()
            self._match_r_paren()
            return interval
        return self.take_string()

    def _range_fill(self) -> exp.Expr | None:
        if not self.at_word("FILL") or self._next.token_type in _FILL_END:
            return None
        self._advance()
        return self.take_fill()

    def take_fill(self) -> exp.Expr:
        """Takes what follows FILL."""
        if self.at_word("PREV", "LINEAR"):
            return exp.var(self.take_word().upper())
        value = super()._parse_unary()
        if value is None:
            raise self.expected("NULL, PREV, LINEAR or a constant")
        return value

    def _at_align(self) -> bool:
        return self.at_word("ALIGN") and self._at_interval_after()

    def _parse_query_modifiers(self, this: Any) -> Any:
        this = super()._parse_query_modifiers(this)
        if isinstance(this, exp.Select) and self._at_align():
            if this.args.get("align"):
                raise self.unexpected()
            this.set("align", self._align())
            this = super()._parse_query_modifiers(this)
        return this

    def _align(self) -> nodes.Align:
        self._advance()
        align = nodes.Align(this=self.take_interval())
        if self.word("TO"):
            align.set("to", self._align_origin())
        if self.word("BY"):
            align.set("by", True)
            align.set("expressions", self._parse_wrapped_csv(self._by_item))
        if self.word("FILL"):
            align.set("fill", self.take_fill())
        return self.expression(align)

    def _by_item(self) -> exp.Expr | None:
        """An expression; MySQL's `"x"` alone is a name, as a constant would make no series."""
        whole = self._next.token_type in (TokenType.COMMA, TokenType.R_PAREN)
        quoted = self._curr.token_type is TokenType.STRING and self.original(self._curr)[:1] == '"'
        if whole and quoted:
            return self.expression(exp.Column(this=self.take_name()))
        return self._parse_disjunction()

    def _align_origin(self) -> exp.Expr:
        if self._match_text_seq("NOW") and self._curr.token_type is not TokenType.L_PAREN:
            return exp.var("NOW")
        if self._prev.text.upper() == "NOW":
            self._advance(-1)
        return self.take_interval()

    def _parse_table_alias(
        self, alias_tokens: Collection[TokenType] | None = None
    ) -> exp.TableAlias | None:
        return None if self._at_align() else super()._parse_table_alias(alias_tokens)
