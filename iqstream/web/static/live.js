// Keeps the parts of a page that are marked `data-live` up to date: the page is fetched again when an event or the
// clock says so, and these parts are replaced. A browser opens six connections to one server: a hidden tab holds none,
// and of those to be seen four hold a stream of events; the others ask every few seconds.
"use strict";
(() => {
  const { events, refresh, reload } = document.body.dataset;
  const banner = document.getElementById("banner");
  const AT_MOST_EVERY_MS = 1000, STREAMS = 4, WITHOUT_STREAM_MS = 3000;
  const FOCUSED = "a, button, summary, input, select, [tabindex]";
  let source = null, timer = null, ticker = null, pending = null, fetching = false, again = false, last = 0;
  let turn = 0, release = () => {}, retry = null;

  // While something is said to be wrong, it is asked again: no event need come when it is over.
  function say(text) {
    clearTimeout(retry);
    retry = text && !document.hidden ? setTimeout(update, WITHOUT_STREAM_MS) : null;
    if (!banner) return;
    banner.hidden = !text;
    if (banner.textContent !== text) banner.textContent = text;
  }

  function replace(old, now) {
    const shown = now.innerHTML;
    if (shown === old.dataset.shown || (old.contains(document.activeElement) && document.activeElement.form)) return;
    const open = [...old.querySelectorAll("details")].map((one) => one.open);
    const at = [...old.querySelectorAll(FOCUSED)].indexOf(document.activeElement);
    old.replaceChildren(...now.childNodes);
    old.dataset.shown = shown;
    old.querySelectorAll("details").forEach((one, index) => { one.open = open[index] || false; });
    if (at >= 0) old.querySelectorAll(FOCUSED)[at]?.focus({ preventScroll: true });
  }

  async function update() {
    if (fetching) { again = true; return; }
    fetching = true;
    last = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok) {
        say("");
        for (const old of document.querySelectorAll("[data-live]")) {
          const now = fresh.getElementById(old.id);
          if (now) replace(old, now);
        }
        if (!fresh.body.dataset.refresh) clearInterval(ticker);
        if (!fresh.body.dataset.events) leave();
      } else {
        say((fresh.querySelector(".problem") || fresh.body).textContent + " Trying again.");
      }
    } catch {
      say("The dashboard's server does not answer. Trying again.");
    } finally {
      fetching = false;
      if (again) { again = false; soon(); }
    }
  }

  // How fast a dataset is made, and what holds it up; the events alone know.
  function tell(state) {
    const rate = document.getElementById("rate");
    if (!rate || state.submitted === undefined) return;
    const { submitted, generated, samples_per_second: speed, seconds_left: left, obstacles } = state;
    const parts = [`${submitted} submitted, ${generated} generated`];
    if (speed !== null) parts.push(`${speed.toFixed(1)} samples/s`);
    if (left !== null) parts.push(left < 120 ? `${Math.round(left)} s to go` : `${Math.round(left / 60)} min to go`);
    rate.textContent = [parts.join(", "), ...obstacles].join(". ");
  }

  function soon() {
    if (pending) return;
    pending = setTimeout(() => { pending = null; update(); }, Math.max(0, AT_MOST_EVERY_MS - (performance.now() - last)));
  }

  // One of the browser's streams: what gives it back; null where all are held, or the page's origin has no locks.
  async function stream() {
    for (let number = 0; navigator.locks && number < STREAMS; number++) {
      const held = await new Promise((resolve) => {
        navigator.locks.request(`iqstream-stream-${number}`, { ifAvailable: true },
          (lock) => lock ? new Promise(resolve) : resolve(null));
      });
      if (held) return held;
    }
    return null;
  }

  async function start() {
    const mine = ++turn;
    if (refresh) ticker = setInterval(update, 1000 * Number(refresh));
    if (!events) return;
    const held = await stream();
    if (mine !== turn) { held?.(); return; }
    if (held) { release = held; listen(); } else { timer = setTimeout(() => { update(); start(); }, WITHOUT_STREAM_MS); }
  }

  function listen() {
    source = new EventSource(events);
    source.addEventListener("state", (event) => { tell(JSON.parse(event.data)); soon(); });
    source.addEventListener("problem", (event) => say(JSON.parse(event.data).detail + " Trying again."));
    source.addEventListener("end", () => { stop(); update(); });
    source.onerror = () => {
      say("The dashboard's server does not answer. Trying again.");
      if (source?.readyState === EventSource.CLOSED) { stop(); timer = setTimeout(start, WITHOUT_STREAM_MS); }
    };
  }

  function stop() {
    leave();
    clearInterval(ticker);
    clearTimeout(retry);
  }

  function leave() {
    turn++;
    source?.close();
    source = null;
    release();
    release = () => {};
    clearTimeout(timer);
    timer = null;
  }

  // A form that can be estimated is, a moment after the last change.
  const form = document.querySelector("form[data-estimate]");
  let asked = 0;
  form?.addEventListener("input", async () => {
    const mine = ++asked;
    await new Promise((resolve) => setTimeout(resolve, AT_MOST_EVERY_MS));
    if (mine !== asked || !form.checkValidity()) return;
    const answer = await fetch(form.dataset.estimate, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const now = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("estimate");
    if (mine === asked && now) document.getElementById("estimate").replaceChildren(...now.childNodes);
  });

  if (reload) setTimeout(() => location.reload(), 1000 * Number(reload));
  document.addEventListener("visibilitychange", () => {
    stop();
    if (!document.hidden) { start(); if (refresh) update(); }
  });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => { if (event.persisted) start(); });
  if (!document.hidden) start();
})();
