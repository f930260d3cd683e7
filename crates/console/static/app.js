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

// <form data-guard [data-changed]>: changes are marked, and leaving asks first.
function guard(form) {
  const before = new URLSearchParams(new FormData(form)).toString();
  // With data-changed the page came with changes that are not saved yet.
  const isDirty = () => "changed" in form.dataset || new URLSearchParams(new FormData(form)).toString() !== before;
  const marker = form.querySelector("[data-unsaved]");
  let leaving = false;
  const mark = () => { if (marker) marker.hidden = !isDirty(); };
  form.addEventListener("input", mark);
  form.addEventListener("change", mark);
  form.addEventListener("submit", () => { leaving = true; });
  addEventListener("beforeunload", (event) => { if (!leaving && isDirty()) event.preventDefault(); });
}

// <a data-fetch="x" href="/path">: a part that is fetched when somebody asks for it, put in the place of data-live="x" instead of
// being a page of its own.
// With data-follows="name" the address names what that control of the form holds now.
function fetchLink(link) {
  link.addEventListener("click", async (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    const address = new URL(link.href);
    const followed = link.closest("form")?.elements[link.dataset.follows];
    if (followed) address.searchParams.set("path", followed.value);
    const place = link.dataset.fetch && document.querySelector(`[data-live="${CSS.escape(link.dataset.fetch)}"]`);
    if (place) place.textContent = "Looking…";
    try { replace(await (await fetch(address, { headers: { accept: "text/html" } })).text()); }
    catch { location.href = address; }
  });
}

// What a row says of its choice is true of the choice that the server knows: [data-of-choice]. Once another is made,
// [data-of-change] says so instead.
function follow(row) {
  const control = row.querySelector("select");
  if (!control || !row.querySelector("[data-of-choice]")) return;
  const before = control.value;
  control.addEventListener("change", () => {
    const is = control.value !== before;
    row.querySelectorAll("[data-of-choice]").forEach((part) => { part.hidden = is; });
    row.querySelectorAll("[data-of-change]").forEach((part) => { part.hidden = !is; });
    row.querySelectorAll("[data-live]").forEach((part) => { part.textContent = ""; });
  });
}

// <div data-combobox><select>…</select></div>: a text field that filters the options of the select (ARIA combobox pattern).
// The select stays the form's control, so the field only helps choosing. With data-options="/path" the options are fetched when
// the field is first used: HTML with a <select>, whose data-more="/path" brings the same options with more to say. An option may
// carry data-note and data-holds, shown below it and searched too; a disabled one is shown and can't be chosen.
const SHOWN = 60;
function combobox(holder) {
  const select = holder.querySelector("select");
  if (!select || select.hidden) return;
  const entry = (option) => ({
    value: option.value, text: option.textContent.trim(), disabled: option.disabled,
    note: [option.dataset.note, option.dataset.holds].filter(Boolean).join(" · "),
    words: [option.textContent, option.dataset.note, option.dataset.holds].join(" ").toLowerCase(),
  });
  let entries = [...select.options].map(entry);
  let address = holder.dataset.options;
  const make = (tag, fields) => Object.assign(document.createElement(tag), fields);
  const id = select.id || select.name;
  const input = make("input", { type: "text", className: "input", autocomplete: "off", spellcheck: false, disabled: select.disabled });
  const popup = make("div", { className: "options", hidden: true });
  const list = make("ul", { id: `${id}-list`, role: "listbox" });
  const status = make("p", { className: "small quiet" });
  status.setAttribute("role", "status");
  const label = select.labels?.[0];
  if (label && !label.htmlFor) input.setAttribute("aria-label", label.textContent.trim());
  if (label) list.setAttribute("aria-label", label.textContent.trim());
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id]]) input.setAttribute(name, value);
  for (const name of ["aria-describedby", "aria-invalid"]) if (select.hasAttribute(name)) input.setAttribute(name, select.getAttribute(name));
  // The label and links to the field lead to what people see.
  select.id = `${id}-select`;
  input.id = id;
  select.hidden = true;
  popup.append(list, status);
  holder.append(input, popup);
  const present = () => select.selectedOptions[0]?.textContent.trim() ?? "";
  input.value = present();
  let active = -1;
  let typed = false;
  const close = () => { popup.hidden = true; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); active = -1; typed = false; };
  const choose = (found) => {
    if (found.disabled) return;
    if (![...select.options].some((option) => option.value === found.value)) select.append(new Option(found.text, found.value));
    select.value = found.value;
    input.value = found.text;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    close();
  };
  const mark = (at) => {
    const items = list.children;
    items[active]?.classList.remove("active");
    active = at;
    if (at < 0) { input.removeAttribute("aria-activedescendant"); return; }
    items[at].classList.add("active");
    items[at].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", items[at].id);
  };
  const show = () => {
    const words = typed ? input.value.trim().toLowerCase().split(/\s+/).filter(Boolean) : [];
    const found = entries.filter((one) => words.every((word) => one.words.includes(word)));
    // A picklist may have ten thousand options; nobody reads more than a screen of them.
    list.replaceChildren(...found.slice(0, SHOWN).map((one, at) => {
      const item = make("li", { id: `${list.id}-${at}`, role: "option", textContent: one.text });
      item.setAttribute("aria-selected", String(one.value === select.value));
      if (one.disabled) item.setAttribute("aria-disabled", "true");
      if (one.note) item.append(make("small", { textContent: one.note }));
      item.addEventListener("mousedown", (event) => { event.preventDefault(); choose(one); });
      item.choice = one;
      return item;
    }));
    list.hidden = found.length === 0;
    status.textContent = found.length === 0 ? (address === "loading" ? "Loading…" : `Nothing matches “${input.value.trim()}”. Try other words.`)
      : found.length > SHOWN ? `${SHOWN} of ${found.length} shown. Type to narrow them down.` : words.length ? `${found.length} found` : "";
    popup.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(words.length && found[0] && !found[0].disabled ? 0 : -1);
  };
  const load = async (from) => {
    try {
      const answer = await fetch(from, { headers: { accept: "text/html" } });
      const part = make("template", {});
      if (!answer.ok) return;
      part.innerHTML = await answer.text();
      const told = part.content.querySelector("select");
      if (!told) return;
      const fresh = [...told.options].map(entry);
      entries = [...entries.filter((one) => fresh.every((other) => other.value !== one.value)), ...fresh];
      address = "";
      if (!popup.hidden && active < 0) show();
      // While an option is active the list stays as it is; only what is told of its options is added.
      else if (!popup.hidden) for (const item of list.children) {
        const told = entries.find((one) => one.value === item.choice.value);
        if (!told || told.note === item.choice.note) continue;
        item.choice = told;
        (item.querySelector("small") ?? item.appendChild(make("small", {}))).textContent = told.note;
      }
      if (told.dataset.more) load(told.dataset.more);
    } catch { /* The few options of the select remain, and the page that lists all. */ } finally { if (address === "loading") address = ""; }
  };
  const open = () => {
    if (address && address !== "loading") { const from = address; address = "loading"; load(from); }
    show();
  };
  const move = (step) => {
    if (popup.hidden) open();
    const count = list.children.length;
    if (count > 0) mark(active < 0 && step < 0 ? count - 1 : (active + step + count) % count);
  };
  input.addEventListener("input", () => { typed = true; open(); });
  input.addEventListener("click", () => { if (popup.hidden) { input.select(); open(); } });
  input.addEventListener("blur", () => { input.value = present(); close(); });
  // Pressing on the popup's scroll bar or its text is no choice and no end of choosing.
  popup.addEventListener("mousedown", (event) => event.preventDefault());
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); move(1); }
    else if (event.key === "ArrowUp") { event.preventDefault(); move(-1); }
    else if (event.key === "Escape") { if (!popup.hidden) { event.preventDefault(); input.value = present(); close(); } }
    else if (event.key === "Enter") {
      // Enter chooses or opens; it never sends the form from inside the list.
      event.preventDefault();
      if (popup.hidden) open();
      else if (active >= 0) choose(list.children[active].choice);
    }
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

// What is wider than its place scrolls sideways, and has to be reached without a mouse while it does.
const scrolled = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});

function prepare(root) {
  localize(root);
  const each = (selector, act) => { if (root.matches?.(selector)) act(root); root.querySelectorAll(selector).forEach(act); };
  each("[data-load]", load);
  each("a[data-dialog]", dialog);
  each("a[data-fetch]", fetchLink);
  each("[data-combobox]", combobox);
  each(".maprow", follow);
  each("form[data-guard]", guard);
  each("[data-ticks]", ticks);
  each(".scroll", (part) => scrolled.observe(part));
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
