// Prints what happens to the contacts of a site, across restarts of the service, until Ctrl-C.
// Usage: node watch.js [HOST:PORT] [SITE]

import grpc from "@grpc/grpc-js";

import { RoutingService, watchEvents } from "./calls.js";

const target = process.argv[2] ?? process.env.MATCHER_TARGET ?? "localhost:50051";
const parent = `sites/${process.argv[3] ?? "default"}`;
const routing = new RoutingService(target, grpc.credentials.createInsecure(), {
  "grpc.initial_reconnect_backoff_ms": 200,
  "grpc.max_reconnect_backoff_ms": 5_000,
});

let begun = false;
try {
  for await (const { event } of watchEvents(routing, parent)) {
    if (!begun) {
      console.log(`watching ${parent}`);
      begun = true;
    }
    if (event) {
      console.log(`${event.contact.split("/").pop()} ${event.cause}`);
    }
  }
} catch (error) {
  console.error(`error: ${error.details ?? error.message}`);
  process.exitCode = 1;
}
