"""Functions of IP addresses: GreptimeDB's, MySQL's and PostgreSQL's."""

from __future__ import annotations

from sql.functions.registry import MYSQL, POSTGRES, Function, arrow
from sql.functions.registry import function as f

CATEGORY = "IP address"
_V6 = "2001:db8::1"

# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    f("ipv4_num_to_string(number uinteger) -> text", "The IPv4 address of a number.",
      "(n) AS gn_ipv4_text(CAST(n AS UINTEGER))", ex={"ipv4_num_to_string(3232235521)":
                                                     "192.168.0.1"}),
    f("ipv4_string_to_num(text text) -> uinteger", "The number of an IPv4 address.",
      arrow("addresses", "ipv4_number", "VARCHAR", "UINTEGER"),
      ex={"ipv4_string_to_num('192.168.0.1')": 3232235521}),
    f("ipv4_to_cidr(text text [, length integer]) -> text",
      "The network of an address in CIDR notation; without a length, by its missing or zero parts.",
      ("(s) AS gn_ipv4_guess(s)", "(s, n) AS gn_ipv4_network(s, CAST(n AS UTINYINT))"),
      ex={"ipv4_to_cidr('192.168.1.5', 24)": "192.168.1.0/24",
          "ipv4_to_cidr('192.168.0.0')": "192.168.0.0/16"}),
    f("ipv4_in_range(text text, range text) -> boolean", "True if the address is in the network.",
      arrow("addresses", "ipv4_in_range", "VARCHAR, VARCHAR", "BOOLEAN"),
      ex={"ipv4_in_range('192.168.1.5', '192.168.1.0/24')": True,
          "ipv4_in_range('10.0.0.1', '192.168.1.0/24')": False}),
    f("ipv6_num_to_string(hex text) -> text", "The IPv6 address of 32 hexadecimal digits.",
      ("(b BLOB) AS gn_ipv6_text(b)", "(s VARCHAR) AS gn_ipv6_text(unhex(s))"),
      ex={"ipv6_num_to_string('20010db8000000000000000000000001')": _V6}),
    f("ipv6_string_to_num(text text) -> bytea", "The 16 bytes of an IPv6 address.",
      arrow("addresses", "ipv6_bytes", "VARCHAR", "BLOB"),
      ex={f"encode(ipv6_string_to_num('{_V6}'), 'hex')": "20010db8000000000000000000000001"}),
    f("ipv6_to_cidr(text text [, length integer]) -> text",
      "The network of an address in CIDR notation; without a length, by its zero groups.",
      ("(s) AS gn_ipv6_guess(s)", "(s, n) AS gn_ipv6_network(s, CAST(n AS UTINYINT))"),
      ex={f"ipv6_to_cidr('{_V6}', 64)": "2001:db8::/64"}),
    f("ipv6_in_range(text text, range text) -> boolean", "True if the address is in the network.",
      arrow("addresses", "ipv6_in_range", "VARCHAR, VARCHAR", "BOOLEAN"),
      ex={f"ipv6_in_range('{_V6}', '2001:db8::/32')": True}),
    f("inet_aton(text text) -> bigint", "The number of an IPv4 address, NULL if it is none.",
      "(s) AS gn_ipv4_or_null(s)", wires=MYSQL, ex={"inet_aton('10.0.5.9')": 167773449,
                                                    "inet_aton('x')": None}),
    f("inet_ntoa(number bigint) -> text", "The IPv4 address of a number.",
      "(n) AS gn_ipv4_text(CAST(n AS UINTEGER))", wires=MYSQL,
      ex={"inet_ntoa(167773449)": "10.0.5.9"}),
    f("inet6_aton(text text) -> bytea", "The bytes of an address.",
      "(s) AS CASE WHEN contains(s, ':') THEN gn_ipv6_string_to_num(s)"
      " ELSE unhex(printf('%08x', gn_ipv4_or_null(s))) END", wires=MYSQL,
      ex={"hex(inet6_aton('10.0.5.9'))": "0A000509"}),
    f("inet6_ntoa(bytes bytea) -> text", "The address of its bytes.",
      "(b) AS CASE octet_length(b) WHEN 4 THEN gn_ipv4_text(CAST('0x' || hex(b) AS UINTEGER))"
      " ELSE gn_ipv6_text(b) END", wires=MYSQL,
      ex={f"inet6_ntoa(inet6_aton('{_V6}'))": _V6}),
    f("is_ipv4(text text) -> integer", "1 for an IPv4 address, else 0.",
      "(s) AS CAST(gn_ipv4_or_null(s) IS NOT NULL AS INTEGER)", wires=MYSQL,
      ex={"is_ipv4('10.0.5.9')": 1, "is_ipv4('10.0.5.256')": 0}),
    f("is_ipv6(text text) -> integer", "1 for an IPv6 address, else 0.",
      "(s) AS CAST(gn_ipv6_or_null(s) IS NOT NULL AS INTEGER)", wires=MYSQL,
      ex={f"is_ipv6('{_V6}')": 1, "is_ipv6('x')": 0}),
    f("family(address inet) -> integer", "4 or 6.",
      "(s) AS CASE WHEN contains(CAST(s AS VARCHAR), ':') THEN 6 ELSE 4 END", wires=POSTGRES,
      ex={"family('::1')": 6}),
    f("host(address inet) -> text", "The address without its network.",
      "(s) AS split_part(CAST(s AS VARCHAR), '/', 1)", wires=POSTGRES,
      ex={"host('192.168.1.5/24')": "192.168.1.5"}),
    f("masklen(address inet) -> integer", "The length of the network's prefix.",
      "(s) AS CASE WHEN contains(CAST(s AS VARCHAR), '/') THEN"
      " CAST(split_part(CAST(s AS VARCHAR), '/', 2) AS INTEGER)"
      " WHEN contains(CAST(s AS VARCHAR), ':') THEN 128 ELSE 32 END", wires=POSTGRES,
      ex={"masklen('192.168.1.5/24')": 24}),
    f("network(address inet) -> text", "The network in CIDR notation.",
      "(s) AS CASE WHEN contains(CAST(s AS VARCHAR), ':') THEN"
      " gn_ipv6_network(split_part(CAST(s AS VARCHAR), '/', 1), CAST(gn_masklen(s) AS UTINYINT))"
      " ELSE gn_ipv4_network(split_part(CAST(s AS VARCHAR), '/', 1), CAST(gn_masklen(s) AS UTINYINT))"
      " END", wires=POSTGRES, ex={"network('192.168.1.5/24')": "192.168.1.0/24"}),
)
# fmt: on

HELPERS: dict[str, object] = {
    "ipv4_text": (
        "(n) AS CAST(n // 16777216 AS VARCHAR) || '.' || CAST(n // 65536 % 256 AS VARCHAR) || '.'"
        " || CAST(n // 256 % 256 AS VARCHAR) || '.' || CAST(n % 256 AS VARCHAR)",
    ),
    "ipv4_or_null": arrow("addresses", "ipv4_or_null", "VARCHAR", "BIGINT"),
    "ipv6_or_null": arrow("addresses", "ipv6_or_null", "VARCHAR", "BLOB"),
    "ipv4_network": arrow("addresses", "ipv4_network", "VARCHAR, UTINYINT", "VARCHAR"),
    "ipv4_guess": arrow("addresses", "ipv4_guess", "VARCHAR", "VARCHAR"),
    "ipv6_text": arrow("addresses", "ipv6_text", "BLOB", "VARCHAR"),
    "ipv6_network": arrow("addresses", "ipv6_network", "VARCHAR, UTINYINT", "VARCHAR"),
    "ipv6_guess": arrow("addresses", "ipv6_guess", "VARCHAR", "VARCHAR"),
}
