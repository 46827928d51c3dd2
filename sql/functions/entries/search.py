"""Text search: words and parts of texts, and PostgreSQL's tsvector and tsquery."""

from __future__ import annotations

from sql.functions.registry import POSTGRES, Function, arrow
from sql.functions.registry import function as f
from sql.functions.rewrites import search, text_search

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
    f("to_tsvector([config regconfig,] document text) -> tsvector",
      "The lexemes of a text and where they are.", text_search.to_tsvector, wires=POSTGRES,
      ex={"to_tsvector('english', 'The fat cats')": "'cat':3 'fat':2",
          "to_tsvector('simple', 'The fat cats')": "'cats':3 'fat':2 'the':1"}),
    f("to_tsquery([config regconfig,] query text) -> tsquery",
      "A query of words joined by &, |, !, <-> and parentheses.",
      text_search.to_tsquery, wires=POSTGRES,
      ex={"to_tsquery('english', 'The & Fat & Rats')": "'fat' & 'rat'"}),
    f("plainto_tsquery([config regconfig,] query text) -> tsquery", "A query for all of the words.",
      text_search.plainto_tsquery, wires=POSTGRES,
      ex={"plainto_tsquery('english', 'The Fat Rats')": "'fat' & 'rat'"}),
    f("phraseto_tsquery([config regconfig,] query text) -> tsquery",
      "A query for the words one after the other.", text_search.phraseto_tsquery, wires=POSTGRES,
      ex={"phraseto_tsquery('english', 'The Cat and Rats')": "'cat' <2> 'rat'"}),
    f("websearch_to_tsquery([config regconfig,] query text) -> tsquery",
      "A query as search engines take it: \"phrases\", or, -not.",
      text_search.websearch_to_tsquery, wires=POSTGRES,
      ex={"websearch_to_tsquery('english', '\"fat rat\" or cat -dog')":
          "'fat' <-> 'rat' | 'cat' & !'dog'"}),
    f("ts_rank([weights real[],] vector tsvector, query tsquery [, normalization integer]) -> real",
      "How well a vector matches a query, by how often and how near its lexemes are.",
      text_search.ts_rank, wires=POSTGRES,
      ex={"CAST(ts_rank(to_tsvector('simple', 'a b'), to_tsquery('simple', 'a')) AS text)":
          "0.06079271"}),
    f("ts_rank_cd([weights real[],] vector tsvector, query tsquery [, normalization integer])"
      " -> real", "How well a vector matches a query, by how dense its lexemes are.",
      text_search.ts_rank_cd, wires=POSTGRES,
      ex={"CAST(ts_rank_cd(to_tsvector('simple', 'a b'), to_tsquery('simple', 'a & b')) AS text)":
          "0.1"}),
    f("ts_headline([config regconfig,] document text, query tsquery [, options text]) -> text",
      "A piece of the text with marks around what the query finds.",
      text_search.ts_headline, wires=POSTGRES,
      ex={"ts_headline('english', 'fat cats', to_tsquery('english', 'cat'))": "fat <b>cats</b>"}),
    f("setweight(vector tsvector, weight text) -> tsvector", "The vector with one weight, A to D.",
      text_search.setweight, wires=POSTGRES,
      ex={"setweight('fat:2 cat:3B', 'A')": "'cat':3A 'fat':2A"}),
    f("strip(vector tsvector) -> tsvector", "The lexemes without their places.",
      text_search.strip, wires=POSTGRES, ex={"strip('fat:2 cat:3B')": "'cat' 'fat'"}),
    f("tsvector_to_array(vector tsvector) -> text[]", "The lexemes.",
      text_search.tsvector_to_array, wires=POSTGRES,
      ex={"tsvector_to_array('fat:2 cat:3B')": ["cat", "fat"]}),
    f("tsquery_phrase(one tsquery, other tsquery [, distance integer]) -> tsquery",
      "A query for one and then the other; also <->.", text_search.tsquery_phrase, wires=POSTGRES,
      ex={"tsquery_phrase('fat', 'cat', 10)": "'fat' <10> 'cat'"}),
    f("numnode(query tsquery) -> integer", "How many lexemes and operators a query has.",
      text_search.numnode, wires=POSTGRES, ex={"numnode('fat & rat | cat')": 5}),
    f("get_current_ts_config() -> regconfig", "The setting default_text_search_config.",
      text_search.current_configuration, wires=POSTGRES),
)
# fmt: on

_EDGE = "[^0-9A-Za-z]"
HELPERS: dict[str, object] = {
    "ts_vectors": arrow("lexemes", "ts_vectors", "VARCHAR, VARCHAR", "VARCHAR"),
    "ts_queries": arrow("lexemes", "ts_queries", "VARCHAR, VARCHAR, VARCHAR", "VARCHAR"),
    "ts_matches": arrow("lexemes", "ts_matches", "VARCHAR, VARCHAR", "BOOLEAN"),
    "ts_ranks": arrow(
        "lexemes", "ts_ranks", "VARCHAR, VARCHAR, VARCHAR, VARCHAR, INTEGER", "FLOAT"
    ),
    "ts_headlines": arrow(
        "lexemes", "ts_headlines", "VARCHAR, VARCHAR, VARCHAR, VARCHAR", "VARCHAR"
    ),
    "ts_joined": arrow("lexemes", "ts_joined", "VARCHAR, VARCHAR", "VARCHAR"),
    "ts_weighted": arrow("lexemes", "ts_weighted", "VARCHAR, VARCHAR", "VARCHAR"),
    "ts_stripped": arrow("lexemes", "ts_stripped", "VARCHAR", "VARCHAR"),
    "ts_lexemes": arrow("lexemes", "ts_lexemes", "VARCHAR", "VARCHAR[]"),
    "ts_query_joined": arrow(
        "lexemes", "ts_query_joined", "VARCHAR, VARCHAR, VARCHAR, INTEGER", "VARCHAR"
    ),
    "ts_query_negated": arrow("lexemes", "ts_query_negated", "VARCHAR", "VARCHAR"),
    "ts_query_nodes": arrow("lexemes", "ts_query_nodes", "VARCHAR", "INTEGER"),
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
