import java.sql.*;
import java.util.*;

/** What the programs beside this one share: running checks, and telling "ok" or "FAIL". */
class Checks {
    interface Check {
        void run(Connection c) throws Exception;
    }

    static String url;

    /** Runs a check on a connection of its own; prints "ok NAME" or "FAIL NAME: line N: why". */
    static void check(String name, Check check) {
        try (Connection c = DriverManager.getConnection(url)) {
            check.run(c);
            System.out.println("ok " + name);
        } catch (Throwable e) {
            System.out.println("FAIL " + name + ": " + place(e) + ": "
                    + String.valueOf(e.getMessage()).replace("\n", " | "));
        }
    }

    private static String place(Throwable error) {
        for (StackTraceElement at : error.getStackTrace()) {
            if (at.getModuleName() == null && at.getClassName().indexOf('.') < 0
                    && !at.getMethodName().equals("same")) {
                return at.getFileName() + ":" + at.getLineNumber();
            }
        }
        return "?";
    }

    static Connection with(String options) throws SQLException {
        return DriverManager.getConnection(url + (url.contains("?") ? "&" : "?") + options);
    }

    static void same(Object expected, Object found) {
        if (!String.valueOf(expected).equals(String.valueOf(found))) {
            throw new AssertionError("expected <" + expected + ">, found <" + found + ">");
        }
    }

    /** Rows of a result as "a,b; c,d", of the named columns. */
    static String rows(ResultSet r, String... names) throws SQLException {
        List<String> found = new ArrayList<>();
        while (r.next()) {
            List<String> row = new ArrayList<>();
            for (String name : names) {
                row.add(String.valueOf(r.getObject(name)));
            }
            found.add(String.join(",", row));
        }
        r.close();
        return String.join("; ", found);
    }

    /** The first value of a query. */
    static String ask(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
            return r.next() ? r.getString(1) : null;
        }
    }
}
