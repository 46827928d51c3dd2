"""SQL text of roles and privileges. Mixed into generate.py's generator."""

# ruff: noqa: D102  (each method writes the node that it is named after)

from __future__ import annotations

from sqlglot import exp
from sqlglot.generator import Generator

from sql.dialect import nodes, object_nodes


class RolesGenerator(Generator):
    """Writes GRANT, REVOKE, ALTER DEFAULT PRIVILEGES and what is said of roles."""

    def _words(self, *parts: str | None) -> str:
        return " ".join(part for part in parts if part)

    def grantstatement_sql(self, node: nodes.GrantStatement) -> str:
        revoke, kind = node.args.get("revoke"), node.name
        option, on = node.args.get("option"), ""
        what = ", ".join(nodes.words_of(node, "privileges"))
        objects = self.expressions(node, flat=True)
        if kind != "ROLE":
            on = f"ON {'ALL ' if kind.endswith(' IN SCHEMA') else ''}{kind} {objects}".rstrip()
        return self._words(
            "REVOKE" if revoke else "GRANT",
            "GRANT OPTION FOR" if revoke and option else "",
            what or objects,
            on,
            "FROM" if revoke else "TO",
            self.expressions(node, key="grantees", flat=True),
            "WITH GRANT OPTION" if option and not revoke else "",
        )

    def rolestatement_sql(self, node: nodes.RoleStatement) -> str:
        return self._words(
            f"{node.name} {node.args['kind']}",
            "IF EXISTS" if node.args.get("exists") else "",
            self.expressions(node, flat=True),
            *map(_role_option, nodes.words_of(node, "options")),
        )

    def defaultprivileges_sql(self, node: object_nodes.DefaultPrivileges) -> str:
        return self._words(
            "ALTER DEFAULT PRIVILEGES",
            self._named(node, "FOR ROLE", "roles"),
            self._named(node, "IN SCHEMA", "schemas"),
            self.sql(node, "this"),
        )

    def _named(self, node: exp.Expr, words: str, key: str) -> str:
        names = self.expressions(node, key=key, flat=True)
        return f"{words} {names}" if names else ""


def _role_option(option: str) -> str:
    for words in ("PASSWORD ", "VALID UNTIL "):
        if option.startswith(words):
            return words + "'" + option[len(words) :].replace("'", "''") + "'"
    return "PASSWORD NULL" if option == "NOPASSWORD" else option
