"""TLS files of a store's URL: what is wrong with them, and why a server's certificate was refused, by their names."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_REFUSED = re.compile(r"CERTIFICATE_VERIFY_FAILED\] certificate verify failed: (.*?)(?: \(_ssl\.c:\d+\))?\.?$")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files that the options of a `rediss` URL name; "": the option is not given."""

    authorities: str = ""
    certificate: str = ""
    key: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, login: Mapping[str, Any]) -> TlsFiles:
        """Return the files among the arguments of redis-py's connections."""
        options = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_password")
        return cls(*(str(login.get(option) or "") for option in options))

    def fault(self) -> str:
        """Return what is wrong with the files, "" where each can be used. Reads them."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.authorities:
            try:
                context.load_verify_locations(self.authorities)
            except OSError as fault:
                return f"its option ssl_ca_certs names {self.authorities}: {_why(fault)}"
        if self.certificate or self.key:
            try:
                # With a password, even an empty one, OpenSSL does not ask for it at the terminal.
                context.load_cert_chain(self.certificate, self.key or None, self.password)
            except OSError as fault:
                names = f"its options ssl_certfile and ssl_keyfile name {self.certificate or 'no certificate'} and "
                return f"{names}{self.key or 'no key'}: {_why(fault)}"
        return ""

    def refusal(self, why: str) -> str:
        """Return why the server's certificate was refused, from what redis-py says of a connection; "": it was not."""
        found = _REFUSED.search(why)
        if found is None:
            return ""
        trusted = f"ssl_ca_certs names {self.authorities}" if self.authorities else "ssl_ca_certs names none"
        return f"its certificate is refused: {found[1]}; of the authorities {trusted}"


def _why(fault: OSError) -> str:
    if not isinstance(fault, ssl.SSLError):
        return fault.strerror or type(fault).__name__
    if fault.reason == "KEY_VALUES_MISMATCH":
        return "the key is that of another certificate"
    return f"no PEM file that can be used ({fault.reason or type(fault).__name__})"
