"""What the README and pages under docs/ show is true: the tour, statements, configuration files."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from fix_database import Client
from fix_server import RunningServer

from server.config import load
from sql.session import Wire

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
# What statements of a page need to be there.
BEFORE = {
    "flows.md": "CREATE TABLE cpu (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE)",
    "prometheus.md": """
        CREATE TABLE cpu (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, used DOUBLE);
        CREATE TABLE cpu_seconds_total (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE);
        CREATE TABLE up (job STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE);
        CREATE TABLE hosts (host TEXT PRIMARY KEY, owner TEXT)
    """,
}
SEVERAL_WORDS = re.compile(r"^ +\w.* \| ", re.MULTILINE)


def fenced(page: Path, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def tour() -> list[str]:
    """The indented blocks of the README's tour, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    part = text.partition("## A five-minute tour\n")[2].partition("\nBulk loading")[0]
    blocks = re.findall(r"(?:^    .*\n)+", part, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks]


def lines_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


@pytest.mark.slow
def test_the_tour_shows_what_one_gets(server: RunningServer) -> None:
    psql, mysql, curl = (shutil.which(name) for name in ("psql", "mysql", "curl"))
    assert psql, "psql is missing: apt-get install postgresql-client"
    assert mysql, "mysql is missing: apt-get install mariadb-client"
    assert curl, "curl is missing: apt-get install curl"
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE tour")
    blocks = [
        block.replace("-d public", "-d tour")
        .replace("-D public", "-D tour --skip-ssl")
        .replace("db=public", "db=tour")
        .replace("4003", str(server.port("postgres")))
        .replace("4002", str(server.port("mysql")))
        .replace("4000", str(server.port("http")))
        for block in tour()
    ]
    commands = [block for block in blocks if block.startswith("$ ")]
    shown = [block for block in blocks if SEVERAL_WORDS.search(block)]
    statements = [block for block in blocks if block not in commands and block not in shown]
    first = commands[0].removeprefix("$ ").split()
    assert (first[0], len(shown), len(commands)) == ("psql", 2, 2)

    done = _run([psql, "-X", "-q", "-P", "footer=off", *first[1:]], "\n".join(statements))
    assert lines_of(done) == lines_of("".join(shown))
    over_mysql, over_http = lines_of(commands[1].replace("$ ", ""))
    assert _run(["sh", "-c", over_mysql]).split()[-2:] == ["count(*)", "5"]
    assert '"rows":[["web1",20.0]]' in _run(["sh", "-c", over_http])


def _run(command: list[str], text: str = "") -> str:
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr if "curl" not in command[-1] else "") == (0, "")
    return done.stdout


@pytest.mark.parametrize("page", BEFORE)
def test_statements_of_pages_run(page: str, connect: Callable[..., Client]) -> None:
    client = connect(Wire.POSTGRES)
    for statement in filter(str.strip, BEFORE[page].split(";")):
        client.run(statement)
    blocks = fenced(ROOT / "docs" / page, "sql")
    assert blocks
    for block in blocks:
        for statement in re.split(r";[^\n]*\n", block):
            if statement.strip():
                client.run(statement)


def test_every_block_of_sql_is_run() -> None:
    with_sql = {page.name for page in PAGES if fenced(page, "sql")}
    assert with_sql == {*BEFORE, "time-series-sql.md"}  # this one has a test of its own


def test_configuration_files_are_taken(tmp_path: Path) -> None:
    blocks = [block for page in PAGES for block in fenced(page, "toml")]
    assert blocks
    for block in blocks:
        file = tmp_path / "gnomon.toml"
        file.write_text(block)
        assert load({}, {}, file).warnings == ()


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_found_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = {page.relative_to(ROOT).as_posix() for page in PAGES} - {"README.md"}
    linked = set(re.findall(r"\]\((docs/[^)]+)\)", text))
    unknown = {p for p in pages if p not in linked and Path(p).parent.as_posix() not in linked}
    assert unknown == set()
