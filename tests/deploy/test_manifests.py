"""Manifests in deploy/: their settings, ports, probes, metrics and times are those of the service."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from matcher.cli import app
from matcher.config import CLIENT_VARIABLES, load
from matcher.rpc.health import LIVENESS, SERVICES
from matcher.store.embedded.process import find_binary
from matcher.store.redis.client import StoreClient
from matcher.telemetry import Telemetry
from tests.people import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
GRPC, METRICS = 50051, 9464


def documents(path: Path) -> list[Any]:
    """Return the documents of a YAML file."""
    return [one for one in yaml.safe_load_all(path.read_text("utf-8")) if one]


MANIFESTS = {
    (one["kind"], one["metadata"]["name"]): one for file in KUBERNETES.glob("*.yaml") for one in documents(file)
}
COMPOSE = documents(DEPLOY / "compose.yaml")[0]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
POD = MANIFESTS["Deployment", "matcher"]["spec"]["template"]["spec"]
SERVING = POD["containers"][0]


def image_environment() -> dict[str, str]:
    """Return the settings of the image."""
    return dict(re.findall(r"(MATCHER_[A-Z_]+)=(\S+)", DOCKERFILE.split("FROM")[-1]))


def compose_environment() -> dict[str, str]:
    """Return the settings of a router of the compose file, without what comes from files."""
    given = {**image_environment(), **COMPOSE["services"]["router-1"]["environment"]}
    return {name: value for name, value in given.items() if not name.endswith("_URL_FILE")}


def pod_environment() -> dict[str, str]:
    """Return the settings of a pod."""
    config, secret = MANIFESTS["ConfigMap", "matcher"], MANIFESTS["Secret", "matcher"]
    return {**image_environment(), **config["data"], **secret["stringData"]}


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(image_environment(), id="image"),
        pytest.param(pod_environment(), id="pod"),
        pytest.param(compose_environment(), id="compose"),
    ],
)
def test_every_variable_is_a_setting_with_a_valid_value(environment: dict[str, str]) -> None:
    """The service starts with them, and listens where the manifests say."""
    settings = load(environment)
    assert not set(environment) & CLIENT_VARIABLES
    assert settings.listen == f"0.0.0.0:{GRPC}"
    assert settings.metrics_listen == f"0.0.0.0:{METRICS}"
    assert str(settings.models_dir) == "/models"


def test_all_files_name_the_ports_of_the_service() -> None:
    """Container, service, policy, image and compose file name the same two ports."""
    named = {port["name"]: port["containerPort"] for port in SERVING["ports"]}
    assert named == {"grpc": GRPC, "metrics": METRICS}
    service = MANIFESTS["Service", "matcher"]["spec"]
    assert service["clusterIP"] == "None"
    assert {port["port"]: named[port["targetPort"]] for port in service["ports"]} == {GRPC: GRPC, METRICS: METRICS}
    let_in = [rule["ports"][0]["port"] for rule in MANIFESTS["NetworkPolicy", "matcher"]["spec"]["ingress"]]
    assert let_in == [GRPC, METRICS]
    assert f"EXPOSE {GRPC} {METRICS}" in DOCKERFILE
    for router in ("router-1", "router-2"):
        published = [port.rsplit(":", 1)[1] for port in COMPOSE["services"][router]["ports"]]
        assert published == [str(GRPC), str(METRICS)]
        assert all(port.startswith("127.0.0.1:") for port in COMPOSE["services"][router]["ports"])
    annotations = MANIFESTS["Deployment", "matcher"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(METRICS)


def test_the_probes_name_services_with_a_health_status() -> None:
    """Readiness depends on the store and the roster; start and liveness do not."""
    probes = {name: SERVING[f"{name}Probe"]["exec"]["command"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe[-1] for name, probe in probes.items()} == {
        "startup": LIVENESS,
        "liveness": LIVENESS,
        "readiness": "matcher.v1.RoutingService",
    }
    assert probes["readiness"][-1] in SERVICES
    assert {tuple(probe[:-1]) for probe in probes.values()} == {
        ("matcher", "health", "--tls-ca", "/run/secrets/ca.crt", "--service")
    }


def test_the_grace_period_is_long_enough_for_the_drain() -> None:
    """The pause before the stop and the drain fit into the grace period of the pod; the drain into that of compose."""
    drain = load(pod_environment()).drain_seconds
    assert SERVING["lifecycle"]["preStop"]["sleep"]["seconds"] + drain < POD["terminationGracePeriodSeconds"]
    router = COMPOSE["services"]["router-1"]
    grace = float(router["stop_grace_period"].removesuffix("s"))
    assert float(router["environment"]["MATCHER_DRAIN_SECONDS"]) < grace


def test_the_image_runs_commands_that_exist_as_an_ordinary_user() -> None:
    """The image's command, its health check and the pod's compile step are commands of the command line."""
    commands = getattr(get_command(app), "commands")  # noqa: B009 - a group, as the types do not know
    health, serve = (json.loads(found) for found in re.findall(r"CMD (\[.*\])", DOCKERFILE))
    assert (serve[0], health[0]) == ("matcher", "matcher")
    assert {serve[1], health[1], "compile"} <= set(commands)
    assert health[2:] == ["--server", f"127.0.0.1:{GRPC}"]
    assert "matcher compile" in POD["initContainers"][0]["command"][-1]
    user = re.findall(r"USER (\d+):(\d+)", DOCKERFILE)[-1]
    assert user == (str(POD["securityContext"]["runAsUser"]), str(POD["securityContext"]["runAsGroup"]))
    assert POD["securityContext"]["runAsNonRoot"]


def test_the_metrics_of_the_autoscaler_exist() -> None:
    """A rule of the adapter computes each metric of the autoscaler from metrics of the service."""
    wanted = {
        metric["pods"]["metric"]["name"]
        for metric in MANIFESTS["HorizontalPodAutoscaler", "matcher"]["spec"]["metrics"]
    }
    rules = documents(DEPLOY / "prometheus-adapter.yaml")[0]["rules"]["custom"]
    assert wanted == {rule["name"]["as"] for rule in rules}
    measured = {sample.name for family in Telemetry().registry.collect() for sample in family.samples}
    for rule in rules:
        asked = set(re.findall(r"matcher_[a-z_]+", rule["seriesQuery"] + rule["metricsQuery"]))
        assert asked
        assert asked <= measured


def test_the_autoscaler_and_the_budget_name_the_deployment() -> None:
    """They name it, keep at least two pods and evict one at a time; service links are off."""
    autoscaler = MANIFESTS["HorizontalPodAutoscaler", "matcher"]["spec"]
    assert autoscaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "matcher"}
    assert autoscaler["minReplicas"] >= 2
    labels = MANIFESTS["Deployment", "matcher"]["spec"]["template"]["metadata"]["labels"]
    budget = MANIFESTS["PodDisruptionBudget", "matcher"]["spec"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    assert budget["maxUnavailable"] == 1
    assert MANIFESTS["Service", "matcher"]["spec"]["selector"].items() <= labels.items()
    assert POD["enableServiceLinks"] is False


def test_the_stores_keep_acknowledged_writes_and_evict_nothing() -> None:
    """Both Valkey servers append to a file on a disk of their own and refuse writes rather than evict."""
    pod = MANIFESTS["StatefulSet", "valkey"]["spec"]["template"]["spec"]
    for words in (pod["containers"][0]["args"], COMPOSE["services"]["valkey"]["command"]):
        options = dict(zip(words[1::2], words[2::2], strict=True))
        assert options["--appendonly"] == "yes"
        assert options["--maxmemory-policy"] == "noeviction"
    assert pod["containers"][0]["volumeMounts"][0] == {"name": "data", "mountPath": "/data"}
    assert COMPOSE["services"]["valkey"]["volumes"] == ["store:/data"]


async def test_a_valkey_starts_with_the_options_of_the_manifests_and_is_fit(tmp_path: Path) -> None:
    """The options are those of a real server, which the service takes; all files name the same store."""
    pod = MANIFESTS["StatefulSet", "valkey"]["spec"]["template"]["spec"]["containers"][0]
    assert pod["image"] == COMPOSE["services"]["valkey"]["image"]
    assert pod["args"] == COMPOSE["services"]["valkey"]["command"]
    (egress,) = [
        rule["to"][0]["podSelector"]["matchLabels"]
        for rule in MANIFESTS["NetworkPolicy", "matcher"]["spec"]["egress"]
        if "podSelector" in rule["to"][0]
    ]
    assert egress == MANIFESTS["Service", "valkey"]["spec"]["selector"]
    made = await secrets(tmp_path / "made")
    stored = (made / "store-url").read_text("utf-8")
    for url in (pod_environment()["MATCHER_STORE_URL"], stored):
        assert re.fullmatch(r"rediss://matcher:[^@]+@valkey[^?]*\?ssl_ca_certs=/run/secrets/ca\.crt", url)
    socket = tmp_path / "s"
    options = ("--unixsocket", str(socket), "--dir", str(tmp_path))
    # The Valkey of the tests is built without TLS.
    pairs = [pair for pair in pairwise_options(pod["args"]) if not pair[0].startswith("--tls-")]
    words = [word.replace("/run/secrets", str(made)) for pair in pairs for word in pair]
    server = await asyncio.create_subprocess_exec(
        *(str(find_binary(None, "")), *words, *options), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await wait_until(lambda: asyncio.to_thread(socket.exists), "the server listens")
        login = stored.partition("//")[2].partition("@")[0]
        client = StoreClient(f"unix://{login}@{socket}")
        await client.start()
        assert client.persistent
        await client.close()
    finally:
        server.terminate()
        await server.wait()


async def secrets(folder: Path) -> Path:
    """Make what the manifests mount, as an operator does."""
    made = await asyncio.create_subprocess_exec(
        str(DEPLOY / "secrets.sh"), str(folder), stdout=asyncio.subprocess.DEVNULL
    )
    assert await made.wait() == 0
    return folder


def pairwise_options(words: list[str]) -> list[tuple[str, str]]:
    """Return the options of a command of the store, without the command."""
    return list(zip(words[1::2], words[2::2], strict=True))


async def test_the_secrets_are_certificates_of_the_names_that_the_manifests_use(tmp_path: Path) -> None:
    """Router and store are known by one authority, each secret that is mounted is made, and nothing is made twice."""
    made = await secrets(tmp_path / "made")
    assert made.stat().st_mode & 0o077 == 0
    assert {one.name for one in made.iterdir()} == {"ca.key", *COMPOSE["secrets"]}
    assert {one["file"] for one in COMPOSE["secrets"].values()} == {f"./secrets/{name}" for name in COMPOSE["secrets"]}
    for name, host in (("router", "matcher.default.svc"), ("router", "localhost"), ("store", "valkey.default.svc")):
        check = ("openssl", "verify", "-CAfile", made / "ca.crt", "-verify_hostname", host, made / f"{name}.crt")
        process = await asyncio.create_subprocess_exec(*map(str, check), stdout=asyncio.subprocess.DEVNULL)
        assert await process.wait() == 0, (name, host)
    again = await asyncio.create_subprocess_exec(
        *(str(DEPLOY / "secrets.sh"), str(made)), stderr=asyncio.subprocess.DEVNULL
    )
    assert await again.wait() != 0


def test_the_routers_share_one_keyring_that_lies_apart_from_the_data() -> None:
    """The image keeps it on a volume of its own, and the compose file gives all routers that volume."""
    keyring = Path(image_environment()["MATCHER_SEAL_KEYS_FILE"])
    volumes = re.findall(r'"(/[^"]+)"', DOCKERFILE.split("VOLUME")[-1].splitlines()[0])
    assert str(keyring.parent) in volumes
    assert not keyring.is_relative_to(image_environment()["MATCHER_DATA_DIR"])
    for router in ("router-1", "router-2"):
        assert f"keys:{keyring.parent}" in COMPOSE["services"][router]["volumes"]


def test_the_manifests_ask_who_calls_and_speak_tls() -> None:
    """Nobody who reaches a port may do anything without a key, or read what is said; few pods reach one."""
    for environment in (pod_environment(), compose_environment()):
        settings = load(environment)
        assert settings.auth_ways
        assert settings.tls_certificate
        assert settings.tls_certificate.parent == Path("/run/secrets")
    assert load(image_environment()).auth_ways
    for kind in ("matcher", "valkey"):
        assert MANIFESTS["NetworkPolicy", kind]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    users = dict(pairwise_options(COMPOSE["services"]["valkey"]["command"]))
    assert (users["--port"], users["--aclfile"]) == ("0", "/run/secrets/users.acl")


def test_the_alerts_are_on_where_compose_runs() -> None:
    """Its Prometheus reads both routers and the file of alerts."""
    config = documents(DEPLOY / "prometheus" / "prometheus.yaml")[0]
    assert [DEPLOY / "prometheus" / name for name in config["rule_files"]] == [DEPLOY / "prometheus" / "alerts.yaml"]
    assert config["scrape_configs"][0]["static_configs"][0]["targets"] == [f"router-1:{METRICS}", f"router-2:{METRICS}"]
    assert "./prometheus:/etc/prometheus:ro" in COMPOSE["services"]["prometheus"]["volumes"]
