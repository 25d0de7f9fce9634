"""The page /docs and the comments in the description."""

from __future__ import annotations

import re

from matcher.web.bindings import table
from matcher.web.openapi import document
from tests.web.gateway import Gateway


def test_everything_in_the_description_has_its_comment() -> None:
    """Operations, services, parameters, messages of the API and their fields: what the protos say of them."""
    described = document(table())
    parts = [operation for path in described["paths"].values() for operation in path.values()] + described["tags"]
    own = {name: one for name, one in described["components"]["schemas"].items() if f"/{name}" and name != "Status"}
    silent = [str(part.get("operationId") or part.get("name")) for part in parts if not part.get("description")]
    for name, schema in own.items():
        fields = schema.get("properties", {})
        silent += [f"{name}.{field}" for field, one in fields.items() if not one.get("description")]
    assert silent == []


async def test_the_page_names_every_method_and_loads_nothing_from_elsewhere(gateway: Gateway) -> None:
    """One page and one style of this process; the policy allows nothing else, and no script at all."""
    page = await gateway.ask("GET", "/docs")
    assert page.code == 200
    for method in table().methods.values():
        assert method.imports or f">{method.name}<" in page.text
    loaded = re.findall(r'(?:src|<link [^>]*href)="([^"]+)"', page.text)
    assert [one.partition("?")[0] for one in loaded] == ["/docs/page.css"]
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    style = await gateway.ask("GET", loaded[0])
    assert (style.code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    packed = await gateway.ask("HEAD", "/docs", headers={"accept-encoding": "gzip"})
    assert int(packed.headers["content-length"]) < 100_000


async def test_every_link_of_the_page_leads_somewhere(gateway: Gateway) -> None:
    """Each name that is a link is an article of the page, once."""
    page = (await gateway.ask("GET", "/docs")).text
    articles = re.findall(r'<article id="([^"]+)"', page)
    assert len(articles) == len(set(articles))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(articles)
