"""A gateway in front of a service that takes keys: every visitor has the rights of the own key, the gateway none."""

from __future__ import annotations

from pathlib import Path

from matcher.auth.grant_text import parse_grant
from matcher.services.access_keys import AccessKeyService
from matcher.store.access_keys import AccessKeyStore
from matcher.store.redis.client import StoreClient
from tests.cli.command import matcher
from tests.conftest import StartServer
from tests.processes import Store
from tests.web.gateway import open_gateway


async def test_a_visitor_has_the_rights_of_the_own_key(store: Store, launch: StartServer) -> None:
    """Without a key 401; a key of another role 403; the key in the gateway's own environment opens nothing."""
    connection = StoreClient(store.url)
    await connection.start()
    keys = AccessKeyService(AccessKeyStore(connection))
    owner = (await keys.create("owner", [parse_grant("owner")]))[1]
    reader = (await keys.create("reader", [parse_grant("observer@default")]))[1]
    await connection.close()
    server = await launch({"MATCHER_STORE_URL": store.url, "MATCHER_AUTH": "keys"})
    async with open_gateway(server.target, {"MATCHER_TOKEN": owner}) as gateway:
        path = "/v1/sites/default/agents"
        stranger = await gateway.ask("GET", path)
        assert (stranger.code, stranger.reason) == (401, "CREDENTIALS_MISSING")
        assert stranger.headers["www-authenticate"] == "Bearer"
        of_reader = {"authorization": f"Bearer {reader}"}
        assert (await gateway.ask("GET", path, headers=of_reader)).code == 200
        refused = await gateway.ask("GET", "/v1/keys", headers=of_reader)
        assert (refused.code, refused.reason) == (403, "PERMISSION_DENIED")
        assert (await gateway.ask("GET", "/v1/keys", headers={"authorization": f"Bearer {owner}"})).code == 200


async def test_a_certificate_of_the_gateway_is_refused(tmp_path: Path) -> None:
    """It would lend its rights to everybody who comes without a key."""
    result = await matcher("web", "--tls-cert", str(tmp_path / "a"), "--tls-key", str(tmp_path / "b"))
    assert result.code == 1
    assert "a certificate of its own would lend its rights to everybody" in result.err
