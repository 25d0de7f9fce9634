"""The table of what the HTTP gateway serves, read from the descriptors: a row for each HTTP rule of each method."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from google.api import annotations_pb2, http_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from matcher.v1 import customers_pb2, feedback_pb2, keys_pb2, roster_pb2, routing_pb2
from matcher.web.templates import Template, parse

FILES: Final = (routing_pb2, roster_pb2, customers_pb2, feedback_pb2, keys_pb2)


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the service and the classes of its messages."""

    descriptor: MethodDescriptor
    request: type[Message]
    answer: type[Message]

    @property
    def name(self) -> str:
        """The method's name without its service."""
        return str(self.descriptor.name)

    @property
    def path(self) -> str:
        """Where gRPC, and a POST, finds the method: "/package.Service/Method"."""
        return f"/{self.descriptor.containing_service.full_name}/{self.name}"

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream."""
        return bool(self.descriptor.server_streaming)

    @property
    def imports(self) -> bool:
        """Whether the request is a stream, which this gateway does not take."""
        return bool(self.descriptor.client_streaming)


@dataclass(frozen=True, slots=True)
class Binding:
    """A verb and a template that call a method; body: "*", the field of the request that the body is, or ""."""

    verb: str
    template: Template
    text: str
    body: str
    method: Method


@dataclass(frozen=True, slots=True)
class Found:
    """The binding of a request's path, with the fields of the request that the path gives."""

    binding: Binding
    fields: Mapping[str, str]


class Table:
    """Every binding, found by the path of a request."""

    def __init__(self, bindings: tuple[Binding, ...], methods: Mapping[str, Method]) -> None:
        self.bindings = bindings
        self.methods = methods
        self._custom = {binding.template.verb for binding in bindings} - {""}
        self._by_shape = defaultdict[tuple[int, str], list[Binding]](list)
        for binding in bindings:
            self._by_shape[len(binding.template.segments), binding.template.verb].append(binding)

    def find(self, path: str) -> dict[str, Found]:
        """Return what a path, still encoded, can be called by: a binding for each HTTP verb. Raises PathMalformed.

        A custom verb is what follows the last ":", where a binding has that verb; else the ":" is part of an id.
        """
        head, colon, verb = path.rpartition(":")
        if colon and verb in self._custom and (found := self._fitting(head, verb)):
            return found
        return self._fitting(path, "")

    def _fitting(self, path: str, verb: str) -> dict[str, Found]:
        segments = path.split("/")[1:]
        return {
            binding.verb: Found(binding, {one.field: one.read(segments) for one in binding.template.variables})
            for binding in self._by_shape.get((len(segments), verb), ())
            if binding.template.fits(segments)
        }


@cache
def table() -> Table:
    """Return the table of all services. Raises TemplateMalformed where a rule of the protos cannot be served."""
    methods = {method.path: method for method in _methods()}
    return Table(tuple(binding for method in methods.values() for binding in _bindings(method)), methods)


def _methods() -> Iterator[Method]:
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield Method(
                    method,
                    message_factory.GetMessageClass(method.input_type),
                    message_factory.GetMessageClass(method.output_type),
                )


def _bindings(method: Method) -> Iterator[Binding]:
    options = method.descriptor.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return
    rule: http_pb2.HttpRule = options.Extensions[annotations_pb2.http]
    for one in (rule, *rule.additional_bindings):
        verb: str = one.WhichOneof("pattern")
        text: str = getattr(one, verb)
        yield Binding(verb.upper(), parse(text), text, one.body, method)
