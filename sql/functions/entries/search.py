"""Text search."""

from __future__ import annotations

from sql.functions.registry import Function
from sql.functions.registry import function as f
from sql.functions.rewrites import search

CATEGORY = "Text search"

# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    f("matches_term(text text, term text) -> boolean",
      "True if the term occurs between characters that are no letters or digits; also text @@ term.",
      search.matches_term,
      ex={"matches_term('errors', 'error')": False, "matches_term('error-prone', 'error')": True,
          "matches_term('GET /app/start', '/start')": True,
          "matches_term('start/stop', '/start')": False,
          "matches_term('hello-world', 'hello world')": False,
          "matches_term('', '')": True, "matches_term('any', '')": False,
          "matches_term(NULL, 'x')": None}),
    f("matches(text text, query text) -> boolean",
      "True if the text satisfies a query of terms, \"phrases\", +must, -not, AND, OR, NOT, ( ).",
      search.matches,
      ex={"matches('the quick fox', 'quick')": True, "matches('the quick fox', 'slow fox')": True,
          "matches('the quick fox', 'slow AND fox')": False,
          "matches('the quick fox', '+fox -quick')": False,
          "matches('the quick fox', '\"quick fox\"')": True}),
)
# fmt: on

_EDGE = "[^0-9A-Za-z]"
HELPERS: dict[str, object] = {
    # A term that begins or ends with an ASCII letter or digit may not stand beside another.
    "term": (
        "(s, t) AS CASE WHEN t = '' THEN s = '' ELSE contains(s, t) AND"
        " (regexp_matches(t, '\\p{Han}') OR regexp_matches(s, gn_term_pattern(t))) END",
    ),
    "term_pattern": (
        f"(t) AS CASE WHEN regexp_matches(t, '^[0-9A-Za-z]') THEN '(?:^|{_EDGE})' ELSE '' END ||"
        f" regexp_escape(t) ||"
        f" CASE WHEN regexp_matches(t, '[0-9A-Za-z]$') THEN '(?:{_EDGE}|$)' ELSE '' END",
    ),
}
