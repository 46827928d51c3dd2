"""Federation: the newest samples as a scraper reads them."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import write_requests as wr

from engine.clock import SystemClock


async def scrape(prom: Any, *matches: str) -> Any:
    given = [("match[]", text) for text in matches]
    return await prom.client.get("/v1/prometheus/federate", params=given)


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
    answer = await scrape(prom, '{"not.asked"}')
    assert answer.text == f'# TYPE "not.asked" untyped\n{{"not.asked"}} 1 {now}\n'


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
