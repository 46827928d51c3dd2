import java.io.ByteArrayInputStream;
import java.math.BigDecimal;
import java.sql.*;
import java.time.*;
import java.util.*;

/** What programs do through MariaDB Connector/J. */
public class MariaJdbc extends Checks {
    public static void main(String[] args) throws Exception {
        url = args[0];
        try (Connection c = DriverManager.getConnection(url); Statement s = c.createStatement()) {
            s.execute("CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL)");
            s.execute("CREATE TABLE child (a INT, b VARCHAR(10), parent_id INT,"
                    + " amount DECIMAL(10,2), PRIMARY KEY (a, b),"
                    + " CONSTRAINT child_parent FOREIGN KEY (parent_id) REFERENCES parent (id))");
            s.execute("CREATE INDEX child_amount ON child (amount)");
            s.execute("CREATE VIEW children AS SELECT a, b FROM child");
        }
        check("tables", MariaJdbc::tables);
        check("columns", MariaJdbc::columns);
        check("keys", MariaJdbc::keys);
        check("indexes", MariaJdbc::indexes);
        check("listings", MariaJdbc::listings);
        check("values", MariaJdbc::values);
        check("server prepared values", c -> {
            try (Connection p = with("useServerPrepStmts=true")) {
                values(p);
            }
        });
        check("times", MariaJdbc::times);
        check("nulls and types of results", MariaJdbc::results);
        check("batches", MariaJdbc::batches);
        check("server prepared batches", c -> {
            try (Connection p = with("useServerPrepStmts=true&useBulkStmts=true")) {
                batches(p);
            }
        });
        check("rewritten batches", c -> {
            try (Connection p = with("rewriteBatchedStatements=true")) {
                batches(p);
            }
        });
        check("fetch size", MariaJdbc::fetchSize);
        check("savepoints", MariaJdbc::savepoints);
        check("generated keys", MariaJdbc::generatedKeys);
        check("several statements", MariaJdbc::several);
        check("errors", MariaJdbc::errors);
        check("timeout", MariaJdbc::timeout);
        check("session", MariaJdbc::session);
    }

    static void tables(Connection c) throws Exception {
        DatabaseMetaData m = c.getMetaData();
        String home = c.getCatalog();
        same("parent", rows(m.getTables(home, null, "parent", new String[] {"TABLE"}), "TABLE_NAME"));
        same("children,VIEW", rows(m.getTables(home, null, "child%", new String[] {"VIEW"}),
                "TABLE_NAME", "TABLE_TYPE"));
        same(true, rows(m.getTableTypes(), "TABLE_TYPE").contains("VIEW"));
    }

    static void columns(Connection c) throws Exception {
        DatabaseMetaData m = c.getMetaData();
        same("a,4,INT,10,0,1,NO; b,12,VARCHAR,10,0,2,NO; parent_id,4,INT,10,1,3,YES;"
                + " amount,3,DECIMAL,10,1,4,YES",
                rows(m.getColumns(c.getCatalog(), null, "child", null), "COLUMN_NAME", "DATA_TYPE",
                        "TYPE_NAME", "COLUMN_SIZE", "NULLABLE", "ORDINAL_POSITION", "IS_NULLABLE"));
        same("id", rows(m.getColumns(c.getCatalog(), null, "parent", "i%"), "COLUMN_NAME"));
    }

    static void keys(Connection c) throws Exception {
        DatabaseMetaData m = c.getMetaData();
        String home = c.getCatalog();
        same("a,1; b,2", rows(m.getPrimaryKeys(home, null, "child"), "COLUMN_NAME", "KEY_SEQ"));
        same("id", rows(m.getBestRowIdentifier(home, null, "parent",
                DatabaseMetaData.bestRowSession, false), "COLUMN_NAME"));
    }

    static void indexes(Connection c) throws Exception {
        String found = rows(c.getMetaData().getIndexInfo(c.getCatalog(), null, "child", false, false),
                "INDEX_NAME", "ORDINAL_POSITION", "COLUMN_NAME");
        same(true, found.contains("PRIMARY,1,a; PRIMARY,2,b"));
        same(true, found.contains("child_amount,1,amount"));
        same("PRIMARY; PRIMARY", rows(
                c.getMetaData().getIndexInfo(c.getCatalog(), null, "child", true, false), "INDEX_NAME"));
    }

    static void listings(Connection c) throws Exception {
        DatabaseMetaData m = c.getMetaData();
        same(true, rows(m.getCatalogs(), "TABLE_CAT").contains(c.getCatalog()));
        rows(m.getSchemas(), "TABLE_SCHEM");
        same(true, rows(m.getTypeInfo(), "TYPE_NAME").contains("DECIMAL"));
        rows(m.getProcedures(c.getCatalog(), null, "%"), "PROCEDURE_NAME");
        rows(m.getProcedureColumns(c.getCatalog(), null, "nope", null), "COLUMN_NAME");
        rows(m.getFunctions(c.getCatalog(), null, "%"), "FUNCTION_NAME");
        rows(m.getTablePrivileges(c.getCatalog(), null, "parent"), "PRIVILEGE");
        rows(m.getColumnPrivileges(c.getCatalog(), null, "parent", "%"), "PRIVILEGE");
        rows(m.getClientInfoProperties(), "NAME");
        rows(m.getVersionColumns(c.getCatalog(), null, "parent"), "COLUMN_NAME");
        same(true, m.getDatabaseMajorVersion() >= 8);
    }

    static void values(Connection c) throws Exception {
        String made = c.getClass().hashCode() + "_" + System.nanoTime();
        String name = "every" + made.replace("-", "");
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE " + name + " (i1 TINYINT, i2 SMALLINT, i4 INT, i8 BIGINT,"
                    + " u8 BIGINT UNSIGNED, f4 FLOAT, f8 DOUBLE, n DECIMAL(20,5), t TEXT,"
                    + " v VARCHAR(9), b BOOLEAN, y BLOB, d DATE)");
        }
        try (PreparedStatement p = c.prepareStatement(
                "INSERT INTO " + name + " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)")) {
            p.setByte(1, (byte) -5);
            p.setShort(2, (short) -7);
            p.setInt(3, Integer.MAX_VALUE);
            p.setLong(4, Long.MIN_VALUE);
            p.setBigDecimal(5, new BigDecimal("18446744073709551615"));
            p.setFloat(6, 1.5f);
            p.setDouble(7, 1e-300);
            p.setBigDecimal(8, new BigDecimal("123456789012345.67891"));
            p.setString(9, "h\u00e9 \ud83d\ude00 '\\\"");
            p.setString(10, "short");
            p.setBoolean(11, true);
            p.setBinaryStream(12, new ByteArrayInputStream(new byte[] {0, 1, (byte) 255, 39}));
            p.setObject(13, LocalDate.of(1969, 12, 31));
            same(1, p.executeUpdate());
            for (int n = 1; n <= 13; n++) {
                p.setNull(n, Types.NULL);
            }
            same(1, p.executeUpdate());
        }
        try (PreparedStatement p = c.prepareStatement("SELECT * FROM " + name + " WHERE i4 = ?")) {
            p.setInt(1, Integer.MAX_VALUE);
            try (ResultSet r = p.executeQuery()) {
                same(true, r.next());
                same(-5, r.getByte(1));
                same(-7, r.getShort(2));
                same(Integer.MAX_VALUE, r.getInt(3));
                same(Long.MIN_VALUE, r.getLong(4));
                same("18446744073709551615", r.getBigDecimal(5));
                same(1.5f, r.getFloat(6));
                same(1e-300, r.getDouble(7));
                same("123456789012345.67891", r.getBigDecimal(8));
                same("h\u00e9 \ud83d\ude00 '\\\"", r.getString(9));
                same("short", r.getString("v"));
                same(true, r.getBoolean(11));
                same("[0, 1, -1, 39]", Arrays.toString(r.getBytes(12)));
                same("1969-12-31", r.getDate(13));
                same("1969-12-31", r.getObject(13, LocalDate.class));
                same(false, r.next());
            }
        }
    }

    static void times(Connection c) throws Exception {
        LocalDateTime local = LocalDateTime.of(2024, 2, 29, 12, 34, 56, 789_123_000);
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE moments (ts DATETIME(6), at TIME)");
        }
        for (String way : new String[] {"useServerPrepStmts=false", "useServerPrepStmts=true"}) {
            try (Connection one = with(way); Statement s = one.createStatement();
                    PreparedStatement p = one.prepareStatement("INSERT INTO moments VALUES (?, ?)");
                    PreparedStatement q = one.prepareStatement(
                            "SELECT ts, at FROM moments WHERE ts = ?")) {
                s.execute("DELETE FROM moments");
                p.setTimestamp(1, Timestamp.valueOf(local));
                p.setTime(2, Time.valueOf("01:02:03"));
                p.executeUpdate();
                q.setObject(1, local);
                try (ResultSet r = q.executeQuery()) {
                    same(true, r.next());
                    same(Timestamp.valueOf(local), r.getTimestamp(1));
                    same(local, r.getObject(1, LocalDateTime.class));
                    same("01:02:03", r.getTime(2));
                }
            }
        }
    }

    static void results(Connection c) throws Exception {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(
                "SELECT p.id AS pid, p.name, count(*) AS n, NULL AS nothing, 1.50 AS d"
                        + " FROM (SELECT 1 AS id, 'x' AS name) p GROUP BY p.id, p.name")) {
            ResultSetMetaData d = r.getMetaData();
            same("pid name n nothing d", d.getColumnLabel(1) + " " + d.getColumnLabel(2) + " "
                    + d.getColumnLabel(3) + " " + d.getColumnLabel(4) + " " + d.getColumnLabel(5));
            same(Types.BIGINT, d.getColumnType(3));
            r.next();
            same(null, r.getObject("nothing"));
            same(true, r.wasNull());
            same("1.50", r.getBigDecimal("d"));
        }
        try (Statement s = c.createStatement();
                ResultSet r = s.executeQuery("SELECT id, name AS label FROM parent")) {
            ResultSetMetaData d = r.getMetaData();
            same("parent name label", d.getTableName(1) + " " + d.getColumnName(2) + " "
                    + d.getColumnLabel(2));
            same(ResultSetMetaData.columnNoNulls, d.isNullable(1));
        }
    }

    static void batches(Connection c) throws Exception {
        String name = "bulk" + System.nanoTime();
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE " + name + " (n INT PRIMARY KEY, t VARCHAR(20))");
        }
        c.setAutoCommit(false);
        try (PreparedStatement p = c.prepareStatement("INSERT INTO " + name + " VALUES (?, ?)")) {
            for (int n = 0; n < 300; n++) {
                p.setInt(1, n);
                p.setString(2, n % 3 == 0 ? null : "row " + n);
                p.addBatch();
            }
            same(300, p.executeBatch().length);
        }
        c.commit();
        same("300", ask(c, "SELECT count(*) FROM " + name));
        same("100", ask(c, "SELECT count(*) FROM " + name + " WHERE t IS NULL"));
        try (Statement s = c.createStatement()) {
            s.addBatch("UPDATE " + name + " SET t = 'x' WHERE n < 3");
            s.addBatch("DELETE FROM " + name + " WHERE n >= 100");
            same("[3, 200]", Arrays.toString(s.executeBatch()));
        }
        c.rollback();
        c.setAutoCommit(true);
        same("300", ask(c, "SELECT count(*) FROM " + name));
    }

    static void fetchSize(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE many (n INT PRIMARY KEY)");
        }
        try (PreparedStatement p = c.prepareStatement("INSERT INTO many VALUES (?)")) {
            for (int n = 0; n < 250; n++) {
                p.setInt(1, n);
                p.addBatch();
            }
            p.executeBatch();
        }
        for (String way : new String[] {"useServerPrepStmts=false", "useServerPrepStmts=true"}) {
            try (Connection one = with(way);
                    PreparedStatement p = one.prepareStatement("SELECT n FROM many ORDER BY n")) {
                p.setFetchSize(10);
                try (ResultSet r = p.executeQuery()) {
                    int count = 0;
                    while (r.next()) {
                        same(count++, r.getInt(1));
                    }
                    same(250, count);
                }
                p.setMaxRows(7);
                try (ResultSet r = p.executeQuery()) {
                    r.last();
                    same(7, r.getRow());
                } catch (SQLException e) {
                    same(true, e.getMessage().contains("FORWARD_ONLY"));
                }
            }
        }
    }

    static void savepoints(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE saved (n INT PRIMARY KEY)");
            c.setAutoCommit(false);
            s.execute("INSERT INTO saved VALUES (1)");
            Savepoint here = c.setSavepoint("here");
            s.execute("INSERT INTO saved VALUES (2)");
            try {
                s.execute("INSERT INTO saved VALUES (2)");
                throw new AssertionError("a duplicate key was taken");
            } catch (SQLIntegrityConstraintViolationException e) {
                same("23000 1062", e.getSQLState() + " " + e.getErrorCode());
            }
            c.rollback(here);
            s.execute("INSERT INTO saved VALUES (3)");
            c.commit();
            c.setAutoCommit(true);
        }
        same("1,3", ask(c, "SELECT group_concat(n ORDER BY n) FROM saved"));
    }

    static void generatedKeys(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TABLE numbered (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(5))");
            s.executeUpdate("INSERT INTO numbered (t) VALUES ('a'), ('b')",
                    Statement.RETURN_GENERATED_KEYS);
            ResultSet keys = s.getGeneratedKeys();
            same(true, keys.next());
            same(1, keys.getInt(1));
        }
        try (PreparedStatement p = c.prepareStatement(
                "INSERT INTO numbered (t) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
            p.setString(1, "c");
            p.executeUpdate();
            ResultSet keys = p.getGeneratedKeys();
            same(true, keys.next());
            same(3, keys.getInt(1));
        }
        same("3", ask(c, "SELECT LAST_INSERT_ID()") == null ? "3" : ask(c, "SELECT max(id) FROM numbered"));
    }

    static void several(Connection c) throws Exception {
        try (Connection many = with("allowMultiQueries=true"); Statement s = many.createStatement()) {
            same(true, s.execute("SELECT 1; UPDATE parent SET name = 'x' WHERE id = 0; SELECT 2"));
            s.getResultSet().next();
            same(false, s.getMoreResults());
            same(0, s.getUpdateCount());
            same(true, s.getMoreResults());
            ResultSet last = s.getResultSet();
            last.next();
            same(2, last.getInt(1));
        }
    }

    static void errors(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("SELECT * FROM nowhere");
            throw new AssertionError("a missing table was read");
        } catch (SQLException e) {
            same("42S02 1146", e.getSQLState() + " " + e.getErrorCode());
        }
        try (Statement s = c.createStatement()) {
            s.execute("SELEC 1");
            throw new AssertionError("nonsense was run");
        } catch (SQLSyntaxErrorException e) {
            same("42000 1064", e.getSQLState() + " " + e.getErrorCode());
        }
    }

    static void timeout(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.setQueryTimeout(1);
            try {
                s.execute("SELECT count(*) FROM many a JOIN many b JOIN many c JOIN many d"
                        + " WHERE (a.n + b.n + c.n + d.n) % 7 = 3 AND a.n + b.n <> c.n + d.n");
                throw new AssertionError("no timeout");
            } catch (SQLTimeoutException e) {
                same("70100", e.getSQLState());
            }
        }
        same("1", ask(c, "SELECT 1"));
    }

    static void session(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.execute("CREATE DATABASE other");
        }
        c.setCatalog("other");
        same("other", c.getCatalog());
        c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        c.setReadOnly(true);
        c.setReadOnly(false);
        same(true, c.isValid(2));
    }
}
