"""Settings of a command that opens the store or a model by itself: those of the service that runs on this machine.

A service and its tools are started from different shells. What a tool's environment does not name it takes from the
announcement of the running service, so that both use one store and one compiled model.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matcher.cli.session import DEFAULT_TARGET, CommandError, Session
from matcher.config import PREFIX, SECRETS, Settings, load
from matcher.server.announcement import Announcement, running_services

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "0.0.0.0", "[::]"})  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """The settings of a tool.

    service: the running service that they come from; None: only from the environment. named: whether the environment
    names the store.
    """

    settings: Settings
    service: Announcement | None
    named: bool


def of_tool(session: Session) -> ToolSettings:
    """Return the settings for the store of the running service, or of the environment where that names a store.

    Says on stderr which store that is, where the environment does not. Raises CommandError where several services run
    and none is named, or where the service's store cannot be told, and SettingsWrong.
    """
    settings = load()
    named = _given("data_dir") or _given("store_url")
    service = _of_data(settings) if named else _chosen(session)
    if service is None:
        return ToolSettings(settings, None, named)
    if service.store_url and not service.store_url_is_whole and not named:
        raise CommandError(
            f"{service.address} keeps its records in {service.store_url}, with a password or options: set "
            "MATCHER_STORE_URL as the service has it"
        )
    taken: dict[str, Any] = {"data_dir": Path(service.data_dir), "store_url": service.store_url}
    ours = load(None, **_ungiven({} if named else taken), **_ungiven(_models(service)), **_ungiven(_keyring(service)))
    if not named:
        session.note(f"using the data of {in_words(service)}", style="dim")
    return ToolSettings(ours, service, named)


def with_models_of_service() -> Settings:
    """Return the settings with the folder of compiled models that the running service uses, if there is one.

    A model that is compiled already need not be compiled again for a command. Raises SettingsWrong.
    """
    settings = load()
    if _given("data_dir") or _given("model_cache"):
        return settings
    services = running_services()
    return load(None, model_cache=Path(services[0].models_dir)) if services else settings


def model_of(session: Session) -> Settings:
    """Return the settings with the model of the service that the session calls, if it runs on this machine."""
    service = _at(running_services(), session.target)
    return load() if service is None else load(None, **_ungiven(_models(service)))


def in_words(service: Announcement) -> str:
    """Return where a service listens and keeps its records."""
    return f"{service.address} (process {service.pid}): {service.store_url or service.data_dir}"


def _chosen(session: Session) -> Announcement | None:
    """Return the service that the session's target names, or the only one that runs."""
    services, target = running_services(), _target(session)
    at_target = _at(services, target or DEFAULT_TARGET)
    if target and at_target is None:
        raise CommandError(
            f"no service of this user listens at {target} on this machine, and this command opens the store by itself: "
            "run it where the service runs, or set MATCHER_DATA_DIR or MATCHER_STORE_URL"
        )
    if at_target is not None or len(services) < 2:
        return at_target or (services[0] if services else None)
    listed = "; ".join(map(in_words, services))
    raise CommandError(f"several services run here ({listed}): say which one with --server")


def _of_data(settings: Settings) -> Announcement | None:
    """Return the service that runs on the data that the environment names."""
    if settings.store_url.get_secret_value():
        return None
    data_dir = settings.data_dir.resolve()
    services = (service for service in running_services() if not service.store_url)
    return next((service for service in services if Path(service.data_dir).resolve() == data_dir), None)


def _at(services: Sequence[Announcement], target: str) -> Announcement | None:
    host, _, port = target.rpartition(":")
    for service in services:
        other, _, taken = service.address.rpartition(":")
        if port == taken and (host == other or (host in LOOPBACK and other in LOOPBACK)):
            return service
    return None


def _target(session: Session) -> str:
    """Return the address that the user named; "": none."""
    return "" if session.target == DEFAULT_TARGET else session.target


def _models(service: Announcement) -> dict[str, Any]:
    return {
        "model_cache": Path(service.models_dir),
        "model": service.model,
        "encoder_runtime": service.encoder_runtime,
    }


def _keyring(service: Announcement) -> dict[str, Any]:
    return {"seal_keys_file": Path(service.keyring)} if service.keyring else {}


def _ungiven(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not _given(name)}


def _given(name: str) -> bool:
    variable = PREFIX + name.upper()
    return bool(os.environ.get(variable)) or (name in SECRETS and bool(os.environ.get(f"{variable}_FILE")))
