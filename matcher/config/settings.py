"""Settings of the service: one class, read from MATCHER_* variables, with a description of every field."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from matcher.auth.settings import AuthSettings, is_loopback

PREFIX: Final = "MATCHER_"
PACKAGED_PAIR: Final = "all-MiniLM-L6-v2+universal-sentence-encoder-multilingual"
"""As in `matcher.encoder`, which is not imported to read settings."""

DATA_DIR: Final = "~/.local/share/affinity-matcher"
"""Default folder of the data; XDG_DATA_HOME moves it."""

LEDGER_FILE: Final = "ledger.sqlite"
"""The ledger beside the embedded store, in its data directory."""
LEDGER_NOWHERE: Final = "off"
"""The value of `ledger_url` by which no ledger is kept, also with the embedded store."""
LEDGER_OFF: Final = "LEDGER_OFF"
"""What `matcher config` and the log say where none is kept."""


class Settings(AuthSettings):
    """How the service runs. Each field is read from the variable MATCHER_<FIELD IN CAPITALS>."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: str = Field("127.0.0.1:50051", description="Address and port of the gRPC API; port 0: a free port.")
    beyond_loopback: bool = Field(
        False,
        description="Allows `listen` and `metrics_listen` to name an address that other machines can reach.",
    )
    metrics_listen: str = Field(
        "127.0.0.1:9464", description="Address and port of /metrics; empty: no metrics are served."
    )
    metric_sites: int = Field(
        20, ge=0, le=1_000, description="Sites whose metrics have their names, the busiest; all others are `other`."
    )
    workers: int = Field(1, ge=1, le=256, description="Processes that share the port; each is a whole service.")
    worker: str = Field(
        "", description="Number of this worker process and of all, such as 2/4; the parent process sets it."
    )
    reuse_port: bool = Field(False, description="Allows several servers to share the port of `listen` (SO_REUSEPORT).")
    tls_certificate: Path | None = Field(
        None, description="PEM file with the server's certificate chain; none: no TLS."
    )
    tls_key: Path | None = Field(None, description="PEM file with the key of `tls_certificate`.")
    tls_client_ca: Path | None = Field(
        None,
        description="PEM file with the authorities of accepted client certificates; none: no certificate is needed.",
    )
    data_dir: Path = Field(
        default_factory=lambda: (
            Path(os.environ.get("XDG_DATA_HOME", "~/.local/share")).expanduser() / "affinity-matcher"
        ),
        description="Folder of the embedded store and of the compiled model.",
    )
    store_url: SecretStr = Field(
        SecretStr(""),
        description="URL of a Redis >= 7.0 or Valkey >= 8: redis://host, unix:///path, "
        "redis+sentinel://host,host/service or redis+cluster://host,host; with rediss for TLS. Empty: the embedded "
        "store.",
    )
    store_memory_mb: int = Field(
        4096,
        ge=0,
        description="Most memory of the embedded store, in MB; beyond that new work gets RESOURCE_EXHAUSTED and what "
        "ends work goes on. 0: no limit.",
    )
    store_calls: int = Field(
        1024, ge=1, le=65_536, description="Most calls in flight to one server of the store; more calls wait."
    )
    store_timeout_seconds: float = Field(2.0, gt=0, le=60, description="Longest time for one answer of the store.")
    seal_keys_file: Path | None = Field(
        None,
        description="Keyring: the file of the service's secret keys, the same for every process on the store. None: "
        "with the embedded store `<data_dir>.keys` beside `data_dir`; with another store no keyring, with a warning.",
    )
    secret: SecretStr = Field(
        SecretStr(""),
        description="The one key where no keyring is given, and the first keys of a new keyring; the same on every "
        "server, at least 32 bytes. Empty: kept in the store where no keyring is given.",
    )
    model: str = Field(
        PACKAGED_PAIR,
        description="The packaged models, both (as empty) or one of them, or the folder or hub id of any "
        "sentence-transformers model.",
    )
    model_cache: Path | None = Field(None, description="Folder of compiled models; none: `models` in `data_dir`.")
    encoder_runtime: Literal["auto", "openvino", "torch"] = Field(
        "auto",
        description="Library that runs the model; auto: the fastest one that computes the model's vectors here.",
    )
    encoder_threads: int = Field(0, ge=0, le=256, description="Cores for the encoder; 0: all cores of this process.")
    encoder_queue_tokens: int = Field(
        32_768, ge=256, description="Most tokens that wait for the encoder; beyond that calls get RESOURCE_EXHAUSTED."
    )
    routes_in_flight: int = Field(
        0,
        ge=0,
        le=65_536,
        description="Most routes and suggestions in progress, of ordinary length (a long one counts as several); more "
        "wait for admission. 0: 12 per core.",
    )
    routes_waiting: int = Field(
        2048, ge=0, description="Most calls that wait for admission; beyond that calls get RESOURCE_EXHAUSTED."
    )
    route_burst_seconds: float = Field(
        2.0,
        ge=0,
        le=600,
        description="How long calls may have to wait for admission until it is overload: then the oldest are refused.",
    )
    streams: int = Field(
        10_000, ge=1, description="Most open streams of this process; beyond that a stream gets RESOURCE_EXHAUSTED."
    )
    calls_per_connection: int = Field(
        16_384,
        ge=16,
        le=1_000_000,
        description="Most calls, streams among them, that one connection may have open; a client waits with the next.",
    )
    site_streams: int = Field(5_000, ge=1, description="Most open streams of one site in this process.")
    principal_calls_per_second: float = Field(
        0,
        ge=0,
        description="Quota of each caller in this process: calls in a second, where callers say who they are; 0: none.",
    )
    principal_streams: int = Field(
        0, ge=0, description="Quota of each caller in this process: open streams, as for the calls; 0: none."
    )
    principal_open_offers: int = Field(
        0, ge=0, description="Quota of each caller in a site: offers that no agent has answered yet; 0: none."
    )
    principal_waiting: int = Field(
        0, ge=0, description="Quota of each caller in a site: contacts that wait for an agent; 0: none."
    )
    site_agents: int = Field(0, ge=0, description="Quota of each site: agents; 0: none.")
    site_pools: int = Field(0, ge=0, description="Quota of each site: pools, the default pool among them; 0: none.")
    site_waiting: int = Field(
        0, ge=0, description="Quota of each site: contacts that wait for an agent at the same time; 0: none."
    )
    site_open_offers: int = Field(
        0, ge=0, description="Quota of each site: offers that no agent has answered yet; 0: none."
    )
    fair_by_peer: bool = Field(
        False,
        description="Let the addresses of a site's callers take turns in the line of calls that wait, where callers "
        "are not asked who they are. Only without a proxy: behind one, `matcher web` too, all callers have one "
        "address.",
    )
    text_cache_size: int = Field(
        0,
        ge=0,
        description="Recent sentences whose vectors are kept in memory; 0: vectors are kept only during their call.",
    )
    scorer: str = Field(
        "packaged",
        description="packaged: the scorer learned for the model, if the package has one; untrained; or a file that "
        "`matcher learn` wrote.",
    )
    scorers: Path | None = Field(
        None,
        description="Folder of the scorers that pools may name besides packaged and untrained, each as <name>.npz.",
    )
    listening_entries: Path | None = Field(
        None,
        description="Folder of sites' own entries for listening: <site>/interests.<language>.tsv and "
        "<site>/themes.<language>.tsv.",
    )
    affinity_tolerance: float = Field(
        0.03,
        ge=0,
        le=1,
        description="Affinities within this of the best count as equal; a pool may set its own tolerance.",
    )
    request_id_window_seconds: float = Field(
        86_400, ge=60, le=30 * 86_400, description="How long a request_id is remembered."
    )
    keep_seconds: float = Field(
        86_400, ge=60, le=30 * 86_400, description="How long ended reservations and contacts can be read."
    )
    decision_seconds: float = Field(
        7 * 86_400, ge=60, le=400 * 86_400, description="How long a decision's record can be read."
    )
    forget_rewrite_seconds: float = Field(
        3_600,
        ge=1,
        le=86_400,
        description="Least time between two rewrites of the embedded store's file, which remove the bytes of people "
        "who were forgotten.",
    )
    praise_days: int = Field(
        90, ge=1, le=400, description="How many days praise is kept: customers' words about agents, sealed."
    )
    ledger_url: SecretStr = Field(
        SecretStr(""),
        description="URL of the ledger: postgresql://user:password@host/name (with the extra `postgres`), or "
        "sqlite:////path. Empty: with the embedded store `ledger.sqlite` in `data_dir`; with another store LEDGER_OFF, "
        "as with `off`: no ledger is kept.",
    )
    ledger_backlog: int = Field(
        2_000_000,
        ge=1_000,
        le=100_000_000,
        description="About how many steps of contacts of a site wait in the store while the ledger is away; beyond "
        "that the oldest go, and the ledger has a gap. A step takes about 190 bytes.",
    )
    ledger_days: int = Field(
        400, ge=1, le=36_500, description="How many days after the last step of a contact the ledger keeps its rows."
    )
    events_kept: int = Field(100_000, ge=1_000, description="Events that each stream keeps for slow readers.")
    drain_seconds: float = Field(10.0, ge=0, le=600, description="How long a stop waits for the calls in flight.")
    tracing: Literal["off", "api", "otlp"] = Field(
        "off",
        description="Traces by OpenTelemetry, which the extra `otel` installs. otlp: sent as the variables OTEL_* say; "
        "api: by the providers that the process was started with.",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="auto: console on a terminal, else JSON."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The lowest level that is logged."
    )

    @field_validator("model")
    @classmethod
    def _model(cls, value: str) -> str:
        return value or PACKAGED_PAIR

    @field_validator("listen", "metrics_listen")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}", value):
            raise ValueError("must be address:port")
        return value

    @field_validator("store_url")
    @classmethod
    def _store(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            # Imported here, because the library of the store would slow down every command.
            from matcher.store.redis.address import parse_address

            parse_address(value.get_secret_value())
        return value

    @field_validator("seal_keys_file", mode="before")
    @classmethod
    def _no_file(cls, value: Any) -> Any:
        return value or None

    @field_validator(
        "data_dir",
        "seal_keys_file",
        "model_cache",
        "scorers",
        "listening_entries",
        "tls_certificate",
        "tls_key",
        "tls_client_ca",
    )
    @classmethod
    def _home(cls, value: Path | None) -> Path | None:
        return value.expanduser() if value else value

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if not self.beyond_loopback:
            for name in ("listen", "metrics_listen"):
                address = getattr(self, name)
                if address and not is_loopback(address.rpartition(":")[0]):
                    raise ValueError(
                        f"{name} {address} can be reached from other machines: set {PREFIX}BEYOND_LOOPBACK=true"
                    )
        for name in ("keep_seconds", "decision_seconds"):
            if getattr(self, name) < self.request_id_window_seconds:
                raise ValueError(f"{name} must not be less than request_id_window_seconds: a replay reads both")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("tls_client_ca needs tls_certificate")
        if self.seal_keys_file and self.seal_keys_file.resolve().is_relative_to(self.data_dir.resolve()):
            raise ValueError("seal_keys_file must not lie in data_dir: a copy of the data would hold its keys")
        return self

    @model_validator(mode="after")
    def _asks_who_calls(self) -> Settings:
        if self.beyond_loopback and not self.auth_ways and not self.unauthenticated:
            raise ValueError(
                f"beyond_loopback without auth lets everybody who reaches the port do everything: set {PREFIX}AUTH "
                f"(docs/security.md), or {PREFIX}UNAUTHENTICATED=true"
            )
        if missing := self.missing(client_ca=self.tls_client_ca is not None):
            raise ValueError(missing)
        return self

    @property
    def keyring_file(self) -> Path | None:
        """Return the file of the keyring; None: no keyring is given."""
        if self.seal_keys_file or self.store_url.get_secret_value():
            return self.seal_keys_file
        data_dir = self.data_dir.resolve()
        return data_dir.with_name(f"{data_dir.name}.keys")

    @property
    def ledger_place(self) -> str:
        """Return the URL of the ledger; "": none is kept."""
        given = self.ledger_url.get_secret_value()
        if given:
            return "" if given == LEDGER_NOWHERE else given
        return f"sqlite:///{self.ledger_file}" if self.ledger_file else ""

    @property
    def ledger_file(self) -> Path | None:
        """Return the file of the ledger in the data directory; None: it is elsewhere, or none is kept."""
        if self.ledger_url.get_secret_value() or self.store_url.get_secret_value():
            return None
        return self.data_dir.resolve() / LEDGER_FILE

    @property
    def models_dir(self) -> Path:
        """Return the folder of compiled models."""
        return self.model_cache or self.data_dir / "models"
