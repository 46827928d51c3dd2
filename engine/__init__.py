"""Where rows live: regions, write-ahead log, memtables, Parquet files."""
