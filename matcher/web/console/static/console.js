// The console's own script: clocks that run, and pages that come back by themselves.
"use strict";

(() => {
  const span = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min`;
    if (whole < 172800) {
      const minutes = Math.floor((whole % 3600) / 60);
      return `${Math.floor(whole / 3600)} h${minutes ? ` ${minutes} min` : ""}`;
    }
    return `${Math.floor(whole / 86400)} days`;
  };

  // The server's clock counts: a desk's clock may be wrong by minutes.
  const server = Number(document.documentElement.dataset.now || 0);
  const ahead = server ? Date.now() / 1000 - server : 0;

  const tick = () => {
    if (document.hidden) return;
    const now = Date.now() / 1000 - ahead;
    for (const clock of document.querySelectorAll("[data-since]")) {
      const text = span(now - Number(clock.dataset.since));
      if (clock.textContent !== text) clock.textContent = text;
    }
  };
  setInterval(tick, 1000);
  document.addEventListener("htmx:sseMessage", tick);

  // Where the service was away, or the network was cut: try the page itself, and load it when it answers.
  let trying = 0;
  const tryAgain = (after) => {
    if (trying) return;
    trying = setInterval(async () => {
      try {
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        if (answer.status !== 503) location.reload();
      } catch {
        // The network is still cut.
      }
    }, after);
  };
  const found = () => {
    clearInterval(trying);
    trying = 0;
  };
  if (document.querySelector("[data-again]")) tryAgain(3000);

  // A stream says something at least every ten seconds; htmx connects again after an error, this sees silence, too.
  const SILENCE = 35000;
  const stream = document.querySelector("[sse-connect]");
  const lost = document.getElementById("lost");
  let heard = Date.now();
  const show = (away) => {
    if (lost.hidden === away) lost.hidden = !away;
    if (away) tryAgain(5000);
    else found();
  };
  if (stream && lost) {
    for (const event of ["htmx:sseOpen", "htmx:sseMessage"]) {
      document.addEventListener(event, () => {
        heard = Date.now();
        show(false);
      });
    }
    document.addEventListener("htmx:sseError", () => show(true));
    setInterval(() => {
      if (Date.now() - heard > SILENCE) show(true);
    }, 5000);
  }
})();
