"""The same requests through Envoy's transcoder and through this gateway: what reaches gRPC, and what comes back."""

from __future__ import annotations

import asyncio
import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import Message

from tests.web.cases import OWN, Case, cases
from tests.web.envoy import envoy
from tests.web.gateway import SECONDS, open_gateway
from tests.web.recorder import Recorder, recording

DOC: Final = Path(__file__).parents[2] / "docs" / "web.md"
SEED: Final = 24
EACH: Final = 8

DIFFERENCES: Final = {
    "wrong verb": (405, 404),
    "empty segment": (404, 200),
    "trailing slash": (404, 200),
    "parameter of the path": (400, 200),
    "parameter given twice": (400, 200),
    "truth as a number": (400, 200),
    "escape wrong": (400, 500),
    "name given twice": (400, 200),
    "both spellings": (400, 200),
    "field unknown": (400, 200),
    "text for a truth": (400, 200),
    "other content type": (415, 200),
}
"""The codes of this gateway and of Envoy where they differ; docs/web.md says why, in the same order."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a gateway did with a case: the code and the JSON of its answer, and what reached gRPC, if anything did."""

    code: int
    answer: Any
    call: tuple[str, Message] | None


async def test_five_hundred_requests_mean_the_same_as_to_envoy(folder: Path) -> None:
    """The same gRPC request, the same JSON and the same code, or both refuse; else it stands in the table."""
    differed, refused, same = {}, set(), 0
    async with (
        recording() as recorder,
        open_gateway(f"127.0.0.1:{recorder.port}") as gateway,
        envoy(recorder.port, folder) as (rules, own),
    ):
        for number, case in enumerate(cases(SEED, EACH)):
            ours, theirs = await asyncio.gather(
                seen(gateway.port, case, recorder, f"gateway-{number}"),
                seen(own if case.kind == OWN else rules, case, recorder, f"envoy-{number}"),
            )
            without_made_ids(ours, theirs)
            if ours == theirs:
                same += 1
            elif ours.call is theirs.call is None and ours.code == theirs.code in (400, 404):
                refused.add(case.kind)  # this gateway says why in a google.rpc.Status, Envoy in a text
            else:
                differed[case.kind] = (ours.code, theirs.code)
                assert case.kind in DIFFERENCES, (case, ours, theirs)
    assert differed == DIFFERENCES
    assert same > 500
    assert not refused & {"plain", OWN}


def test_the_document_names_every_difference() -> None:
    """One row for each, in the order of the table here."""
    rows = DOC.read_text("utf-8").partition("| other than Envoy |")[2].partition("\n\n")[0].splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == list(DIFFERENCES)


async def seen(port: int, case: Case, recorder: Recorder, call: str) -> Seen:
    """Send a case to a gateway under a name of its own."""
    code, answer = await asyncio.to_thread(asked, port, case, call)
    return Seen(code, answer, recorder.seen.get(call))


def asked(port: int, case: Case, call: str) -> tuple[int, Any]:
    """Return the code of an answer and its JSON; of a stream the JSON of its events, of a text the text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request(case.verb, case.target, case.body, {**case.headers, "x-request-id": call})
    got = connection.getresponse()
    text, kind = got.read().decode(errors="replace"), got.getheader("content-type", "")
    connection.close()
    if kind.startswith("text/event-stream"):
        events = [line[6:] for line in text.replace("event: end\ndata: {}\n\n", "").splitlines() if line[:5] == "data:"]
        return got.status, [json.loads(event) for event in events]
    return got.status, json.loads(text) if kind.startswith("application/json") else text


def without_made_ids(ours: Seen, theirs: Seen) -> None:
    """Take out the request ids that this gateway makes where a request has none."""
    if ours.call is not None and theirs.call is not None:
        for mine, other in zip(parts(ours.call[1]), parts(theirs.call[1]), strict=True):
            if "request_id" in mine.DESCRIPTOR.fields_by_name and not other.request_id:
                assert len(mine.request_id) == 32
                mine.ClearField("request_id")


def parts(request: Any) -> list[Any]:
    """Return a request with its parts, where it is a batch."""
    return [request, *(request.requests if "requests" in request.DESCRIPTOR.fields_by_name else ())]
