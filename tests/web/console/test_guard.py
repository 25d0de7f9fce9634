"""The console's guard without a browser: headers, cookies, forms of other sites, and files from elsewhere."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from matcher.web.console import assets
from matcher.web.console.sessions import LIFE_SECONDS, Sessions, cookie_name
from tests.web.gateway import Answer, Gateway

FORM = {"content-type": "application/x-www-form-urlencoded"}


def _visit(answer: Answer) -> tuple[str, str]:
    """Return the cookie that an answer sets, and the token of its page."""
    (token,) = re.findall(r'"X-CSRF":"([0-9a-f]{64})"', answer.text)
    return answer.headers["set-cookie"].partition(";")[0], token


async def test_a_browser_is_shown_to_the_console_and_a_program_to_the_api(console: Gateway) -> None:
    """Who asks the bare address for a page gets pages; the paths of the API stay as they are."""
    browser = await console.ask("GET", "/", headers={"accept": "text/html,*/*"})
    assert (browser.code, browser.headers["location"]) == (303, "/console")
    program = await console.ask("GET", "/", headers={"accept": "application/json"})
    assert (program.code, program.headers["location"]) == (303, "/openapi.json")
    assert (await console.ask("GET", "/v1/sites")).json["sites"]


async def test_nothing_inline_and_nothing_from_elsewhere(console: Gateway) -> None:
    """The policy names this origin alone; the cookie is for this site, for no script, and only for the console."""
    answer = await console.ask("GET", "/console/login")
    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in answer.headers["content-security-policy"]
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/console"} <= {part.strip() for part in cookie.split(";")}
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=|https?://", answer.text)


async def test_a_form_of_another_site_is_refused(console: Gateway) -> None:
    """Without the token, with the token of another visit, or from another origin: 403, and what to do."""
    cookie, token = _visit(await console.ask("GET", "/console/login"))
    _, foreign = _visit(await console.ask("GET", "/console/login"))
    tries = [
        (b"everywhere=1", {}),
        (f"csrf={foreign}".encode(), {}),
        (f"csrf={token}".encode(), {"origin": "https://elsewhere.example"}),
        (f"csrf={token}".encode(), {"sec-fetch-site": "cross-site"}),
        (f"csrf={token}".encode(), {"cookie": ""}),
    ]
    for body, headers in tries:
        answer = await console.ask("POST", "/console/logout", body, FORM | {"cookie": cookie} | headers)
        assert (answer.code, "FIELDS_INVALID" in answer.text) == (403, True)
    good = await console.ask("POST", "/console/logout", f"csrf={token}".encode(), FORM | {"cookie": cookie})
    assert (good.code, good.headers["location"]) == (303, "/console/login")


async def test_a_form_is_bounded(console: Gateway) -> None:
    """A form of more than a mebibyte is refused before it is read."""
    answer = await console.ask("POST", "/console/login", b"credential=" + b"x" * (2**20 + 1), FORM)
    assert (answer.code, "MESSAGE_TOO_LARGE" in answer.text) == (413, True)


async def test_a_login_sends_nobody_elsewhere(console: Gateway) -> None:
    """What follows the login is a page of the console, whatever the link said."""
    for target in ("https://elsewhere.example/", "//elsewhere.example", "/console//elsewhere", "/console/\\e", "/v1/x"):
        page = await console.ask("GET", f"/console/login?next={target}")
        assert 'name="next" value="/console"' in page.text


def test_vendored_files_are_what_their_list_says() -> None:
    """Each file from elsewhere has its digest and its licence beside it; every other file is the console's own."""
    folder = Path(assets.FOLDER)
    lines = (folder / "SHA256SUMS").read_text("utf-8").splitlines()
    listed = {line.split()[1]: line.split()[0] for line in lines}
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in listed} == listed
    scripts = {path.name for path in folder.glob("*.min.*")}
    assert scripts <= set(listed)
    assert {f"LICENSE.{name.partition('.min')[0]}.txt" for name in scripts} <= set(listed)


async def test_assets_are_kept_as_long_as_they_are_the_same(console: Gateway) -> None:
    """The address has the digest: with it a browser keeps the file, without it asks again."""
    page = await console.ask("GET", "/console/login")
    (named,) = re.findall(r'"(/console/static/console\.css\?v=\w+)"', page.text)
    assert "immutable" in (await console.ask("GET", named)).headers["cache-control"]
    assert (await console.ask("GET", named.partition("?")[0])).headers["cache-control"] == "no-cache"
    assert (await console.ask("GET", "/console/static/..%2fconsole.py")).code == 404


def test_sessions_end() -> None:
    """By logging out, everywhere at once, after a shift without a request, and after a week in any case."""
    clock = [0.0]
    sessions = Sessions(lambda: clock[0])
    here, there, other = sessions.begin("mk_a"), sessions.begin("mk_a"), sessions.begin("mk_b")
    assert [sessions.credential(one) for one in (here, there, other, "forged")] == ["mk_a", "mk_a", "mk_b", ""]
    assert sessions.end_everywhere(here) == 2
    assert [sessions.credential(one) for one in (here, there, other)] == ["", "", "mk_b"]
    while clock[0] < LIFE_SECONDS:
        clock[0] += 3600
        kept = sessions.credential(other)
        assert bool(kept) == (clock[0] <= LIFE_SECONDS)
    clock[0] += 3600
    assert sessions.credential(other) == ""


async def test_two_consoles_on_a_host_keep_their_own_visits(console: Gateway) -> None:
    """Browsers share cookies among the ports of a host: the cookie's name has the port that the browser sees."""
    for host in (f"localhost:{console.port}", "localhost:8081", "localhost"):
        answer = await console.ask("GET", "/console/login", headers={"host": host})
        (name,) = re.findall("^([^=]+)=", answer.headers["set-cookie"])
        assert name == "matcher-console" + "-".join(["", *host.split(":")[1:]])


def test_a_cookie_for_encrypted_connections_cannot_be_planted_by_another_host() -> None:
    """Its name begins with __Host-, which browsers take from the host itself alone."""
    assert cookie_name("console.example", secure=True) == "__Host-matcher-console"
    assert cookie_name("console.example:8443", secure=True) == "__Host-matcher-console-8443"
    assert cookie_name("[::1]:8080", secure=False) == "matcher-console-8080"
    assert cookie_name("[::1]", secure=False) == "matcher-console"
