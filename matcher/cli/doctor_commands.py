"""The commands `matcher doctor` and `matcher support-bundle`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from matcher.cli.session import DEFAULT_TARGET, CommandError, Session, command
from matcher.cli.terminal_text import visible
from matcher.errors import SettingsWrong

if TYPE_CHECKING:
    from matcher.config import Settings
    from matcher.server.doctor.examination import Examination
    from matcher.server.doctor.findings import Finding

STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "doctor")(doctor)
    command(app, "support-bundle")(support_bundle)


async def doctor(session: Session) -> int:
    """Look at everything that the service on this machine needs, and say what to do; nothing is changed.

    Looks at settings, libraries, folders, certificates, store, clock, schema, processes, keyring, models, and the
    service with its metrics. The service need not run. Exit code 1 where something keeps the service from serving,
    else 0.
    """
    try:
        findings = (await _examined(session))[1].findings
    except SettingsWrong as error:
        findings = _of_wrong_settings(error)
    for finding in findings:
        _tell(session, finding)
    failed = sum(finding.state == "fail" for finding in findings)
    warned = sum(finding.state == "warn" for finding in findings)
    session.say(f"{len(findings)} findings: {failed} fail, {warned} warn")
    return 1 if failed else 0


async def support_bundle(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write, such as support.tar.gz.")],
    *,
    log: Annotated[
        Path | None,
        typer.Option("--log", help="A file with the service's log as JSON lines, whose last lines are taken along."),
    ] = None,
) -> None:
    """Write what helps somebody else to find a fault: findings, settings, versions, metrics, figures, log lines.

    It holds no word of a customer, no record of the store and no secret. Names of contacts and of agents in log lines
    are replaced by digests. Look into it before you give it away: `tar tzf FILE`.
    """
    from matcher.server.doctor.bundle import write_bundle

    try:
        settings, made = await _examined(session)
    except SettingsWrong as error:
        raise CommandError(error.message) from None
    try:
        names = await asyncio.to_thread(partial(write_bundle, file.absolute(), settings, made, log))
    except OSError as error:
        raise CommandError(f"{error.filename or file}: {error.strerror}") from None
    if session.as_json:
        session.write_json({"file": str(file), "holds": names})
    session.say(f"wrote {file}: {', '.join(names)}")


async def _examined(session: Session) -> tuple[Settings, Examination]:
    from matcher.cli.service_settings import of_tool
    from matcher.server.doctor.examination import examine_installation

    found = of_tool(session)
    settings = found.settings
    target = session.target
    if target == DEFAULT_TARGET:
        target = found.service.address if found.service else _local(settings.listen)
    session = replace(session, target=target)
    if settings.tls_certificate and not session.tls:
        # A certificate that signs itself is its own authority; for another, --tls-ca names the authority.
        session = replace(session, tls=True, tls_ca=settings.tls_certificate)
    async with session.channel() as channel:
        return settings, await examine_installation(settings, channel, target)


def _local(listen: str) -> str:
    """Return the address at which this machine reaches a service that listens on all addresses."""
    host, _, port = listen.rpartition(":")
    return f"127.0.0.1:{port}" if host in {"0.0.0.0", "[::]"} else listen  # noqa: S104 - compared, not bound


def _of_wrong_settings(error: SettingsWrong) -> list[Finding]:
    from matcher.server.doctor.findings import fail
    from matcher.server.doctor.machine import versions

    wrong = fail("settings", error.message, "correct the variable; `matcher config --markdown` lists all of them")
    return [wrong, *versions()]


def _tell(session: Session, finding: Finding) -> None:
    if session.as_json:
        session.write_json(asdict(finding))
        return
    line = Text(f"{finding.state:<5}", STYLES[finding.state])
    line.append(f"{finding.about:<13}", "bold").append(visible(finding.found), "")
    session.show(line)
    if finding.do:
        session.show(Text(f"{'':<18}{visible(finding.do)}", "dim"))
