"""Grammar of roles and privileges: GRANT, REVOKE, CREATE, ALTER and DROP ROLE.

PostgreSQL's forms; what users of MySQL write differs in names and is only recognised there.
https://www.postgresql.org/docs/15/sql-grant.html
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from sql.dialect import nodes
from sql.dialect.core import Core
from sql.dialect.object_nodes import DefaultPrivileges

ROLE_WORDS = frozenset({"ROLE", "USER", "GROUP"})
_ALL_OF = ("TABLES", "SEQUENCES", "FUNCTIONS", "PROCEDURES", "ROUTINES")
SIGNATURE = "signature"
_CALLED = frozenset({"FUNCTION", "PROCEDURE", "ROUTINE"})
_USED = frozenset({"LANGUAGE", "TYPE", "DOMAIN"})


class RolesGrammar(Core):
    """Who may do what."""

    # --- GRANT and REVOKE -------------------------------------------------------------------------

    def _grant_statement(self) -> exp.Expr:
        return self._privileges(revoke=False)

    def _revoke_statement(self) -> exp.Expr:
        return self._privileges(revoke=True)

    def _privileges(self, *, revoke: bool) -> exp.Expr:
        verb = "REVOKE" if revoke else "GRANT"
        start = self._index
        option_only = revoke and self.word("GRANT", "OPTION", "FOR")
        rights = self._parse_csv(self._privilege)
        if not self._match(TokenType.ON):
            self._retreat(start)
            return self._membership(revoke)
        kind, objects = self._granted_objects()
        if kind is None:
            return self.expression(nodes.Utility(this=verb, text=self.take_rest()))
        return self._granted(kind, rights, objects, revoke=revoke, option_only=option_only)

    def _granted(
        self,
        kind: str,
        rights: list[str],
        objects: list[exp.Expr],
        *,
        revoke: bool,
        option_only: bool,
    ) -> nodes.GrantStatement:
        """From TO or FROM on."""
        self.require("FROM" if revoke else "TO")
        grantees = self._parse_csv(self._grantee)
        grantable = not revoke and self.word("WITH", "GRANT", "OPTION")
        self._grant_tail()
        return self.expression(
            nodes.GrantStatement(
                this=kind,
                privileges=rights,
                expressions=objects,
                grantees=grantees,
                revoke=revoke or None,
                option=(grantable or option_only) or None,
            )
        )

    def _privilege(self) -> str:
        word = self.take_word().upper()
        if word == "ALL":
            self.word("PRIVILEGES")
        if self._match(TokenType.L_PAREN, advance=False):
            raise self.expected("ON (privileges on single columns are not supported)")
        return word

    def _granted_objects(self) -> tuple[str | None, list[exp.Expr]]:
        for what in _ALL_OF:
            if self.word("ALL", what, "IN", "SCHEMA"):
                return f"{what} IN SCHEMA", self._parse_csv(self.take_name)
        if self.at_word("SCHEMA", "DATABASE"):
            return self.take_word().upper(), self._parse_csv(self.take_name)
        if self.at_word("FOREIGN", "LARGE", "PARAMETER", "TABLESPACE", "ALL"):
            return None, []
        if self.word("SEQUENCE"):
            return "SEQUENCE", self._parse_csv(self.take_table)
        if not self.STRING_ALIASES and self.at_word(*_USED):
            return self.take_word().upper(), self._parse_csv(self.take_table)
        if not self.STRING_ALIASES and self.at_word(*_CALLED):
            return self.take_word().upper(), self._parse_csv(self._callable)
        self._match(TokenType.TABLE)
        database = self._every_table() if self.STRING_ALIASES else None
        if database is not None:
            return "TABLES IN SCHEMA", [database]
        return "TABLE", self._parse_csv(self.take_table)

    def _callable(self) -> exp.Table:
        """A function's name; its text with the arguments' types is in the node's meta."""
        start = self._curr
        name = self.take_table()
        self.skip_parentheses()
        name.meta[SIGNATURE] = self.sql[start.start : self._prev.end + 1]
        return name

    def default_privileges(self) -> DefaultPrivileges:
        """Behind ALTER DEFAULT PRIVILEGES.

        https://www.postgresql.org/docs/15/sql-alterdefaultprivileges.html
        """
        made = DefaultPrivileges()
        while self.at_word("FOR", "IN"):
            if self.word("IN", "SCHEMA"):
                made.set("schemas", self._parse_csv(self.take_name))
            else:
                self.require("FOR")
                if not self.word("USER"):
                    self.require("ROLE")
                made.set("roles", self._parse_csv(self._grantee))
        revoke = not self.word("GRANT")
        if revoke:
            self.require("REVOKE")
        option_only = revoke and self.word("GRANT", "OPTION", "FOR")
        rights = self._parse_csv(self._privilege)
        self.require("ON")
        if not self.at_word("TABLES", "SEQUENCES", "FUNCTIONS", "ROUTINES", "TYPES", "SCHEMAS"):
            raise self.expected("TABLES, SEQUENCES, FUNCTIONS, ROUTINES, TYPES or SCHEMAS")
        kind = self.take_word().upper()
        made.set("this", self._granted(kind, rights, [], revoke=revoke, option_only=option_only))
        return self.expression(made)

    def _every_table(self) -> exp.Identifier | None:
        """MySQL's `db.*`: all tables that are there now."""
        start = self._index
        name = self.take_name() if self._curr.token_type is not TokenType.STAR else None
        if name is not None and self._match(TokenType.DOT) and self._match(TokenType.STAR):
            return name
        self._retreat(start)
        return None

    def _grantee(self) -> exp.Identifier:
        if self.at_word("GROUP") and self._next.token_type is not TokenType.COMMA and self._next:
            self._advance()
        return self._account()

    def _account(self) -> exp.Identifier:
        """A role; MySQL's `'user'@'host'`, of which the host says nothing here."""
        if not self.STRING_ALIASES:
            return self.take_name()
        quoted = self._curr.token_type in self.STRING_PARSERS
        text = self.take_string().name if quoted else ""
        name = exp.to_identifier(text, quoted=True) if quoted else self.take_name()
        if self._match(TokenType.PARAMETER):
            self._advance()
        return name

    def _grant_tail(self) -> None:
        if self.word("GRANTED", "BY"):
            self.take_name()
        if not self.word("CASCADE"):
            self.word("RESTRICT")

    def _membership(self, revoke: bool) -> exp.Expr:
        """`GRANT role TO role`."""
        if revoke:
            self.word("ADMIN", "OPTION", "FOR")
        roles = self._parse_csv(self.take_name)
        self.require("FROM" if revoke else "TO")
        members = self._parse_csv(self._grantee)
        self.word("WITH", "ADMIN", "OPTION")
        self._grant_tail()
        return self.expression(
            nodes.GrantStatement(
                this="ROLE", expressions=roles, grantees=members, revoke=revoke or None
            )
        )

    # --- Roles ------------------------------------------------------------------------------------

    def role_statement(self, verb: str) -> exp.Expr:
        """What follows CREATE, ALTER or DROP. Requires: one of ROLE_WORDS comes next."""
        kind = self.take_word().upper()
        if verb == "DROP":
            exists = self._parse_exists()
            names = self._parse_csv(self._account)
            return self.expression(
                nodes.RoleStatement(this=verb, kind=kind, expressions=names, exists=exists or None)
            )
        names = [self._account()]
        self._match(TokenType.WITH)
        options: list[str] = []
        while self._curr:
            options.append(self._role_option())
        return self.expression(
            nodes.RoleStatement(this=verb, kind=kind, expressions=names, options=options)
        )

    def _role_option(self) -> str:
        """Upper-case words; behind PASSWORD, UNTIL, LIMIT and IN what they name, as it is."""
        word = self.take_word().upper()
        if word in ("ENCRYPTED", "UNENCRYPTED"):
            word = self.take_word().upper()
        if word == "IDENTIFIED":  # MySQL's
            if self.word("WITH"):
                self.take_name()
            self.require("BY")
            return f"PASSWORD {self.take_string().name}"
        if word == "PASSWORD":
            return "NOPASSWORD" if self._match(TokenType.NULL) else f"PASSWORD {self._text()}"
        if word == "VALID":
            self.require("UNTIL")
            return f"VALID UNTIL {self._text()}"
        if word == "CONNECTION":
            self.require("LIMIT")
            sign = "-" if self._match(TokenType.DASH) else ""
            number = self._curr.text
            if not self._match(TokenType.NUMBER):
                raise self.expected("a number")
            return f"CONNECTION LIMIT {sign}{number}"
        if word == "IN":
            if not self.word("ROLE"):
                self.require("GROUP")
            return "IN " + self.take_name().name
        if word in ("SET", "RESET", "RENAME"):
            raise self.unexpected()
        return word

    def _text(self) -> str:
        return self.take_string().name
