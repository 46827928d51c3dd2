"""Grammar of SET, RESET, DISCARD and of the transaction statements.

All spellings of both wires are taken everywhere; what a name means is the session's business.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from sql.dialect import nodes
from sql.dialect.foreign import ForeignGrammar

_SCOPES = frozenset({"SESSION", "LOCAL", "GLOBAL", "PERSIST", "PERSIST_ONLY"})
_LEVELS = (
    ("READ", "UNCOMMITTED"),
    ("READ", "COMMITTED"),
    ("REPEATABLE", "READ"),
    ("SERIALIZABLE",),
)
_MODES = (
    *(("ISOLATION", "LEVEL", *level) for level in _LEVELS),
    ("READ", "ONLY"),
    ("READ", "WRITE"),
    ("NOT", "DEFERRABLE"),
    ("DEFERRABLE",),
    ("WITH", "CONSISTENT", "SNAPSHOT"),
)


class SettingsGrammar(ForeignGrammar):
    """SET, RESET, DISCARD; BEGIN, COMMIT, ROLLBACK and savepoints."""

    # --- SET --------------------------------------------------------------------------------------

    def _set_statement(self) -> exp.Expr:
        if self.word("SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"):
            modes = self._transaction_modes(required=True)
            return self.expression(nodes.SetTransaction(modes=modes, session=True))
        start = self._index
        session = self.word("SESSION") or self.word("GLOBAL")
        if self.word("TRANSACTION"):
            modes = self._transaction_modes(required=True)
            return self.expression(nodes.SetTransaction(modes=modes, session=session or None))
        self._retreat(start)
        if self.word("CONSTRAINTS"):
            return self.set_constraints()
        if self.at_word("PASSWORD", "DEFAULT"):
            verb = f"SET {self.take_word().upper()}"
            return self.expression(nodes.Utility(this=verb, text=self.take_rest()))
        return self.expression(nodes.SetVariables(expressions=self._parse_csv(self._assignment)))

    def _assignment(self) -> nodes.Assignment:
        scope = self._scope()
        special = self._special_assignment()
        if special is not None:
            special.set("scope", scope)
            return self.expression(special)
        user = False
        if self._match(TokenType.SESSION_PARAMETER) or self._match(TokenType.DAT):  # @@x
            if self.at_word(*_SCOPES) and self._next.token_type is TokenType.DOT:
                scope = self.take_word().upper()
                self._advance()
            name = self._setting_name()
        elif self._match(TokenType.PARAMETER):
            user, name = True, self._user_variable_name()
        else:
            name = self._setting_name()
        if not (self._match_set((TokenType.EQ, TokenType.COLON_EQ)) or self.word("TO")):
            raise self.expected("= or TO")
        values = self._setting_values()
        assignment = nodes.Assignment(this=name, expressions=values, scope=scope, user=user or None)
        return self.expression(assignment)

    def _scope(self) -> str | None:
        """A scope word, unless it is itself the variable."""
        follower = self._next.token_type
        named = follower not in (TokenType.EQ, TokenType.DOT, TokenType.SENTINEL)
        if self.at_word(*_SCOPES) and named and self._next.text.upper() != "TO":
            return self.take_word().upper()
        return None

    def _special_assignment(self) -> nodes.Assignment | None:
        """The forms without an equals sign."""
        if self.at_word("NAMES") and self._next.token_type is not TokenType.EQ:
            self._advance()
            assignment = nodes.Assignment(this="names", expressions=[self._setting_value()])
            if self.word("COLLATE"):
                assignment.set("collate", self._setting_value())
            return assignment
        for words, name in _SPECIAL:
            if self.word(*words):
                value = self._offset() if name == "timezone" else None
                return nodes.Assignment(this=name, expressions=[value or self._setting_value()])
        if self.at_word("CHARACTER SET", "CHARSET") and self._next.token_type is not TokenType.EQ:
            self._advance()
            return nodes.Assignment(this="character set", expressions=[self._setting_value()])
        if self.at_word("AUTHORIZATION") and self._next.token_type is not TokenType.EQ:
            self._advance()  # after SESSION, which looks like a scope
            values = [self._setting_value()]
            return nodes.Assignment(this="session_authorization", expressions=values)
        if self.at_word("ROLE") and self._next.token_type is not TokenType.EQ:
            self._advance()
            return nodes.Assignment(this="role", expressions=[self._setting_value()])
        return None

    def _offset(self) -> exp.Expr | None:
        """`INTERVAL '+02:00' HOUR TO MINUTE`, as time zones are told by their offset."""
        if not self.word("INTERVAL"):
            return None
        offset = self.take_string()
        self.word("HOUR", "TO", "MINUTE")
        return offset

    def _setting_name(self) -> str:
        name = self.take_name().name
        while self._match(TokenType.DOT):
            name = f"{name}.{self.take_name().name}"
        return name.lower()

    def _setting_values(self) -> list[exp.Expr]:
        values = [self._setting_value()]
        while self._curr.token_type is TokenType.COMMA and not self._assignment_follows():
            self._advance()
            values.append(self._setting_value())
        return values

    def _assignment_follows(self) -> bool:
        """True if the comma starts another variable, not another value of this one."""
        start = self._index
        self._advance()
        try:
            if self._curr.token_type in (
                TokenType.SESSION_PARAMETER,
                TokenType.DAT,
                TokenType.PARAMETER,
            ):
                return True
            if self.at_word(*_SCOPES, "NAMES"):
                return True
            self._advance()
            while self._match(TokenType.DOT):
                self._advance()
            return self._curr.token_type in (TokenType.EQ, TokenType.COLON_EQ)
        finally:
            self._retreat(start)

    def _setting_value(self) -> exp.Expr:
        token = self._curr
        alone = self._next.token_type in (TokenType.COMMA, TokenType.SENTINEL)
        collated = self._next.text.upper() == "COLLATE"
        if token.token_type is TokenType.IDENTIFIER and alone:
            return self.take_name()
        quoted = token.token_type in (*self.STRING_PARSERS, TokenType.IDENTIFIER)
        if token.text[:1].isidentifier() and (alone or collated) and not quoted:
            return exp.var(self.take_word())
        return self.take_expression() if not collated else self.take_string()

    def _reset_statement(self) -> exp.Expr:
        for words, name in (*_SPECIAL, (("TRANSACTION", "ISOLATION", "LEVEL"), _ISOLATION)):
            if self.word(*words):
                return self.expression(nodes.Reset(this=name))
        return self.expression(nodes.Reset(this=self._setting_name()))

    def _discard_statement(self) -> exp.Expr:
        what = self.take_word().upper()
        if what not in _DISCARDABLE:
            self._advance(-1)
            raise self.expected("ALL, PLANS, SEQUENCES or TEMP")
        return self.expression(nodes.Discard(this=_DISCARDABLE[what]))

    # --- Transactions -----------------------------------------------------------------------------

    def _begin_statement(self) -> exp.Expr:
        if not self.word("WORK"):
            self.word("TRANSACTION")
        return self._begin()

    def _start_statement(self) -> exp.Expr:
        self.require("TRANSACTION")
        return self._begin()

    def _begin(self) -> nodes.BeginTransaction:
        return self.expression(nodes.BeginTransaction(modes=self._transaction_modes() or None))

    def _transaction_modes(self, required: bool = False) -> list[str]:
        modes: list[str] = []
        while self._curr:
            if modes:
                self._match(TokenType.COMMA)
            mode = next((m for m in _MODES if self.word(*m)), None)
            if mode is None:
                raise self.expected("a transaction mode")
            modes.append(" ".join(mode))
        if required and not modes:
            raise self.expected("a transaction mode")
        return modes

    def _commit_statement(self) -> exp.Expr:
        if self.at_word("PREPARED"):
            return self.expression(nodes.Utility(this="COMMIT PREPARED", text=self.take_rest()))
        self._work()
        return self.expression(nodes.CommitTransaction(chain=self._chain()))

    def _rollback_statement(self) -> exp.Expr:
        if self.at_word("PREPARED"):
            return self.expression(nodes.Utility(this="ROLLBACK PREPARED", text=self.take_rest()))
        self._work()
        if self.word("TO"):
            self.word("SAVEPOINT")
            return self.expression(nodes.RollbackTransaction(savepoint=self.take_name()))
        return self.expression(nodes.RollbackTransaction(chain=self._chain()))

    def _work(self) -> None:
        if not self.word("WORK"):
            self.word("TRANSACTION")

    def _chain(self) -> bool | None:
        if self.word("AND"):
            negated = self.word("NO")
            self.require("CHAIN")
            return None if negated else True
        if self.word("NO", "RELEASE") or self.word("RELEASE"):
            return None
        return None

    def _savepoint_statement(self) -> exp.Expr:
        return self.expression(nodes.Savepoint(this=self.take_name()))

    def _release_statement(self) -> exp.Expr:
        self.word("SAVEPOINT")
        return self.expression(nodes.ReleaseSavepoint(this=self.take_name()))


_SPECIAL = (
    (("TIME", "ZONE"), "timezone"),
    (("SESSION", "AUTHORIZATION"), "session_authorization"),
    (("CHARACTER", "SET"), "character set"),
)
_ISOLATION = "transaction_isolation"
_DISCARDABLE = {
    "ALL": "ALL",
    "PLANS": "PLANS",
    "SEQUENCES": "SEQUENCES",
    "TEMP": "TEMP",
    "TEMPORARY": "TEMP",
}
