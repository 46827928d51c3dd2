import java.sql.*;

/** What browsers of databases ask pgjdbc's DatabaseMetaData. */
class PgMetadata extends Checks {
    static void tables(Connection c) throws Exception {
        DatabaseMetaData m = c.getMetaData();
        same("parent,TABLE,parents", rows(m.getTables(null, "public", "parent", null),
                "TABLE_NAME", "TABLE_TYPE", "REMARKS"));
        same("children,VIEW", rows(m.getTables(null, "public", "child%", new String[] {"VIEW"}),
                "TABLE_NAME", "TABLE_TYPE"));
        same("kept,MATERIALIZED VIEW", rows(m.getTables(null, "public", "kept", null),
                "TABLE_NAME", "TABLE_TYPE"));
        same(true, rows(m.getTables(null, null, "pg_class", null), "TABLE_TYPE").contains("SYSTEM"));
        same(true, rows(m.getTableTypes(), "TABLE_TYPE").contains("MATERIALIZED VIEW"));
    }

    static void columns(Connection c) throws Exception {
        DatabaseMetaData m = c.getMetaData();
        same("a,4,int4,10,0,0,1,NO; b,12,text,2147483647,0,0,2,NO;"
                + " parent_id,4,int4,10,0,1,3,YES; amount,2,numeric,10,2,1,4,YES",
                rows(m.getColumns(null, "public", "child", null), "COLUMN_NAME", "DATA_TYPE",
                        "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "NULLABLE",
                        "ORDINAL_POSITION", "IS_NULLABLE"));
        same("id; name", rows(m.getColumns(null, "public", "parent", "%"), "COLUMN_NAME"));
        try (Statement s = c.createStatement();
                ResultSet r = s.executeQuery("SELECT c.amount AS much, 1 + 1 FROM child c")) {
            ResultSetMetaData d = r.getMetaData();
            same("much numeric 10 2 amount child 1", d.getColumnLabel(1) + " "
                    + d.getColumnTypeName(1) + " " + d.getPrecision(1) + " " + d.getScale(1) + " "
                    + ((org.postgresql.PGResultSetMetaData) d).getBaseColumnName(1) + " "
                    + ((org.postgresql.PGResultSetMetaData) d).getBaseTableName(1) + " "
                    + d.isNullable(1));
            same(Types.INTEGER, d.getColumnType(2));
        }
    }

    static void keys(Connection c) throws Exception {
        DatabaseMetaData m = c.getMetaData();
        same("a,1,child_pkey; b,2,child_pkey",
                rows(m.getPrimaryKeys(null, "public", "child"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
        String[] foreign = {"PKTABLE_NAME", "PKCOLUMN_NAME", "FKTABLE_NAME", "FKCOLUMN_NAME",
                "FK_NAME", "DELETE_RULE"};
        String expected = "parent,id,child,parent_id,child_parent_id_fkey,3";
        same(expected, rows(m.getImportedKeys(null, "public", "child"), foreign));
        same(expected, rows(m.getExportedKeys(null, "public", "parent"), foreign));
        same(expected, rows(
                m.getCrossReference(null, "public", "parent", null, "public", "child"), foreign));
        same("id,4", rows(m.getBestRowIdentifier(null, "public", "parent",
                DatabaseMetaData.bestRowSession, false), "COLUMN_NAME", "DATA_TYPE"));
        rows(m.getVersionColumns(null, "public", "parent"), "COLUMN_NAME");
    }

    static void indexes(Connection c) throws Exception {
        same("false,child_pkey,1,a; false,child_pkey,2,b; true,child_amount,1,amount",
                rows(c.getMetaData().getIndexInfo(null, "public", "child", false, false),
                        "NON_UNIQUE", "INDEX_NAME", "ORDINAL_POSITION", "COLUMN_NAME"));
        same("child_pkey; child_pkey", rows(
                c.getMetaData().getIndexInfo(null, "public", "child", true, false), "INDEX_NAME"));
    }

    static void types(Connection c) throws Exception {
        String found = rows(c.getMetaData().getTypeInfo(), "TYPE_NAME", "DATA_TYPE");
        for (String type : new String[] {"int4,4", "text,12", "numeric,2", "timestamptz,93",
                "bytea,-2", "uuid,1111", "bool,-7"}) {
            same(true, found.contains(type));
        }
        rows(c.getMetaData().getUDTs(null, "public", "%", null), "TYPE_NAME");
    }

    static void listings(Connection c) throws Exception {
        DatabaseMetaData m = c.getMetaData();
        same(true, rows(m.getSchemas(), "TABLE_SCHEM").contains("public"));
        same("public", rows(m.getSchemas(null, "publi_"), "TABLE_SCHEM"));
        same(c.getCatalog(), rows(m.getCatalogs(), "TABLE_CAT").contains(c.getCatalog())
                ? c.getCatalog() : "not listed");
        rows(m.getFunctions(null, null, "%"), "FUNCTION_NAME");
        rows(m.getFunctionColumns(null, null, "nope", null), "COLUMN_NAME");
        rows(m.getProcedures(null, null, "nope"), "PROCEDURE_NAME");
        rows(m.getProcedureColumns(null, null, "nope", null), "COLUMN_NAME");
        rows(m.getClientInfoProperties(), "NAME");
        same(true, m.getSQLKeywords().length() > 100);
        same(true, m.getStringFunctions().length() > 10);
        same(63, m.getMaxTableNameLength());
        same("PostgreSQL", m.getDatabaseProductName());
        same(15, m.getDatabaseMajorVersion());
        same(true, m.supportsSavepoints());
        same(Connection.TRANSACTION_READ_COMMITTED, m.getDefaultTransactionIsolation());
    }

    static void privileges(Connection c) throws Exception {
        same(true, rows(c.getMetaData().getTablePrivileges(null, "public", "parent"), "PRIVILEGE")
                .contains("SELECT"));
        same(true, rows(c.getMetaData().getColumnPrivileges(null, "public", "parent", "id"),
                "PRIVILEGE").contains("SELECT"));
    }
}
