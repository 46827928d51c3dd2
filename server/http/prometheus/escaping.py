"""Names of metrics and labels for scrapers that know only the old kind: letters, digits, `_`, `:`.

Which spelling a scraper wants, it says in its Accept header; without a word it gets underscores.
https://prometheus.io/docs/instrumenting/escaping_schemes/
"""

from __future__ import annotations

from collections.abc import Callable

Escape = Callable[[str], str]

DEFAULT = "underscores"


def asked_for(accept: str) -> tuple[str, str]:
    """The version of the text format and the escaping scheme that a header asks for.

    >>> asked_for("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1")
    ('1.0.0', 'allow-utf-8')
    >>> asked_for("text/html, */*")
    ('0.0.4', 'underscores')
    """
    best, found = 0.0, ("0.0.4", DEFAULT)
    for part in accept.split(","):
        kind, *rest = (piece.strip() for piece in part.split(";"))
        given = dict(piece.partition("=")[::2] for piece in rest)
        version, scheme = given.get("version", "0.0.4"), given.get("escaping", DEFAULT)
        weight = _weight(given.get("q", "1"))
        if kind == "text/plain" and version in ("0.0.4", "1.0.0") and weight > best:
            best, found = weight, (version, scheme if scheme in ESCAPES else DEFAULT)
    return found


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _is_plain(character: str, place: int) -> bool:
    return character.isascii() and (
        character.isalpha() or character in "_:" or (character.isdigit() and place > 0)
    )


def is_plain(name: str) -> bool:
    """True for names of the old kind."""
    return bool(name) and all(_is_plain(one, place) for place, one in enumerate(name))


def underscores(name: str) -> str:
    """What is not allowed becomes `_`.

    >>> underscores("http.status:sum"), underscores("2xx")
    ('http_status:sum', '_xx')
    """
    return "".join(one if _is_plain(one, place) else "_" for place, one in enumerate(name))


def dots(name: str) -> str:
    """Dots and underscores can be told apart afterwards.

    >>> dots("my.name_total")
    'my_dot_name__total'
    """
    special = {"_": "__", ".": "_dot_"}
    return "".join(
        special.get(one) or (one if _is_plain(one, place) else "__")
        for place, one in enumerate(name)
    )


def values(name: str) -> str:
    """Everything can be told afterwards.

    >>> values("up"), values("a.b_c")
    ('up', 'U__a_2e_b__c')
    """
    if is_plain(name):
        return name
    return "U__" + "".join(
        "__" if one == "_" else one if _is_plain(one, place) else f"_{ord(one):x}_"
        for place, one in enumerate(name)
    )


ESCAPES: dict[str, Escape] = {
    "allow-utf-8": str,
    "underscores": underscores,
    "dots": dots,
    "values": values,
}
