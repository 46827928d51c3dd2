"""What the demo asks, and of whom. Answers must be the same before and after a restart."""

from __future__ import annotations

from dataclasses import dataclass

from examples.demo.shell import Addresses, mysql, psql


@dataclass(frozen=True, slots=True)
class Question:
    """One query, and the client that sends it."""

    title: str
    client: str  # psql or mysql
    sql: str

    def ask(self, to: Addresses) -> str:
        """The client's own output."""
        return psql(to, self.sql) if self.client == "psql" else mysql(to, self.sql)


QUESTIONS = (
    Question(
        "How busy was each core, second by second? (RANGE over live data)",
        "psql",
        "SELECT ts, core, round(avg(busy) RANGE '1s' FILL PREV, 1) AS busy "
        "FROM cpu ALIGN '1s' ORDER BY core, ts",
    ),
    Question(
        "The same with MySQL's client: memory in use, MiB",
        "mysql",
        "SELECT ts, round(max(used) RANGE '1s' / 1048576, 1) AS mib,"
        " min(percent) RANGE '1s' AS percent "
        "FROM memory ALIGN '1s' ORDER BY ts",
    ),
    Question(
        "How much went over each network card?",
        "mysql",
        "SELECT nic, max(received) - min(received) AS received, max(sent) - min(sent) AS sent, "
        "count(*) AS samples FROM network GROUP BY nic ORDER BY nic",
    ),
    Question(
        "Busy cores and memory at the same instant (join of two series)",
        "psql",
        "SELECT c.ts, max(c.busy) AS busiest, max(m.percent) AS memory FROM cpu c "
        "JOIN memory m ON m.host = c.host AND m.ts = c.ts GROUP BY c.ts ORDER BY c.ts LIMIT 5",
    ),
    Question(
        "Seattle's weather: rain and warmth by half year (RANGE with a gap-free calendar)",
        "psql",
        "SELECT day, round(sum(precipitation) RANGE '26w', 1) AS mm, "
        "max(temp_max) RANGE '26w' AS warmest, min(temp_min) RANGE '26w' AS coldest "
        "FROM weather ALIGN '26w' TO '2012-01-01T00:00:00Z' BY () ORDER BY day",
    ),
    Question(
        "What to take along: days per kind of weather, joined with an ordinary table",
        "mysql",
        "SELECT w.weather, f.advice, f.outdoors, count(*) AS days, "
        "round(avg(w.temp_max), 1) AS warm FROM weather w "
        "JOIN forecast_words f ON f.weather = w.weather "
        "GROUP BY w.weather, f.advice, f.outdoors ORDER BY days DESC, w.weather",
    ),
    Question(
        "Share prices per year for companies of Washington State (join, group, order)",
        "psql",
        "SELECT c.name, c.city, date_trunc('year', s.ts) AS year, min(s.price) AS low, "
        "max(s.price) AS high, round(avg(s.price), 2) AS mean FROM stocks s "
        "JOIN companies c ON c.symbol = s.symbol WHERE c.city IN ('Seattle', 'Redmond') "
        "AND s.ts >= '2008-01-01' GROUP BY c.name, c.city, date_trunc('year', s.ts) "
        "ORDER BY c.name, year",
    ),
    Question(
        "The latest price of each share, and its rank",
        "mysql",
        "SELECT c.name, s.ts, s.price, rank() OVER (ORDER BY s.price DESC) AS place FROM stocks s "
        "JOIN companies c ON c.symbol = s.symbol "
        "JOIN (SELECT symbol, max(ts) AS ts FROM stocks GROUP BY symbol) AS last "
        "ON last.symbol = s.symbol AND last.ts = s.ts ORDER BY place",
    ),
    Question(
        "Apple's price in three-year windows, year by year (overlapping RANGE)",
        "psql",
        "SELECT ts, symbol, round(avg(price) RANGE '156w', 2) AS mean, "
        "count(price) RANGE '156w' AS months FROM stocks WHERE symbol = 'AAPL' "
        "ALIGN '52w' TO '2000-01-01T00:00:00Z' ORDER BY ts",
    ),
    Question(
        "How many rows are there in all?",
        "psql",
        "SELECT (SELECT count(*) FROM cpu) AS cpu, (SELECT count(*) FROM memory) AS memory, "
        "(SELECT count(*) FROM disk) AS disk, (SELECT count(*) FROM network) AS network, "
        "(SELECT count(*) FROM weather) AS weather, (SELECT count(*) FROM stocks) AS stocks, "
        "(SELECT count(*) FROM companies) AS companies",
    ),
)


def ask_all(to: Addresses) -> list[str]:
    """Every answer, in the order of QUESTIONS."""
    return [question.ask(to) for question in QUESTIONS]
