// Routes one message: creates an agent, sets her ONLINE, routes, accepts, completes and removes the agent.
// Usage: node route.js [HOST:PORT] [SITE]

import { randomUUID } from "node:crypto";

import grpc from "@grpc/grpc-js";

import { RosterService, RoutingService, call } from "./calls.js";

const target = process.argv[2] ?? process.env.MATCHER_TARGET ?? "localhost:50051";
const parent = `sites/${process.argv[3] ?? "default"}`;

const routing = new RoutingService(target, grpc.credentials.createInsecure());
const roster = new RosterService(target, grpc.credentials.createInsecure());

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
  }, { repeatable: false });
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
    await call(roster, "DeleteAgent", { name, force: true }, { repeatable: false });
    routing.close();
    roster.close();
  }
}

main().catch((error) => {
  console.error(`error: ${error.details ?? error.message}`);
  process.exitCode = 1;
});
