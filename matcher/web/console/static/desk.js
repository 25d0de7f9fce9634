// The desk: takes over what changed, lets clocks run by the server's time, and sends the heartbeat.
"use strict";

(() => {
  const desk = document.getElementById("desk");
  if (!desk) return;
  const path = desk.dataset.desk;
  const csrf = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRF"];
  const lost = document.getElementById("lost");
  const present = `present ${path}`;
  const title = document.title;

  // The store's time by a clock that no person sets: the last time that was told, and what has passed since.
  let told = Number(document.documentElement.dataset.now);
  let toldAt = performance.now();
  let byStore = false;
  const tell = (seconds, store) => {
    if (byStore && !store) return;
    byStore = byStore || store;
    told = seconds;
    toldAt = performance.now();
  };
  const now = () => told + (performance.now() - toldAt) / 1000;

  const words = (seconds) => {
    const left = Math.max(0, Math.ceil(seconds));
    const two = (number) => String(number).padStart(2, "0");
    return left < 3600
      ? `${Math.floor(left / 60)}:${two(left % 60)}`
      : `${Math.floor(left / 3600)}:${two(Math.floor((left % 3600) / 60))}:${two(left % 60)}`;
  };
  const tick = () => {
    let over = false;
    for (const clock of desk.querySelectorAll("time[data-until]")) {
      const left = Number(clock.dataset.until) - now();
      clock.textContent = left > 0 ? words(left) : "0:00";
      clock.classList.toggle("soon", left < 10);
      over = over || (left < -1 && left > -30);
    }
    const offers = desk.querySelectorAll("[data-kind=offer]").length;
    document.title = offers ? `(${offers}) ${title}` : title;
    return over;
  };
  setInterval(() => { if (tick()) look(); }, 1000);
  tick();

  // Takes over each part whose version changed; what is typed in the others stays.
  const take = (text) => {
    const fresh = document.createElement("div");
    fresh.append(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
    const key = (part) => part.dataset.card || part.dataset.part;
    const old = new Map([...desk.children].map((part) => [key(part), part]));
    let before = desk.firstElementChild;
    for (const part of [...fresh.children]) {
      const kept = old.get(key(part));
      old.delete(key(part));
      if (kept && kept.dataset.version === part.dataset.version) {
        if (before === kept) before = kept.nextElementSibling;
        else desk.insertBefore(kept, before);
        continue;
      }
      const focused = kept && kept.contains(document.activeElement);
      if (!kept && part.dataset.card && part.dataset.card !== "none") part.classList.add("fresh");
      desk.insertBefore(part, before);
      if (kept) {
        if (before === kept) before = kept.nextElementSibling;
        kept.remove();
        if (focused) { part.tabIndex = -1; part.focus(); }
      }
      if (!kept && part.dataset.kind === "offer") say(part.querySelector("h2").textContent);
    }
    for (const part of old.values()) part.remove();
    tick();
  };
  const say = (text) => { document.getElementById("said").textContent = text; };

  let looking = false;
  let again = false;
  const look = async () => {
    if (looking) { again = true; return; }
    looking = true;
    try {
      const answer = await fetch(`${path}/now`, { headers: { "HX-Request": "true" } });
      if (answer.headers.get("hx-redirect")) location.assign(answer.headers.get("hx-redirect"));
      else if (answer.ok) { take(await answer.text()); lost.hidden = true; }
      else if (answer.status === 404) location.reload();
      else lost.hidden = false;
    } catch { lost.hidden = false; }
    looking = false;
    if (again) { again = false; setTimeout(look, 300); }
  };

  // The heartbeat: begins with a press on a status, ends with "Offline"; kept by tab, so that who only looks sends none.
  desk.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-presence]")) return;
    if (event.submitter && event.submitter.value === "OFFLINE") sessionStorage.removeItem(present);
    else sessionStorage.setItem(present, "1");
  });
  const beat = async () => {
    if (!sessionStorage.getItem(present)) return;
    try {
      const answer = await fetch(`${path}/beat`, { method: "POST", headers: { "X-CSRF": csrf, "HX-Request": "true" } });
      if (!answer.ok) return;
      const { now: store, status } = await answer.json();
      tell(store, true);
      if (status !== desk.querySelector("[data-part=presence]").dataset.status) look();
    } catch { lost.hidden = false; }
  };

  let stream = null;
  let heard = performance.now();
  const open = () => {
    if (stream) stream.close();
    heard = performance.now();
    stream = new EventSource(`${path}/events`);
    const hear = (name, then) => stream.addEventListener(name, (event) => { heard = performance.now(); then(event); });
    hear("changed", (event) => { look(); if (event.data) note(event.data); });
    hear("alive", (event) => {
      tell(Number(event.data), false);
      if (!lost.hidden) look();
      beat();
    });
    hear("away", () => { lost.hidden = false; });
    stream.onopen = () => { heard = performance.now(); look(); };
    stream.onerror = () => { lost.hidden = false; };
  };
  // A browser gives up on a stream that was refused, and does not notice one that is silent.
  setInterval(() => {
    const silent = performance.now() - heard > 35000;
    if (silent || stream.readyState === EventSource.CLOSED) { lost.hidden = false; open(); }
  }, 3000);
  const note = (text) => {
    const list = document.querySelector("#happened ul");
    const line = document.createElement("li");
    line.textContent = text;
    list.prepend(line);
    while (list.children.length > 5) list.lastElementChild.remove();
    document.getElementById("happened").hidden = false;
  };
  addEventListener("pageshow", look);
  addEventListener("online", look);
  addEventListener("offline", () => { lost.hidden = false; });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { look(); beat(); } });
  open();
  beat();
})();
