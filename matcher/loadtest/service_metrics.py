"""What /metrics of the service's processes said between two moments."""

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
    """The samples of one process."""

    samples: Mapping[tuple[str, Labels], float]

    def sum(self, name: str, **labels: str) -> float:
        """Return a sample, summed over the labels that are not given."""
        wanted = labels.items()
        return sum(
            value for (sample, found), value in self.samples.items() if sample == name and wanted <= dict(found).items()
        )

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Return a sample by the values of a label, summed over the others; those that are 0 are left out."""
        totals: Counter[str] = Counter()
        wanted = labels.items()
        for (sample, found), value in self.samples.items():
            if sample == name and value and wanted <= dict(found).items():
                totals[dict(found)[label]] += value  # type: ignore[assignment]
        return dict(totals)

    def since(self, before: Page) -> Page:
        """Return what was added since an earlier page."""
        return Page({key: value - before.samples.get(key, 0.0) for key, value in self.samples.items()})


def added(pages: Iterable[Page]) -> Page:
    """Return the sum of the pages of several processes."""
    totals: dict[tuple[str, Labels], float] = {}
    for page in pages:
        for key, value in page.samples.items():
            totals[key] = totals.get(key, 0.0) + value
    return Page(totals)


def read_page(text: str) -> Page:
    """Read the text format of Prometheus."""
    return Page(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


async def read_pages(addresses: Sequence[str]) -> list[Page]:
    """Read /metrics of every address now. Raises OSError where one does not answer."""
    return list(await asyncio.gather(*(asyncio.to_thread(_read, address) for address in addresses)))


def _read(address: str) -> Page:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=TIMEOUT_SECONDS) as answer:
        return read_page(answer.read().decode())


@dataclass(frozen=True, slots=True)
class Spread:
    """A histogram of Prometheus: count, mean, and the bucket that the 99th percentile lies in."""

    count: int
    mean: float
    p99_at_most: float | None
    """The upper bound of the bucket; None beyond the last."""

    @classmethod
    def of(cls, page: Page, name: str) -> Spread | None:
        """Read a histogram by its name, summed over its labels; None where nothing was observed."""
        count = page.sum(f"{name}_count")
        if not count:
            return None
        buckets = sorted((float(le), value) for le, value in page.by(f"{name}_bucket", "le").items())
        bound = next((le for le, value in buckets if value >= 0.99 * count), float("inf"))
        return cls(int(count), page.sum(f"{name}_sum") / count, None if bound == float("inf") else bound)


@dataclass(frozen=True, slots=True)
class ServiceSaid:
    """The run as the service's own metrics tell it, over all its processes."""

    held: Mapping[str, int]
    """By basis, replayed ones included."""
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


def compare_pages(before: Sequence[Page], after: Sequence[Page]) -> ServiceSaid:
    """Return what the processes added between two readings of the same addresses."""
    each = [late.since(early) for early, late in zip(before, after, strict=True)]
    both = added(each)
    held: Counter[str] = Counter()
    for outcome in ("held", "replayed"):
        held.update(_whole(both.by("matcher_route_total", "basis", outcome=outcome)))
    return ServiceSaid(
        held=dict(held),
        unmatched=round(both.sum("matcher_route_total", outcome="unmatched")),
        codes=_whole(both.by("grpc_server_handled_total", "grpc_code", grpc_method=ROUTE_METHOD)),
        batch_size=Spread.of(both, "matcher_encoder_batch_size"),
        queue_seconds=Spread.of(both, "matcher_encoder_queue_seconds"),
        index_lag_seconds=Spread.of(both, "matcher_index_lag_seconds"),
        candidates=Spread.of(both, "matcher_route_candidates"),
        store_round_trips=_whole(both.by("matcher_store_round_trips_total", "verb")),
        cpu_seconds=both.sum("process_cpu_seconds_total"),
        routes_by_process=[round(page.sum("matcher_route_total")) for page in each],
    )


def _whole(counts: Mapping[str, float]) -> dict[str, int]:
    return {name: round(value) for name, value in counts.items()}
