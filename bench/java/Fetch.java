import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;

/**
 * Fetches results through JDBC, one after the other, so that the virtual machine is warm.
 *
 * Reads lines of three parts with tabs between: a URL, rows per round trip (0: all at once) and a
 * query. Answers each with the number of rows, after every value has been asked for.
 */
public final class Fetch {
    public static void main(String[] arguments) throws Exception {
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            String[] parts = line.split("\t", 3);
            System.out.println(fetch(parts[0], Integer.parseInt(parts[1]), parts[2]));
        }
    }

    private static long fetch(String url, int size, String query) throws Exception {
        try (Connection connection = DriverManager.getConnection(url)) {
            connection.setAutoCommit(size == 0); // pgjdbc reads in parts inside a transaction only
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(size);
                try (ResultSet rows = statement.executeQuery(query)) {
                    return readAll(rows);
                }
            }
        }
    }

    /** Host, time and numbers: each as a program would ask for it. */
    private static long readAll(ResultSet rows) throws Exception {
        int columns = rows.getMetaData().getColumnCount();
        long count = 0;
        while (rows.next()) {
            rows.getString(1);
            rows.getTimestamp(2);
            for (int column = 3; column <= columns; column++) {
                rows.getDouble(column);
            }
            count++;
        }
        return count;
    }
}
