"""The process of `matcher web` beside a service that this process runs: both end together."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

STOP_SECONDS: Final = 30.0
"""How long the gateway may take to end, on a busy machine too; its calls in flight have five seconds."""
ANY: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 the gateway does not listen there: the service does
"""Where a service is reached that listens on every address."""


class AddressMalformed(Exception):
    """An address is not of the form HOST:PORT."""


@dataclass(slots=True)
class GatewayBeside:
    """The gateway at an address of its own; tls: the service takes only TLS."""

    host: str
    port: int
    tls: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def begin(self, address: str) -> None:
        """Start the gateway of the service at an address.

        A gateway that cannot start says why, and the service continues without it.
        """
        host, _, port = address.rpartition(":")
        options = ["--server", f"{ANY.get(host, host)}:{port}", "--host", self.host, "--port", str(self.port)]
        # The gateway ends when its standard input ends: that is closed also where this process is killed.
        self.process = subprocess.Popen(  # noqa: S603 only this program, with an address that the service has taken
            [sys.executable, "-m", "matcher.cli", "web", *options, *(["--tls"] if self.tls else []), "--beside"],
            stdin=subprocess.PIPE,
        )

    def end(self) -> None:
        """End the gateway, where one was started, and wait for its end."""
        if self.process is None:
            return
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def gateway_at(address: str, *, tls: bool) -> GatewayBeside:
    """Return a gateway at "HOST:PORT". Raises AddressMalformed."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise AddressMalformed(address)
    return GatewayBeside(host.strip("[]"), int(port), tls)
