"""The table of what the gateway serves, and its description: whole, and true to the protos."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any, Final

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from matcher.web.bindings import Binding, table
from matcher.web.faults import Fault
from matcher.web.openapi import document
from matcher.web.templates import PathMalformed, TemplateMalformed, parse
from matcher.web.transcode import request_of, whole_request

BINDINGS: Final = table().bindings
IDS: Final = [f"{one.verb} {one.text}" for one in BINDINGS]
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["message", "text", "parent", "agent", "requests", "waitDuration"]), inner)
    ),
    max_leaves=10,
)


def test_every_method_but_the_import_has_a_path() -> None:
    """A new method without a rule is noticed here."""
    bound = {one.method.path for one in BINDINGS}
    assert set(table().methods) - bound == {"/matcher.v1.RosterService/ImportAgents"}


@pytest.mark.parametrize("binding", BINDINGS, ids=IDS)
def test_a_rule_names_fields_of_its_request(binding: Binding) -> None:
    """Variables are texts of the request; the body is a message of it; a path is found by itself and no other rule."""
    for variable in binding.template.variables:
        message: Descriptor | None = binding.method.descriptor.input_type
        *outer, last = variable.field.split(".")
        for name in outer:
            assert message is not None
            message = message.fields_by_name[name].message_type
        assert message is not None
        assert message.fields_by_name[last].cpp_type == FieldDescriptor.CPPTYPE_STRING
    if binding.body not in ("", "*"):
        assert binding.method.descriptor.input_type.fields_by_name[binding.body].message_type is not None
    path = re.sub(r"\{[^=}]+=([^}]*)\}", r"\1", binding.text).replace("*", "x")
    assert table().find(path)[binding.verb].binding is binding


def test_no_two_rules_have_one_path() -> None:
    """Of each verb and each path there is one."""
    shapes = [(one.verb, one.template.segments, one.template.verb) for one in BINDINGS]
    assert len(set(shapes)) == len(shapes)


def test_a_template_that_cannot_be_served_is_refused() -> None:
    """Rather than served otherwise than it says."""
    for text in ("/v1/{name=**}", "/v1/{name", "/v1/a:", "v1", "/v1//a"):
        with pytest.raises(TemplateMalformed):
            parse(text)


@given(st.text(alphabet="/v1sites:%2Fax.-", max_size=40))
def test_any_path_finds_a_method_or_none(path: str) -> None:
    """No text makes the table fail otherwise than by saying that it is not UTF-8."""
    try:
        table().find(f"/{path}")
    except PathMalformed:
        assert "%" in path


@given(st.sampled_from(list(table().methods.values())), JSON)
def test_any_json_is_a_request_or_a_fault(method: Any, body: object) -> None:
    """Nothing else is raised, whatever the JSON."""
    with contextlib.suppress(Fault):
        whole_request(method, json.dumps(body).encode())


@given(st.sampled_from([one for one in BINDINGS if one.verb == "GET"]), st.text(max_size=60))
def test_any_query_is_a_request_or_a_fault(binding: Binding, query: str) -> None:
    """Nothing else is raised, whatever the parameters."""
    with contextlib.suppress(Fault):
        request_of(binding, {}, query, b"")


def test_the_description_is_whole() -> None:
    """Each binding is an operation; every reference leads somewhere; every schema is JSON Schema."""
    described = document(table())
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len(operations) == len(BINDINGS)
    assert len({operation["operationId"] for operation in operations}) == len(BINDINGS)
    text = json.dumps(described)
    for reference in set(re.findall(r'"#/components/(\w+)/([^"]+)"', text)):
        assert reference[1] in described["components"][reference[0]]
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_the_description_names_each_variable_of_a_path() -> None:
    """The braces of a path and its parameters are the same names."""
    for path, operations in document(table())["paths"].items():
        for operation in operations.values():
            named = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
            assert named == re.findall(r"\{(\w+)\}", path)
