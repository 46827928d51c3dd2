{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['host', 'ts'],
    on_schema_change='append_new_columns',
    indexes=[{'columns': ['host']}],
    grants={'select': ['on_call']},
) }}

select host, ts::timestamp as ts, usage from {{ ref('busy_hosts') }}
