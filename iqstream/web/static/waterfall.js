// Where the pointer is on a waterfall, and cutting: a rectangle that is drawn over it fills in the form and sends it.
"use strict";
(() => {
  const box = document.querySelector(".waterfall-box");
  const form = document.getElementById("cut");
  if (!box || !form) return;
  const output = document.getElementById("pointer");
  const chosen = box.querySelector(".chosen");
  const { startMs, stopMs, lowKhz, highKhz } = Object.fromEntries(
    Object.entries(box.dataset).map(([name, value]) => [name, Number(value)]));
  const knowsBand = box.dataset.lowKhz !== undefined && box.dataset.highKhz !== undefined;
  const LEAST = 5;  // of a rectangle, pixels: less is a click
  let from = null;

  function at(event) {
    const frame = box.getBoundingClientRect();
    const x = Math.min(Math.max(event.clientX - frame.left, 0), frame.width);
    const y = Math.min(Math.max(event.clientY - frame.top, 0), frame.height);
    return { x, y, ms: startMs + (stopMs - startMs) * x / frame.width, khz: highKhz - (highKhz - lowKhz) * y / frame.height };
  }

  function draw(to) {
    chosen.hidden = false;
    chosen.style.left = `${Math.min(from.x, to.x)}px`;
    chosen.style.top = `${Math.min(from.y, to.y)}px`;
    chosen.style.width = `${Math.abs(to.x - from.x)}px`;
    chosen.style.height = `${Math.abs(to.y - from.y)}px`;
  }

  box.addEventListener("pointermove", (event) => {
    const here = at(event);
    output.textContent = `${here.ms.toFixed(2)} ms` + (knowsBand ? `, ${here.khz.toFixed(2)} kHz.` : ".");
    if (from) draw(here);
  });
  box.addEventListener("pointerleave", () => { output.textContent = ""; });
  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    event.preventDefault();
    from = at(event);
    box.setPointerCapture(event.pointerId);
  });
  box.addEventListener("pointercancel", () => { from = null; chosen.hidden = true; });
  box.addEventListener("pointerup", (event) => {
    if (!from) return;
    const [one, other] = [from, at(event)];
    from = null;
    chosen.hidden = true;
    const [wide, high] = [Math.abs(other.x - one.x), Math.abs(other.y - one.y)];
    if (wide < LEAST && high < LEAST) return;
    if (wide >= LEAST) {
      form.elements.start_ms.value = Math.min(one.ms, other.ms).toFixed(3);
      form.elements.stop_ms.value = Math.max(one.ms, other.ms).toFixed(3);
    }
    if (high >= LEAST && knowsBand) {
      form.elements.low_khz.value = Math.min(one.khz, other.khz).toFixed(3);
      form.elements.high_khz.value = Math.max(one.khz, other.khz).toFixed(3);
    }
    form.requestSubmit();
  });
})();
