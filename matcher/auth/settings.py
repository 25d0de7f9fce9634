"""Settings of how callers say who they are."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from matcher.auth.grant_text import parse_names
from matcher.auth.token_issuer import ALGORITHMS, is_url

OFF: Final = "off"


class AuthWay(StrEnum):
    """A way to say who one is."""

    KEYS = "keys"
    TOKENS = "tokens"
    CERTIFICATES = "certificates"


class AuthSettings(BaseModel):
    """Who may call: a part of the service's settings."""

    auth: str = Field(
        OFF,
        description="How callers say who they are: keys, tokens, certificates, or several with commas between; off: "
        "nobody is asked, and every caller may do everything.",
    )
    unauthenticated: bool = Field(
        False, description="Allows `auth` to be off where `beyond_loopback` lets other machines reach the service."
    )
    token_keys: str = Field(
        "", description="JWK set of the issuer of tokens: a file, or a URL (https, or http of this machine)."
    )
    token_issuer: str = Field("", description="The `iss` that a token must have.")
    token_audience: str = Field("", description="The `aud` that a token must have.")
    token_algorithms: str = Field(
        "RS256,ES256", description="Algorithms of accepted signatures, with commas between; none is symmetric."
    )
    token_claim: str = Field(
        "matcher",
        description="Claim of a token that holds its grants, as a list or with blanks between; a path has dots.",
    )
    token_grant_prefix: str = Field(
        "", description="What a grant begins with in `token_claim`; entries without it are not looked at."
    )
    token_leeway_seconds: float = Field(
        30.0, ge=0, le=600, description="By how much the clock of the issuer of tokens may differ."
    )
    certificate_names: str = Field(
        "",
        description="Grants of client certificates by their subject alternative names: NAME=GRANT GRANT; NAME=GRANT.",
    )
    open_reflection: bool = Field(
        False, description="Tells callers who do not say who they are which methods there are (gRPC reflection)."
    )
    secrets_dir: Path | None = Field(
        None,
        description="Folder whose files hold settings, each named as its variable (`matcher_store_url`); a variable "
        "counts before it. A secret may also come alone, by MATCHER_…_FILE.",
    )
    metrics_token: SecretStr = Field(
        SecretStr(""), description="What /metrics asks for as `Authorization: Bearer …`; empty: nothing."
    )

    @field_validator("auth")
    @classmethod
    def _auth(cls, value: str) -> str:
        ways = [way.strip() for way in value.split(",")]
        if ways == [OFF]:
            return OFF
        if unknown := [way for way in ways if way not in set(AuthWay)]:
            raise ValueError(f"{unknown[0]!a} is no way to say who one is: {OFF}, or {', '.join(AuthWay)}")
        return ",".join(dict.fromkeys(ways))

    @field_validator("token_keys")
    @classmethod
    def _token_keys(cls, value: str) -> str:
        parts = urlsplit(value)
        if "://" in value and not (is_url(value) and parts.hostname):
            raise ValueError("must be a file or a URL of https")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("must not be http: a machine in between could put its own keys there")
        return value

    @field_validator("token_algorithms")
    @classmethod
    def _algorithms(cls, value: str) -> str:
        names = [name.strip() for name in value.split(",")]
        if unknown := [name for name in names if name not in ALGORITHMS]:
            raise ValueError(f"{unknown[0]!a} is not one of {', '.join(sorted(ALGORITHMS))}")
        return ",".join(dict.fromkeys(names))

    @field_validator("certificate_names")
    @classmethod
    def _names(cls, value: str) -> str:
        parse_names(value)
        return value

    @property
    def auth_ways(self) -> frozenset[AuthWay]:
        """Return how callers say who they are; empty: nobody is asked."""
        return frozenset() if self.auth == OFF else frozenset(map(AuthWay, self.auth.split(",")))

    def missing(self, *, client_ca: bool) -> str:
        """Return which setting a way lacks, as a sentence; "" for none. client_ca: certificates are asked for."""
        if AuthWay.TOKENS in self.auth_ways:
            for name in ("token_keys", "token_issuer", "token_audience"):
                if not getattr(self, name):
                    return f"auth by tokens needs {name}"
        if AuthWay.CERTIFICATES in self.auth_ways:
            if not client_ca:
                return "auth by certificates needs tls_client_ca"
            if not self.certificate_names.strip():
                return "auth by certificates needs certificate_names"
        return ""


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    bare = host.strip("[]")
    if bare == "localhost":
        return True
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return False
