# The front door for people and machines. `make serve` on a fresh machine needs python3 (3.11 or
# newer) and network access to a package index; everything else it brings itself.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
PYTEST_ARGS ?=
# Files side by side: tests wait for disks and servers more than they compute.
PARALLEL ?= -n auto --maxprocesses 4 --dist loadfile

.PHONY: help setup serve test check demo bench clean

help:
	@echo 'make setup   create $(VENV) and install Gnomon with its test and development tools'
	@echo 'make serve   run the server on its default ports, data in ./gnomon-data'
	@echo 'make check   format, lint, types, house rules and fast tests'
	@echo 'make test    every test, with real clients'
	@echo 'make demo    a guided tour against a server of its own'
	@echo 'make bench   benchmarks; prints figures'

setup: $(STAMP)

$(STAMP): pyproject.toml
	.ci/environment $(PYTHON) $(VENV)
	$(BIN)/gnomon warm
	touch $@

serve: setup
	$(BIN)/gnomon serve --data gnomon-data

# psql and the mysql client are part of what we promise to work with, so the tests use them;
# servers of PostgreSQL and MariaDB are asked the same as ours.
test: setup
	-.ci/need psql postgresql-client
	-.ci/need mariadb mariadb-client
	-.ci/need /usr/lib/postgresql/15/bin/postgres postgresql-15
	-.ci/need /usr/sbin/mariadbd mariadb-server
	-.ci/need prometheus prometheus
	-.ci/need prometheus-node-exporter prometheus-node-exporter
	-.ci/need javac default-jdk-headless
	-.ci/need /usr/share/java/postgresql.jar libpostgresql-jdbc-java
	-.ci/need /usr/share/java/mariadb-java-client.jar libmariadb-java
	-.ci/need isql unixodbc
	-.ci/need /usr/share/doc/odbc-postgresql odbc-postgresql
	-.ci/need /usr/share/doc/odbc-mariadb odbc-mariadb
	-.ci/dbt $(PYTHON)
	$(BIN)/gnomon warm
	$(BIN)/python -m pytest -q $(PARALLEL) $(PYTEST_ARGS)

check: setup
	-.ci/need psql postgresql-client
	-.ci/need mariadb mariadb-client
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -m "not slow" $(PARALLEL) $(PYTEST_ARGS)

demo: setup
	$(BIN)/python -m examples.demo
	-.ci/need prometheus prometheus
	-.ci/need prometheus-node-exporter prometheus-node-exporter
	$(BIN)/python -m examples.demo.monitoring

bench: setup
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) .venv-dbt .venv-sqlalchemy dist .pytest_cache .mypy_cache .ruff_cache
