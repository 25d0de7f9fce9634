"""The annotated limits of the protos and the service's validation: both refuse the same, and name the same fields."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

from matcher.v1 import impact_pb2 as impact
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as routing
from tests.auth.asked import METHODS, Place, requests_of
from tests.rpc.annotations import PROTO, refused, rules_of
from tests.rpc.calls import CALLS
from tests.rpc.conftest import Service, failure
from tests.rpc.limit_values import values_of
from tests.rpc.test_bad_input import CASES

UNSAID: Final = {
    r".*language(s\[\d+\])?": "a language, by its tag or by its name, is a table of the service",
    r"(page|resume)_token": "what a token holds is checked; the annotation bounds its length",
    r"(.*\.)?update_mask\.paths\[\d+\]": "the names of a mask depend on the resource",
    r".*\[\d+\](\.contact_id|\.parent)?": "entries that are the same, or of another site or batch, as others",
    r"pool|customer\.name": "a name of another site than the parent's",
    r"message(\.(text|media_type|customer|channel|customer_interests\w*|preferred_agents|language_expires_after))?": (
        "a message needs something to be compared, and nothing that contradicts the other fields"
    ),
    r"message\.preferred_agents\[\d+\]\.agent": "an agent who is excluded cannot be preferred",
    r"agent|name|handle|praise|outcome\.source|customer\.(handles|consent)": "one of two fields, or one with another",
    r"wait_duration|customer\.consent\.expire_time": "a time that means something beside another field only",
    r"(agent|pool)\.etag": "only a change compares it; a new agent's or pool's is ignored",
    r"agent\.(interests|status)": "needed of a new agent, and where a mask names it",
    r"duration|retry_after": "nanoseconds, which the oracle does not read, and those of another sign",
}
"""What annotations of single fields do not say, by the path of a field that only the service refuses, and why."""

PLACE: Final = Place("default", "billing", agents="maya", contacts="c-1", reservations="01JR", decisions="01JD")


FULL: Final = [
    people.CreateAgentRequest(
        parent="sites/default",
        agent_id="maya",
        agent=people.Agent(
            interests=["I repair shoes."],
            skills=[people.Skill(skill="billing", level=3)],
            capacity=people.Capacity(channels=[people.ChannelCapacity(channel="chat", cost=1)]),
        ),
    ),
    routing.SuggestAgentsRequest(
        parent="sites/default",
        message=routing.Message(
            text="Hi.", preferred_agents=[routing.PreferredAgent(agent="sites/default/agents/maya")]
        ),
    ),
    impact.GetImpactReportRequest(
        parent="sites/default", wanted_differences=[impact.WantedDifference(kind="csat", difference=0.1)]
    ),
]
"""Requests that have the parts which those of the tables lack."""


def says(annotated: set[str], field: str) -> bool:
    """Return whether the annotations refuse a field: itself, what it is a part of, or the list that it is in."""
    return any(field == path or field.startswith((f"{path}.", f"{path}[")) for path in annotated)


@pytest.mark.parametrize("call", CALLS)
def test_what_the_service_accepts_the_annotations_accept(call: str) -> None:
    """A client that checks its requests by the protos never refuses one that the service takes."""
    request, _ = CALLS[call]
    assert refused(request) == set()


@pytest.mark.parametrize("case", CASES)
def test_what_the_service_refuses_the_annotations_refuse_or_cannot_say(case: str) -> None:
    """Both name the same fields; what the service alone refuses is one of the rules that annotations do not say."""
    request, fields = CASES[case]
    annotated = refused(request)
    assert [field for field in fields if not says(annotated, field) and not _is_unsaid(field)] == []
    assert [path for path in annotated if not any(says({path}, field) or says({field}, path) for field in fields)] == []


def test_each_rule_that_is_not_said_is_met() -> None:
    """The list above holds no rule that no request breaks."""
    fields = {field for request, fields in CASES.values() for field in fields}
    assert [path for path in UNSAID if not any(re.fullmatch(path, field) for field in fields)] == []


def test_the_vendored_annotations_are_those_of_their_release() -> None:
    """The README beside them names the checksum of the file."""
    vendored = PROTO / "third_party"
    digest = hashlib.sha256((vendored / "buf/validate/validate.proto").read_bytes()).hexdigest()
    assert f"SHA-256 `{digest}`" in (vendored / "README.md").read_text("utf-8")


async def test_at_its_limit_a_field_is_accepted_and_beyond_it_refused_by_both(service: Service) -> None:
    """Of every annotated field: at each limit and beyond it both judge the same, so neither has another limit."""
    judged, differing = 0, []
    for method, request, path, field in annotated_fields():
        for value in values_of(field, rules_of(field), getattr(_at(request, path), field.name)):
            asked = copy.deepcopy(request)
            _set(_at(asked, path), field, value)
            name = ".".join((*path, field.name))
            judged += 1
            differing += _differences(name, await _named(service, method, asked), refused(asked))
    assert differing == []
    assert judged > 500


def annotated_fields() -> Iterator[tuple[str, Any, tuple[str, ...], FieldDescriptor]]:
    """Yield every annotated field once: a method, a request that it accepts, the path to the field's message."""
    seen: set[str] = set()
    paths = {method.input_type.full_name: path for path, method in METHODS.items() if not method.client_streaming}
    bases = [copy.deepcopy(request) for request, _ in CALLS.values()]
    for request in bases:
        if hasattr(request, "update_mask"):
            request.ClearField("update_mask")  # what a mask does not name is not checked
    bases += [requests_of(METHODS[path], PLACE)[0] for path in paths.values()]
    bases += FULL
    for request in bases:
        for path, message in _messages(request, ()):
            for field in message.DESCRIPTOR.fields:
                if field.full_name not in seen and rules_of(field) is not None:
                    seen.add(field.full_name)
                    yield paths[request.DESCRIPTOR.full_name], request, path, field


def _messages(message: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, message
    for field, value in message.ListFields():
        inner = field.message_type
        if inner is None or inner.full_name.startswith("google.") or inner.GetOptions().map_entry:
            continue
        if not field.is_repeated:
            yield from _messages(value, (*path, field.name))
        elif field.name != "requests":  # each request of a batch is judged by itself
            yield from _messages(value[0], (*path, f"{field.name}[0]"))


def _at(message: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        bare, _, index = name.partition("[")
        message = getattr(message, bare)[0] if index else getattr(message, bare)
    return message


def _set(message: Any, field: FieldDescriptor, value: Any) -> None:
    message.ClearField(field.name)
    if value is None:
        return
    if isinstance(value, dict):
        getattr(message, field.name).update(value)
    elif field.is_repeated:
        getattr(message, field.name).extend(value)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


async def _named(service: Service, method: str, request: Any) -> set[str]:
    """Return the fields that the service names where it refuses a request; none where it takes it."""
    call = service.raw(method, request.SerializeToString())
    try:
        await call
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            return set()
    else:
        return set()
    return set((await failure(call)).violations)


def _differences(name: str, named: set[str], annotated: set[str]) -> list[str]:
    """Return what only one of the two says of a field, and no rule explains."""
    about = {field for field in named if says({field}, name) or says({name}, field)}
    unsaid = [field for field in about if not says(annotated, field) and not _is_unsaid(field)]
    too_strict = [path for path in annotated if says({path}, name) or says({name}, path)] if not about else []
    return [f"{name}: only the service refuses {field}" for field in unsaid] + [
        f"{name}: only the annotation refuses {path}" for path in too_strict
    ]


def _is_unsaid(field: str) -> bool:
    return any(re.fullmatch(path, field) for path in UNSAID)
