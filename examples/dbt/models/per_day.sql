{{ config(
    materialized='incremental',
    incremental_strategy='microbatch',
    event_time='day',
    unique_key=['day', 'host'],
    batch_size='day',
    begin=var('begin', '2024-01-01'),
    post_hook="comment on table {{ this }} is 'built by dbt'",
) }}

select date_trunc('day', ts) as day, host, count(*) as readings
from {{ source('agents', 'readings') }}
group by 1, 2
