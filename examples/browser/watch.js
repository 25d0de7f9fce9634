// Shows the events of a site as they come, and routes what is typed. The browser itself comes back after a break, with the
// id of the last event, so that none is missed. EventSource cannot send an access key: where the service asks who calls,
// read the stream with fetch, which can.

const site = new URLSearchParams(location.search).get("site") ?? "default";
const status = document.querySelector("[role=status]");
const list = document.querySelector("ol");

const events = new EventSource(`/v1/sites/${site}/events:watch`);
events.onopen = () => (status.textContent = `watching ${site}`);
events.onerror = () => (status.textContent = events.readyState === EventSource.CLOSED ? "refused" : "coming back");
events.onmessage = ({ data }) => {
  const { event } = JSON.parse(data);
  if (event) {
    const item = document.createElement("li");
    item.textContent = `${event.contact.split("/").pop()}: ${event.cause}`; // never innerHTML: the text is people's
    list.prepend(item);
  }
};
// The service has ended the stream for good, with a google.rpc.Status.
events.addEventListener("failed", ({ data }) => {
  status.textContent = JSON.parse(data).message;
  events.close();
});

document.querySelector("form").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  const text = new FormData(submitted.target).get("text");
  const answer = await fetch(`/v1/sites/${site}/contacts:route`, {
    method: "POST",
    // The same key for a repeat of the same message; the service then gives the same answer.
    headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
    body: JSON.stringify({ message: { text, channel: "chat" }, wait: true }),
  });
  const body = await answer.json();
  status.textContent = answer.ok ? (body.candidate?.displayName ?? "waits for an agent") : body.message;
});
