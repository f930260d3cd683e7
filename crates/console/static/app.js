// The console works without this file. It only makes pages live: replaces parts as they change, shows times in the viewer's
// zone, opens dialogs in place, filters comboboxes, and warns before unsaved work is lost.
"use strict";

const zone = new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
});

// Times come in UTC; the title keeps it, for hover and focus.
function localize(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    if (time.dataset.local) continue;
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.dataset.local = "1";
    const local = zone.format(at);
    if ("distance" in time.dataset) time.title = `${local} (${time.title})`;
    else time.textContent = local;
  }
}

// What a screen reader says: the same element, its text changed, at most every 15 seconds.
let saidAt = 0;
function announce(element, text) {
  if (element.textContent === text || Date.now() - saidAt < 15000) return;
  saidAt = Date.now();
  element.textContent = text;
}

// Replaces the parts of `html` that carry a data-live id the page has too; focus stays where it was.
function replace(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  for (const fresh of holder.content.querySelectorAll("[data-live]")) {
    const old = document.querySelector(`[data-live="${CSS.escape(fresh.dataset.live)}"]`);
    if (!old || old.outerHTML === fresh.outerHTML) continue;
    if ("announce" in fresh.dataset) { announce(old, fresh.textContent); continue; }
    if (old.querySelector("details[open], dialog[open]")) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const again = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.getAttribute("href") && `a[href="${CSS.escape(focused.getAttribute("href"))}"]`);
    old.replaceWith(fresh);
    prepare(fresh);
    if (again) fresh.querySelector(again)?.focus();
    if (fresh.dataset.state) document.querySelector("main").dataset.state = fresh.dataset.state;
  }
}

// <div data-stream="/path">: fragments pushed by the server.
function stream(element) {
  const source = new EventSource(element.dataset.stream);
  source.addEventListener("fragment", (event) => replace(event.data));
  source.addEventListener("end", () => source.close());
  source.addEventListener("reload", () => { source.close(); location.reload(); });
  addEventListener("pagehide", () => source.close(), { once: true });
}

// <div data-live="x" data-load="/path">: a part that takes longer than a page may.
async function load(element) {
  try {
    const answer = await fetch(element.dataset.load, { headers: { accept: "text/html" } });
    if (answer.ok || answer.status < 500) replace(await answer.text());
  } catch { /* The link inside the element does the same by hand. */ }
}

// <a data-dialog="id"> opens the <dialog> of that id instead of the page behind the link.
function dialog(link) {
  link.addEventListener("click", (event) => {
    const target = document.getElementById(link.dataset.dialog);
    if (!target || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    target.showModal();
  });
}

// <form data-guard>: changes are marked, and leaving asks first.
function guard(form) {
  const before = new URLSearchParams(new FormData(form)).toString();
  const isDirty = () => new URLSearchParams(new FormData(form)).toString() !== before;
  const marker = form.querySelector("[data-unsaved]");
  let leaving = false;
  const mark = () => { if (marker) marker.hidden = !isDirty(); };
  form.addEventListener("input", mark);
  form.addEventListener("change", mark);
  form.addEventListener("submit", () => { leaving = true; });
  addEventListener("beforeunload", (event) => { if (!leaving && isDirty()) event.preventDefault(); });
}

// <div data-combobox><select>…</select></div>: a text field that filters the options of the select (ARIA combobox pattern).
// The select stays the form's control, so the field only helps choosing.
function combobox(holder) {
  const select = holder.querySelector("select");
  const options = [...select.options].map((option) => ({ option, words: option.textContent.toLowerCase() }));
  const input = document.createElement("input");
  const list = document.createElement("ul");
  const id = `${select.id || select.name}-list`;
  Object.assign(list, { id, role: "listbox", className: "options", hidden: true });
  Object.assign(input, { type: "text", className: "input", autocomplete: "off", value: select.selectedOptions[0]?.textContent.trim() ?? "" });
  const label = select.labels?.[0];
  if (label) { input.setAttribute("aria-label", label.textContent.trim()); }
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", id]]) input.setAttribute(name, value);
  if (select.getAttribute("aria-describedby")) input.setAttribute("aria-describedby", select.getAttribute("aria-describedby"));
  input.disabled = select.disabled;
  select.hidden = true;
  holder.append(input, list);
  let active = -1;
  const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); active = -1; };
  const choose = (option) => {
    select.value = option.value;
    input.value = option.textContent.trim();
    select.dispatchEvent(new Event("change", { bubbles: true }));
    close();
  };
  const show = (all) => {
    const words = all ? "" : input.value.trim().toLowerCase();
    const found = [];
    // A picklist may have ten thousand options; nobody reads more than a screen of them.
    for (const entry of options) { if (entry.words.includes(words)) found.push(entry.option); if (found.length === 60) break; }
    list.replaceChildren(...found.map((option, at) => {
      const item = document.createElement("li");
      Object.assign(item, { id: `${id}-${at}`, role: "option", textContent: option.textContent.trim() });
      item.setAttribute("aria-selected", String(option.selected));
      item.addEventListener("mousedown", (event) => { event.preventDefault(); choose(option); });
      item.choice = option;
      return item;
    }));
    list.hidden = found.length === 0;
    input.setAttribute("aria-expanded", String(found.length > 0));
    active = -1;
  };
  const move = (step) => {
    if (list.hidden) show(true);
    const items = list.children;
    if (items.length === 0) return;
    items[active]?.classList.remove("active");
    active = (active + step + items.length) % items.length;
    items[active].classList.add("active");
    items[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", items[active].id);
  };
  input.addEventListener("input", () => show(false));
  input.addEventListener("click", () => show(true));
  input.addEventListener("blur", () => { input.value = select.selectedOptions[0]?.textContent.trim() ?? ""; close(); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); move(1); }
    else if (event.key === "ArrowUp") { event.preventDefault(); move(-1); }
    else if (event.key === "Escape") { if (!list.hidden) { event.preventDefault(); close(); } }
    else if (event.key === "Enter" && !list.hidden && active >= 0) { event.preventDefault(); choose(list.children[active].choice); }
  });
}

// <button hidden data-ticks>: ticks every row of its form, or none if all are ticked.
function ticks(button) {
  const boxes = () => [...button.form.querySelectorAll("input[name=pick]")];
  button.hidden = false;
  button.addEventListener("click", () => {
    const all = boxes();
    const on = !all.every((box) => box.checked);
    for (const box of all) box.checked = on;
    button.form.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

function prepare(root) {
  localize(root);
  const each = (selector, act) => { if (root.matches?.(selector)) act(root); root.querySelectorAll(selector).forEach(act); };
  each("[data-load]", load);
  each("a[data-dialog]", dialog);
  each("[data-combobox]", combobox);
  each("form[data-guard]", guard);
  each("[data-ticks]", ticks);
}

prepare(document);
document.querySelectorAll("[data-stream]").forEach(stream);
document.querySelector("[data-focus]")?.focus();
// The notice of a change is told once: a reload does not tell it again.
if (location.search.includes("done=")) {
  const address = new URL(location.href);
  address.searchParams.delete("done");
  history.replaceState(null, "", address);
}
