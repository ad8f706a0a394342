/* What a page of the book can do beyond its theme. Without this script all of it
   can still be read: the tabs are radio buttons. Which framework is chosen stands in
   the root element, where the head of the page put it before anything was drawn. */
"use strict";

/* Under which sphinx-design keeps the choice as well. */
const KEY = "sphinx-design-tab-id-framework";
const root = document.documentElement;
const known = (root.dataset.frameworks || "").split(" ");

/* Returns the choice of an earlier visit, if there was one. */
function earlierChoice() {
  try {
    return window.localStorage.getItem(KEY);
  } catch (error) {
    return null;
  }
}

/* Keeps the choice; where the browser keeps nothing, the address still does. */
function keepChoice(framework) {
  try {
    window.localStorage.setItem(KEY, framework);
  } catch (error) {
    // Then each page starts with what its address says.
  }
}

/* Brings tabs and switch into line with the choice. */
function showChoice() {
  const chosen = root.dataset.framework;
  for (const tab of document.querySelectorAll('.frameworks [role="tab"]')) {
    const selected = tab.dataset.syncId === chosen;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
  }
  for (const input of document.querySelectorAll(".framework-switch input"))
    input.checked = input.value === chosen;
  for (const select of document.querySelectorAll("select.framework-switch"))
    select.value = chosen;
  letScroll();
}

/* Shows a framework everywhere on the page, and what the reader looks at stays where
   it is, however long the tabs above it become. Returns whether there is such a one. */
function choose(framework, looked = lookedAt()) {
  if (!known.includes(framework)) return false;
  const before = looked && looked.getBoundingClientRect().top;
  root.dataset.framework = framework;
  showChoice();
  keepChoice(framework);
  if (looked) {
    const moved = looked.getBoundingClientRect().top - before;
    if (moved) window.scrollBy({ top: moved, behavior: "instant" });
  }
  return true;
}

/* Chooses for the reader, and lets the address say so: a copy of it opens the same. */
function chooseAndSay(framework, looked) {
  if (!choose(framework, looked)) return;
  const address = new URL(window.location);
  address.searchParams.set("framework", framework);
  try {
    window.history.replaceState(window.history.state, "", address);
  } catch (error) {
    // Some browsers let no page from disk change its address.
  }
}

/* Returns the first block of text in view. */
function lookedAt() {
  const blocks = document.querySelectorAll(
    "article :is(h1, h2, h3, h4, p, li, figcaption, .frameworks)",
  );
  for (const block of blocks) {
    const box = block.getBoundingClientRect();
    if (box.height && box.top >= 48) return box.top < window.innerHeight ? block : null;
  }
  return null;
}

/* Makes of radio buttons what those who hear the page know as tabs. */
function makeTabs(tabSet) {
  const list = document.createElement("div");
  list.className = "framework-tabs";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Framework");
  for (const input of tabSet.querySelectorAll(":scope > input")) {
    const label = input.nextElementSibling;
    const panel = label.nextElementSibling;
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `${panel.id}-tab`;
    tab.dataset.syncId = label.dataset.syncId;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    tab.textContent = label.textContent.trim();
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    panel.tabIndex = 0;
    label.remove();
    input.remove();
    list.append(tab);
  }
  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) chooseAndSay(tab.dataset.syncId, tab);
  });
  list.addEventListener("keydown", moveAlongTabs);
  tabSet.prepend(list);
}

/* Left, right, Home and End go from tab to tab, and choose. */
function moveAlongTabs(event) {
  const tabs = [...event.currentTarget.children];
  const now = tabs.indexOf(event.target);
  const last = tabs.length - 1;
  const next = {
    ArrowLeft: now > 0 ? now - 1 : last,
    ArrowRight: now < last ? now + 1 : 0,
    Home: 0,
    End: last,
  }[event.key];
  if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  tabs[next].focus({ preventScroll: true });
  chooseAndSay(tabs[next].dataset.syncId, tabs[next]);
}

/* Lets the keyboard reach, and so scroll, what is wider than its box. */
function letScroll() {
  const boxes = "article :is(pre, mjx-container[display], .pst-scrollable-table-container)";
  for (const box of document.querySelectorAll(boxes)) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else if (box.tabIndex === 0) box.removeAttribute("tabindex");
  }
}

/* Where a link leads into a tab, chooses its framework on the whole page. */
function openLinkedTab() {
  const id = decodeURIComponent(window.location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (!target) return;
  const panel = target.closest(".frameworks > .sd-tab-content");
  const tab = panel && document.getElementById(`${panel.id}-tab`);
  if (tab && tab.dataset.syncId !== root.dataset.framework) {
    chooseAndSay(tab.dataset.syncId, null);
    target.scrollIntoView();
  }
}

/* Where the address says the framework, lets links within the book say it too: some
   browsers keep nothing from one page on disk to the next. */
function carryChoice(event) {
  const link = event.target.closest && event.target.closest("a[href]");
  const said = new URLSearchParams(window.location.search).has("framework");
  if (!said || !link || link.getAttribute("href").startsWith("#")) return;
  const address = new URL(link.href);
  const inBook = address.protocol === window.location.protocol
    && address.host === window.location.host
    && address.pathname.endsWith(".html");
  if (!inBook || address.searchParams.has("framework")) return;
  address.searchParams.set("framework", root.dataset.framework);
  link.href = address;
}

/* Saves notebooks; where a server calls them text, a browser would show them. */
function saveNotebooks() {
  for (const link of document.querySelectorAll('a[href*="_downloads/"]')) {
    if (link.host !== window.location.host) continue;
    link.setAttribute("download", "");
    link.removeAttribute("target");
  }
}

/* Gives each button the name that its tooltip shows. */
function nameButtons() {
  for (const button of document.querySelectorAll("button[title]:not([aria-label])"))
    button.setAttribute("aria-label", button.title);
}

/* Lets no line begin with the mark after a formula, and none end within short code. */
function keepTogether() {
  for (const formula of document.querySelectorAll("span.math")) {
    const after = formula.nextSibling;
    const marks = after instanceof Text && after.data.match(/^[.,;:?!)]+/);
    if (!marks) continue;
    after.splitText(marks[0].length);
    const both = document.createElement("span");
    both.className = "together";
    formula.replaceWith(both);
    both.append(formula, after);
  }
  for (const code of document.querySelectorAll("p > code, li > code"))
    if (code.textContent.length < 28 && !code.closest("td"))
      code.classList.add("together");
}

document.querySelectorAll(".frameworks").forEach(makeTabs);
keepTogether();
showChoice();
if (new URLSearchParams(window.location.search).has("framework"))
  keepChoice(root.dataset.framework);
saveNotebooks();
nameButtons();
openLinkedTab();

document.addEventListener("change", (event) => {
  if (event.target.closest(".framework-switch")) chooseAndSay(event.target.value);
});
for (const kind of ["click", "auxclick", "contextmenu"])
  document.addEventListener(kind, carryChoice, true);
window.addEventListener("hashchange", openLinkedTab);
window.addEventListener("resize", letScroll);
window.addEventListener("load", letScroll);
// Another window, or the page before on the way back: one choice for all of them.
window.addEventListener("storage", (event) => {
  if (event.key === KEY) choose(event.newValue);
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) choose(earlierChoice());
});
