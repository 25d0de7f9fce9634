"""The service's /metrics pages: reads them before and after a run and computes the figures of the run."""

from __future__ import annotations

import asyncio
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_SECONDS: Final = 20.0
ROUTE_METHOD: Final = "RouteMessage"

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Page:
    """The samples of one process's page."""

    samples: Mapping[tuple[str, Labels], float]

    def sum(self, name: str, **labels: str) -> float:
        """Return the value of a sample, summed over the labels that are not given."""
        given = labels.items()
        return sum(
            value
            for (sample, sample_labels), value in self.samples.items()
            if sample == name and given <= dict(sample_labels).items()
        )

    def values(self, name: str) -> list[float]:
        """Return the values of a sample, one for each set of labels."""
        return [value for (sample, _), value in self.samples.items() if sample == name]

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Return the value of a sample for each value of a label, summed over the other labels, without zeros."""
        totals: Counter[str] = Counter()
        given = labels.items()
        for (sample, sample_labels), value in self.samples.items():
            if sample == name and value and given <= dict(sample_labels).items():
                totals[dict(sample_labels)[label]] += value  # type: ignore[assignment]
        return dict(totals)

    def since(self, before: Page) -> Page:
        """Return the differences from an earlier page."""
        return Page({key: value - before.samples.get(key, 0.0) for key, value in self.samples.items()})


def sum_pages(pages: Iterable[Page]) -> Page:
    """Return the sum of the pages of several processes."""
    totals: dict[tuple[str, Labels], float] = {}
    for page in pages:
        for key, value in page.samples.items():
            totals[key] = totals.get(key, 0.0) + value
    return Page(totals)


def read_page(text: str) -> Page:
    """Return the page of a text in the Prometheus format."""
    return Page(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


async def read_pages(addresses: Sequence[str]) -> list[Page]:
    """Read /metrics of every address now; raise OSError where an address does not answer."""
    return list(await asyncio.gather(*(asyncio.to_thread(_read, address) for address in addresses)))


def _read(address: str) -> Page:
    return read_page(read_text(address))


def read_text(address: str, token: str = "") -> str:
    """Return the text of /metrics of an address; token: what it asks for. Raises OSError where it does not answer."""
    asked = urllib.request.Request(f"http://{address}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - its scheme stands above
        return str(answer.read().decode())


@dataclass(frozen=True, slots=True)
class Spread:
    """A Prometheus histogram: its count, its mean, and the bucket of the 99th percentile."""

    count: int
    mean: float
    p99_at_most: float | None
    """The upper bound of the bucket; None beyond the last bucket."""

    @classmethod
    def of(cls, page: Page, name: str) -> Spread | None:
        """Return the histogram of a name, summed over its labels; None where nothing was observed."""
        count = page.sum(f"{name}_count")
        if not count:
            return None
        buckets = sorted((float(le), value) for le, value in page.by(f"{name}_bucket", "le").items())
        bound = next((le for le, value in buckets if value >= 0.99 * count), float("inf"))
        return cls(int(count), page.sum(f"{name}_sum") / count, None if bound == float("inf") else bound)


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """The run's figures from the service's metrics, summed over its processes."""

    held: Mapping[str, int]
    """Decisions by basis, with the replayed ones."""
    unmatched: int
    codes: Mapping[str, int]
    """RouteMessage calls by status code."""
    batch_size: Spread | None
    queue_seconds: Spread | None
    index_lag_seconds: Spread | None
    candidates: Spread | None
    store_round_trips: Mapping[str, int]
    cpu_seconds: float
    routes_by_process: Sequence[int]


def figures_between(before: Sequence[Page], after: Sequence[Page]) -> ServiceFigures:
    """Return the figures of the time between two readings of the same addresses."""
    differences = [page.since(earlier) for earlier, page in zip(before, after, strict=True)]
    total = sum_pages(differences)
    held: Counter[str] = Counter()
    for outcome in ("held", "replayed"):
        held.update(_whole(total.by("matcher_route_total", "basis", outcome=outcome)))
    return ServiceFigures(
        held=dict(held),
        unmatched=round(total.sum("matcher_route_total", outcome="unmatched")),
        codes=_whole(total.by("grpc_server_handled_total", "grpc_code", grpc_method=ROUTE_METHOD)),
        batch_size=Spread.of(total, "matcher_encoder_batch_size"),
        queue_seconds=Spread.of(total, "matcher_encoder_queue_seconds"),
        index_lag_seconds=Spread.of(total, "matcher_index_lag_seconds"),
        candidates=Spread.of(total, "matcher_route_candidates"),
        store_round_trips=_whole(total.by("matcher_store_round_trips_total", "verb")),
        cpu_seconds=total.sum("process_cpu_seconds_total"),
        routes_by_process=[round(page.sum("matcher_route_total")) for page in differences],
    )


def _whole(counts: Mapping[str, float]) -> dict[str, int]:
    return {name: round(value) for name, value in counts.items()}
