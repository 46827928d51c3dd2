"""MySQL's character sets of clients: Python's codec, the collation and the number of each.

The server keeps UTF-8. settings.py checks names here, the MySQL wire converts what comes and goes
(server/mysql/charsets.py), LOAD DATA its files. Sets that Python has no codec of (armscii8, dec8,
geostd8, keybcs2, swe7) are not offered.
Source: MySQL 8.4 reference, "Supported Character Sets and Collations"; the numbers are
INFORMATION_SCHEMA.COLLATIONS.ID.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from engine.errors import DbError, ErrorKind

LENIENT = "mysql_charset"  # the handler of what a codec cannot convert
# name, codec, bytes of a character at most, default collation, its number, numbers of the others
_TABLE = """
big5 cp950 2 big5_chinese_ci 1 84
cp850 cp850 1 cp850_general_ci 4 80
hp8 hp_roman8 1 hp8_english_ci 6 72
koi8r koi8_r 1 koi8r_general_ci 7 74
latin1 cp1252 1 latin1_swedish_ci 8 5 15 31 47 48 49 94
latin2 iso8859_2 1 latin2_general_ci 9 2 21 27 77
ascii ascii 1 ascii_general_ci 11 65
ujis euc_jp 3 ujis_japanese_ci 12 91
sjis shift_jis 2 sjis_japanese_ci 13 88
hebrew iso8859_8 1 hebrew_general_ci 16 71
tis620 tis_620 1 tis620_thai_ci 18 89
euckr euc_kr 2 euckr_korean_ci 19 85
koi8u koi8_u 1 koi8u_general_ci 22 75
gb2312 gb2312 2 gb2312_chinese_ci 24 86
greek iso8859_7 1 greek_general_ci 25 70
cp1250 cp1250 1 cp1250_general_ci 26 34 44 66 99
gbk gbk 2 gbk_chinese_ci 28 87
latin5 iso8859_9 1 latin5_turkish_ci 30 78
utf8mb3 utf-8 3 utf8mb3_general_ci 33
ucs2 utf-16-be 2 ucs2_general_ci 35 90
cp866 cp866 1 cp866_general_ci 36 68
macce mac_latin2 1 macce_general_ci 38 43
macroman mac_roman 1 macroman_general_ci 39 53
cp852 cp852 1 cp852_general_ci 40 81
latin7 iso8859_13 1 latin7_general_ci 41 20 42 79
utf8mb4 utf-8 4 utf8mb4_general_ci 45
cp1251 cp1251 1 cp1251_general_ci 51 14 23 50 52
utf16 utf-16-be 4 utf16_general_ci 54 55
utf16le utf-16-le 4 utf16le_general_ci 56 62
cp1256 cp1256 1 cp1256_general_ci 57 67
cp1257 cp1257 1 cp1257_general_ci 59 29 58
utf32 utf-32-be 4 utf32_general_ci 60 61
binary utf-8 1 binary 63
cp932 cp932 2 cp932_japanese_ci 95 96
eucjpms euc_jp 3 eucjpms_japanese_ci 97 98
gb18030 gb18030 4 gb18030_chinese_ci 248 249 250
"""
_UTF8 = "utf-8"
_CONTROLS = range(0x80, 0xA0)  # bytes of no character are these code points, as in latin1


@dataclass(frozen=True, slots=True)
class Charset:
    """One character set."""

    name: str
    codec: str
    width: int  # bytes of a character, at most
    collation: str  # the default one
    number: int  # of that collation

    @property
    def is_utf8(self) -> bool:
        """True if nothing has to be converted."""
        return self.codec == _UTF8

    @property
    def is_wide(self) -> bool:
        """True if ASCII letters take several bytes: no statement can be sent in it."""
        return self.codec.startswith(("utf-16", "utf-32"))


def _read() -> tuple[dict[str, Charset], dict[int, Charset]]:
    names: dict[str, Charset] = {}
    numbers: dict[int, Charset] = {}
    for line in _TABLE.split("\n")[1:-1]:
        name, codec, width, collation, *ids = line.split()
        found = names[name] = Charset(name, codec, int(width), collation, int(ids[0]))
        numbers |= {int(number): found for number in ids}
    names["utf8"] = names["utf8mb3"]
    return names, numbers


_BY_NAME, _BY_NUMBER = _read()
UTF8MB4 = _BY_NAME["utf8mb4"]


def charset_named(name: str) -> Charset:
    """Raises: DbError UNDEFINED_OBJECT, MySQL's 1115.

    >>> charset_named("GBK").codec
    'gbk'
    """
    found = _BY_NAME.get(name.lower())
    if found is None:
        error = DbError(ErrorKind.UNDEFINED_OBJECT, f"Unknown character set: '{name}'")
        error.mysql = (1115, "42000")
        raise error
    return found


def charset_numbered(collation: int) -> Charset:
    """The character set of a collation's number; UTF-8 for those that are not listed."""
    return _BY_NUMBER.get(collation, UTF8MB4)


def check_charset(name: str, value: str) -> str:
    """The value of a setting `character_set_…`; empty (NULL) for results means as they are.

    Raises: DbError UNDEFINED_OBJECT (1115); INVALID_ARGUMENT (1231) for one no client can send.
    """
    if name == "character_set_results" and value.lower() in ("", "null", "none"):
        return ""
    found = charset_named(value)
    if name == "character_set_client" and found.is_wide:
        message = f"Variable 'character_set_client' can't be set to the value of '{value}'"
        error = DbError(ErrorKind.INVALID_ARGUMENT, message)
        error.mysql = (1231, "42000")
        raise error
    return value.lower()


def decoded_hexadecimal(digits: str, charset: Charset) -> str:
    """The text that bytes are in `charset`; an odd number of digits lacks a zero in front."""
    data = bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits)
    return data.decode(charset.codec, LENIENT)


def _lenient(error: UnicodeError) -> tuple[str | bytes, int]:
    """What has no counterpart becomes `?`; bytes of no character are kept as control codes."""
    if isinstance(error, UnicodeDecodeError):
        byte = error.object[error.start]
        is_kept = error.encoding == "charmap" and byte in _CONTROLS
        return chr(byte) if is_kept else "?", error.start + 1
    assert isinstance(error, UnicodeEncodeError)
    code = ord(error.object[error.start])
    is_kept = error.encoding == "charmap" and code in _CONTROLS
    return bytes((code,)) if is_kept else "?", error.start + 1


codecs.register_error(LENIENT, _lenient)
