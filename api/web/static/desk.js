// The little that a page does in the browser: live updates, keys, help. Every page can be read and used without it.
"use strict";

const live = () => document.querySelector("[data-events]");
let told = "";
const help = document.getElementById("help");
const BY_PAGE = { "X-Asked-By": "page" }; // nobody asked: such a request keeps no session from ending

/** Fetch the page again and put its live part in place, leaving the reader's row where it was. */
async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html", ...BY_PAGE } });
  if (answer.redirected || !answer.ok) {
    location.reload();
    return;
  }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
  const old = document.querySelector("[data-live]");
  if (!fresh || !old) return;
  const row = document.activeElement?.closest?.("[data-row]");
  old.replaceWith(document.adoptNode(fresh));
  if (told) tell(told);
  stackTables();
  if (row?.id) document.getElementById(row.id)?.querySelector("[data-open]")?.focus({ preventScroll: true });
}

const phone = matchMedia("(max-width: 640px)");

/** Stack the cells of a row below each other, each next to its column's name, where a table does not fit a phone. */
function stackTables() {
  if (!phone.matches) return;
  for (const table of document.querySelectorAll("table:not(.queue, .heat, .stacked)")) {
    const box = table.closest(".scroll") ?? table.parentElement;
    const heads = table.tHead?.rows.length === 1 ? [...table.tHead.rows[0].cells] : [];
    if (!heads.length || heads.some((head) => head.colSpan > 1)) continue;
    const high = [...table.rows].some((row) => row.offsetHeight > 150); // squeezed into many lines
    if (box.scrollWidth <= box.clientWidth && !high) continue;
    for (const body of table.tBodies) {
      for (const row of body.rows) {
        if (row.cells.length !== heads.length) continue;
        heads.forEach((head, at) => { row.cells[at].dataset.column = head.textContent.trim(); });
      }
    }
    table.classList.add("stacked");
  }
}

/** Say whether the page is live, in the reader's language. */
function tell(state) {
  told = state;
  const shown = document.querySelector("[data-state]");
  if (shown) shown.textContent = shown.dataset[state];
}

function listen() {
  const source = new EventSource(live().dataset.events);
  let busy = false, again = false;
  const update = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try { await refresh(); } catch { /* the next event tries again */ } finally { busy = false; }
    if (again) { again = false; update(); }
  };
  source.addEventListener("queue", (event) => { if (event.data !== live().dataset.mark) update(); });
  source.addEventListener("open", () => tell("on"));
  source.addEventListener("error", () => tell("off"));
  setInterval(update, 30000); // times of waiting go on
  addEventListener("pagehide", () => source.close());
}

function move(step) {
  const rows = [...document.querySelectorAll("[data-row] [data-open]")];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement?.closest?.("[data-row]")?.querySelector("[data-open]"));
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step));
  rows[next].focus();
  rows[next].scrollIntoView({ block: "nearest" });
}

/** Go to the vehicle after or before the one of the page; in a list, to the next or previous row. */
function step(link, by) {
  const there = document.querySelector(link);
  if (there) there.click();
  else move(by);
}

/** Focus a field, in its part of the page if that is folded away. */
function enter(selector) {
  const field = document.querySelector(selector), part = field?.closest("details.part");
  if (part) part.open = true;
  field?.focus();
}

const KEYS = {
  j: () => step("[data-after]", 1),
  k: () => step("[data-before]", -1),
  u: () => document.querySelector("[data-up]")?.click(),
  v: () => enter("#verdict input:not([type=hidden])"),
  t: () => document.querySelector("#take, #give-back")?.focus(),
  a: () => enter("#act input:not([type=hidden])"),
  n: () => document.getElementById("nothing")?.showModal(),
  "/": () => { const field = document.getElementById("search"); field?.focus(); field?.select(); },
  "?": () => help?.showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=radio]):not([type=checkbox]), textarea, select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});

/** Let the places of a drawing check their boxes, and show which are checked. */
for (const field of document.querySelectorAll("[data-places]")) {
  const boxes = new Map([...field.querySelectorAll("input")].map((box) => [box.value, box]));
  const spots = [...field.querySelectorAll("[data-place]")];
  const show = () => spots.forEach((spot) => spot.classList.toggle("on", boxes.get(spot.dataset.place).checked));
  field.addEventListener("change", show);
  field.addEventListener("click", ({ target }) => {
    const box = boxes.get(target.closest("[data-place]")?.dataset.place);
    if (!box) return;
    box.checked = !box.checked;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  });
  show();
}

/** Let the places of a drawing fill the first empty row of a form that asks for an order. */
for (const form of document.querySelectorAll("[data-order]")) {
  const rows = [...form.querySelectorAll("select")], spots = [...form.querySelectorAll("[data-place]")];
  const show = () => spots.forEach((spot) => spot.classList.toggle("on", rows.some((row) => row.value === spot.dataset.place)));
  form.addEventListener("change", show);
  form.addEventListener("click", ({ target }) => {
    const place = target.closest("[data-place]")?.dataset.place;
    const row = rows.find((one) => one.value === place) ?? rows.find((one) => !one.value);
    if (!place || !row) return;
    row.value = row.value === place ? "" : place;
    show();
  });
  show();
}

/** Open what belongs to the outcome of an act as soon as it is chosen. */
document.getElementById("act")?.addEventListener("change", ({ target }) => {
  const part = target.name === "outcome" && { seizure: "finds", discrepancy: "differs" }[target.value];
  if (part) document.getElementById(part).open = true;
});

/** Check what is written a moment after the last key, and show what the server says of it. */
function checkAsTyped(form) {
  const text = form.elements.expression;
  let wait = 0, last = 0;
  const ask = async () => {
    const asked = ++last;
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.dataset.check, { method: "POST", body });
    if (!answer.ok || answer.redirected || asked !== last) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (asked === last) document.querySelector("[data-checked]").replaceChildren(...fresh.body.childNodes);
  };
  text.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(() => ask().catch(() => { /* the next key tries again */ }), 400);
  });
}

/** Offer the values of the field that a row asks for. */
function offerValues(field) {
  field.addEventListener("input", () => {
    const chosen = [...field.list.options].find((one) => one.value === field.value || one.text === field.value);
    document.getElementById(field.dataset.values).setAttribute("list", chosen?.dataset.list ?? "");
  });
}

/** Count what an entry would have matched, at once where a link has filled the form, and on demand. */
function previewEntry(form) {
  const place = form.querySelector("[data-previewed]"), button = form.querySelector("[formaction]");
  const ask = async () => {
    place.textContent = place.dataset.wait;
    const answer = await fetch(form.dataset.preview, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!answer.ok || answer.redirected) throw new Error("refused");
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    place.replaceChildren(...fresh.body.childNodes);
  };
  const fill = () => ask().catch(() => { place.textContent = ""; });
  button.addEventListener("click", (event) => {
    if (!form.elements.identifier.value) return;
    event.preventDefault();
    fill();
  });
  if (form.elements.identifier.value && !place.querySelector("#preview")) fill();
}

/** Follow how many notifications there are: their number in the menu, and a sentence when it grows. */
function followNotifications(link) {
  const number = document.createElement("b"), word = link.textContent;
  number.className = "waiting-count";
  link.append(" ", number);
  const place = document.querySelector("[data-news]");
  let before = null;
  const ask = async () => {
    const answer = await fetch("/v1/notifications", { headers: { Accept: "application/json", ...BY_PAGE } });
    if (!answer.ok) return;
    const now = (await answer.json()).notifications.length;
    number.textContent = now || "";
    if (before !== null && now > before) place.textContent = `${word}: ${now}`;
    before = now;
  };
  const again = () => ask().catch(() => { /* the next half minute tries again */ });
  again();
  setInterval(() => { if (!document.hidden) again(); }, 30000);
}

/** Show the vehicle of the row that has the focus next to the queue, where the screen is wide enough. */
function showGlance(pane) {
  const wide = matchMedia("(min-width: 1200px)");
  let shown = "", last = 0, wait = 0;
  const load = async (address) => {
    const asked = ++last;
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected || asked !== last) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (asked !== last) return;
    const parts = [...page.querySelectorAll("[data-glance]")];
    for (const part of parts) {
      for (const one of part.querySelectorAll("form, script, .noprint, details")) one.remove();
      for (const one of [part, ...part.querySelectorAll("[id], [aria-labelledby]")]) {
        one.removeAttribute("id");
        one.removeAttribute("aria-labelledby");
      }
      for (const head of part.querySelectorAll("h1")) {
        const lower = document.createElement("h2");
        lower.append(...head.childNodes);
        head.replaceWith(lower);
      }
    }
    pane.replaceChildren(...parts.map((part) => document.adoptNode(part)));
    pane.hidden = false;
    shown = address;
  };
  document.addEventListener("focusin", (event) => {
    const link = event.target.closest?.("[data-row]")?.querySelector("[data-open]");
    if (!link || !wide.matches || link.href === shown) return;
    clearTimeout(wait); // held keys run over many rows
    wait = setTimeout(() => load(link.href).catch(() => { pane.hidden = true; shown = ""; }), 150);
  });
}

const TYPED = "typed ", UNKEPT = ["hidden", "password", "file", "submit", "button"];
const KEPT_MS = 12 * 3600 * 1000;

/** Return what was typed in a form, nothing after twelve hours or where it cannot be read. */
function readTyped(key) {
  try {
    const kept = JSON.parse(localStorage.getItem(key));
    return Date.now() - kept.at < KEPT_MS ? kept.typed : [];
  } catch {
    return [];
  }
}

/** Keep what is typed in a form until it is recorded: a session ends, a line fails, a browser is closed. */
function keepTyped(form) {
  const key = TYPED + form.dataset.keep;
  const fields = () => [...form.elements].filter((one) => one.name && !UNKEPT.includes(one.type));
  const isBox = (one) => one.type === "checkbox" || one.type === "radio";
  for (const [name, value] of readTyped(key)) {
    for (const one of fields().filter((each) => each.name === name)) {
      if (!isBox(one)) one.value = value;
      else if (one.value === value) one.checked = true;
      else continue;
      one.dispatchEvent(new Event("change", { bubbles: true }));
      if (form.closest("details")) form.closest("details").open = true;
    }
  }
  const save = () => {
    const typed = fields().filter((one) => (isBox(one) ? one.checked : one.value)).map((one) => [one.name, one.value]);
    localStorage.setItem(key, JSON.stringify({ at: Date.now(), typed }));
  };
  form.addEventListener("input", save);
  form.addEventListener("change", save);
}

/** Forget what was typed under the keys that are over. */
function forgetTyped(isOver) {
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(TYPED) && isOver(key)) localStorage.removeItem(key);
  }
}

for (const more of document.querySelectorAll("details.more")) {
  const close = (event) => { if (!more.contains(event.target)) more.open = false; };
  document.addEventListener("click", close);
  document.addEventListener("focusin", close);
  more.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    more.open = false;
    more.querySelector("summary").focus();
  });
}
stackTables();
phone.addEventListener("change", stackTables);
document.addEventListener("toggle", stackTables, true); // a table that was folded away has no width
for (const button of document.querySelectorAll("[data-help]")) {
  button.hidden = false;
  button.addEventListener("click", () => help?.showModal());
}
for (const select of document.querySelectorAll("[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
  for (const button of select.form.querySelectorAll("button")) button.hidden = true;
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
for (const place of document.querySelectorAll("[data-upload]")) {
  place.hidden = false;
  const file = place.querySelector("[data-fill]");
  file?.addEventListener("change", async () => {
    const encoding = document.getElementById(file.dataset.encoding)?.value;
    if (file.files[0]) document.getElementById(file.dataset.fill).value = new TextDecoder(encoding).decode(await file.files[0].arrayBuffer());
  });
}
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
for (const pane of document.querySelectorAll("[data-pane]")) showGlance(pane);
document.querySelector(".menu a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
forgetTyped((key) => !readTyped(key).length);
if (document.getElementById("done")) {
  const subject = decodeURIComponent(location.pathname.split("/").pop());
  forgetTyped((key) => key.endsWith(` ${subject}`));
}
document.querySelector("form.who")?.addEventListener("submit", () => forgetTyped(() => true));
for (const form of document.querySelectorAll("[data-keep]")) keepTyped(form);
for (const form of document.querySelectorAll("[data-check]")) checkAsTyped(form);
for (const field of document.querySelectorAll("[data-values]")) offerValues(field);
for (const form of document.querySelectorAll("[data-preview]")) previewEntry(form);
for (const link of document.querySelectorAll(".menu a[href='/notifications']")) followNotifications(link);
if (live() && "EventSource" in window) listen();
setInterval(() => { if (document.querySelector("[data-follow]")) refresh().catch(() => { /* the next look tries again */ }); }, 5000);
