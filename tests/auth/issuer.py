"""An issuer of tokens: keys, a JWK set in a file, and tokens with any claims and any algorithm."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER: Final = "https://id.example"
AUDIENCE: Final = "matcher"


class Issuer:
    """Signs tokens with keys that it publishes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.keys: dict[str, Any] = {}
        self.add("first")

    def add(self, kid: str, key: Any = None) -> None:
        """Make a key, and publish all."""
        self.keys[kid] = key or rsa.generate_private_key(65537, 2048)
        self.publish()

    def publish(self, *without: str) -> None:
        """Write the JWK set, without some of the keys."""
        listed = []
        for kid, key in self.keys.items():
            if kid in without:
                continue
            algorithm = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
            listed.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
        self.file.write_text(json.dumps({"keys": listed}))

    def token(self, kid: str = "first", algorithm: str = "RS256", **claims: Any) -> str:
        """Return a token; a claim that is None is left out."""
        said = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "desk-7",
            "exp": time.time() + 600,
            "matcher": ["observer@default"],
            **claims,
        }
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, self.keys[kid], algorithm=algorithm, headers={"kid": kid})

    def unsigned(self, **claims: Any) -> str:
        """Return a token with the algorithm `none`."""
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk-7", "exp": time.time() + 600, **claims}
        nothing: Any = None  # the stubs omit it
        return jwt.encode(said, nothing, algorithm="none", headers={"kid": "first"})

    def confused(self, **claims: Any) -> str:
        """Return a token signed by HS256 with the published key as the secret, as an attacker can make it."""
        public = self.keys["first"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk-7", "exp": time.time() + 600, **claims}
        said.setdefault("matcher", ["owner"])
        head, body = (
            jwt.utils.base64url_encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "first"}, said)
        )
        algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        signature = algorithm.sign(head + b"." + body, public)
        return (head + b"." + body + b"." + jwt.utils.base64url_encode(signature)).decode()
