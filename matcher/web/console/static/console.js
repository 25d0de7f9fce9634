// The console's own script: clocks that run, and a word to htmx where the service sends a visitor elsewhere.
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
    for (const clock of document.querySelectorAll("time[data-since]")) {
      const text = span(now - Number(clock.dataset.since));
      if (clock.textContent !== text) clock.textContent = text;
    }
  };
  setInterval(tick, 1000);
})();
