"""The layout of tables that agents' metrics are written to, for whoever writes or reads them."""

from __future__ import annotations

TIME = "greptime_timestamp"
VALUE = "greptime_value"
# Native histograms, each as the protobuf message `prometheus.Histogram` that it came in.
HISTOGRAM = "greptime_native_histogram"
PHYSICAL_TABLE = "greptime_physical_table"

# Tables that agents' remarks go to: exemplars of series, and what metrics are.
EXEMPLARS = "prometheus_exemplars"
METADATA = "prometheus_metadata"
TABLE_MODEL = "table_data_model"
EXEMPLARS_MODEL = "prometheus_exemplars"
METADATA_KINDS = (
    *("unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"),
)
