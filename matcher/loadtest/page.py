"""The HTML page of a report: one file that loads nothing else."""

from __future__ import annotations

from importlib.resources import files

from matcher.loadtest.extras import extra
from matcher.loadtest.plots import latency_by_percentile, rate_over_time, refusals_by_reason
from matcher.loadtest.result import Result
from matcher.loadtest.rows import LATENCY_COLUMNS, facts, latency_rows, service_facts, title


def html(result: Result) -> str:
    """Return the page of a result; raise ExtraMissing where jinja2 or matplotlib is not installed."""
    jinja = extra("jinja2")
    template = jinja.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja.StrictUndefined)
    source = (files("matcher.loadtest") / "page.html").read_text("utf-8")
    page: str = template.from_string(source).render(
        title=title(result),
        facts=facts(result),
        columns=LATENCY_COLUMNS,
        latencies=latency_rows(result),
        notes=result.notes,
        by_percentile=_inline(latency_by_percentile(result), "latency"),
        over_time=_inline(rate_over_time(result), "rate"),
        by_reason=_inline(refusals_by_reason(result), "refusals"),
        service=service_facts(result),
        story=result.story,
    )
    return page


def _inline(svg: str, prefix: str) -> str:
    """Return a plot as safe markup, with a prefix on its ids, because matplotlib gives every figure the same ids."""
    markup = extra("markupsafe").Markup
    for opening in ('id="', 'xlink:href="#', "url(#"):
        svg = svg.replace(opening, f"{opening}{prefix}-")
    safe: str = markup(svg)
    return safe
