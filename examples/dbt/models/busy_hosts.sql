{{ config(materialized='ephemeral') }}

select readings.host, readings.ts, readings.usage
from {{ source('agents', 'readings') }} as readings
join {{ ref('racks') }} as racks using (host)
where readings.usage > racks.usage_limit
