"""String functions of the three dialects."""

from __future__ import annotations

from sql.functions.registry import MYSQL, POSTGRES, Function, Kind, arrow
from sql.functions.registry import function as f
from sql.functions.rewrites import texts

CATEGORY = "String"

# PostgreSQL counts places before the text's beginning; MySQL counts negative ones from its end.
_PG_SUBSTRING = (
    "(s, n) AS substring(CAST(s AS VARCHAR), greatest(n, 1))",
    "(s, n, c) AS CASE WHEN c < 0 THEN error('negative substring length not allowed')"
    " ELSE substring(CAST(s AS VARCHAR), greatest(n, 1),"
    " greatest(n + c - greatest(n, 1), 0)) END",
)
_MY_SUBSTRING = (
    "(s, n) AS CASE WHEN n = 0 OR -n > length(CAST(s AS VARCHAR)) THEN ''"
    " ELSE substring(CAST(s AS VARCHAR), n) END",
    "(s, n, c) AS CASE WHEN n = 0 OR c <= 0 OR -n > length(CAST(s AS VARCHAR)) THEN ''"
    " ELSE substring(CAST(s AS VARCHAR), n, c) END",
)


_LENGTH = "CASE WHEN n < 0 THEN 0 ELSE n END"  # NULL stays NULL, which greatest() would leave out

# PostgreSQL's texts are below a gigabyte. Nothing could end DuckDB while it makes longer ones, so
# they are refused before, in the count: a branch of its own would be computed all the same.
_BYTES_MAX = 2**30 - 5
_TOO_LONG = "THEN error('requested length too large')"
_PADDED = f"CASE WHEN n < 0 THEN 0 WHEN n > {_BYTES_MAX // 4} {_TOO_LONG} ELSE n END"
_REPEATED = (
    f"CASE WHEN n > 0 AND strlen(CAST(s AS VARCHAR)) > {_BYTES_MAX} // n {_TOO_LONG} ELSE n END"
)


def _pad(side: str) -> tuple[str, ...]:
    return (
        f"(s, n) AS {side}(CAST(s AS VARCHAR), CAST({_PADDED} AS INTEGER), ' ')",
        f"(s, n, fill) AS CASE WHEN fill = '' THEN left(CAST(s AS VARCHAR), {_LENGTH})"
        f" ELSE {side}(CAST(s AS VARCHAR), CAST({_PADDED} AS INTEGER), fill) END",
    )


# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    f("ascii(text text) -> integer", "The code point of the first character.",
      "(s) AS ascii(CAST(s AS VARCHAR))", ex={"ascii('x')": 120, "ascii('')": 0}),
    f("ord(text text) -> integer", "The bytes of the first character as one number.",
      "(s) AS CAST(coalesce(TRY_CAST('0x' || hex(encode(left(CAST(s AS VARCHAR), 1))) AS BIGINT), 0)"
      " AS BIGINT)", wires=MYSQL, ex={"ord('2')": 50}),
    f("chr(code integer) -> text", "The character with this code point.", ex={"chr(65)": "A"}),
    f("char(code bigint, ...) -> text", "The characters with these codes.", texts.char,
      wires=MYSQL, ex={"char(77, 121)": "My"}),
    f("bit_length(text text) -> bigint", "The length in bits.",
      ("(s BLOB) AS octet_length(s) * 8", "(s) AS strlen(CAST(s AS VARCHAR)) * 8"),
      ex={"bit_length('abc')": 24, "bit_length('é')": 16}),
    f("octet_length(text text) -> bigint", "The length in bytes.",
      ("(s BLOB) AS octet_length(s)", "(s) AS strlen(CAST(s AS VARCHAR))"),
      ex={"octet_length('é')": 2}),
    f("length(text text) -> bigint", "The number of characters (of bytes, for binary values).",
      ("(s BLOB) AS octet_length(s)", "(s BIT) AS length(s)", "(s) AS length(CAST(s AS VARCHAR))"),
      wires=POSTGRES, ex={"length('é1')": 2, "length(NULL)": None}),
    f("length(text text) -> bigint", "The number of bytes.",
      ("(s BLOB) AS octet_length(s)", "(s) AS strlen(CAST(s AS VARCHAR))"),
      wires=MYSQL, ex={"length('é1')": 3, "length(123)": 3}),
    f("char_length(text text) -> bigint", "The number of characters.",
      ("(s BLOB) AS octet_length(s)", "(s) AS length(CAST(s AS VARCHAR))"), "character_length",
      ex={"char_length('é1')": 2, "character_length('abc')": 3}),
    f("concat(value any, ...) -> text", "All values as text, one after another; NULLs are left out.",
      texts.concat_skipping_nulls, wires=POSTGRES, ex={"concat('a', NULL, 1)": "a1"}),
    f("concat(value any, ...) -> text", "All values as text, one after another; NULL if any is.",
      texts.concat_with_nulls, wires=MYSQL,
      ex={"concat('a', 'b', 1)": "ab1", "concat('a', NULL)": None}),
    f("concat_ws(separator text, value any, ...) -> text",
      "The values that are not NULL with the separator between them.",
      ex={"concat_ws(',', 'a', NULL, 'b')": "a,b"}),
    f("contains(text text, part text) -> boolean", "True if the part occurs in the text.",
      ex={"contains('abc', 'b')": True}),
    f("starts_with(text text, prefix text) -> boolean", "True if the text begins so.",
      ex={"starts_with('alphabet', 'alph')": True}),
    f("ends_with(text text, suffix text) -> boolean", "True if the text ends so.", "suffix",
      ex={"ends_with('alphabet', 'bet')": True}),
    f("find_in_set(text text, list text) -> bigint",
      "The place of the text in a list with commas between, 0 if it is not in it.",
      "(s, l) AS CASE WHEN s IS NULL OR l IS NULL THEN NULL"
      " ELSE coalesce(list_position(string_split(l, ','), s), 0) END",
      ex={"find_in_set('b', 'a,b,c')": 2, "find_in_set('x', 'a,b')": 0}),
    f("initcap(text text) -> text", "Every word with a capital letter first, the rest small.",
      "(s) AS array_to_string(list_transform(regexp_extract_all(CAST(s AS VARCHAR),"
      " '[\\pL\\pN]+|[^\\pL\\pN]+'), lambda w: upper(w[1]) || lower(w[2:])), '')",
      ex={"initcap('hi THOMAS')": "Hi Thomas"}),
    f("strpos(text text, part text) -> bigint", "The place of the part in the text, from 1; or 0.",
      ex={"strpos('high', 'ig')": 2}),
    f("instr(text text, part text) -> bigint", "The place of the part in the text, from 1; or 0.",
      ex={"instr('foobarbar', 'bar')": 4}),
    f("locate(part text, text text [, start bigint]) -> bigint",
      "The place of the part in the text at or after the start, from 1; or 0.",
      ("(p, s) AS instr(CAST(s AS VARCHAR), p)",
       "(p, s, n) AS CASE WHEN n < 1 THEN 0 WHEN instr(CAST(s AS VARCHAR)[n:], p) = 0 THEN 0"
       " ELSE instr(CAST(s AS VARCHAR)[n:], p) + n - 1 END"),
      ex={"locate('bar', 'foobarbar')": 4, "locate('bar', 'foobarbar', 5)": 7,
          "locate('x', 'abc')": 0}),
    f("left(text text, count bigint) -> text", "The first characters.",
      ("(s, n) AS left(CAST(s AS VARCHAR), n)",), wires=POSTGRES,
      ex={"left('abcde', 2)": "ab", "left('abcde', -2)": "abc"}),
    f("left(text text, count bigint) -> text", "The first characters.",
      (f"(s, n) AS left(CAST(s AS VARCHAR), {_LENGTH})",), wires=MYSQL,
      ex={"left('abcde', 2)": "ab", "left('abcde', -2)": ""}),
    f("right(text text, count bigint) -> text", "The last characters.",
      ("(s, n) AS right(CAST(s AS VARCHAR), n)",), wires=POSTGRES,
      ex={"right('abcde', 2)": "de", "right('abcde', -2)": "cde"}),
    f("right(text text, count bigint) -> text", "The last characters.",
      (f"(s, n) AS right(CAST(s AS VARCHAR), {_LENGTH})",), wires=MYSQL,
      ex={"right('abcde', 2)": "de", "right('abcde', -2)": ""}),
    f("levenshtein(a text, b text) -> bigint", "The edit distance of two texts.",
      ex={"levenshtein('kitten', 'sitting')": 3}),
    f("lower(text text) -> text", "In small letters.", None, "lcase",
      ex={"lower('ABC')": "abc"}),
    f("upper(text text) -> text", "In capital letters.", None, "ucase", ex={"upper('abc')": "ABC"}),
    f("lpad(text text, length bigint [, fill text]) -> text",
      "Filled from the left, or cut, to a length.", _pad("lpad"),
      ex={"lpad('hi', 5, 'xy')": "xyxhi", "lpad('hi', 4)": "  hi", "lpad('hello', 2)": "he",
          "lpad('hi', NULL, ' ')": None}),
    f("rpad(text text, length bigint [, fill text]) -> text",
      "Filled to the right, or cut, to a length.", _pad("rpad"),
      ex={"rpad('hi', 5, 'xy')": "hixyx", "rpad('hi', 4)": "hi  ", "rpad('hi', NULL)": None}),
    f("btrim(text text [, characters text]) -> text", "Without these characters at both ends.",
      "trim", ex={"btrim('xyxtrimyyx', 'xyz')": "trim"}),
    f("trim(text text [, characters text]) -> text",
      "Without spaces, or these characters, at both ends; also TRIM(LEADING x FROM y).",
      ex={"trim('  a ')": "a", "trim(both 'x' from 'xax')": "a"}),
    f("ltrim(text text [, characters text]) -> text", "Without these characters at its beginning.",
      ("(s) AS ltrim(s)", "(s, c) AS ltrim(s, c)"),
      ex={"ltrim('  a ')": "a ", "ltrim('hello world', 'hel')": "o world"}),
    f("rtrim(text text [, characters text]) -> text", "Without these characters at its end.",
      ("(s) AS rtrim(s)", "(s, c) AS rtrim(s, c)"),
      ex={"rtrim(' a  ')": " a", "rtrim('hello world', 'dlr')": "hello wo"}),
    f("overlay(text text PLACING new text FROM start bigint [FOR count bigint]) -> text",
      "With a part replaced by another text.",
      ("(s, r, p) AS s[:p - 1] || r || s[p + length(r):]",
       "(s, r, p, n) AS s[:p - 1] || r || s[p + n:]"), wires=POSTGRES,
      ex={"overlay('Txxxxas' placing 'hom' from 2 for 4)": "Thomas"}),
    f("insert(text text, start bigint, count bigint, new text) -> text",
      "With count characters at start replaced by another text.",
      "(s, p, n, r) AS CASE WHEN p < 1 OR p > length(s) THEN s WHEN n < 0 THEN s[:p - 1] || r"
      " ELSE s[:p - 1] || r || s[p + n:] END",
      ex={"insert('Quadratic', 3, 4, 'What')": "QuWhattic",
          "insert('Quadratic', -1, 4, 'What')": "Quadratic"}),
    f("position(part text IN text text) -> bigint", "The place of the part, from 1; or 0.",
      ex={"position('ig' in 'high')": 2}),
    f("repeat(text text, count bigint) -> text", "The text so many times.",
      f"(s, n) AS repeat(CAST(s AS VARCHAR), {_REPEATED})", ex={"repeat('ab', 3)": "ababab"}),
    f("space(count bigint) -> text", "So many spaces.", f"(n) AS repeat(' ', {_PADDED})",
      ex={"concat('[', space(2), ']')": "[  ]"}),
    f("replace(text text, old text, new text) -> text", "With every occurrence replaced.",
      "(s, a, b) AS replace(CAST(s AS VARCHAR), a, b)",
      ex={"replace('abcabc', 'b', 'x')": "axcaxc"}),
    f("reverse(text text) -> text", "The characters in reverse order.",
      "(s) AS reverse(CAST(s AS VARCHAR))", ex={"reverse('abc')": "cba"}),
    f("split_part(text text, separator text, place bigint) -> text",
      "The part at a place (from 1; negative: from the end) between separators.",
      "(s, d, n) AS CASE WHEN n = 0 THEN error('field position must not be zero')"
      " ELSE split_part(s, d, n) END",
      ex={"split_part('a-b-c', '-', 2)": "b", "split_part('a-b-c', '-', -1)": "c"}),
    f("substr(text text, start bigint [, count bigint]) -> text", "A part of the text.",
      _PG_SUBSTRING, wires=POSTGRES,
      ex={"substr('alphabet', 3)": "phabet", "substr('alphabet', 3, 2)": "ph",
          "substr('alphabet', -1, 4)": "al"}),
    f("substr(text text, start bigint [, count bigint]) -> text",
      "A part of the text; negative starts count from its end.", _MY_SUBSTRING, "mid",
      wires=MYSQL,
      ex={"substr('alphabet', -3)": "bet", "substr('alphabet', 0)": "",
          "mid('alphabet', 3, 2)": "ph"}),
    f("substring(text text, start bigint [, count bigint]) -> text",
      "A part of the text, by place, or the first match of a regular expression.",
      (*_PG_SUBSTRING, "(s, re VARCHAR) AS gn_regexp_first(s, re)"), wires=POSTGRES,
      ex={"substring('Thomas' from 2 for 3)": "hom", "substring('Thomas', 2)": "homas",
          "substring('foobar', 'o(.)b')": "o", "substring('foobar' from 'o.b')": "oob"}),
    f("substring(text text, start bigint [, count bigint]) -> text",
      "A part of the text; negative starts count from its end.", _MY_SUBSTRING, wires=MYSQL,
      ex={"substring('Quadratically', 5)": "ratically", "substring('Sakila', -5, 3)": "aki",
          "substring('foobarbar' from 4)": "barbar"}),
    f("substring_index(text text, separator text, count bigint) -> text",
      "What is before the count-th separator, or after it counted from the end.",
      "(s, d, n) AS CASE WHEN n >= 0 THEN array_to_string(string_split(s, d)[:n], d)"
      " WHEN -n >= len(string_split(s, d)) THEN s"
      " ELSE array_to_string(string_split(s, d)[n:], d) END", "substr_index",
      ex={"substring_index('www.a.com', '.', 2)": "www.a",
          "substring_index('www.a.com', '.', -2)": "a.com",
          "substring_index('www.a.com', '.', -9)": "www.a.com",
          "substring_index('www.a.com', '.', 0)": ""}),
    f("to_hex(number bigint) -> text", "In hexadecimal digits.", "(n) AS lower(to_hex(n))",
      ex={"to_hex(255)": "ff"}),
    f("hex(value any) -> text", "In hexadecimal digits.",
      ("(n BIGINT) AS to_hex(n)", "(n UBIGINT) AS to_hex(n)", "(n HUGEINT) AS to_hex(n)",
       "(x DOUBLE) AS to_hex(CAST(round(x) AS BIGINT))",
       "(b BOOLEAN) AS to_hex(CAST(b AS BIGINT))", "(b BLOB) AS hex(b)", "(s VARCHAR) AS hex(s)"), wires=MYSQL,
      ex={"hex(255)": "FF", "hex('abc')": "616263",
          "hex(18446744073709551615)": "FFFFFFFFFFFFFFFF", "hex(254.6)": "FF"}),
    f("unhex(text text) -> bytea", "The bytes of hexadecimal digits.", wires=MYSQL,
      ex={"unhex('4D7953')": b"MyS"}),
    f("to_base64(value any) -> text", "In base 64.",
      ("(b BLOB) AS base64(b)", "(s VARCHAR) AS base64(encode(s))"), wires=MYSQL,
      ex={"to_base64('abc')": "YWJj"}),
    f("from_base64(text text) -> bytea", "The bytes of a text in base 64.", wires=MYSQL,
      ex={"from_base64('YWJj')": b"abc"}),
    f("translate(text text, from text, to text) -> text", "With characters replaced one by one.",
      ex={"translate('12345', '143', 'ax')": "a2x5"}),
    f("elt(place bigint, text text, ...) -> text", "The text at this place of the list, from 1.",
      texts.elt, ex={"elt(2, 'a', 'b')": "b", "elt(3, 'a', 'b')": None}),
    f("field(value text, text text, ...) -> bigint", "The place of the value in the list, or 0.",
      texts.field, ex={"field('b', 'a', 'b')": 2, "field('x', 'a')": 0, "field(NULL, 'a')": 0}),
    f("strcmp(a text, b text) -> integer", "-1, 0 or 1 as the first text is less, equal, greater.",
      "(a, b) AS CASE WHEN a < b THEN -1 WHEN a = b THEN 0 WHEN a > b THEN 1 END", wires=MYSQL,
      ex={"strcmp('a', 'b')": -1}),
    f("quote(text text) -> text", "As a string literal.",
      "(s) AS coalesce(chr(39) || replace(replace(s, '\\', '\\\\'), chr(39), '\\' || chr(39))"
      " || chr(39), 'NULL')", wires=MYSQL, ex={"quote('a')": "'a'", "quote(NULL)": "NULL"}),
    f("quote_ident(text text) -> text", "As an identifier, quoted where that is needed.",
      "_pg_quote_ident", ex={"quote_ident('Foo bar')": '"Foo bar"'}),
    f("quote_literal(text text) -> text", "As a string literal.", "_pg_quote_literal",
      wires=POSTGRES, ex={"quote_literal('it''s')": "'it''s'"}),
    f("quote_nullable(text text) -> text", "As a string literal, or NULL.",
      "(s) AS coalesce(chr(39) || replace(CAST(s AS VARCHAR), chr(39), chr(39) || chr(39))"
      " || chr(39), 'NULL')", wires=POSTGRES, ex={"quote_nullable(NULL)": "NULL"}),
    f("parse_ident(text text) -> text[]", "The parts of a qualified name.", "_pg_parse_ident",
      wires=POSTGRES, ex={"parse_ident('a.\"B\"')": ["a", "B"]}),
    f("format(number double precision, decimals integer [, locale text]) -> text",
      "With commas between thousands and so many decimals.",
      ("(x, d) AS gn_thousands(round(CAST(x AS DOUBLE), CAST(d AS INTEGER)), d)",
       "(x, d, l) AS CASE WHEN l[:2] IN ('de', 'es', 'it', 'nl', 'id', 'da') THEN"
       " translate(gn_thousands(round(CAST(x AS DOUBLE), CAST(d AS INTEGER)), d), ',.', '.,') ELSE"
       " gn_thousands(round(CAST(x AS DOUBLE), CAST(d AS INTEGER)), d) END"), wires=MYSQL, ex={"format(12332.123456, 4)": "12,332.1235", "format(12332.2, 0)": "12,332"}),
    f("format(pattern text, value any, ...) -> text",
      "The pattern with %s, %I and %L replaced by values, identifiers and literals"
      " (or, with two numbers, MySQL's format).", texts.format_text, wires=POSTGRES,
      ex={"format('Hello %s, %1$s', 'World')": "Hello World, World",
          "format('%I = %L', 'a b', 'x')": "\"a b\" = 'x'", "format(1234.567, 2)": "1,234.57"}),
    f("string_to_array(text text, separator text [, null text]) -> text[]",
      "The parts between separators.",
      ("(s, d) AS CASE WHEN d IS NULL THEN string_split(s, '') WHEN s = '' THEN"
       " CAST([] AS VARCHAR[]) WHEN d = '' THEN [s] ELSE string_split(s, d) END",
       "(s, d, n) AS list_transform(string_split(s, d), lambda x: nullif(x, n))"),
      "string_to_list",
      ex={"string_to_array('a,b', ',')": ["a", "b"],
          "string_to_array('a,-', ',', '-')": ["a", None]}),
    f("encode(data bytea, format text) -> text",
      "Bytes as text: hex, base64 or escape (of a text alone, its bytes).",
      ("(s VARCHAR) AS encode(s)", "(b BLOB, format) AS gn_encoded(b, lower(format))",
       "(s VARCHAR, format) AS gn_encoded(encode(s), lower(format))"),
      ex={"encode('abc', 'hex')": "616263", "encode('abc', 'base64')": "YWJj"}),
    f("decode(text text, format text) -> bytea", "The bytes a text in hex or base64 stands for.",
      "(s, format) AS CASE lower(format) WHEN 'hex' THEN unhex(s) WHEN 'base64' THEN"
      " from_base64(s) WHEN 'escape' THEN CAST(s AS BLOB)"
      " ELSE error('unrecognized encoding: ' || format) END",
      ex={"decode('616263', 'hex')": b"abc", "decode('YWJj', 'base64')": b"abc"}),
    f("convert_from(data bytea, encoding text) -> text", "Bytes in UTF-8 as text.",
      "(b, e) AS decode(b)", wires=POSTGRES, ex={"convert_from(decode('61', 'hex'), 'UTF8')": "a"}),
    f("convert_to(text text, encoding text) -> bytea", "The text's bytes in UTF-8.",
      "(s, e) AS encode(s)", wires=POSTGRES, ex={"convert_to('a', 'UTF8')": b"a"}),
    f("md5(text text) -> text", "The MD5 digest in hexadecimal digits.",
      ex={"md5('abc')": "900150983cd24fb0d6963f7d28e17f72"}),
    f("sha1(text text) -> text", "The SHA-1 digest in hexadecimal digits.", "sha1", "sha",
      wires=MYSQL, ex={"sha1('abc')": "a9993e364706816aba3e25717850c26c9cd0d89d"}),
    f("sha224(data any) -> bytea", "The SHA-224 digest.",
      ("(b BLOB) AS gn_digest_arrow(b, 'sha224')", "(s VARCHAR) AS gn_digest_arrow(encode(s), 'sha224')"),
      ex={"encode(sha224('a'), 'hex')": "abd37534c7d9a2efb9465de931cd7055ffdb8879563ae98078d6d6d5"}),
    f("sha256(data any) -> bytea", "The SHA-256 digest.",
      ("(b BLOB) AS unhex(sha256(b))", "(s VARCHAR) AS unhex(sha256(s))"),
      ex={"encode(sha256('abc'), 'hex')":
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}),
    f("sha384(data any) -> bytea", "The SHA-384 digest.",
      ("(b BLOB) AS gn_digest_arrow(b, 'sha384')", "(s VARCHAR) AS gn_digest_arrow(encode(s), 'sha384')"),
      ex={"length(sha384('a'))": 48}),
    f("sha512(data any) -> bytea", "The SHA-512 digest.",
      ("(b BLOB) AS gn_digest_arrow(b, 'sha512')", "(s VARCHAR) AS gn_digest_arrow(encode(s), 'sha512')"),
      ex={"length(sha512('a'))": 64}),
    f("sha2(text text, bits integer) -> text", "A digest of the SHA-2 family in hexadecimal.",
      "(s, bits) AS CASE bits WHEN 0 THEN sha256(s) WHEN 256 THEN sha256(s) WHEN 224 THEN"
      " lower(hex(gn_digest_arrow(encode(s), 'sha224'))) WHEN 384 THEN"
      " lower(hex(gn_digest_arrow(encode(s), 'sha384'))) WHEN 512 THEN"
      " lower(hex(gn_digest_arrow(encode(s), 'sha512'))) END", wires=MYSQL,
      ex={"sha2('abc', 224)": "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"}),
    f("digest(data any, method text) -> bytea",
      "The digest by md5, sha1, sha224, sha256, sha384 or sha512.",
      ("(b BLOB, m) AS gn_digest_arrow(b, lower(m))", "(s VARCHAR, m) AS gn_digest_arrow(encode(s), lower(m))"),
      ex={"encode(digest('abc', 'md5'), 'hex')": "900150983cd24fb0d6963f7d28e17f72"}),
    f("crc32(text text) -> bigint", "The CRC-32 of the text's bytes.",
      ("(b BLOB) AS gn_crc_arrow(b)", "(s VARCHAR) AS gn_crc_arrow(encode(s))"), wires=MYSQL,
      ex={"crc32('MySQL')": 3259397556}),
    f("gen_random_uuid() -> uuid", "A random UUID.", "uuid", "uuid_generate_v4", wires=POSTGRES,
      ex={"length(gen_random_uuid()::text)": 36}),
    f("uuid() -> text", "A random UUID.", "() AS CAST(uuid() AS VARCHAR)",
      ex={"char_length(uuid())": 36}),
    f("regexp_like(text text, pattern text [, flags text]) -> boolean",
      "True if the pattern occurs in the text.",
      ("(s, p) AS regexp_matches(s, p)",
       "(s, p, flags) AS gn_regexp_flagged(s, p, flags)"),
      ex={"regexp_like('Hello', 'hel')": False, "regexp_like('Hello', 'hel', 'i')": True}),
    f("regexp_count(text text, pattern text) -> bigint", "How often the pattern occurs.",
      ("(s, p) AS len(regexp_extract_all(s, p))",
       "(s, p, n) AS len(regexp_extract_all(s[n:], p))"),
      ex={"regexp_count('123456789', '..')": 4}),
    f("regexp_instr(text text, pattern text) -> bigint", "Where the pattern occurs first, or 0.",
      "(s, p) AS CASE WHEN regexp_matches(s, p) THEN"
      " instr(s, regexp_extract(s, p)) ELSE 0 END", ex={"regexp_instr('abc', '[bc]')": 2}),
    f("regexp_substr(text text, pattern text) -> text", "The first match, NULL without one.",
      "(s, p) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p) END",
      "regexp_extract", ex={"regexp_substr('abc def', '[d-f]+')": "def",
                            "regexp_extract('abc', '[0-9]')": None}),
    f("regexp_match(text text, pattern text [, flags text]) -> text[]",
      "The groups of the first match, or the whole of it; NULL without one.",
      texts.regexp_match,
      ex={"regexp_match('foobarbequebaz', '(bar)(beque)')": ["bar", "beque"],
          "regexp_match('abc', 'b.')": ["bc"], "regexp_match('abc', 'x')": None}),
    f("regexp_replace(text text, pattern text, new text [, flags text]) -> text",
      "With the first match replaced, all of them with flag g.",
      ("(s, p, r) AS regexp_replace(s, p, replace(r, '\\&', '\\0'))",
       "(s, p, r, flags) AS regexp_replace(s, p, replace(r, '\\&', '\\0'), flags)"),
      wires=POSTGRES,
      ex={"regexp_replace('Thomas', '.[mN]a.', 'M')": "ThM",
          "regexp_replace('aXbX', 'x', '-', 'gi')": "a-b-",
          "regexp_replace('foo', '(o)', '<\\1>')": "f<o>o",
          "regexp_replace('foo', 'o', '<\\&>')": "f<o>o"}),
    f("regexp_replace(text text, pattern text, new text) -> text", "With all matches replaced.",
      "(s, p, r) AS regexp_replace(s, p, regexp_replace(r, '\\$(\\d)', '\\\\\\1', 'g'), 'g')",
      wires=MYSQL,
      ex={"regexp_replace('a b c', 'b', 'X')": "a X c", "regexp_replace('aa', 'a', 'b')": "bb"}),
    f("regexp_matches(text text, pattern text [, flags text]) -> setof text[]",
      "A row of groups for the first match, for every match with flag g.", texts.regexp_matches,
      kind=Kind.TABLE, wires=POSTGRES, ex={"regexp_matches('foobar', 'o(.)b')": ["o"]}),
    f("regexp_split_to_table(text text, pattern text) -> setof text",
      "A row for each part between matches.", texts.regexp_split_to_table, kind=Kind.TABLE,
      wires=POSTGRES, ex={"regexp_split_to_table('a', ' +')": "a"}),
    f("string_to_table(text text, separator text) -> setof text",
      "A row for each part between separators.", texts.string_to_table, kind=Kind.TABLE,
      wires=POSTGRES, ex={"string_to_table('a', ',')": "a"}),
    f("regexp_split_to_array(text text, pattern text) -> text[]", "The parts between matches.",
      "string_split_regex", ex={"regexp_split_to_array('a  b', ' +')": ["a", "b"]}),
    f("unaccent(text text) -> text", "Without accents.", "strip_accents", wires=POSTGRES,
      ex={"unaccent('Hôtel')": "Hotel"}),
    f("bin(number bigint) -> text", "In binary digits.",
      ("(n BIGINT) AS bin(n)", "(n UBIGINT) AS bin(n)", "(n HUGEINT) AS bin(n)",
       "(x DOUBLE) AS bin(CAST(trunc(x) AS BIGINT))", "(s VARCHAR) AS bin(CAST(s AS BIGINT))"),
      wires=MYSQL, ex={"bin(12)": "1100", "bin('12')": "1100", "length(bin(-1))": 64}),
    f("oct(number bigint) -> text", "In octal digits.",
      ("(n BIGINT) AS printf('%o', n)", "(n UBIGINT) AS printf('%o', n)",
       "(n HUGEINT) AS printf('%o', n)", "(x DOUBLE) AS printf('%o', CAST(trunc(x) AS BIGINT))",
       "(s VARCHAR) AS printf('%o', CAST(s AS BIGINT))"),
      wires=MYSQL, ex={"oct(12)": "14", "oct(18446744073709551615)": "1777777777777777777777"}),
)
# fmt: on

HELPERS: dict[str, object] = {
    "thousands": (
        "(x, d) AS format('{:,.' || CAST(greatest(d, 0) AS VARCHAR) || 'f}', CAST(x AS DOUBLE))",
    ),
    "encoded": (
        "(b, format) AS CASE format WHEN 'hex' THEN lower(hex(b)) WHEN 'base64' THEN base64(b)"
        " WHEN 'escape' THEN CAST(b AS VARCHAR)"
        " ELSE error('unrecognized encoding: ' || format) END",
    ),
    "regexp_first": (
        "(s, re) AS CASE WHEN NOT regexp_matches(s, re) THEN NULL WHEN"
        " regexp_matches(regexp_replace(re, '\\\\.', '', 'g'), '\\((?:[^?]|$)')"
        " THEN regexp_extract(s, re, 1) ELSE regexp_extract(s, re) END",
    ),
    "regexp_flagged": (
        "(s, p, flags) AS regexp_matches(s, coalesce('(?' || nullif(translate(flags, 'cgnx', ''), '')"
        " || ')', '') || p)",
    ),
    "digest_arrow": arrow("digests", "digest", "BLOB, VARCHAR", "BLOB"),
    "crc_arrow": arrow("digests", "crc", "BLOB", "BIGINT"),
}
