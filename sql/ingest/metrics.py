"""The layout of tables that agents' metrics are written to, for whoever writes or reads them."""

from __future__ import annotations

TIME = "greptime_timestamp"
VALUE = "greptime_value"
# Native histograms, each as the protobuf message `prometheus.Histogram` that it came in.
HISTOGRAM = "greptime_native_histogram"
PHYSICAL_TABLE = "greptime_physical_table"
