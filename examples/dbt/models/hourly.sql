{{ config(
    materialized='incremental',
    incremental_strategy='append',
    time_index='ts',
    tag_columns=['host'],
    table_options={'compaction.type': 'twcs'},
) }}

-- An hour that is written again replaces itself: host and ts are the row's identity.
select host, date_trunc('hour', ts) as ts, avg(usage) as mean, max(usage) as peak
from {{ source('agents', 'readings') }}
{% if is_incremental() %}
where ts >= (select max(ts) from {{ this }})
{% endif %}
group by 1, 2
