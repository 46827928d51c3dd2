{#
  A model becomes a time-series table by its settings (`tags` is dbt's own word):

      {{ config(materialized='table', time_index='ts', tag_columns=['host'],
                table_options={'append_mode': 'true', 'ttl': '90d'}) }}

  Everything else is the adapter's own. Incremental models keep working: their new rows go into a
  temporary table without a time index first, and replace rows of the same tags and time.
#}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
  {%- set time_index = config.get('time_index') -%}
  {%- if temporary or not time_index -%}
    {{ return(dbt.postgres__create_table_as(temporary, relation, sql)) }}
  {%- endif -%}
  {%- set options = config.get('table_options', {}) -%}
  {{ config.get('sql_header') or '' }}
  create table {{ relation }} (
    time index ({{ adapter.quote(time_index) }})
    {%- if config.get('tag_columns') %},
    primary key ({% for tag in config.get('tag_columns') %}{{ adapter.quote(tag) }}{{ ', ' if not loop.last }}{% endfor %})
    {%- endif %}
  )
  {%- if options %}
  with ({% for key, value in options.items() %}'{{ key }}' = '{{ value }}'{{ ', ' if not loop.last }}{% endfor %})
  {%- endif %}
  as (
    {{ sql }}
  );
{%- endmacro %}
