// The map of interests: zoom, drag, the words of the nearest dot, and the picture as PNG. Without it the map stands still.
"use strict";

(() => {
  const holder = document.getElementById("map");
  const svg = holder && holder.querySelector("svg");
  if (!svg) return;
  const said = document.getElementById("map-said");
  const tools = document.getElementById("map-tools");
  const [, , wide, high] = svg.getAttribute("viewBox").split(" ").map(Number);
  const dots = [...svg.querySelectorAll(".dots circle")].map((dot) => ({
    dot, x: Number(dot.getAttribute("cx")), y: Number(dot.getAttribute("cy")), r: Number(dot.getAttribute("r")),
  }));
  const words = svg.querySelector(".words");
  let [left, top, scale] = [0, 0, 1];
  let on = null;

  const draw = () => {
    scale = Math.min(Math.max(scale, 1), 24);
    left = Math.min(Math.max(left, 0), wide - wide / scale);
    top = Math.min(Math.max(top, 0), high - high / scale);
    svg.setAttribute("viewBox", `${left} ${top} ${wide / scale} ${high / scale}`);
    words.setAttribute("font-size", 11 / Math.sqrt(scale) / Math.sqrt(Math.sqrt(scale)));
    for (const one of dots) one.dot.setAttribute("r", one.r / Math.sqrt(scale));
  };
  const zoom = (by, x = left + wide / scale / 2, y = top + high / scale / 2) => {
    const before = scale;
    scale = Math.min(Math.max(scale * by, 1), 24);
    left = x - (x - left) * before / scale;
    top = y - (y - top) * before / scale;
    draw();
  };
  const place = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [point.x, point.y];
  };
  const point = (event) => {
    const [x, y] = place(event);
    let [best, far] = [null, (18 / scale) ** 2];
    for (const one of dots) {
      const apart = (one.x - x) ** 2 + (one.y - y) ** 2;
      if (apart < far) [best, far] = [one, apart];
    }
    if (on === best) return;
    if (on) on.dot.classList.remove("on");
    on = best;
    if (!on) return;
    on.dot.classList.add("on");
    said.textContent = on.dot.querySelector("title").textContent;
  };

  let held = null;
  holder.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
  });
  addEventListener("pointerup", () => { held = null; });
  holder.addEventListener("pointermove", (event) => {
    if (!held) return point(event);
    const shown = svg.getScreenCTM().a;
    left -= (event.clientX - held[0]) / shown;
    top -= (event.clientY - held[1]) / shown;
    held = [event.clientX, event.clientY];
    draw();
  });
  holder.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== holder) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.25 : 0.8, ...place(event));
  }, { passive: false });
  const keys = {
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": () => zoom(0),
    ArrowLeft: () => { left -= wide / scale / 8; draw(); }, ArrowRight: () => { left += wide / scale / 8; draw(); },
    ArrowUp: () => { top -= high / scale / 8; draw(); }, ArrowDown: () => { top += high / scale / 8; draw(); },
  };
  holder.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });

  const save = (address) => {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [wide * 2, high * 2];
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = "interests.png";
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      }, "image/png");
    };
    image.onerror = () => { said.textContent = "The picture could not be loaded. Load the page again."; };
    image.src = address;
  };
  tools.hidden = false;
  tools.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const what = button.dataset.map;
    if (what === "in") zoom(1.5);
    else if (what === "out") zoom(1 / 1.5);
    else if (what === "all") zoom(0);
    else save(button.dataset.picture);
  });
})();
