"""PromQL: text to series over time, evaluated as (series x steps) matrices by kernels.

`sql/promql/evaluate.py` is the door. Callers hand in a `SampleSource` (model.py) that finds
series; nothing in here knows tables, SQL or HTTP.
"""
