"""Credentials of a caller: a token from a text, a file or a command, and certificates from files."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import shlex
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import grpc

from matcher.client.failure import MatcherCallError

TOKEN: Final = "MATCHER_TOKEN"  # noqa: S105 - the name of a variable, not a secret
TOKEN_FILE: Final = "MATCHER_TOKEN_FILE"  # noqa: S105
TOKEN_COMMAND: Final = "MATCHER_TOKEN_COMMAND"  # noqa: S105
LOOK_SECONDS: Final = 1.0
"""How often a token's file is looked at for a new token."""
COMMAND_SECONDS: Final = 30.0
"""How long a command may take to print a token."""
EARLY_SECONDS: Final = 30.0
"""How long before its `exp` a command's token is replaced."""
KEPT_SECONDS: Final = 600.0
"""How long a command's token is kept that does not say when it expires."""


class TokenSource(Protocol):
    """Where a caller's token comes from."""

    async def text(self) -> str:
        """Return the token as it is now. Raises MatcherCallError."""


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token that stays the same."""

    token: str = field(repr=False)

    async def text(self) -> str:
        """Return the token."""
        return self.token


class TokenFile:
    """A token that somebody else keeps current in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = ""
        self._looked_at = float("-inf")

    async def text(self) -> str:
        """Return what the file holds, at most a second old."""
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            try:
                read = await asyncio.to_thread(self._path.read_text, "utf-8")
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                raise _without_token(f"the token file {self._path} cannot be read: {why}") from None
            self._token, self._looked_at = _one_line(read, f"the token file {self._path}"), time.monotonic()
        return self._token


class TokenCommand:
    """A token that a command prints, such as that of an identity provider."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._token = ""
        self._until = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def text(self) -> str:
        """Return the token; run the command where there is none, or where it expires soon."""
        async with self._one_at_a_time:
            if time.time() >= self._until:
                self._token = await self._run()
                self._until = _expiry(self._token)
        return self._token

    async def _run(self) -> str:
        what = f"the token command {self._command.partition(' ')[0]!r}"
        try:
            words = shlex.split(self._command)
            process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
            async with asyncio.timeout(COMMAND_SECONDS):
                printed, _ = await process.communicate()
        except (OSError, ValueError, TypeError) as error:
            raise _without_token(
                f"{what} cannot be run: {getattr(error, 'strerror', '') or 'it is no command'}"
            ) from None
        except TimeoutError:
            process.kill()
            await process.wait()
            raise _without_token(f"{what} printed nothing within {COMMAND_SECONDS:g} s") from None
        if process.returncode:
            raise _without_token(f"{what} ended with {process.returncode}")
        return _one_line(printed.decode("utf-8", errors="replace"), what)


def token_of(file: Path | None, command: str | None) -> TokenSource | None:
    """Return the token of a file or of a command, else that of MATCHER_TOKEN; None for none."""
    if file is not None:
        return TokenFile(file)
    if command:
        return TokenCommand(command)
    token = os.environ.get(TOKEN, "").strip()
    return FixedToken(token) if token else None


def token_of_environment() -> TokenSource | None:
    """Return the token that MATCHER_TOKEN_FILE, MATCHER_TOKEN_COMMAND or MATCHER_TOKEN gives; None for none."""
    file = os.environ.get(TOKEN_FILE)
    return token_of(Path(file) if file else None, os.environ.get(TOKEN_COMMAND))


def certificates_of(
    ca: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> grpc.ChannelCredentials:
    """Return a channel's credentials of PEM files; ca None: the system's authorities. Raises OSError."""
    authorities, private, presented = (path.read_bytes() if path else None for path in (ca, key, certificate))
    return grpc.ssl_channel_credentials(authorities, private, presented)


def _one_line(text: str, what: str) -> str:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise _without_token(f"{what} holds no token: one line without blanks is expected")
    return token


def _without_token(why: str) -> MatcherCallError:
    return MatcherCallError(grpc.StatusCode.UNAUTHENTICATED, "", why)


def _expiry(token: str) -> float:
    """Return until when a command's token is used: by the `exp` of a JWT, which is not verified here."""
    latest = time.time() + KEPT_SECONDS
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return min(latest, float(claims["exp"]) - EARLY_SECONDS)
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return latest
