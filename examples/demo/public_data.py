"""Loads public data with psql's \\copy and ordinary tables with the mysql client.

The files are those that the Python package vega-datasets ships: Seattle's weather of 2012 to 2015
(NOAA) and monthly prices of five shares from 2000 to 2010.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from examples.demo.shell import Addresses, ClientError, mysql, psql

TABLES = """
CREATE TABLE weather (
  day TIMESTAMP(0) TIME INDEX, precipitation DOUBLE, temp_max DOUBLE, temp_min DOUBLE,
  wind DOUBLE, weather STRING
);
CREATE TABLE stocks (
  symbol STRING PRIMARY KEY, ts TIMESTAMP(0) TIME INDEX, price DOUBLE
);
CREATE TABLE stocks_raw (symbol VARCHAR(10), day VARCHAR(20), price DOUBLE);
"""

COMPANIES = """
CREATE TABLE companies (
  symbol VARCHAR(10) PRIMARY KEY, name VARCHAR(40) NOT NULL, city VARCHAR(40), founded INT
);
INSERT INTO companies VALUES
  ('AAPL', 'Apple', 'Cupertino', 1976), ('AMZN', 'Amazon', 'Seattle', 1994),
  ('GOOG', 'Google', 'Mountain View', 1998), ('IBM', 'IBM', 'Armonk', 1911),
  ('MSFT', 'Microsoft', 'Redmond', 1975);
CREATE TABLE forecast_words (weather VARCHAR(20) PRIMARY KEY, advice VARCHAR(40), outdoors BOOLEAN);
INSERT INTO forecast_words VALUES
  ('sun', 'take a hat', true), ('rain', 'take an umbrella', false),
  ('fog', 'take your time', true), ('drizzle', 'take a coat', true),
  ('snow', 'take a sledge', true);
"""

# The file says "Jan 1 2000": loaded as text first, then read while it moves to its table.
MOVE_STOCKS = """
INSERT INTO stocks (symbol, ts, price)
SELECT symbol, to_date(day, 'Mon DD YYYY'), price FROM stocks_raw
"""


def folder() -> Path:
    """Where the package keeps its files. Raises: ClientError if it is not installed."""
    spec = importlib.util.find_spec("vega_datasets")
    if spec is None or not spec.submodule_search_locations:
        raise ClientError("the Python package vega-datasets is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "_data"


def rows_in(name: str) -> int:
    """Data rows of one file (lines that hold something, less the header)."""
    lines = (folder() / name).read_text(encoding="utf-8").splitlines()
    return sum(1 for line in lines if line) - 1


def load(to: Addresses) -> list[str]:
    """Loads both files and the ordinary tables. Returns: what the clients said."""
    said = [psql(to, TABLES)]
    said.append(psql(to, _copy("weather", "seattle-weather.csv")))
    said.append(psql(to, _copy("stocks_raw", "stocks.csv")))
    said.append(psql(to, MOVE_STOCKS))
    said.append(mysql(to, COMPANIES))
    return said


def _copy(table: str, name: str) -> str:
    return f"\\copy {table} FROM '{folder() / name}' WITH (FORMAT csv, HEADER)"
