"""Text and bytes from clients, turned into Arrow columns.

`values` reads the literals of INSERT … VALUES, `copy` the data of COPY … FROM STDIN, and `text`
converts strings to any column type. All three share the kernels here: they never build a Python
object per value, never touch the catalog and never check NOT NULL (the statement that writes does).
"""
