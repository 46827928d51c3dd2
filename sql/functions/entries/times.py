"""Functions of dates and times."""

from __future__ import annotations

from sql.functions.registry import MYSQL, POSTGRES, Function
from sql.functions.registry import function as f
from sql.functions.rewrites import mysql, times
from sql.functions.rewrites.acts import acting

CATEGORY = "Date and time"
_TS = "TIMESTAMP '2024-02-29 13:14:15.678'"
_SHORT = "TIMESTAMP '2024-02-29 13:04:05'"


def _part(name: str, doc: str, sql: str, example: object) -> Function:
    return f(
        f"{name}(t timestamp) -> bigint", doc, f"(t) AS {sql}", wires=MYSQL,
        ex={f"{name}({_SHORT})": example},
    )  # fmt: skip


_T = "gn_any_moment(t)"

# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    f("now() -> timestamp", "The statement's time.", None,
      "transaction_timestamp", ex={"now() > '2020-01-01'": True}),
    f("statement_timestamp() -> timestamptz", "When the statement began.",
      acting("statement_time", "TIMESTAMPTZ"), wires=POSTGRES,
      ex={"statement_timestamp() >= now()": True}),
    f("clock_timestamp() -> timestamptz", "This very moment, another one in each row.",
      acting("clock", "TIMESTAMPTZ"), wires=POSTGRES,
      ex={"clock_timestamp() >= statement_timestamp()": True}),
    f("current_timestamp -> timestamp", "The statement's time."),
    f("localtimestamp -> timestamp", "The statement's time."),
    f("sysdate() -> timestamp", "The statement's time.", None, "utc_timestamp", wires=MYSQL,
      ex={"sysdate() > '2020-01-01'": True}),
    f("current_date -> date", "The statement's date.", None, "today",
      ex={"current_date > '2020-01-01'": True, "today() > '2020-01-01'": True}),
    f("curdate() -> date", "The statement's date.", None, "utc_date", wires=MYSQL,
      ex={"curdate() > '2020-01-01'": True}),
    f("current_time -> time", "The statement's time of day.", ex={"current_time >= '00:00:00'": True}),
    f("curtime() -> time", "The statement's time of day.", None, "utc_time", wires=MYSQL,
      ex={"curtime() >= '00:00:00'": True}),
    f("unix_timestamp([t timestamp]) -> bigint", "Seconds since 1970.", times.unix_timestamp,
      wires=MYSQL, ex={"unix_timestamp('2024-01-01 00:00:00')": 1704067200,
                       "unix_timestamp() > 1700000000": True}),
    f("to_unixtime(value any) -> bigint",
      "Seconds since 1970 of a date, a time or text (in the session's time zone).",
      times.to_unixtime,
      ex={"to_unixtime('2023-03-01T06:35:02Z')": 1677652502, "to_unixtime(2000)": 2000}),
    f("from_unixtime(seconds bigint [, format text]) -> timestamp",
      "The time so many seconds after 1970.", times.from_unixtime,
      ex={"from_unixtime(0)": "1970-01-01 00:00:00"}),
    f("date_bin(width interval, t timestamp [, origin timestamp]) -> timestamp",
      "The beginning of the window of this width that a time falls into.",
      ex={f"date_bin(INTERVAL '15 minutes', {_TS})": "2024-02-29 13:00:00"}, wires=POSTGRES),
    f("date_bin(width interval, t timestamp [, origin timestamp]) -> timestamp",
      "The beginning of the window of this width that a time falls into.",
      ex={f"date_bin(INTERVAL '15' MINUTE, {_TS})": "2024-02-29 13:00:00"}, wires=MYSQL),
    f("date_trunc(unit text, t timestamp) -> timestamp", "The time cut off to a whole unit.",
      None, "datetrunc",
      ex={f"date_trunc('hour', {_TS})": "2024-02-29 13:00:00",
          f"date_trunc('quarter', {_TS})": "2024-01-01 00:00:00"}),
    f("date_part(unit text, t timestamp) -> double precision", "A part of a time; as EXTRACT.",
      times.date_part, "datepart",
      ex={f"date_part('hour', {_TS})": 13, f"date_part('second', {_TS})": 15.678,
          f"extract(quarter FROM {_TS})": 1, f"date_part('isodow', {_TS})": 4}, wires=POSTGRES),
    f("date_part(unit text, t timestamp) -> bigint", "A part of a time; as EXTRACT.",
      times.date_part, "datepart",
      ex={f"date_part('hour', {_TS})": 13, f"extract(YEAR FROM {_TS})": 2024}, wires=MYSQL),
    f("extract(unit FROM t timestamp) -> numeric", "A part of a time.",
      ex={f"extract(YEAR FROM {_TS})": 2024, f"extract(MONTH FROM {_TS})": 2}),
    f("age(a timestamp [, b timestamp]) -> interval", "The time between, in years, months and days.",
      times.age, wires=POSTGRES,
      ex={"age(timestamp '2001-04-10', timestamp '1957-06-13')::text": "43 years 9 mons 27 days"}),
    f("make_date(year integer, month integer, day integer) -> date", "A date of its parts.",
      ex={"make_date(2024, 2, 29)": "2024-02-29"}),
    f("make_time(hour integer, minute integer, second double precision) -> time",
      "A time of day of its parts.", ex={"make_time(8, 15, 23.5)": "08:15:23.500000"}),
    f("make_timestamp(year integer, month integer, day integer, hour integer, minute integer,"
      " second double precision) -> timestamp", "A time of its parts.",
      ex={"make_timestamp(2013, 7, 15, 8, 15, 23.5)": "2013-07-15 08:15:23.500000"}),
    f("make_interval([years integer, months integer, weeks integer, days integer, hours integer,"
      " mins integer, secs double precision]) -> interval", "An interval of its parts.",
      times.make_interval, wires=POSTGRES,
      ex={"make_interval(days => 10)::text": "10 days", "make_interval(1, 2)::text":
          "1 year 2 mons"}),
    f("makedate(year bigint, day bigint) -> date", "The n-th day of a year.",
      "(y, d) AS CASE WHEN d > 0 THEN make_date(y + CASE WHEN y < 70 THEN 2000 WHEN y < 100 THEN"
      " 1900 ELSE 0 END, 1, 1) + CAST(d - 1 AS INTEGER) END",
      wires=MYSQL, ex={"makedate(2011, 32)": "2011-02-01"}),
    f("maketime(hour bigint, minute bigint, second double precision) -> time",
      "A time of day of its parts.",
      "(h, m, s) AS CASE WHEN m BETWEEN 0 AND 59 AND s >= 0 AND s < 60 THEN gn_clock(CASE WHEN"
      " h < 0 THEN -1 ELSE 1 END * CAST(round((abs(h) * 3600e0 + m * 60 + s) * 1000000) AS BIGINT))"
      " END", wires=MYSQL,
      ex={"cast(maketime(12, 15, 30) as char)": "12:15:30"}),
    f("to_char(value any, pattern text) -> text",
      "A time or a number by a template of PostgreSQL (a pattern with % is strftime's).",
      times.to_char,
      ex={f"to_char({_TS}, 'YYYY-MM-DD HH24:MI:SS.MS')": "2024-02-29 13:14:15.678",
          f"to_char({_TS}, 'FMDay, DD Mon YYYY \"at\" HH12 AM')": "Thursday, 29 Feb 2024 at 01 PM",
          f"to_char({_TS}, '%Y/%m/%d')": "2024/02/29",
          "to_char(1234567.891, '999,999,999.99')": "   1,234,567.89",
          "to_char(-12, 'FM000')": "-012", "to_char(0.5, 'FM990.00')": "0.50"}),
    f("to_date(text text, pattern text) -> date", "A date read by a template.", times.to_date,
      ex={"to_date('05 Dec 2000', 'DD Mon YYYY')": "2000-12-05",
          "to_date('2024-02-29', '%Y-%m-%d')": "2024-02-29"}),
    f("to_timestamp(text text, pattern text) -> timestamp",
      "A time read by a template, or so many seconds after 1970.", times.to_timestamp,
      ex={"to_timestamp('05 Dec 2000 10:20', 'DD Mon YYYY HH24:MI')": "2000-12-05 10:20:00",
          "to_timestamp(1284352323)": "2010-09-13 04:32:03"}),
    *(
        f(f"to_timestamp_{unit}(value any) -> timestamp",
          f"A time of text or of {words} since 1970.",
          (f"(n BIGINT) AS {make}",
           f"(s VARCHAR) AS CAST(gn_moment(s) AS {kind})", f"(t) AS CAST(t AS {kind})"),
          ex={f"to_timestamp_{unit}(1)": example,
              f"to_timestamp_{unit}('2024-01-01 00:00:00')": "2024-01-01 00:00:00"})
        for unit, words, make, kind, example in (
            ("seconds", "seconds", "CAST(make_timestamp_ms(n * 1000) AS TIMESTAMP_S)",
             "TIMESTAMP_S", "1970-01-01 00:00:01"),
            ("millis", "milliseconds", "CAST(make_timestamp_ms(n) AS TIMESTAMP_MS)",
             "TIMESTAMP_MS", "1970-01-01 00:00:00.001000"),
            ("micros", "microseconds", "make_timestamp(n)", "TIMESTAMP",
             "1970-01-01 00:00:00.000001"),
            ("nanos", "nanoseconds", "make_timestamp_ns(n)", "TIMESTAMP_NS",
             "1970-01-01 00:00:00.000000001"),
        )
    ),
    f("to_local_time(t timestamp) -> timestamp", "The time without its zone.",
      "(t) AS CAST(t AS TIMESTAMP)", ex={f"to_local_time({_SHORT})": "2024-02-29 13:04:05"}),
    f("to_time(value any) -> time", "The time of day.", "(t) AS CAST(t AS TIME)",
      ex={"to_time('01:02:03')": "01:02:03"}),
    f("date_format(t timestamp, pattern text) -> text",
      "A time by a pattern of strftime (%f are the fraction's digits, %3f three of them).",
      times.strftime, wires=POSTGRES,
      ex={f"date_format({_TS}, '%Y-%m-%d %H:%M:%S:%3f')": "2024-02-29 13:14:15:678",
          "date_format('2023-12-06'::date, '%d.%m.%Y')": "06.12.2023"}),
    f("date_format(t timestamp, pattern text) -> text",
      "A time by a pattern of MySQL's (%H:%M is read as hours and minutes).",
      times.date_format, wires=MYSQL,
      ex={f"date_format({_TS}, '%W %M %Y')": "Thursday February 2024",
          f"date_format({_TS}, '%H:%i:%s')": "13:14:15",
          f"date_format({_TS}, '%D %y %a %d %m %b %j')": "29th 24 Thu 29 02 Feb 060",
          f"date_format({_TS}, '%H:%M:%S')": "13:14:15"}),
    f("str_to_date(text text, pattern text) -> timestamp", "A time read by MySQL's pattern.",
      times.str_to_date, wires=MYSQL,
      ex={"str_to_date('01,5,2013', '%d,%m,%Y')": "2013-05-01",
          "str_to_date('2013-05-01 09:30:17', '%Y-%m-%d %H:%i:%s')": "2013-05-01 09:30:17"}),
    f("date_add(t timestamp, step interval) -> timestamp", "The time so much later.",
      times.date_add, "adddate",
      ex={f"date_add({_SHORT}, INTERVAL '1 month')": "2024-03-29 13:04:05",
          f"date_add({_SHORT}, '3 month 5 day')": "2024-06-03 13:04:05"}, wires=POSTGRES),
    f("date_sub(t timestamp, step interval) -> timestamp", "The time so much earlier.",
      times.date_sub, "subdate",
      ex={f"date_sub({_SHORT}, '1 day')": "2024-02-28 13:04:05"}, wires=POSTGRES),
    f("date_add(t timestamp, step interval) -> timestamp", "The time so much later.",
      times.date_add, "adddate",
      ex={f"date_add({_SHORT}, INTERVAL 1 MONTH)": "2024-03-29 13:04:05",
          f"date_add({_SHORT}, '3 month 5 day')": "2024-06-03 13:04:05",
          "adddate('2008-01-02', 31)": "2008-02-02"}, wires=MYSQL),
    f("date_sub(t timestamp, step interval) -> timestamp", "The time so much earlier.",
      times.date_sub, "subdate",
      ex={f"date_sub({_SHORT}, INTERVAL 1 DAY)": "2024-02-28 13:04:05"}, wires=MYSQL),
    f("addtime(t timestamp, time interval) -> timestamp", "The time so much later.",
      mysql.addtime, wires=MYSQL,
      ex={f"addtime({_SHORT}, '01:00:00')": "2024-02-29 14:04:05"}),
    f("subtime(t timestamp, time interval) -> timestamp", "The time so much earlier.",
      mysql.subtime, wires=MYSQL,
      ex={f"subtime({_SHORT}, '01:00:00')": "2024-02-29 12:04:05"}),
    f("datediff(a date, b date) -> bigint", "The days from b to a.",
      "(a, b) AS date_diff('day', CAST(gn_moment(b) AS DATE), CAST(gn_moment(a) AS DATE))",
      wires=MYSQL, ex={"datediff('2007-12-31 23:59:59', '2007-12-30')": 1}),
    f("timestampdiff(unit, a timestamp, b timestamp) -> bigint", "Whole units from a to b.",
      times.timestampdiff, wires=MYSQL,
      ex={"timestampdiff(MONTH, '2003-02-01', '2003-05-01')": 3,
          "timestampdiff(MINUTE, '2003-02-01', '2003-05-01 12:05:55')": 128885}),
    f("timestampadd(unit, count bigint, t timestamp) -> timestamp", "The time so many units later.",
      times.timestampadd, wires=MYSQL,
      ex={"timestampadd(MINUTE, 1, '2003-01-02')": "2003-01-02 00:01:00"}),
    f("timediff(a timestamp, b timestamp) -> time", "The time from b to a.",
      mysql.timediff, wires=MYSQL,
      ex={"cast(timediff('2000-01-01 10:00:00', '2000-01-01 08:00:00') as char)": "02:00:00"}),
    f("last_day(t timestamp) -> date", "The last day of the month.",
      "(t) AS last_day(gn_moment(t))", wires=POSTGRES, ex={"last_day('2003-02-05')": "2003-02-28"}),
    f("date(t timestamp) -> date", "The date of a time.", "(t) AS CAST(gn_moment(t) AS DATE)",
      wires=POSTGRES, ex={"date('2003-12-31 01:02:03')": "2003-12-31"}),
    f("time(t timestamp) -> time", "The time of day.", mysql.time, wires=MYSQL, ex={"cast(time('2003-12-31 01:02:03') as char)": "01:02:03"}),
    f("convert_tz(t timestamp, from text, to text) -> timestamp",
      "The time in one zone as the time in another.",
      "(t, a, b) AS timezone(gn_zone(b), timezone(gn_zone(a), gn_moment(t)))", wires=MYSQL,
      ex={"convert_tz('2004-01-01 12:00:00', 'GMT', 'Europe/Moscow')": "2004-01-01 15:00:00"}),
    _part("year", "The year.", f"year({_T})", 2024),
    _part("quarter", "The quarter of the year, from 1.", f"quarter({_T})", 1),
    _part("month", "The month, from 1.", f"month({_T})", 2),
    _part("day", "The day of the month.", f"day({_T})", 29),
    _part("dayofmonth", "The day of the month.", f"day({_T})", 29),
    _part("dayofyear", "The day of the year.", f"dayofyear({_T})", 60),
    _part("dayofweek", "The day of the week; Sunday is 1.", f"dayofweek({_T}) + 1", 5),
    _part("weekday", "The day of the week; Monday is 0.", f"isodow({_T}) - 1", 3),
    _part("weekofyear", "The calendar week.", f"week({_T})", 9),
    _part("hour", "The hour.", "gn_part_of_hour(t)", 13),
    _part("minute", "The minute.", "gn_part_of_minute(t)", 4),
    _part("second", "The second.", "gn_part_of_second(t)", 5),
    _part("microsecond", "The microseconds.", "gn_part_of_microsecond(t)", 0),
    _part("to_days", "The number of the day, from year 0.",
          f"CAST({_T} AS DATE) - DATE '1970-01-01' + 719528", 739310),
    _part("to_seconds", "Seconds since year 0.", f"epoch({_T}) + CAST(719528 AS BIGINT) * 86400", 63876431045),
    f("from_days(number bigint) -> date", "The date of a number of to_days.",
      "(n) AS DATE '1970-01-01' + CAST(n - 719528 AS INTEGER)", wires=MYSQL,
      ex={"from_days(739310)": "2024-02-29"}),
    f("week(t timestamp [, mode integer]) -> bigint", "The week of the year, from Sundays.",
      (f"(t) AS gn_week(CAST({_T} AS DATE), 0)", f"(t, m) AS gn_week(CAST({_T} AS DATE), m % 8)"),
      wires=MYSQL,
      ex={"week('2008-02-20')": 7, "week('2008-02-20', 1)": 8}),
    f("yearweek(t timestamp [, mode integer]) -> bigint", "The year and its week as one number.",
      (f"(t) AS gn_yearweek(CAST({_T} AS DATE), 2)",
       f"(t, m) AS gn_yearweek(CAST({_T} AS DATE), CASE m % 8 WHEN 0 THEN 2 WHEN 1 THEN 3"
       " WHEN 4 THEN 6 WHEN 5 THEN 7 ELSE m % 8 END)"),
      wires=MYSQL, ex={"yearweek('2008-02-20')": 200807}),
    f("dayname(t timestamp) -> text", "The name of the day of the week.",
      "(t) AS dayname(gn_moment(t))", ex={"dayname('2007-02-03')": "Saturday"}),
    f("monthname(t timestamp) -> text", "The name of the month.", "(t) AS monthname(gn_moment(t))",
      ex={"monthname('2008-02-03')": "February"}),
    f("sec_to_time(seconds bigint) -> time", "Seconds as a time of day.",
      "(n) AS gn_clock(CAST(round(CAST(n AS DOUBLE) * 1000000) AS BIGINT))", wires=MYSQL,
      ex={"cast(sec_to_time(2378) as char)": "00:39:38"}),
    f("time_to_sec(t time) -> bigint", "The seconds of a time of day.",
      "(t) AS CAST(trunc(gn_clock_us(t) / 1000000) AS BIGINT)", wires=MYSQL,
      ex={"time_to_sec('22:23:00')": 80580}),
    f("period_add(period bigint, months bigint) -> bigint", "YYYYMM so many months later.",
      "(p, n) AS CAST(strftime(make_date(p // 100, p % 100, 1) + to_months(CAST(n AS INTEGER)),"
      " '%Y%m') AS BIGINT)", wires=MYSQL, ex={"period_add(200801, 2)": 200803}),
    f("period_diff(a bigint, b bigint) -> bigint", "The months from period b to a.",
      "(a, b) AS (a // 100 - b // 100) * 12 + a % 100 - b % 100", wires=MYSQL,
      ex={"period_diff(200802, 200703)": 11}),
    f("time_bucket(width interval, t timestamp [, origin timestamp]) -> timestamp",
      "The beginning of the window of this width that a time falls into.",
      ex={f"time_bucket(INTERVAL '1' HOUR, {_TS})": "2024-02-29 13:00:00"}),
    f("justify_days(i interval) -> interval", "30 days as a month.",
      "(i) AS to_months(CAST(datepart('year', i) * 12 + datepart('month', i) +"
      " datepart('day', i) // 30 AS INTEGER)) + to_days(CAST(datepart('day', i) % 30 AS INTEGER))"
      " + to_microseconds(CAST(epoch_us(i) % 86400000000 AS BIGINT))", wires=POSTGRES,
      ex={"justify_days(interval '35 days')::text": "1 mon 5 days"}),
    f("justify_hours(i interval) -> interval", "24 hours as a day.",
      "(i) AS gn_justified(datepart('year', i) * 12 + datepart('month', i), datepart('day', i)"
      " + gn_day_part(i) // 86400000000, gn_day_part(i) % 86400000000)",
      wires=POSTGRES, ex={"justify_hours(interval '27 hours')::text": "1 day 03:00:00",
                          "justify_hours(interval '-2 days 22 hours')::text": "-1 days -02:00:00"}),
    f("isfinite(t timestamp) -> boolean", "False for infinity.", wires=POSTGRES,
      ex={"isfinite(date '2001-02-16')": True}),
    f("timeofday() -> text", "The statement's time as text.", times.timeofday, wires=POSTGRES,
      ex={"length(timeofday()) > 20": True}),
)
# fmt: on

HELPERS: dict[str, object] = {
    "day_part": (
        "(i) AS datepart('hour', i) * 3600000000 + datepart('minute', i) * 60000000"
        " + datepart('microsecond', i)",
    ),
    "justified": (  # days and the rest have one sign
        "(months, days, us) AS to_months(CAST(months AS INTEGER)) + to_days(CAST(days + CASE"
        " WHEN days > 0 AND us < 0 THEN -1 WHEN days < 0 AND us > 0 THEN 1 ELSE 0 END AS INTEGER))"
        " + to_microseconds(CAST(us + CASE WHEN days > 0 AND us < 0 THEN 86400000000"
        " WHEN days < 0 AND us > 0 THEN -86400000000 ELSE 0 END AS BIGINT))",
    ),
    # Times as MySQL and GreptimeDB take them: text (with a zone or without), dates, times.
    "moment": (
        "(s VARCHAR) AS CASE WHEN regexp_matches(s, '([zZ]|[+-]\\d\\d:?\\d\\d)\\s*$')"
        " AND length(s) > 14 THEN timezone('UTC', CAST(s AS TIMESTAMPTZ))"
        " ELSE CAST(s AS TIMESTAMP) END",
        "(t TIMESTAMPTZ) AS timezone('UTC', t)",
        "(t TIME) AS DATE '1970-01-01' + t",
        "(i INTERVAL) AS current_date + i",
        "(t TIMESTAMP) AS t",
        "(t DATE) AS CAST(t AS TIMESTAMP)",
        "(t TIMESTAMP_NS) AS CAST(t AS TIMESTAMP)",
    ),
    # A moment stays what it is if it is a time already; text becomes a timestamp.
    "as_moment": (
        "(s VARCHAR) AS gn_text_moment(s)",
        "(t) AS t",
    ),
    "as_time": (
        "(d DATE) AS CAST(d AS TIMESTAMP)",
        "(t) AS t",
    ),
    "any_time": (
        "(t TIME) AS DATE '1970-01-01' + t",
        "(i INTERVAL) AS TIMESTAMP '1970-01-01' + i",
        "(n BIGINT) AS make_timestamp_ms(n)",
        "(s VARCHAR) AS gn_moment(s)",
        "(t TIMESTAMPTZ) AS timezone('UTC', t)",
        "(t DATE) AS CAST(t AS TIMESTAMP)",
        "(t TIMESTAMP_NS) AS t",
        "(t TIMESTAMP) AS t",
    ),
    "from_seconds": (
        "(n BIGINT) AS make_timestamp(n * 1000000)",
        "(x DOUBLE) AS make_timestamp(CAST(round(x * 1000000) AS BIGINT))",
        "(s VARCHAR) AS gn_moment(s)",
        "(t TIMESTAMP) AS t",
        "(t TIMESTAMP_NS) AS t",
    ),
    "part_second": ("(t) AS date_part('second', t) + date_part('microsecond', t) % 1000000 / 1e6",),
    "part_millisecond": (
        "(t) AS date_part('second', t) * 1e3 + date_part('microsecond', t) % 1000000 / 1e3",
    ),
    # A time as clocks somewhere show it, and the other way round; z is a zone, e seconds east.
    "local_time": (
        "(s VARCHAR, z VARCHAR) AS timezone(z, timezone('UTC', gn_utc_time(s, z)))",
        "(s VARCHAR, e BIGINT) AS gn_utc_time(s, e) + to_seconds(e)",
        "(t TIMESTAMPTZ, z VARCHAR) AS timezone(z, t)",
        "(t TIMESTAMPTZ, e BIGINT) AS timezone('UTC', t) + to_seconds(e)",
        "(t TIMESTAMP, z VARCHAR) AS timezone(z, timezone('UTC', t))",
        "(t TIMESTAMP, e BIGINT) AS t + to_seconds(e)",
        "(t DATE, z VARCHAR) AS CAST(t AS TIMESTAMP)",
        "(t DATE, e BIGINT) AS CAST(t AS TIMESTAMP)",
        "(t TIME, z VARCHAR) AS DATE '1970-01-01' + t",
        "(t TIME, e BIGINT) AS DATE '1970-01-01' + t",
    ),
    "utc_time": (
        "(s VARCHAR, z VARCHAR) AS CASE WHEN regexp_matches(s, '([zZ]|[+-]\\d\\d:?\\d\\d)\\s*$')"
        " AND length(s) > 14 THEN gn_moment(s)"
        " ELSE timezone('UTC', timezone(z, CAST(s AS TIMESTAMP))) END",
        "(s VARCHAR, e BIGINT) AS CASE WHEN regexp_matches(s, '([zZ]|[+-]\\d\\d:?\\d\\d)\\s*$')"
        " AND length(s) > 14 THEN gn_moment(s) ELSE CAST(s AS TIMESTAMP) - to_seconds(e) END",
        "(n BIGINT, z) AS n",
        "(t, z) AS t",
    ),
    "unixtime": (
        "(n BIGINT) AS n",
        "(s VARCHAR) AS CAST(floor(epoch(gn_moment(s))) AS BIGINT)",
        "(t) AS CAST(floor(epoch(t)) AS BIGINT)",
    ),
    "zone": (
        "(z) AS CASE WHEN regexp_matches(z, '^[+-]\\d') THEN"
        " 'Etc/GMT' || translate(z[1], '+-', '-+') || CAST(CAST(split_part(z[2:], ':', 1)"
        " AS INTEGER) AS VARCHAR) WHEN upper(z) = 'SYSTEM' THEN 'UTC' ELSE z END",
    ),
}
