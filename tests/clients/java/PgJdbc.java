import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.*;
import java.time.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/** What programs do through pgjdbc. */
public class PgJdbc extends Checks {
    public static void main(String[] args) throws Exception {
        url = args[0];
        try (Connection c = DriverManager.getConnection(url); Statement s = c.createStatement()) {
            s.execute("CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL)");
            s.execute("CREATE TABLE child (a INT, b TEXT, parent_id INT REFERENCES parent (id),"
                    + " amount NUMERIC(10,2), PRIMARY KEY (a, b))");
            s.execute("CREATE INDEX child_amount ON child (amount)");
            s.execute("CREATE VIEW children AS SELECT a, b FROM child");
            s.execute("CREATE MATERIALIZED VIEW kept AS SELECT a FROM child");
            s.execute("COMMENT ON TABLE parent IS 'parents'");
        }
        check("tables", PgMetadata::tables);
        check("columns", PgMetadata::columns);
        check("keys", PgMetadata::keys);
        check("indexes", PgMetadata::indexes);
        check("types", PgMetadata::types);
        check("listings", PgMetadata::listings);
        check("privileges", PgMetadata::privileges);
        check("parameters", PgJdbc::parameters);
        check("prepared often", PgJdbc::preparedOften);
        check("binary values", PgJdbc::values);
        check("times", PgJdbc::times);
        check("arrays", PgJdbc::arrays);
        check("fetch size", PgJdbc::fetchSize);
        check("batches", PgJdbc::batches);
        check("copy", PgJdbc::copy);
        check("savepoints", PgJdbc::savepoints);
        check("generated keys", PgJdbc::generatedKeys);
        check("updatable results", PgJdbc::updatable);
        check("errors", PgJdbc::errors);
        check("cancel", PgJdbc::cancel);
        check("session", PgJdbc::session);
    }

    static void parameters(Connection c) throws Exception {
        try (PreparedStatement p = c.prepareStatement(
                "SELECT * FROM child WHERE a = ? AND amount > ? AND b = ?")) {
            ParameterMetaData d = p.getParameterMetaData();
            same("3 4 2 12", d.getParameterCount() + " " + d.getParameterType(1)
                    + " " + d.getParameterType(2) + " " + d.getParameterType(3));
            same(4, p.getMetaData().getColumnCount());
        }
    }

    /** After five uses the driver keeps the statement on the server and asks for binary values. */
    static void preparedOften(Connection c) throws Exception {
        try (PreparedStatement p = c.prepareStatement("SELECT ?::int * 2, ?::text, ?::float8")) {
            for (int n = 0; n < 12; n++) {
                p.setInt(1, n);
                p.setString(2, "n" + n);
                p.setDouble(3, n / 4.0);
                try (ResultSet r = p.executeQuery()) {
                    r.next();
                    same((n * 2) + " n" + n + " " + n / 4.0,
                            r.getInt(1) + " " + r.getString(2) + " " + r.getDouble(3));
                }
            }
            p.setNull(1, Types.INTEGER);
            p.setNull(2, Types.VARCHAR);
            p.setNull(3, Types.DOUBLE);
            try (ResultSet r = p.executeQuery()) {
                r.next();
                same(0, r.getInt(1));
                same(true, r.wasNull());
                same(null, r.getObject(3));
            }
        }
        // A plan is remade when the table changes under it.
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE widening (x INT)");
            s.execute("INSERT INTO widening VALUES (1)");
        }
        c.setAutoCommit(true);
        try (PreparedStatement p = c.prepareStatement("SELECT x FROM widening WHERE x < ?")) {
            for (int n = 0; n < 8; n++) {
                p.setInt(1, 5);
                p.executeQuery().close();
            }
            try (Statement s = c.createStatement()) {
                s.execute("ALTER TABLE widening ADD COLUMN y INT");
            }
            try (ResultSet r = p.executeQuery()) {
                same(true, r.next());
            }
        }
    }

    static void values(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE every (i2 SMALLINT, i4 INT, i8 BIGINT, f4 REAL, f8 FLOAT8,"
                    + " n NUMERIC(20,5), t TEXT, v VARCHAR(9), b BOOLEAN, y BYTEA, u UUID, j JSONB,"
                    + " d DATE)");
        }
        UUID uuid = UUID.fromString("123e4567-e89b-12d3-a456-426614174000");
        org.postgresql.util.PGobject json = new org.postgresql.util.PGobject();
        json.setType("jsonb");
        json.setValue("{\"a\": [1, null]}");
        try (PreparedStatement p = c.prepareStatement(
                "INSERT INTO every VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)")) {
            for (int n = 0; n < 7; n++) {
                p.setShort(1, (short) -7);
                p.setInt(2, n);
                p.setLong(3, Long.MIN_VALUE);
                p.setFloat(4, 1.5f);
                p.setDouble(5, 1e-300);
                p.setBigDecimal(6, new BigDecimal("123456789012345.67891"));
                p.setString(7, "h\u00e9 \ud83d\ude00 '\\");
                p.setString(8, "short");
                p.setBoolean(9, true);
                p.setBytes(10, new byte[] {0, 1, (byte) 255});
                p.setObject(11, uuid);
                p.setObject(12, json);
                p.setObject(13, LocalDate.of(1969, 12, 31));
                same(1, p.executeUpdate());
            }
        }
        try (PreparedStatement p = c.prepareStatement("SELECT * FROM every WHERE u = ? AND i4 = ?")) {
            for (int n = 0; n < 7; n++) {
                p.setObject(1, uuid);
                p.setInt(2, n);
                try (ResultSet r = p.executeQuery()) {
                    same(true, r.next());
                    same(-7, r.getShort(1));
                    same(n, r.getInt(2));
                    same(Long.MIN_VALUE, r.getLong(3));
                    same(1.5f, r.getFloat(4));
                    same(1e-300, r.getDouble(5));
                    same("123456789012345.67891", r.getBigDecimal(6));
                    same("h\u00e9 \ud83d\ude00 '\\", r.getString(7));
                    same("short", r.getString("v"));
                    same(true, r.getBoolean(9));
                    same("[0, 1, -1]", Arrays.toString(r.getBytes(10)));
                    same(uuid, r.getObject(11));
                    same("{\"a\": [1, null]}", r.getString(12));
                    same("json", r.getMetaData().getColumnTypeName(12).substring(0, 4));
                    same("1969-12-31", r.getObject(13, LocalDate.class));
                    same("1969-12-31", r.getDate(13));
                }
            }
        }
    }

    static void times(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE moments (n INT, ts TIMESTAMP, tz TIMESTAMPTZ, at TIME)");
        }
        LocalDateTime local = LocalDateTime.of(2024, 2, 29, 12, 34, 56, 789_123_000);
        OffsetDateTime instant = OffsetDateTime.of(local, ZoneOffset.ofHours(5));
        try (PreparedStatement p = c.prepareStatement("INSERT INTO moments VALUES (?,?,?,?)")) {
            for (int n = 0; n < 7; n++) {
                p.setInt(1, n);
                p.setObject(2, local);
                p.setObject(3, instant);
                p.setObject(4, LocalTime.of(1, 2, 3));
                p.executeUpdate();
            }
        }
        try (PreparedStatement p = c.prepareStatement(
                "SELECT ts, tz, at FROM moments WHERE ts = ? AND tz = ? AND n = ?")) {
            for (int n = 0; n < 7; n++) {
                p.setObject(1, local);
                p.setTimestamp(2, Timestamp.from(instant.toInstant()));
                p.setInt(3, n);
                try (ResultSet r = p.executeQuery()) {
                    same(true, r.next());
                    same(local, r.getObject(1, LocalDateTime.class));
                    same(Timestamp.valueOf(local), r.getTimestamp(1));
                    same(instant.toInstant(), r.getObject(2, OffsetDateTime.class).toInstant());
                    same(instant.toInstant(), r.getTimestamp(2).toInstant());
                    same("01:02:03", r.getTime(3));
                }
            }
        }
        same("1", ask(c, "SELECT extract(day FROM INTERVAL '1 day 2 hours')"));
    }

    static void arrays(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE lists (n INT, i INT[], t TEXT[], f FLOAT8[])");
        }
        try (PreparedStatement p = c.prepareStatement("INSERT INTO lists VALUES (?, ?, ?, ?)")) {
            for (int n = 0; n < 7; n++) {
                p.setInt(1, n);
                p.setArray(2, c.createArrayOf("int4", new Integer[] {1, null, 3}));
                p.setArray(3, c.createArrayOf("text", new String[] {"a,b", "\"", null}));
                p.setObject(4, new double[] {0.5, -1});
                p.executeUpdate();
            }
        }
        try (PreparedStatement p = c.prepareStatement(
                "SELECT i, t, f FROM lists WHERE n = ANY (?) ORDER BY n")) {
            for (int n = 0; n < 7; n++) {
                p.setArray(1, c.createArrayOf("int4", new Integer[] {n, n + 1}));
                try (ResultSet r = p.executeQuery()) {
                    same(true, r.next());
                    same("[1, null, 3]", Arrays.toString((Object[]) r.getArray(1).getArray()));
                    same("[a,b, \", null]", Arrays.toString((Object[]) r.getArray(2).getArray()));
                    same("[0.5, -1.0]", Arrays.toString((Object[]) r.getArray(3).getArray()));
                }
            }
        }
    }

    static void fetchSize(Connection c) throws Exception {
        c.setAutoCommit(false);
        try (Statement s = c.createStatement()) {
            s.setFetchSize(100);
            try (ResultSet r = s.executeQuery("SELECT g FROM generate_series(1, 1050) AS x(g)")) {
                long sum = 0;
                int count = 0;
                while (r.next()) {
                    sum += r.getLong(1);
                    if (++count == 150) {
                        same("1", ask(c, "SELECT 1"));  // another statement in between
                    }
                }
                same("1050 551775", count + " " + sum);
            }
            s.setMaxRows(7);
            try (ResultSet r = s.executeQuery("SELECT g FROM generate_series(1, 1050) AS x(g)")) {
                int count = 0;
                while (r.next()) {
                    count++;
                }
                same(7, count);
            }
        }
        c.commit();
    }

    static void batches(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE bulk (n INT PRIMARY KEY, t TEXT)");
        }
        for (String rewrite : new String[] {"false", "true"}) {
            try (Connection b = with("reWriteBatchedInserts=" + rewrite);
                    PreparedStatement p = b.prepareStatement("INSERT INTO bulk VALUES (?, ?)")) {
                b.setAutoCommit(false);
                int first = rewrite.equals("true") ? 1000 : 0;
                for (int n = 0; n < 500; n++) {
                    p.setInt(1, first + n);
                    p.setString(2, "row " + n);
                    p.addBatch();
                }
                same(500, p.executeBatch().length);
                b.commit();
            }
        }
        same("1000", ask(c, "SELECT count(*) FROM bulk"));
        try (Statement s = c.createStatement()) {
            s.addBatch("UPDATE bulk SET t = 'x' WHERE n < 3");
            s.addBatch("DELETE FROM bulk WHERE n >= 1000");
            same("[3, 500]", Arrays.toString(s.executeBatch()));
            s.addBatch("INSERT INTO bulk VALUES (9000, 'new')");
            s.addBatch("INSERT INTO bulk VALUES (0, 'again')");
            try {
                s.executeBatch();
                throw new AssertionError("a duplicate key was taken");
            } catch (BatchUpdateException e) {
                same("23505", e.getSQLState());
            }
        }
    }

    static void copy(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE copied (n INT, t TEXT)");
        }
        CopyManager manager = c.unwrap(PGConnection.class).getCopyAPI();
        same(2, manager.copyIn("COPY copied FROM STDIN WITH (FORMAT csv)",
                new StringReader("1,one\n2,\"t,wo\"\n")));
        StringWriter out = new StringWriter();
        same(2, manager.copyOut("COPY copied TO STDOUT", out));
        same("1\tone\n2\tt,wo\n", out);
        try {
            manager.copyIn("COPY copied FROM STDIN", new StringReader("x\ty\n"));
            throw new AssertionError("a bad row was taken");
        } catch (SQLException e) {
            same("22P02", e.getSQLState());
        }
        same("2", ask(c, "SELECT count(*) FROM copied"));
    }

    static void savepoints(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE saved (n INT PRIMARY KEY)");
            c.setAutoCommit(false);
            s.execute("INSERT INTO saved VALUES (1)");
            Savepoint named = c.setSavepoint("here");
            s.execute("INSERT INTO saved VALUES (2)");
            try {
                s.execute("INSERT INTO saved VALUES (2)");
                throw new AssertionError("a duplicate key was taken");
            } catch (SQLException e) {
                same("23505", e.getSQLState());
            }
            try {
                s.execute("SELECT 1");
                throw new AssertionError("a failed transaction went on");
            } catch (SQLException e) {
                same("25P02", e.getSQLState());
            }
            c.rollback(named);
            Savepoint unnamed = c.setSavepoint();
            s.execute("INSERT INTO saved VALUES (3)");
            c.releaseSavepoint(unnamed);
            c.commit();
            c.setAutoCommit(true);
        }
        same("1,3", ask(c, "SELECT string_agg(n::text, ',' ORDER BY n) FROM saved"));
        c.setReadOnly(true);
        c.setAutoCommit(false);
        try (Statement s = c.createStatement()) {
            s.execute("INSERT INTO saved VALUES (9)");
            throw new AssertionError("a read-only transaction wrote");
        } catch (SQLException e) {
            same("25006", e.getSQLState());
        }
        c.rollback();
    }

    static void generatedKeys(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE numbered (id SERIAL PRIMARY KEY, t TEXT)");
            s.executeUpdate("INSERT INTO numbered (t) VALUES ('a'), ('b')",
                    Statement.RETURN_GENERATED_KEYS);
            same("1,a; 2,b", rows(s.getGeneratedKeys(), "id", "t"));
        }
        try (PreparedStatement p = c.prepareStatement(
                "INSERT INTO numbered (t) VALUES (?)", new String[] {"id"})) {
            p.setString(1, "c");
            p.executeUpdate();
            same("3", rows(p.getGeneratedKeys(), "id"));
        }
    }

    static void updatable(Connection c) throws Exception {
        try (Statement s = c.createStatement(
                ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
            s.execute("CREATE TABLE edited (n INT PRIMARY KEY, t TEXT)");
            s.execute("INSERT INTO edited VALUES (1, 'a'), (2, 'b')");
            try (ResultSet r = s.executeQuery("SELECT n, t FROM edited ORDER BY n")) {
                r.last();
                same(2, r.getRow());
                r.updateString("t", "changed");
                r.updateRow();
                r.moveToInsertRow();
                r.updateInt("n", 3);
                r.updateString("t", "new");
                r.insertRow();
                r.absolute(1);
                r.deleteRow();
            }
        }
        same("2changed,3new", ask(c, "SELECT string_agg(n || t, ',' ORDER BY n) FROM edited"));
    }

    static void errors(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("SELECT 1\n FROM nowhere");
            throw new AssertionError("a missing table was read");
        } catch (org.postgresql.util.PSQLException e) {
            same("42P01 16", e.getSQLState() + " " + e.getServerErrorMessage().getPosition());
        }
        try (Statement s = c.createStatement()) {
            s.execute("DROP TABLE IF EXISTS nowhere");
            same(true, s.getWarnings().getMessage().contains("does not exist, skipping"));
        }
    }

    static void cancel(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.setQueryTimeout(1);
            try {
                s.execute("SELECT count(*) FROM generate_series(1, 3000000) a(x),"
                        + " generate_series(1, 3000000) b(y) WHERE x * y % 7 = 3");
                throw new AssertionError("no timeout");
            } catch (SQLException e) {
                same("57014", e.getSQLState());
            }
        }
        same("1", ask(c, "SELECT 1"));
    }

    static void session(Connection c) throws Exception {
        same("public", c.getSchema());
        try (Statement s = c.createStatement()) {
            s.execute("CREATE SCHEMA other");
        }
        c.setSchema("other");
        same("other", c.getSchema());
        c.setClientInfo("ApplicationName", "checks");
        same("checks", ask(c, "SHOW application_name"));
        same(true, c.isValid(2));
        PGConnection pg = c.unwrap(PGConnection.class);
        same("a''b", new String(pg.escapeLiteral("a'b")));
        same(ask(c, "SELECT pg_backend_pid()"), pg.getBackendPID());
    }
}
