"""pg_catalog: what PostgreSQL's clients find there."""

from __future__ import annotations

from fix_database import Client
from fix_system import CPU, ask, system_context

from catalog.records import Database
from sql.system.pg_catalog.oids import Slot, dependent_oid, namespace_oid, role_oid
from sql.system.pg_catalog.types import BY_NAME, TYPES


def test_relations_of_the_search_path_are_visible() -> None:
    found = ask(
        "SELECT c.relname, c.relkind FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema'"
        " AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 1"
    )
    assert found == [
        ("cpu_pkey", "i"),
        ("cpu_time_index", "i"),
        ("rel_pkey", "i"),
        ("cpu", "r"),
        ("rel", "r"),
        ("busy", "v"),
    ]


def test_a_table_is_found_by_name_under_the_schema_it_is_in() -> None:
    found = ask(
        "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relname = 'Odd' AND c.relkind = ANY (ARRAY['r', 'p', 'v'])"
    )
    assert found == [("other",)]


def test_attributes_have_types_and_modifiers() -> None:
    found = ask(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = 'rel'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert found == [
        ("id", "integer", True),
        ("name", "character varying(20)", True),
        ("price", "numeric(10,2)", False),
        ("labels", "text[]", False),
    ]


def test_attributes_join_their_types() -> None:
    found = ask(
        "SELECT a.attname, t.typname, t.typlen FROM pg_attribute a"
        " JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = 16385 ORDER BY a.attnum"
    )
    assert found == [
        ("host", "text", -1),
        ("Rack No", "text", -1),
        ("ts", "timestamp", 8),
        ("usage", "float8", 8),
        ("hits", "numeric", -1),
    ]


def test_defaults_and_comments_are_found_by_number() -> None:
    found = ask(
        "SELECT a.attname, pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum)"
        " FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " ORDER BY 1"
    )
    assert found == [("name", "'x'::character varying", None), ("usage", "0.5", "percent")]
    found = ask("SELECT obj_description(oid, 'pg_class') FROM pg_class WHERE relname = 'cpu'")
    assert found == [("processors",)]


def test_the_row_identity_is_the_primary_key() -> None:
    found = ask(
        "SELECT c.relname, i.indisprimary, i.indisunique, pg_get_indexdef(i.indexrelid)"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 16385"
        " ORDER BY i.indisprimary DESC"
    )
    definition = 'ON public.cpu USING btree (host, "Rack No", ts)'
    assert found == [
        ("cpu_pkey", True, True, f"CREATE UNIQUE INDEX cpu_pkey {definition}"),
        (
            "cpu_time_index",
            False,
            False,
            "CREATE INDEX cpu_time_index ON public.cpu USING btree (ts)",
        ),
    ]
    found = ask("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 16385")
    assert found == [('PRIMARY KEY (host, "Rack No", ts)',)]


def test_index_columns_are_found_by_place() -> None:
    oid = dependent_oid(CPU, Slot.PRIMARY_INDEX)
    assert ask(f"SELECT pg_get_indexdef({oid}, 2, true)") == [('"Rack No"',)]


def test_a_view_depends_on_what_it_reads() -> None:
    found = ask(
        "SELECT v.relname, t.relname FROM pg_depend d"
        " JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class"
        " JOIN pg_class t ON t.oid = d.refobjid"
        " WHERE d.classid = 'pg_rewrite'::regclass AND d.deptype = 'n'"
    )
    assert found == [("busy", "cpu")]
    assert ask("SELECT pg_get_viewdef('busy'::regclass, true)") == [
        (" SELECT host, usage FROM cpu;",)
    ]


def test_the_connected_database_is_listed() -> None:
    context = system_context(connected="shop")
    found = ask("SELECT datname FROM pg_database ORDER BY 1", context)
    assert found == [("other",), ("public",), ("shop",)]


def test_object_numbers_are_stable_and_apart() -> None:
    assert namespace_oid(Database(5, "public")) == 2200
    assert role_oid("alice") == role_oid("alice") != role_oid("bob")
    numbers = {dependent_oid(CPU, slot) for slot in Slot}
    assert len(numbers) == len(Slot)
    assert min(numbers) > 1 << 30


def test_types_have_postgresql_numbers() -> None:
    numbers = {name: BY_NAME[name].oid for name in ("bool", "int4", "text", "timestamptz", "json")}
    assert numbers == {"bool": 16, "int4": 23, "text": 25, "timestamptz": 1184, "json": 114}
    assert BY_NAME["_int4"].element == BY_NAME["int4"].oid
    assert len({t.oid for t in TYPES}) == len(TYPES)


def test_every_type_is_read_and_written_by_a_known_function() -> None:
    missing = ask(
        "SELECT t.typname FROM pg_type t LEFT JOIN pg_proc i ON i.oid = t.typinput"
        " LEFT JOIN pg_proc r ON r.oid = t.typreceive"
        " WHERE i.oid IS NULL OR (r.oid IS NULL AND t.typreceive <> 0)"
    )
    assert missing == []


def test_type_functions_are_shown_by_name() -> None:
    found = ask("SELECT typinput, typsend::text FROM pg_type WHERE typname = '_text'")
    assert found == [("array_in", "array_send")]
    found = ask(
        "SELECT typname FROM pg_type WHERE typinput = 'pg_catalog.array_in'::regproc"
        " AND typname = '_int4'"
    )
    assert found == [("_int4",)]


def test_sessions_and_roles_are_listed() -> None:
    found = ask("SELECT usename, datname, pid, state FROM pg_stat_activity")
    assert found == [("alice", "public", 7, "active")]
    assert ask("SELECT rolname FROM pg_roles ORDER BY 1") == [("alice",), ("postgres",)]
    assert ask("SELECT pg_get_userbyid(10), pg_get_userbyid(99)") == [
        ("postgres", "unknown (OID=99)")
    ]


def test_settings_have_values() -> None:
    assert ask("SELECT setting FROM pg_settings WHERE name = 'server_encoding'") == [("UTF8",)]
    found = ask("SELECT current_setting(s.name) FROM pg_settings s WHERE s.name = 'DateStyle'")
    assert found == [("ISO, MDY",)]


def test_sizes_come_from_the_engine() -> None:
    assert ask("SELECT pg_size_pretty(pg_table_size('cpu')), pg_relation_size('rel')") == [
        ("8292 bytes", 0)
    ]


def test_foreign_keys_depend_on_the_index_they_refer_to(db: Client) -> None:
    db.run("CREATE TABLE par (id int PRIMARY KEY, n text UNIQUE)")
    db.run("CREATE TABLE chi (id int CONSTRAINT f REFERENCES par, n text REFERENCES par (n))")
    found = db.run(
        "SELECT k.conname, i.relname FROM pg_depend d JOIN pg_constraint k ON k.oid = d.objid"
        " JOIN pg_class i ON i.oid = d.refobjid WHERE d.classid = 'pg_constraint'::regclass"
        " AND k.contype = 'f' AND d.deptype = 'n' AND i.relkind = 'i' ORDER BY 1"
    )
    assert found == [("chi_n_fkey", "par_n_key"), ("f", "par_pkey")]
