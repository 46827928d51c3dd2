"""MySQL's MATCH (columns) AGAINST (text): words counted by DuckDB, without an index.

Called by mysql_forms.py. Words are letters, digits, `_` and `'`, in any case and without accents;
as in InnoDB those of less than three characters and its stop words are never found. The relevance
is the number of words that are found, not InnoDB's. Parentheses of boolean mode say nothing.
Source: MySQL 8.4 reference, "Full-Text Search Functions", "Full-Text Stopwords".
"""

from __future__ import annotations

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.functions.expansion import expand

_STOPPED = (
    *("a", "about", "an", "are", "as", "at", "be", "by", "com", "de", "en", "for", "from", "how"),
    *("i", "in", "is", "it", "la", "of", "on", "or", "that", "the", "this", "to", "was", "what"),
    *("when", "where", "who", "will", "with", "und", "www"),
)
_WORD = r"[\p{L}\p{N}_'']"
_LIST = "[" + ", ".join(f"'{word}'" for word in _STOPPED) + "]"


def _plain(text: str) -> str:
    return f"lower(strip_accents(CAST({text} AS VARCHAR)))"


def _tokens(text: str) -> str:
    return f"regexp_extract_all({_plain(text)}, '{_WORD}+')"


def _spaced(text: str) -> str:
    """A text's words, each between spaces: what phrases and beginnings of words are found in."""
    return f"(' ' || array_to_string({_tokens(text)}, ' ') || ' ')"


_NATURAL = (
    f"(txt, qry) AS CAST(coalesce(len(list_filter(list_distinct({_tokens('qry')}), lambda w:"
    f" length(w) > 2 AND NOT list_contains({_LIST}, w)"
    f" AND list_contains({_tokens('txt')}, w))), 0) AS DOUBLE)",
)
# A word with its sign and star, or a phrase with its sign.
_TERMS = f"""regexp_extract_all({_plain("qry")}, '[-+~<>]?(?:"[^"]*"|{_WORD}+\\*?)')"""
_BARE = "ltrim(w, '+-~<>')"
_HIT = (
    f"CASE WHEN starts_with({_BARE}, '\"') THEN contains({_spaced('txt')}, {_spaced(_BARE)})"
    f" WHEN ends_with({_BARE}, '*') THEN contains({_spaced('txt')}, ' ' || rtrim({_BARE}, '*'))"
    f" ELSE list_contains({_tokens('txt')}, {_BARE}) END"
)
_MISSED = f"(starts_with(w, '+') AND NOT {_HIT}) OR (starts_with(w, '-') AND {_HIT})"
_BOOLEAN = (
    f"(txt, qry) AS CASE WHEN len(list_filter({_TERMS}, lambda w: {_MISSED})) > 0 THEN 0.0::DOUBLE"
    f" ELSE CAST(coalesce(len(list_filter({_TERMS}, lambda w: NOT starts_with(w, '-') AND {_HIT})),"
    " 0) AS DOUBLE) END",
)


def matched(node: exp.MatchAgainst) -> exp.Expr:
    """The relevance as an expression of DuckDB's. Raises: DbError UNSUPPORTED for expansion."""
    modifier = str(node.args.get("modifier") or "")
    if "EXPANSION" in modifier:
        raise DbError(ErrorKind.UNSUPPORTED, "MATCH … WITH QUERY EXPANSION is not supported")
    texts = [column.copy() for column in node.expressions]
    text = exp.Anonymous(this="concat_ws", expressions=[exp.Literal.string(" "), *texts])
    template = _BOOLEAN if "BOOLEAN" in modifier else _NATURAL
    return expand("match", template, [text, node.this.copy()])
