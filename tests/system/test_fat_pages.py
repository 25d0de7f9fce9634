"""Lists of large entries at a real server, read by a plain gRPC client with its default limit of 4 MiB."""

from __future__ import annotations

import grpc

from matcher.v1 import roster_pb2 as pb
from matcher.v1 import roster_pb2_grpc
from tests.processes import Server

POOLS = 90
SENTENCES = [f"{number:03} {'𝄞' * 196}" for number in range(64)]


async def test_a_plain_client_lists_pools_with_all_their_small_talk(service: Server) -> None:
    """One page of the 90 pools would have 4.5 MB: it ends at 3 MiB, and the next one has the rest."""
    site = await service.site()
    async with service.client(site) as client:
        made = [await client.create_pool(f"p{number:02}", pb.Pool(small_talk=SENTENCES)) for number in range(POOLS)]
    assert sum(pool.ByteSize() for pool in made) > 4 * 2**20
    listed: list[str] = []
    pages, token = 0, ""
    async with grpc.aio.insecure_channel(service.target) as channel:
        stub: roster_pb2_grpc.RosterServiceAsyncStub = roster_pb2_grpc.RosterServiceStub(channel)
        while pages == 0 or token:
            page = await stub.ListPools(pb.ListPoolsRequest(parent=f"sites/{site}", page_size=1000, page_token=token))
            listed += [pool.name.rpartition("/")[2] for pool in page.pools]
            pages, token = pages + 1, page.next_page_token
    assert listed == ["default", *(f"p{number:02}" for number in range(POOLS))]
    assert pages == 2
