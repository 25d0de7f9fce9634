// Routes one message: creates an agent, sets her ONLINE, routes, accepts, completes and removes the agent.
// Usage: node route.js [HOST:PORT] [SITE]

import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { randomUUID } from "node:crypto";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const target = process.argv[2] ?? process.env.MATCHER_TARGET ?? "localhost:50051";
const parent = `sites/${process.argv[3] ?? "default"}`;

const proto = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..", "proto");
const definition = protoLoader.loadSync(["matcher/v1/routing.proto", "matcher/v1/roster.proto"], {
  includeDirs: [proto, path.join(proto, "third_party")],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});
const { RoutingService, RosterService } = grpc.loadPackageDefinition(definition).matcher.v1;

// gRPC may repeat only calls whose repeat changes nothing more: RouteMessage has a request_id here.
const options = {
  "grpc.service_config": JSON.stringify({
    methodConfig: [
      {
        name: [{ service: "matcher.v1.RoutingService", method: "RouteMessage" }],
        retryPolicy: {
          maxAttempts: 5,
          initialBackoff: "0.05s",
          maxBackoff: "1s",
          backoffMultiplier: 2,
          retryableStatusCodes: ["UNAVAILABLE", "CANCELLED"],
        },
      },
    ],
  }),
};
const routing = new RoutingService(target, grpc.credentials.createInsecure(), options);
const roster = new RosterService(target, grpc.credentials.createInsecure(), options);

// Calls a method with a deadline of ten seconds.
function call(client, method, request) {
  const invoke = promisify(client[method].bind(client));
  const metadata = new grpc.Metadata();
  // An access key or a token, where the service asks who calls.
  if (process.env.MATCHER_TOKEN) {
    metadata.set("authorization", `Bearer ${process.env.MATCHER_TOKEN}`);
  }
  return invoke(request, metadata, { deadline: Date.now() + 10_000 });
}

// Returns the part of a text that a reason refers to: start and end count code points, as Array.from does. A reason from
// what the customer brings along (customer_interests, or remembered interests) refers to no part of the text.
function words(text, reason) {
  if (reason.source === "REASON_SOURCE_PROFILE") {
    return "the customer's profile";
  }
  return Array.from(text).slice(reason.start, reason.end).join("");
}

async function main() {
  const name = `${parent}/agents/node-example-${randomUUID().slice(0, 8)}`;
  const interests = ["I repair old sailing boats.", "Every summer I sail along the coast with my daughter."];
  await call(roster, "CreateAgent", {
    parent,
    agent_id: name.split("/").pop(),
    agent: { display_name: "Noor", interests, languages: ["en"] },
  });
  try {
    const agent = await call(roster, "SetAgentStatus", { name, status: "ONLINE" });
    console.log(`${agent.display_name} is ${agent.status}`);

    const text = "The deck paint 🎨 flakes off. We are taking the boat out along the coast on Saturday!";
    const answer = await call(routing, "RouteMessage", {
      parent,
      message: { text, channel: "chat" },
      request_id: randomUUID(),
    });
    if (answer.outcome !== "reservation") {
      throw new Error(`no agent can take it: ${answer.unmatched.reason}`);
    }
    const { reservation, candidate } = answer;
    console.log(`${candidate.display_name} is reserved, ${reservation.basis}, affinity ${candidate.affinity.toFixed(2)}`);
    for (const reason of candidate.reasons) {
      console.log(`  "${words(text, reason)}" met "${reason.interest}"`);
    }

    const { fence } = reservation;
    const accepted = await call(routing, "AcceptReservation", { name: reservation.name, fence });
    console.log(`accepted: ${accepted.state}`);
    const completed = await call(routing, "CompleteReservation", { name: reservation.name, fence });
    console.log(`completed: ${completed.state}`);
  } finally {
    await call(roster, "DeleteAgent", { name, force: true });
    routing.close();
    roster.close();
  }
}

main().catch((error) => {
  console.error(`error: ${error.details ?? error.message}`);
  process.exitCode = 1;
});
