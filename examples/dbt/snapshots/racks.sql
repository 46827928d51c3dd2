{% snapshot racks_over_time %}
{{ config(target_schema='fleet', unique_key='host', strategy='check', check_cols=['rack']) }}
select * from {{ ref('racks') }}
{% endsnapshot %}
