"""Client encodings: PostgreSQL's names of them, and Python's codec for each.

The server keeps UTF-8. settings.py checks names here, the PostgreSQL wire converts what comes and
goes (server/postgres/encoded.py).
https://www.postgresql.org/docs/15/multibyte.html#CHARSET-TABLE
"""

from __future__ import annotations

import re

UTF8 = "UTF8"
# Nothing is converted: the client takes and gives the server's bytes.
SQL_ASCII = "SQL_ASCII"

# Codecs by PostgreSQL's own names. MULE_INTERNAL, EUC_TW and LATIN-less variants that Python has no
# codec of are not offered.
_CODECS = {
    UTF8: "utf-8",
    SQL_ASCII: "utf-8",
    "BIG5": "cp950",
    "EUC_CN": "gb2312",
    "EUC_JIS_2004": "euc_jis_2004",
    "EUC_JP": "euc_jp",
    "EUC_KR": "euc_kr",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "JOHAB": "johab",
    "KOI8R": "koi8_r",
    "KOI8U": "koi8_u",
    "SHIFT_JIS_2004": "shift_jis_2004",
    "SJIS": "cp932",
    "UHC": "cp949",
    "WIN866": "cp866",
    "WIN874": "cp874",
    **{f"WIN125{n}": f"cp125{n}" for n in range(9)},
    **{f"ISO_8859_{n}": f"iso8859-{n}" for n in (5, 6, 7, 8)},
    # Latin alphabets are numbered otherwise than the parts of ISO 8859.
    **{
        f"LATIN{n}": f"iso8859-{part}"
        for n, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), start=1)
    },
}
_ALIASES = {
    "unicode": UTF8,
    "utf8mb4": UTF8,
    "koi8": "KOI8R",
    "alt": "WIN866",
    "win": "WIN1251",
    "abc": "WIN1258",
    "tcvn": "WIN1258",
    "tcvn5712": "WIN1258",
    "vscii": "WIN1258",
    "mskanji": "SJIS",
    "shiftjis": "SJIS",
    "windows949": "UHC",
    "windows932": "SJIS",
    "windows936": "GBK",
    "windows950": "BIG5",
    **{f"windows{n}": f"WIN{n}" for n in (866, 874, *range(1250, 1259))},
    **{
        f"iso8859{part}": f"LATIN{n}"
        for n, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), start=1)
    },
}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_NAMES = _ALIASES | {_plain(name): name for name in _CODECS}


def encoding_named(name: str) -> str | None:
    """PostgreSQL's own name of an encoding, None if there is none.

    >>> encoding_named("iso-8859-1"), encoding_named("utf-8"), encoding_named("morse")
    ('LATIN1', 'UTF8', None)
    """
    return _NAMES.get(_plain(name))


def codec_of(encoding: str) -> str:
    """Python's codec. Requires: a name that `encoding_named` gave."""
    return _CODECS[encoding]
