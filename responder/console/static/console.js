// Clocks that tick, and pages that keep themselves up to date. Everything works without it.
"use strict";

(() => {
  const root = document.documentElement;
  const said = document.getElementById("said");
  let offset = Date.parse(root.dataset.now) - Date.now(); // the server's clock counts, not this one's
  const now = () => Date.now() + offset;
  const say = (text) => { if (said && said.textContent !== text) said.textContent = text; };

  // -- times ------------------------------------------------------------------------------------

  const two = (n) => String(n).padStart(2, "0");
  const left = (ms) => {
    const s = Math.max(0, Math.ceil(ms / 1000)), d = Math.floor(s / 86400);
    const h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
    if (d) return `${d} d ${h} h`;
    return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
  };
  const local = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
  const full = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "long" });

  function dress(within) {
    for (const time of within.querySelectorAll("time[data-at]")) {
      const at = new Date(time.dateTime);
      time.title = full.format(at);
      if (at.getTimezoneOffset() && time.closest(".clock, .pairs") && !time.dataset.dressed) {
        time.dataset.dressed = "1";
        time.append(` · ${local.format(at)}`);
      }
    }
    for (const button of within.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
  }

  function tick() {
    const t = now();
    for (const clock of document.querySelectorAll(".clock[data-due]")) {
      const due = Date.parse(clock.dataset.due), start = Date.parse(clock.dataset.started);
      const show = clock.querySelector("[data-left]");
      if (t >= due) {
        clock.className = "clock bad";
        clock.removeAttribute("data-due");
        show.textContent = "breached";
        say(`${clock.dataset.of}: the clock ${clock.dataset.clock} is breached`);
        refresh();
        continue;
      }
      show.textContent = left(due - t);
      if ((t - start) / (due - start) >= 0.8 && !clock.classList.contains("warn")) {
        clock.className = "clock warn";
        say(`${clock.dataset.of}: the clock ${clock.dataset.clock} is running out`);
      }
    }
    for (const one of document.querySelectorAll("[data-countdown]")) {
      const rest = Date.parse(one.dataset.countdown) - t;
      one.textContent = rest > 0 ? `${left(rest)} left` : "over";
      one.classList.toggle("soon", rest > 0 && rest < 120000);
      one.classList.toggle("over", rest <= 0);
    }
    for (const form of document.querySelectorAll("form[data-expires]")) {
      if (Date.parse(form.dataset.expires) > t) continue;
      form.removeAttribute("data-expires");
      for (const button of form.querySelectorAll("button")) button.disabled = true;
      say("This ask has ended: nobody decided it in time");
      refresh();
    }
  }

  // -- keeping up to date -----------------------------------------------------------------------

  let busy = false, again = false;

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href.split("#")[0].replace(/[?&]done=[\w-]+/, ""), {
        headers: { accept: "text/html" }, redirect: "follow",
      });
      if (answer.redirected) { location.reload(); return; } // signed out: the login says so
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      offset = Date.parse(fresh.documentElement.dataset.now) - Date.now();
      swap(fresh);
    } catch { /* the stream says when it is back */ } finally {
      busy = false;
      if (again) { again = false; setTimeout(refresh, 500); }
    }
  }

  // The text of a region as the server wrote it, so that ticking is not a difference.
  const written = new WeakMap();
  // What stands in fields, and what is open, is its reader's: after a refusal it is what they had typed.
  const plainly = (node) => node.outerHTML.replace(/value="[^"]*"| (open|selected|checked)(="")?(?=[ >])/g, "")
    .replace(/(<textarea[^>]*>)[^<]*/g, "$1");

  function swap(fresh) {
    document.title = fresh.title;
    announce(fresh);
    const before = new Set();
    for (const region of document.querySelectorAll("[data-region]")) {
      before.add(region.id);
      const next = fresh.getElementById(region.id);
      if (!next) { if (!typing(region)) region.remove(); continue; }
      const text = plainly(next);
      if (written.get(region) === text) continue;
      if (typing(region) && region.dataset.key === next.dataset.key) continue;
      const open = new Set([...region.querySelectorAll("details[open][id]")].map((d) => d.id));
      const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
      written.set(next, text);
      region.replaceWith(next);
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
      dress(next);
    }
    // A region that is new: an ask that was opened, or one that ended on a page that did not have it.
    if ([...fresh.querySelectorAll("[data-region]")].some((one) => !before.has(one.id))) {
      const typed = document.querySelector("main input:focus, main textarea:focus");
      if (!typed) location.reload();
    }
    document.dispatchEvent(new Event("responder:swapped"));
    tick();
  }

  function typing(region) {
    if (region.querySelector("details[open] input:focus, details[open] select:focus")) return true;
    const changed = (field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked;
    if ([...region.querySelectorAll("form option")].some((one) => one.selected && !one.defaultSelected && one.index)) return true;
    return [...region.querySelectorAll("form input:not([type=hidden]), form textarea")]
      .some((field) => field === document.activeElement || changed(field));
  }

  function announce(fresh) {
    for (const one of fresh.querySelectorAll("[data-status]")) {
      const id = one.dataset.incident;
      const old = document.querySelector(`[data-incident="${CSS.escape(id)}"]`);
      if (!old) say(`New incident ${id}: ${one.dataset.status}`);
      else if (old.dataset.status !== one.dataset.status) say(`${id}: ${one.dataset.status}`);
    }
  }

  // -- the stream -------------------------------------------------------------------------------

  const stream = document.body.dataset.live;
  const lost = document.getElementById("lost");
  let source = null, heard = Date.now(), level = false;

  function listen() {
    if (!stream || source || document.hidden) return;
    source = new EventSource(stream);
    const alive = (event) => {
      heard = Date.now();
      if (event.data) offset = Date.parse(JSON.parse(event.data).now) - Date.now();
      // What changed between this page and the stream's first look is on neither: look once more.
      if (event.lastEventId && !level) { level = true; refresh(); }
      if (!lost.hidden) { lost.hidden = true; refresh(); }
    };
    source.addEventListener("open", () => { heard = Date.now(); level = false; });
    source.addEventListener("beat", alive);
    source.addEventListener("changed", (event) => { alive(event); refresh(); });
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) { source = null; setTimeout(() => { refresh(); listen(); }, 5000); }
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); source = null; } else { heard = Date.now(); listen(); refresh(); }
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    say(`Copied: ${button.dataset.copy}`);
    const word = button.firstChild;
    word.textContent = "Copied";
    setTimeout(() => { word.textContent = "Copy"; }, 1500);
  });

  // A form is sent once, however often it is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
  });
  addEventListener("pageshow", () => { for (const form of document.forms) delete form.dataset.sent; });

  // What was refused is shown where the form was sent to; reading again is done where the page is.
  const here = document.body.dataset.here;
  if (here && here !== location.pathname) history.replaceState(null, "", here);
  for (const region of document.querySelectorAll("[data-region]")) written.set(region, plainly(region));
  root.classList.add("js");
  dress(document);
  tick();
  setInterval(() => {
    tick();
    if (stream && !document.hidden && Date.now() - heard > 35000 && lost.hidden) lost.hidden = false;
  }, 1000);
  listen();
})();
