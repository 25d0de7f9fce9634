"""Operation of the server: health, a graceful stop, metrics, reflection, logs."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it is compiled, and has no types
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from matcher.errors import ContactEnded
from matcher.loadtest.service_metrics import read_text
from matcher.model import Constraint, LeftOut, Unmatched
from matcher.model.lifecycle import AgentStatus
from matcher.rpc.health import SERVICES, Health
from matcher.rpc.server import build_server, drain
from matcher.telemetry import PRIVATE_FIELDS, Telemetry, configure_logs, log_loop_fault
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as routing
from tests.rpc.conftest import Service, failure
from tests.rpc.doubles import Doubles

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
ROUTE = routing.RouteMessageRequest(parent="sites/default", message=routing.Message(text="My dog ate the shoe."))
ENDLESS = 86_400.0


async def test_every_service_has_its_health(service: Service) -> None:
    """Every service, and the server as a whole, is NOT_SERVING until it is set SERVING, and again after it is reset."""
    checks = health(service)

    async def statuses() -> set[int]:
        requests = [health_pb2.HealthCheckRequest(service=name) for name in SERVICES]
        return {(await checks.Check(request)).status for request in requests}

    served = ["RoutingService", "RosterService", "CustomerService", "FeedbackService", "KeyService"]
    assert list(SERVICES) == ["", *(f"matcher.v1.{service}" for service in served)]
    assert await statuses() == {NOT_SERVING}
    await service.health.set(True, "")
    assert await statuses() == {SERVING}
    assert metric(service, "matcher_serving") == 1
    await service.health.set(False, "the store does not answer")
    assert await statuses() == {NOT_SERVING}
    assert metric(service, "matcher_serving") == 0


async def test_an_unknown_service_has_no_health(service: Service) -> None:
    """Check answers NOT_FOUND for an unknown service, as the protocol requires."""
    request = health_pb2.HealthCheckRequest(service="matcher.v1.Nobody")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await health(service).Check(request)
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_stop_ends_open_streams_and_lets_calls_finish(service: Service) -> None:
    """A drain ends Watch, reflection and ImportAgents with SHUTTING_DOWN at once; a call in flight is answered."""
    await service.health.set(True, "")
    entered, leave = asyncio.Event(), asyncio.Event()
    route = service.doubles.router.route

    async def slow(*arguments: Any, **options: Any) -> Any:
        entered.set()
        await leave.wait()
        return await route(*arguments, **options)

    service.doubles.router.route = slow  # type: ignore[method-assign]
    watch: Any = health(service).Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    rows: Any = service.people.ImportAgents()
    await rows.write(people.ImportAgentsRequest(config=people.ImportConfig(parent="sites/default")))
    await rows.write(people.ImportAgentsRequest(row=people.ImportRow(row=1, agent_id="Ann")))
    assert (await rows.read()).row == 1
    files: Any = reflected(service).ServerReflectionInfo()
    await files.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    await files.read()
    in_flight = asyncio.ensure_future(service.routing.RouteMessage(ROUTE))
    await entered.wait()

    stopped = asyncio.ensure_future(drain(service.server, service.health, ENDLESS))
    endings = [await failure(watch), await failure(rows), await failure(files)]
    assert [ending.reason for ending in endings] == ["SHUTTING_DOWN"] * 3
    assert {ending.code for ending in endings} == {grpc.StatusCode.UNAVAILABLE}
    leave.set()
    assert (await in_flight).reservation.agent == "sites/default/agents/maya"
    await stopped
    await service.health.set(True, "too late")
    assert metric(service, "matcher_serving") == 0


async def test_a_drain_reports_not_serving_before_it_ends_a_health_watch(service: Service) -> None:
    """A health watch gets NOT_SERVING, and then SHUTTING_DOWN."""
    await service.health.set(True, "")
    watch: Any = health(service).Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    await drain(service.server, service.health, ENDLESS)
    assert (await watch.read()).status == NOT_SERVING
    assert (await failure(watch)).reason == "SHUTTING_DOWN"


async def test_calls_are_counted_by_method_and_code(service: Service) -> None:
    """grpc_server_* counts an answer, errors, a stream and an unknown method under the code that the caller got."""
    await service.routing.RouteMessage(ROUTE)
    await failure(service.routing.RouteMessage(routing.RouteMessageRequest()))
    service.doubles.router.fault = ContactEnded("sites/default/contacts/c-1", "CLOSED")
    await failure(service.routing.RouteMessage(ROUTE))
    await failure(service.people.ImportAgents(iter(())))
    await failure(service.raw("/matcher.v1.RoutingService/made-up", b""))
    method = {"grpc_service": "matcher.v1.RoutingService", "grpc_method": "RouteMessage", "grpc_type": "unary"}
    assert metric(service, "grpc_server_started_total", **method) == 3
    for code in ("OK", "INVALID_ARGUMENT", "FAILED_PRECONDITION"):
        assert metric(service, "grpc_server_handled_total", **method, grpc_code=code) == 1
    assert metric(service, "grpc_server_handling_seconds_count", **method) == 3
    rows = {"grpc_service": "matcher.v1.RosterService", "grpc_method": "ImportAgents", "grpc_type": "bidi_stream"}
    assert metric(service, "grpc_server_handled_total", **rows, grpc_code="INVALID_ARGUMENT") == 1
    nobody = {"grpc_service": "unknown", "grpc_method": "unknown", "grpc_type": "unary"}
    assert metric(service, "grpc_server_handled_total", **nobody, grpc_code="UNIMPLEMENTED") == 1


async def test_a_caller_s_deadline_is_counted_as_one(service: Service) -> None:
    """A call whose deadline passes in the router is counted as DEADLINE_EXCEEDED, and the router is cancelled."""
    cancelled = asyncio.Event()

    async def never(*_arguments: Any, **_options: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    service.doubles.router.route = never  # type: ignore[method-assign]
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await service.routing.RouteMessage(ROUTE, timeout=0.05)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await cancelled.wait()
    await service.server.stop(ENDLESS)
    method = {"grpc_service": "matcher.v1.RoutingService", "grpc_method": "RouteMessage", "grpc_type": "unary"}
    assert metric(service, "grpc_server_handled_total", **method, grpc_code="DEADLINE_EXCEEDED") == 1


async def test_routes_are_counted_by_outcome_and_basis(service: Service) -> None:
    """matcher_route_total counts held and unmatched apart, and held by basis."""
    await service.routing.RouteMessage(ROUTE)
    service.doubles.router.answers["route"] = Unmatched("c-2", Constraint.CAPACITY, LeftOut({Constraint.CAPACITY: 3}))
    await service.routing.RouteMessage(ROUTE)
    assert metric(service, "matcher_route_total", site="default", outcome="held", basis="AFFINITY") == 1
    assert metric(service, "matcher_route_total", site="default", outcome="unmatched", basis="NONE") == 1


async def test_metrics_are_served_over_http(service: Service) -> None:
    """GET /metrics on a port of its own returns the counts."""
    await service.routing.RouteMessage(ROUTE)
    port = service.telemetry.serve("127.0.0.1", 0)
    page = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics")
    assert 'matcher_route_total{basis="AFFINITY",outcome="held",site="default"} 1.0' in page
    service.telemetry.close()


async def test_the_metrics_can_ask_for_a_token(service: Service) -> None:
    """A reader without it gets 401 and no number; with it the page."""
    port = service.telemetry.serve("127.0.0.1", 0, "s3cret")

    def read(token: str) -> str:
        return read_text(f"127.0.0.1:{port}", token)

    for wrong in ("", "s3cre", "s3cret\u00e9"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            await asyncio.to_thread(read, wrong)
    assert "matcher_serving" in await asyncio.to_thread(read, "s3cret")
    service.telemetry.close()


async def test_reflection_lists_the_services(service: Service) -> None:
    """A tool such as grpcurl finds every service, health and reflection itself."""
    stub = reflected(service)

    async def requests() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        yield reflection_pb2.ServerReflectionRequest(file_containing_symbol="matcher.v1.RosterService")

    services, file = [answer async for answer in stub.ServerReflectionInfo(requests())]
    assert {listed.name for listed in services.list_services_response.service} == {
        "matcher.v1.RoutingService",
        "matcher.v1.RosterService",
        "matcher.v1.CustomerService",
        "matcher.v1.FeedbackService",
        "matcher.v1.KeyService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert file.file_descriptor_response.file_descriptor_proto


async def test_a_second_server_cannot_take_the_port_unless_it_is_shared(service: Service) -> None:
    """A second server on the same port fails, unless both share the port."""
    telemetry = Telemetry()
    second = build_server(Doubles().services, Health(telemetry), telemetry)
    with pytest.raises(RuntimeError):
        second.add_insecure_port(f"127.0.0.1:{service.port}")
    sharing = [build_server(Doubles().services, Health(telemetry), telemetry, share_port=True) for _ in range(2)]
    port = sharing[0].add_insecure_port("127.0.0.1:0")
    assert sharing[1].add_insecure_port(f"127.0.0.1:{port}") == port


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_customer_s_words_reach_a_log_line(style: Any) -> None:
    """Fields that could hold words are dropped, exceptions lose their text, and libraries log from WARNING on.

    gRPC's error about a caller that went before the answer is not logged.
    """
    out = io.StringIO()
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure_logs(style, "DEBUG", out)
        log = structlog.get_logger("matcher.somewhere")
        log.debug("routed", agent="maya", status=AgentStatus.ONLINE, **dict.fromkeys(PRIVATE_FIELDS, "my dog"))
        try:
            raise ValueError("my dog")
        except ValueError:
            log.exception("failed")
            logging.getLogger("library").exception("it failed")
        logging.getLogger("library").info("I was given: my dog")
        logging.getLogger("asyncio").warning("Executing <Handle route('my dog')> took 1 second")
        gone = cygrpc.ExecuteBatchError("the caller has gone")
        logging.getLogger("grpc._cython.cygrpc").error("raised in core", exc_info=gone)
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
    lines = out.getvalue().splitlines()
    assert "my dog" not in out.getvalue()
    assert "maya" in lines[0]
    if style == "json":
        assert [json.loads(line)["event"] for line in lines] == ["routed", "failed", "it failed"]
        assert [json.loads(line).get("fault") for line in lines[1:]] == ["builtins.ValueError"] * 2


async def test_an_error_that_nobody_awaits_is_logged_by_its_class_and_place() -> None:
    """A task, a future and a callback fail with a customer's words: no repr of them reaches the log."""
    out, words = io.StringIO(), "my dog"
    before, loop = (logging.getLogger().handlers[:], logging.getLogger().level), asyncio.get_running_loop()

    async def fail(text: str) -> None:
        raise ValueError(text)

    def fail_in_a_callback(text: str) -> None:
        raise LookupError(text)

    try:
        configure_logs("json", "DEBUG", out)
        loop.set_exception_handler(log_loop_fault)
        tasks = [asyncio.create_task(fail(words), name="nobody's")]
        await asyncio.wait(tasks)
        tasks.clear()
        loop.create_future().set_exception(KeyError(words))
        loop.call_soon(fail_in_a_callback, words)
        await asyncio.sleep(0)
        gc.collect()
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
        structlog.reset_defaults()
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
    assert words not in out.getvalue()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    faults = {"builtins.ValueError", "builtins.KeyError", "builtins.LookupError"}
    # Of tasks that tests before have left, the collection may tell as well.
    assert {line.get("fault") for line in lines if line["event"] == "an error that nobody awaited"} >= faults
    named = next(line for line in lines if line.get("task") == "nobody's")
    assert named["traceback"][-1].endswith(" fail")


def test_an_error_that_nobody_catches_is_logged_by_its_class_and_place() -> None:
    """In a thread, in a destructor and at the end of the program: neither its text nor a repr reaches stderr."""
    program = """if True:
        import threading
        from matcher.telemetry import configure_logs, log_uncaught_faults

        class Words(str):
            def __del__(self):
                raise LookupError("my dog")

        def fail(text):
            raise ValueError(text)

        configure_logs("json")
        log_uncaught_faults()
        thread = threading.Thread(target=fail, args=("my dog",))
        thread.start()
        thread.join()
        Words("my dog")
        raise KeyError("my dog")
    """
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "my dog" not in ended.stderr
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert {line["event"] for line in lines} == {"an error that nobody caught"}
    assert [line["fault"] for line in lines] == ["builtins.ValueError", "builtins.LookupError", "builtins.KeyError"]


def test_the_service_s_loop_logs_no_repr_of_an_error() -> None:
    """The handler is set before anything runs, in the parent of workers too."""
    program = """if True:
        import asyncio
        from matcher.config import Settings
        from matcher.server import app

        async def supervise(*_):
            print(asyncio.get_running_loop().get_exception_handler().__name__)

        app.supervise = supervise
        app.run(Settings(workers=2))
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "log_loop_fault\n"


def health(service: Service) -> Any:
    """Return a client of the health service."""
    return health_pb2_grpc.HealthStub(service.channel)


def reflected(service: Service) -> Any:
    """Return a client of the reflection service."""
    channel: Any = service.channel
    return reflection_pb2_grpc.ServerReflectionStub(channel)


def metric(service: Service, name: str, **labels: str) -> float | None:
    """Return a metric's value; None where there is no sample."""
    return service.telemetry.registry.get_sample_value(name, labels)


def fetch(url: str) -> str:
    """Return a page."""
    with urllib.request.urlopen(url) as page:
        text: str = page.read().decode()
    return text
