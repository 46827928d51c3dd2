{{ config(materialized='view') }}

with newest as (
    select distinct on (host) host, ts, usage
    from {{ source('agents', 'readings') }}
    order by host, ts desc
)

select newest.host, racks.rack, newest.ts, newest.usage
from newest
join {{ ref('racks') }} as racks using (host)
