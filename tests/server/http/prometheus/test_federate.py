"""Federation: the newest samples as a scraper reads them."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import write_requests as wr

from engine.clock import SystemClock


async def scrape(prom: Any, *matches: str, accept: str = "*/*") -> Any:
    given = [("match[]", text) for text in matches]
    headers = {"accept": accept}
    return await prom.client.get("/v1/prometheus/federate", params=given, headers=headers)


async def test_the_newest_samples_of_what_is_asked_for(prom: Any) -> None:
    now = SystemClock().now_ms() - 1000
    await prom.write(
        ({"__name__": "up", "job": 'say "a"\\'}, [(now - 5000, 1.0), (now, 0.5)]),
        ({"__name__": "up", "job": "old"}, [(now - 400_000, 1.0)]),
        ({"__name__": "down", "job": "b"}, [(now, float("inf"))]),
        ({"__name__": "not.asked"}, [(now, 1.0)]),
    )
    answer = await scrape(prom, "up", '{__name__=~"up|down"}')
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.text.splitlines() == [
        "# TYPE down untyped",
        f'down{{job="b"}} +Inf {now}',
        "# TYPE up untyped",
        f'up{{job="say \\"a\\"\\\\"}} 0.5 {now}',
    ]


@pytest.mark.parametrize(
    ("escaping", "line"),
    [
        ("allow-utf-8", '{"my.metric","a.b_c"="x.y"}'),
        ("underscores", 'my_metric{a_b_c="x.y"}'),
        ("dots", 'my_dot_metric{a_dot_b__c="x.y"}'),
        ("values", 'U__my_2e_metric{U__a_2e_b__c="x.y"}'),
        ("other", 'my_metric{a_b_c="x.y"}'),
    ],
)
async def test_names_are_spelled_as_the_scraper_asks(prom: Any, escaping: str, line: str) -> None:
    """Scrapers that do not know quoted names would refuse the whole answer."""
    now = SystemClock().now_ms() - 1000
    await prom.write(({"__name__": "my.metric", "a.b_c": "x.y"}, [(now, 1.0)]))
    accept = f"text/plain;version=1.0.0;escaping={escaping};q=0.6,text/plain;version=0.0.4;q=0.5"
    answer = await scrape(prom, '{"my.metric"}', accept=accept)
    assert answer.text.splitlines()[1] == f"{line} 1 {now}"
    told = escaping if escaping != "other" else "underscores"
    assert answer.headers["content-type"] == (
        f"text/plain; version=1.0.0; charset=utf-8; escaping={told}"
    )
    answer = await scrape(prom, '{"my.metric"}')
    assert answer.text == f'# TYPE my_metric untyped\nmy_metric{{a_b_c="x.y"}} 1 {now}\n'


async def test_many_series_of_several_metrics(prom: Any) -> None:
    """More than are put together one by one: with and without labels, told once."""
    now = SystemClock().now_ms() - 1000
    accept = "text/plain;version=1.0.0;escaping=allow-utf-8"
    expected: dict[str, list[str]] = {"alone": [f"alone 7 {now}"], "m": [], '"n.o"': []}
    series: list[Any] = [({"__name__": "alone"}, [(now, 7.0)])]
    for i in range(40):
        zone = {"zone": f"z{i % 3}"} if i % 3 else {}
        series.append(({"__name__": "m", "i": f"{i:02}", **zone}, [(now, float(i))]))
        ending = f',zone="z{i % 3}"' if i % 3 else ""
        expected["m"].append(f'm{{i="{i:02}"{ending}}} {i} {now}')
        series.append(({"__name__": "n.o", **zone, "k": f"{i:02}"}, [(now, 0.5)]))
        expected['"n.o"'].append(f'{{"n.o",k="{i:02}"{ending}}} 0.5 {now}')
    series.append(({"__name__": "n.o"}, [(now, 1.5)]))
    expected['"n.o"'].append(f'{{"n.o"}} 1.5 {now}')
    await prom.write(*series)
    answer = await scrape(prom, '{__name__!=""}', "m", 'm{zone="z1"}', accept=accept)
    lines = answer.text.splitlines()
    assert [line for line in lines if line[0] == "#"] == [
        f"# TYPE {name} untyped" for name in ("alone", "m", '"n.o"')
    ]
    for name, own in expected.items():
        at = lines.index(f"# TYPE {name} untyped") + 1
        assert sorted(lines[at : at + len(own)]) == sorted(own)
    assert len(lines) == 3 + sum(map(len, expected.values()))
    assert (await scrape(prom, "nothing")).text == ""


async def test_series_that_ended_are_left_out(prom: Any) -> None:
    now = SystemClock().now_ms() - 1000
    (stale,) = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))
    body = wr.series({"__name__": "up"}, wr.sample(now - 9, 1.0))
    body += wr.series({"__name__": "gone"}, wr.sample(now - 9, 1.0), wr.sample(now, stale))
    assert (await prom.post(wr.compressed(body))).status_code == 204
    assert (await scrape(prom, '{__name__!=""}')).text.splitlines()[1:] == [f"up 1 {now - 9}"]


@pytest.mark.parametrize("matches", [(), ("sum(up)",), ("{",)])
async def test_bad_selectors_are_refused(prom: Any, matches: tuple[str, ...]) -> None:
    assert (await scrape(prom, *matches)).status_code == 400
