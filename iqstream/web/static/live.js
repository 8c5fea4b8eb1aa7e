// Keeps the parts of a page that are marked `data-live` up to date: the page is fetched again when an event or the
// clock says so, and these parts are replaced. A hidden tab holds no connection: a browser allows six to one server.
"use strict";
(() => {
  const { events, refresh, reload } = document.body.dataset;
  const banner = document.getElementById("banner");
  const AT_MOST_EVERY_MS = 1000;
  let source = null, timer = null, pending = null, fetching = false, again = false, last = 0;

  function say(text) {
    if (!banner) return;
    banner.hidden = !text;
    if (banner.textContent !== text) banner.textContent = text;
  }

  async function update() {
    if (fetching) { again = true; return; }
    fetching = true;
    last = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!answer.ok) {
        say((fresh.querySelector(".problem") || fresh.body).textContent + " Trying again.");
      } else {
        say("");
        for (const old of document.querySelectorAll("[data-live]")) {
          const now = fresh.getElementById(old.id);
          if (!now || now.innerHTML === old.dataset.shown || old.contains(document.activeElement)) continue;
          const open = [...old.querySelectorAll("details")].map((one) => one.open);
          const shown = now.innerHTML;
          old.replaceChildren(...now.childNodes);
          old.dataset.shown = shown;
          old.querySelectorAll("details").forEach((one, at) => { one.open = open[at] || false; });
        }
      }
    } catch {
      say("The dashboard's server does not answer. Trying again.");
    } finally {
      fetching = false;
      if (again) { again = false; soon(); }
    }
  }

  function soon() {
    if (pending) return;
    pending = setTimeout(() => { pending = null; update(); }, Math.max(0, AT_MOST_EVERY_MS - (performance.now() - last)));
  }

  function start() {
    if (events && !source) {
      source = new EventSource(events);
      source.addEventListener("state", soon);
      source.addEventListener("problem", (event) => say(JSON.parse(event.data).detail + " Trying again."));
      source.addEventListener("end", () => { stop(); update(); });
      source.onerror = () => {
        say("The dashboard's server does not answer. Trying again.");
        if (source && source.readyState === EventSource.CLOSED) { stop(); setTimeout(start, 3000); }
      };
    }
    if (refresh && !timer) timer = setInterval(update, 1000 * Number(refresh));
  }

  function stop() {
    if (source) { source.close(); source = null; }
    if (timer) { clearInterval(timer); timer = null; }
  }

  if (reload) setTimeout(() => location.reload(), 1000 * Number(reload));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop(); else { start(); if (refresh) update(); }
  });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => { if (event.persisted) start(); });
  if (!document.hidden) start();
})();
