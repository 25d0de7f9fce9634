// Calls that are repeated while the service restarts, and streams that go on where they broke off.

import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const proto = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..", "proto");
const thirdParty = path.join(proto, "third_party");
const definition = protoLoader.loadSync(["matcher/v1/routing.proto", "matcher/v1/roster.proto"], {
  includeDirs: [proto, thirdParty],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});
export const { RoutingService, RosterService } = grpc.loadPackageDefinition(definition).matcher.v1;

const details = new protobuf.Root();
details.resolvePath = (_, target) => (path.isAbsolute(target) ? target : path.join(thirdParty, target));
details.loadSync(["google/rpc/status.proto", "google/rpc/error_details.proto"]);
const Status = details.lookupType("google.rpc.Status");
const RetryInfo = details.lookupType("google.rpc.RetryInfo");

const ATTEMPTS = 8;
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;
const RESTARTS = new Set([grpc.status.UNAVAILABLE, grpc.status.ABORTED, grpc.status.CANCELLED, grpc.status.INTERNAL]);

// Returns the milliseconds that the service asks its caller to wait (RetryInfo), or undefined.
export function askedPause(error) {
  for (const bytes of error.metadata?.get("grpc-status-details-bin") ?? []) {
    for (const detail of Status.decode(bytes).details) {
      if (detail.type_url.endsWith("/google.rpc.RetryInfo")) {
        const delay = RetryInfo.decode(detail.value).retryDelay;
        return Number(delay.seconds) * 1_000 + delay.nanos / 1e6;
      }
    }
  }
  return undefined;
}

// The pause before the next attempt: what the service asks for, or twice the last one; at random, so that the clients of
// a server that stopped do not come back all at once.
function pauseBefore(attempt, error) {
  const own = Math.min(FIRST_PAUSE * 2 ** attempt, LONGEST_PAUSE);
  return Math.max(askedPause(error) ?? 0, own * (0.5 + Math.random() / 2));
}

function credentials() {
  const metadata = new grpc.Metadata();
  // An access key or a token, where the service asks who calls.
  if (process.env.MATCHER_TOKEN) {
    metadata.set("authorization", `Bearer ${process.env.MATCHER_TOKEN}`);
  }
  return metadata;
}

// Calls a method with a deadline of ten seconds for each attempt. Only a call whose repeat changes nothing more may be
// repeated: a read, a call with a request_id, or one that ends as it is after the first time.
export async function call(client, method, request, { repeatable = true } = {}) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await new Promise((resolve, reject) => {
        const options = { deadline: Date.now() + 10_000 };
        client[method](request, credentials(), options, (error, answer) => (error ? reject(error) : resolve(answer)));
      });
    } catch (error) {
      const again = error.code === grpc.status.UNAVAILABLE || askedPause(error) !== undefined;
      if (!repeatable || !again || attempt + 1 === ATTEMPTS) {
        throw error;
      }
      await pause(pauseBefore(attempt, error));
    }
  }
}

// Yields the answers of WatchEvents for ever; where the stream breaks off it goes on after the last answer.
export async function* watchEvents(routing, parent) {
  let resumeToken = "";
  for (let attempt = 0; ; attempt++) {
    const stream = routing.WatchEvents({ parent, resume_token: resumeToken }, credentials());
    try {
      for await (const answer of stream) {
        attempt = 0;
        resumeToken = answer.resume_token || resumeToken;
        yield answer;
      }
    } catch (error) {
      const again = RESTARTS.has(error.code) || askedPause(error) !== undefined;
      if (!again || attempt + 1 === ATTEMPTS) {
        throw error;
      }
      await pause(pauseBefore(attempt, error));
    } finally {
      stream.cancel();
    }
  }
}
