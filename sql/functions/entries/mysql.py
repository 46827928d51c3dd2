"""Functions that only MySQL has, and what its values of one kind are as another."""

from __future__ import annotations

from sql.functions.registry import MYSQL, Function, arrow
from sql.functions.registry import function as f
from sql.functions.rewrites import mysql

CATEGORY = "MySQL"
_NUMBER = r"^\s*([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)"

# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    f("soundex(text text) -> text", "How the text sounds in English: a letter and digits.",
      arrow("mysql", "soundex", "VARCHAR", "VARCHAR"), wires=MYSQL,
      ex={"soundex('hello')": "H400", "soundex('Quadratically')": "Q36324"}),
    f("compress(data any) -> bytea", "The text's bytes, compressed as MySQL stores them.",
      arrow("mysql", "compress", "VARCHAR", "BLOB"), wires=MYSQL,
      ex={"cast(uncompress(compress('abc')) as char)": "abc"}),
    f("uncompress(data bytea) -> bytea", "What compress() was given, NULL of other bytes.",
      arrow("mysql", "uncompress", "BLOB", "BLOB"), wires=MYSQL,
      ex={"uncompress('no')": None}),
    f("uncompressed_length(data bytea) -> bigint", "The length before compress().",
      arrow("mysql", "uncompressed_length", "BLOB", "BIGINT"), wires=MYSQL,
      ex={"uncompressed_length(compress('abc'))": 3}),
    f("get_format(kind, region text) -> text", "The pattern in which a region writes dates.",
      mysql.get_format, wires=MYSQL, ex={"get_format(DATE, 'USA')": "%m.%d.%Y"}),
    f("interval(value numeric, bound numeric, ...) -> bigint",
      "How many of the ascending bounds the value reaches; -1 of NULL.", mysql.interval,
      wires=MYSQL, ex={"interval(23, 1, 15, 17, 30, 44, 200)": 3}),
    f("uuid_short() -> bigint", "A number that no other call gives.",
      "() AS CAST(epoch_us(get_current_timestamp()) * 1024 + CAST(random() * 1023 AS BIGINT)"
      " AS BIGINT)", wires=MYSQL, ex={"uuid_short() > 0": True}),
    f("aes_encrypt(data any, key any) -> bytea", "The bytes, encrypted by AES-128 in ECB mode.",
      "(d, k) AS gn_aes_encrypted(gn_to_bytes(d), gn_to_bytes(k))", wires=MYSQL,
      ex={"hex(aes_encrypt('text', 'password'))": "F6BD0FA8DCB7F8CD4A2FAABC54668044"}),
    f("aes_decrypt(data bytea, key any) -> bytea",
      "What aes_encrypt() was given; NULL of other bytes or with another key.",
      "(d, k) AS gn_aes_decrypted(gn_to_bytes(d), gn_to_bytes(k))", wires=MYSQL,
      ex={"cast(aes_decrypt(aes_encrypt('abc', 'key'), 'key') as char)": "abc",
          "aes_decrypt('no', 'key')": None}),
    f("password(text text) -> text", "The verifier that mysql_native_password keeps.",
      arrow("mysql", "password", "VARCHAR", "VARCHAR"), wires=MYSQL,
      ex={"password('x')": "*B69027D44F6E5EDC07F1AEAD1477967B16F28227"}),
    f("timestamp(value any [, span time]) -> timestamp",
      "Text or a date as a time; so much later with a span.", mysql.timestamp, wires=MYSQL,
      ex={"timestamp('2020-01-02')": "2020-01-02 00:00:00",
          "timestamp('2020-01-02', '12:30')": "2020-01-02 12:30:00"}),
    f("time_format(t time, pattern text) -> text", "A time of day by a pattern.",
      mysql.time_format, wires=MYSQL, ex={"time_format('10:11:12', '%h-%i')": "10-11"}),
    f("make_set(bits bigint, text text, ...) -> text",
      "The texts whose bits are set, with commas between.", mysql.make_set, wires=MYSQL,
      ex={"make_set(1 | 4, 'hello', 'nice', 'world')": "hello,world"}),
    f("export_set(bits bigint, on text, off text [, separator text, count bigint]) -> text",
      "A text for each bit, the lowest first.",
      ("(b, y, n) AS gn_bits_text(b, y, n, ',', 64)", "(b, y, n, s) AS gn_bits_text(b, y, n, s, 64)",
       "(b, y, n, s, c) AS gn_bits_text(b, y, n, s, c)"), wires=MYSQL,
      ex={"export_set(5, 'Y', 'N', ',', 4)": "Y,N,Y,N"}),
    f("load_file(path text) -> bytea", "Always NULL: clients cannot read the server's files.",
      "(p) AS CAST(NULL AS BLOB)", wires=MYSQL, ex={"load_file('/no/such/file')": None}),
    f("json_contains_path(document json, mode text, path text, ...) -> boolean",
      "Whether there is something at one of the paths, or at all.",
      mysql.json_contains_path, wires=MYSQL,
      ex={"json_contains_path('{\"a\": 1}', 'all', '$.a', '$.x')": False}),
    f("json_overlaps(a json, b json) -> boolean", "Whether they have an element in common.",
      arrow("mysql_json", "overlaps", "VARCHAR, VARCHAR", "BOOLEAN"), wires=MYSQL,
      ex={"json_overlaps('[1, 2]', '[2, 3]')": True}),
    f("json_merge_preserve(a json, b json) -> json", "Both in one, without replacing anything.",
      "(a, b) AS CAST(gn_json_merged(CAST(a AS VARCHAR), CAST(b AS VARCHAR)) AS JSON)",
      "json_merge", wires=MYSQL,
      ex={"cast(json_merge_preserve('{\"a\": 1}', '{\"a\": 2}') as char)": '{"a": [1, 2]}'}),
    f("json_array_append(document json, path text, value any) -> json",
      "With a value added to the array at the path.",
      "(j, p, v) AS CAST(gn_json_appended(CAST(j AS VARCHAR), p, CAST(to_json(v) AS VARCHAR)) AS JSON)",
      wires=MYSQL, ex={"cast(json_array_append('[1, 2]', '$', 3) as char)": "[1, 2, 3]"}),
    f("json_array_insert(document json, path text, value any) -> json",
      "With a value in front of what is at a place of an array.",
      "(j, p, v) AS CAST(gn_json_inserted(CAST(j AS VARCHAR), p, CAST(to_json(v) AS VARCHAR)) AS JSON)",
      wires=MYSQL, ex={"cast(json_array_insert('[1, 2]', '$[1]', 9) as char)": "[1, 9, 2]"}),
    f("json_search(document json, mode text, pattern text) -> json",
      "Where the texts are that are LIKE the pattern.",
      "(j, m, t) AS CAST(gn_json_found(CAST(j AS VARCHAR), m, t) AS JSON)", wires=MYSQL,
      ex={"cast(json_search('[\"abc\"]', 'one', 'a%') as char)": '"$[0]"'}),
    *(
        f(f"{name}(x double precision) -> double precision", f"{doc} NULL where there is none.",
          f"(x) AS CASE WHEN {where} THEN {name}(x) END", wires=MYSQL,
          ex={f"{name}({argument})": None})
        for name, doc, where, argument in (
            ("sqrt", "The square root.", "x >= 0", "-1"),
            ("ln", "The natural logarithm.", "x > 0", "0"),
            ("log10", "The logarithm to the base 10.", "x > 0", "0"),
            ("log2", "The logarithm to the base 2.", "x > 0", "0"),
            ("asin", "The arc sine.", "abs(x) <= 1", "2"),
            ("acos", "The arc cosine.", "abs(x) <= 1", "2"),
        )
    ),
    f("last_day(t timestamp) -> date", "The last day of the month.",
      "(t) AS last_day(gn_any_moment(t))", wires=MYSQL,
      ex={"last_day('2003-02-05')": "2003-02-28", "last_day('bad')": None}),
    f("date(t timestamp) -> date", "The date of a time.", "(t) AS CAST(gn_any_moment(t) AS DATE)",
      wires=MYSQL, ex={"date('2003-12-31 01:02:03')": "2003-12-31", "date('2020-02-30')": None}),
)
# fmt: on

HELPERS: dict[str, object] = {
    # Any value as a number, as MySQL's operators take it; its type is known when it is bound.
    "number": ("(x) AS gn_number_of(CAST(x AS VARCHAR), typeof(x))",),
    "number_of": (
        "(s, t) AS CASE WHEN s IS NULL THEN NULL"
        " WHEN t = 'BOOLEAN' THEN CASE s WHEN 'true' THEN 1e0 ELSE 0e0 END"
        " WHEN t = 'INTERVAL' THEN CASE WHEN starts_with(s, '-') THEN -1e0 ELSE 1e0 END *"
        " TRY_CAST(regexp_replace(s, '[^0-9.]', '', 'g') AS DOUBLE)"
        " WHEN t IN ('DATE', 'TIME') OR starts_with(t, 'TIMESTAMP') THEN"
        " TRY_CAST(regexp_replace(split_part(s, '+', 1), '[^0-9.]', '', 'g') AS DOUBLE)"
        f" ELSE coalesce(TRY_CAST(regexp_extract(trim(s, '\" '), '{_NUMBER}', 1) AS DOUBLE), 0e0)"
        " END",
    ),
    # JSON beside text: what is in its quotes.
    "plain_text": (
        "(x) AS CASE WHEN typeof(x) = 'JSON' THEN"
        " json_extract_string(TRY_CAST(CAST(x AS VARCHAR) AS JSON), '$')"
        " ELSE CAST(x AS VARCHAR) END",
    ),
    "week_anchor": (
        "(d, m) AS d - CAST(CASE WHEN m % 2 = 0 THEN dayofweek(d) ELSE isodow(d) - 1 END AS INTEGER)"
        " + CASE WHEN m IN (0, 2, 5, 7) THEN 0 ELSE 3 END",
    ),
    "week_of": (
        "(d, a, m) AS CASE WHEN m IN (2, 3, 6, 7) OR year(a) = year(d)"
        " THEN (dayofyear(a) - 1) // 7 + 1 WHEN year(a) < year(d) THEN 0"
        " ELSE (dayofyear(a - 7) - 1) // 7 + 2 END",
    ),
    "week": ("(d, m) AS gn_week_of(d, gn_week_anchor(d, m), m)",),
    "yearweek": (
        "(d, m) AS year(gn_week_anchor(d, m)) * 100 + (dayofyear(gn_week_anchor(d, m)) - 1) // 7"
        " + 1",
    ),
    # Text, numbers such as 20240229 and times; what is no time is NULL.
    "any_moment": (
        "(s VARCHAR) AS gn_text_moment(s)",
        "(n BIGINT) AS gn_number_moment(CAST(n AS VARCHAR))",
        "(t TIMESTAMPTZ) AS timezone('UTC', t)",
        "(t TIME) AS current_date + t",
        "(t TIMESTAMP) AS t",
        "(t DATE) AS CAST(t AS TIMESTAMP)",
        "(t TIMESTAMP_NS) AS CAST(t AS TIMESTAMP)",
        "(i INTERVAL) AS current_date + i",
    ),
    "text_moment": (
        "(s) AS CASE WHEN regexp_matches(s, '([zZ]|[+-]\\d\\d:?\\d\\d)\\s*$') AND length(s) > 14"
        " THEN timezone('UTC', TRY_CAST(s AS TIMESTAMPTZ))"
        " WHEN regexp_matches(s, '^\\s*\\d+\\s*$') THEN gn_number_moment(trim(s))"
        " ELSE TRY_CAST(s AS TIMESTAMP) END",
    ),
    "number_moment": (
        "(s) AS CASE length(s) WHEN 8 THEN try_strptime(s, '%Y%m%d')"
        " WHEN 6 THEN try_strptime(s, '%y%m%d') WHEN 14 THEN try_strptime(s, '%Y%m%d%H%M%S')"
        " WHEN 12 THEN try_strptime(s, '%y%m%d%H%M%S') END",
    ),
    # A time of day or a span of up to 838 hours, in microseconds; NULL of what is none.
    "clock_us": (
        "(s VARCHAR) AS gn_text_clock_us(s)",
        "(n BIGINT) AS gn_text_clock_us(CAST(n AS VARCHAR))",
        "(t TIME) AS epoch_us(t)",
        "(t TIMESTAMP) AS epoch_us(CAST(t AS TIME))",
        "(t DATE) AS CAST(0 AS BIGINT)",
        "(i INTERVAL) AS epoch_us(i)",
    ),
    "text_clock_us": (
        "(s) AS CASE WHEN regexp_matches(s, '^\\s*\\d{2,4}-\\d') THEN"
        " epoch_us(CAST(TRY_CAST(s AS TIMESTAMP) AS TIME))"
        " ELSE gn_parts_clock_us("
        "regexp_extract(s, '^\\s*(-?)(?:(\\d+)\\s+)?(\\d+)(?::(\\d+))?(?::(\\d+))?(\\.\\d*)?',"
        " ['sign', 'days', 'a', 'b', 'c', 'fraction'])) END",
    ),
    "parts_clock_us": (
        "(p) AS CASE WHEN p['a'] = '' THEN NULL ELSE CASE p['sign'] WHEN '-' THEN -1 ELSE 1 END"
        " * (CASE WHEN p['b'] = '' AND p['days'] = '' THEN"
        " gn_compact_seconds(TRY_CAST(p['a'] AS BIGINT))"
        " ELSE CAST(coalesce(TRY_CAST(p['days'] AS BIGINT), 0) * 86400"
        " + TRY_CAST(p['a'] AS BIGINT) * 3600 + CASE WHEN coalesce(TRY_CAST(p['b'] AS BIGINT), 0)"
        " < 60 AND coalesce(TRY_CAST(p['c'] AS BIGINT), 0) < 60 THEN"
        " coalesce(TRY_CAST(p['b'] AS BIGINT), 0) * 60 + coalesce(TRY_CAST(p['c'] AS BIGINT), 0)"
        " END AS BIGINT) END * 1000000"
        " + CAST(round(coalesce(TRY_CAST('0' || p['fraction'] AS DOUBLE), 0) * 1e6) AS BIGINT)) END",
    ),
    "compact_seconds": (
        "(n) AS CASE WHEN n % 100 < 60 AND n // 100 % 100 < 60 THEN"
        " n // 10000 * 3600 + n // 100 % 100 * 60 + n % 100 END",
    ),
    # A moment or a time of day on one scale, for what lies between two of them.
    "scale_us": (
        "(s VARCHAR) AS CASE WHEN regexp_matches(s, '^\\s*\\d{2,4}-\\d')"
        " THEN epoch_us(TRY_CAST(s AS TIMESTAMP)) ELSE gn_text_clock_us(s) END",
        "(t TIME) AS epoch_us(t)",
        "(t TIMESTAMP) AS epoch_us(t)",
        "(t DATE) AS epoch_us(t)",
        "(i INTERVAL) AS epoch_us(i)",
    ),
    "clock": (
        "(u) AS CASE WHEN u IS NOT NULL THEN"
        " to_microseconds(CAST(greatest(-3020399000000, least(3020399000000, u)) AS BIGINT)) END",
    ),
    "bits_text": (
        "(b, y, n, s, c) AS array_to_string(list_transform(range(CAST(c AS BIGINT)),"
        " lambda i: CASE WHEN (CAST(b AS HUGEINT) >> i) & 1 = 1 THEN y ELSE n END), s)",
    ),
    "has_json_paths": arrow(
        "mysql_json", "contains_path", "VARCHAR, VARCHAR, VARCHAR[]", "BOOLEAN"
    ),
    "json_merged": arrow("mysql_json", "merge", "VARCHAR, VARCHAR", "VARCHAR"),
    "json_appended": arrow("mysql_json", "append", "VARCHAR, VARCHAR, VARCHAR", "VARCHAR"),
    "json_inserted": arrow("mysql_json", "insert", "VARCHAR, VARCHAR, VARCHAR", "VARCHAR"),
    "json_found": arrow("mysql_json", "search", "VARCHAR, VARCHAR, VARCHAR", "VARCHAR"),
    "to_bytes": ("(b BLOB) AS b", "(s VARCHAR) AS encode(s)"),
    "aes_encrypted": arrow("mysql_aes", "encrypt", "BLOB, BLOB", "BLOB"),
    "aes_decrypted": arrow("mysql_aes", "decrypt", "BLOB, BLOB", "BLOB"),
    "later": (
        "(s VARCHAR, u) AS gn_text_moment(s) + to_microseconds(u)",
        "(t TIMESTAMP, u) AS t + to_microseconds(u)",
        "(t TIMESTAMP_NS, u) AS t + to_microseconds(u)",
        "(t TIME, u) AS gn_clock(epoch_us(t) + u)",
        "(i INTERVAL, u) AS gn_clock(epoch_us(i) + u)",
    ),
    "part_of_hour": (
        "(s VARCHAR) AS CAST(abs(gn_clock_us(s)) // 3600000000 AS BIGINT)",
        "(i INTERVAL) AS CAST(abs(gn_clock_us(i)) // 3600000000 AS BIGINT)",
        "(n BIGINT) AS CAST(abs(gn_clock_us(n)) // 3600000000 AS BIGINT)",
        "(t TIME) AS hour(t)",
        "(t TIMESTAMP) AS hour(t)",
        "(t TIMESTAMPTZ) AS hour(timezone('UTC', t))",
        "(t DATE) AS CAST(0 AS BIGINT)",
    ),
    "part_of_minute": (
        "(s VARCHAR) AS CAST(abs(gn_clock_us(s)) // 60000000 % 60 AS BIGINT)",
        "(i INTERVAL) AS CAST(abs(gn_clock_us(i)) // 60000000 % 60 AS BIGINT)",
        "(n BIGINT) AS CAST(abs(gn_clock_us(n)) // 60000000 % 60 AS BIGINT)",
        "(t TIME) AS minute(t)",
        "(t TIMESTAMP) AS minute(t)",
        "(t TIMESTAMPTZ) AS minute(timezone('UTC', t))",
        "(t DATE) AS CAST(0 AS BIGINT)",
    ),
    "part_of_second": (
        "(s VARCHAR) AS CAST(abs(gn_clock_us(s)) // 1000000 % 60 AS BIGINT)",
        "(i INTERVAL) AS CAST(abs(gn_clock_us(i)) // 1000000 % 60 AS BIGINT)",
        "(n BIGINT) AS CAST(abs(gn_clock_us(n)) // 1000000 % 60 AS BIGINT)",
        "(t TIME) AS second(t)",
        "(t TIMESTAMP) AS second(t)",
        "(t TIMESTAMPTZ) AS second(timezone('UTC', t))",
        "(t DATE) AS CAST(0 AS BIGINT)",
    ),
    "part_of_microsecond": (
        "(s VARCHAR) AS CAST(abs(gn_clock_us(s)) // 1 % 1000000 AS BIGINT)",
        "(i INTERVAL) AS CAST(abs(gn_clock_us(i)) // 1 % 1000000 AS BIGINT)",
        "(n BIGINT) AS CAST(abs(gn_clock_us(n)) // 1 % 1000000 AS BIGINT)",
        "(t TIME) AS microsecond(t) % 1000000",
        "(t TIMESTAMP) AS microsecond(t) % 1000000",
        "(t TIMESTAMPTZ) AS microsecond(timezone('UTC', t)) % 1000000",
        "(t DATE) AS CAST(0 AS BIGINT)",
    ),
}
