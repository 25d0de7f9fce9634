"""The console: pages for the people of a contact center, beside the API, with the rights of each visitor.

How a page is added:

1.  The data side first: a module under `pages/` (or a package, where a page needs more than 400 lines) with frozen
    dataclasses of what the page shows, and pure functions that make them from answers of the API. Test these without a
    browser.
2.  A handler is `async def show(visitor: Visitor) -> Response`. `visitor` is all that it needs:
    - `visitor.site`, `visitor.site_name` ("sites/shop"), `visitor.request` (Starlette's: path, query, headers);
    - `await visitor.ask(visitor.stubs.roster.GetAgent, GetAgentRequest(...))` calls the service with the visitor's
      rights and returns the answer, typed; `visitor.follow(visitor.stubs.routing.WatchEvents, ...)` iterates over a
      stream.
      Both raise `Fault`; let it rise: the visitor gets a page, or a fragment, with the reason and what to do. Catch a
      reason only where the page itself has a better answer (`reason_of(fault) == "ETAG_MISMATCH"`);
    - `await visitor.may("RosterService/UpdateAgent")`: whether to show a button. The service decides all the same;
    - `visitor.form` in a handler of a POST: the fields, as `FormData`. The token was checked before;
    - `visitor.page("live.html", board=board)` renders a whole page, `visitor.part("live_board.html", …)` a fragment for
      htmx; `visitor.asked_by_htmx` says which of them was asked for; `visitor.go("live")` sends the visitor to a page
      after a POST, whatever the browser; `visitor.url("try", "result")` is the address of a page of this site.
3.  `PAGE = Page("live", "Live", needs=("RosterService/ListAgents",), routes=(Get("", show), Post("set", set_it)))` in
    the module, and a line in `registry.py`. The page is at `/console/sites/{site}/live`, the other at `…/live/set`.
    The navigation shows it to visitors who may call one of `needs`; without `needs` to everybody.
4.  The template `templates/live.html` begins with `{% extends "base.html" %}`, has a block `title` and a block `main`
    with one `<h1>`. Every form that posts has `{{ csrf() }}` in it; htmx sends the token by itself. Names of agents,
    pools, customers and contacts go through `{{ name(text) }}`, which isolates and cuts them. Nothing inline: neither
    `style=` nor `<script>` nor `on…=` nor `hx-on`, `hx-vals="js:…"` or filters in `hx-trigger`: the
    Content-Security-Policy refuses them. Bars are `<meter>` or SVG attributes. A page's own style is
    `static/live.css`, linked in the block `head` with `href="{{ asset('live.css') }}"`; its own script likewise, with
    `defer`.
5.  The test `tests/web/console/test_live.py` does what a person does, in Chromium, and ends with `await seen(page)`:
    nothing of axe's serious findings, in light and dark. Add the page to `tests/web/console/test_every_page.py` by its
    registry entry alone: hostile names, no script and no rights are tried on every page there.
"""
