/* Everything a page can do beyond its theme. Without this script you can still read
   everything, because the tabs are radio buttons. The chosen framework is in the root
   element, where the head of the page puts it before anything is drawn. */
"use strict";

/* sphinx-design stores the choice under the same key. */
const KEY = "sphinx-design-tab-id-framework";
const root = document.documentElement;
const known = (root.dataset.frameworks || "").split(" ");

/* Stores the choice, for this window (another one may show another framework) and for
   new windows. */
function keepChoice(framework) {
  sessionStorage.setItem(KEY, framework);
  localStorage.setItem(KEY, framework);
}

/* Hides or shows an element. The browser's own search still finds and reveals it. */
function hide(element, hidden) {
  if ("onbeforematch" in element) element.hidden = hidden && "until-found";
}

/* Updates the tabs and the switch to show the choice. */
function showChoice() {
  const chosen = root.dataset.framework;
  for (const tab of document.querySelectorAll('.frameworks [role="tab"]')) {
    const selected = tab.dataset.syncId === chosen;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
  }
  for (const panel of document.querySelectorAll(".frameworks > .sd-tab-content")) {
    const hidden = frameworkOf(panel) !== chosen;
    hide(panel, hidden);
    panel.ariaHidden = hidden ? "true" : null;
    if (panel.role) panel.tabIndex = hidden ? -1 : 0;
  }
  for (const input of document.querySelectorAll(".framework-switch input")) input.checked = input.value === chosen;
  for (const select of document.querySelectorAll("select.framework-switch")) select.value = chosen;
  letScroll();
}

/* Moves the shown panel before the hidden ones, so the browser's search finds the
   reader's own framework first. */
function putShownFirst() {
  const shown = `.frameworks > .framework-${root.dataset.framework}`;
  for (const panel of document.querySelectorAll(shown)) {
    const first = panel.parentElement.querySelector(":scope > .sd-tab-content");
    if (first !== panel) first.before(panel);
  }
}

/* Shows a framework everywhere on the page. The block the reader looks at stays in
   place, even if tabs above it change their length. Returns whether it is known. */
function choose(framework, looked = lookedAt()) {
  if (!known.includes(framework)) return false;
  const before = looked?.getBoundingClientRect().top;
  root.dataset.framework = framework;
  showChoice();
  keepChoice(framework);
  if (looked) window.scrollBy({ top: looked.getBoundingClientRect().top - before, behavior: "instant" });
  return true;
}

/* Chooses a framework and puts it into the address, so a copied link opens the same. */
function chooseAndSay(framework, looked) {
  if (!choose(framework, looked)) return;
  say();
  // Wait, because the browser may be about to scroll to a search hit.
  setTimeout(putShownFirst, 500);
}

/* Puts the choice into the address. */
function say() {
  if (named(window.location) === root.dataset.framework) return;
  try {
    window.history.replaceState(window.history.state, "", withFramework(window.location));
  } catch (error) {
    // Some browsers don't let a page from disk change its address.
  }
}

function withFramework(link, framework = root.dataset.framework) {
  const address = new URL(link.href);
  address.searchParams.set("framework", framework);
  return address;
}

/* Returns the framework that an address names, if any. */
function named(link) {
  return new URLSearchParams(link.search).get("framework");
}

/* Returns the first block of text in view. */
function lookedAt() {
  const blocks = document.querySelectorAll("article :is(h1, h2, h3, h4, p, li, figcaption, .frameworks)");
  for (const block of blocks) {
    const box = block.getBoundingClientRect();
    if (box.height && box.top >= 48) return box.top < window.innerHeight ? block : null;
  }
  return null;
}

/* Turns radio buttons into tabs that screen readers know. Sets that show only a mark
   lose their buttons. */
function makeTabs(tabSet) {
  if (!tabSet.classList.contains("with-tabs")) {
    for (const each of tabSet.querySelectorAll(":scope > :is(input, label)")) each.remove();
    return;
  }
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
    tab.setAttribute("role", "tab");
    tab.textContent = label.textContent.trim();
    tab.dataset.syncId = label.dataset.syncId;
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    label.remove();
    input.remove();
    list.append(tab);
  }
  list.addEventListener("click", event => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) chooseAndSay(tab.dataset.syncId, tab);
  });
  list.addEventListener("keydown", moveAlongTabs);
  tabSet.prepend(list);
}

/* Moves between tabs with the arrow keys, Home and End, and chooses. */
function moveAlongTabs(event) {
  const tabs = [...event.currentTarget.children];
  const now = tabs.indexOf(event.target);
  const next = { ArrowLeft: now - 1, ArrowRight: (now + 1) % tabs.length, Home: 0, End: -1 }[event.key];
  if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const tab = tabs.at(next);
  tab.focus({ preventScroll: true });
  chooseAndSay(tab.dataset.syncId, tab);
}

/* Lets the keyboard focus, and so scroll, boxes with wider content, and marks the sides
   where there is more. */
function letScroll() {
  const boxes = "article :is(pre, mjx-container[display], .pst-scrollable-table-container)";
  for (const box of document.querySelectorAll(boxes)) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else if (box.tabIndex === 0) box.removeAttribute("tabindex");
    tellScrolls(box);
  }
}

function tellScrolls(box) {
  const rest = box.scrollWidth - box.clientWidth - box.scrollLeft;
  const ways = [box.scrollLeft > 1 && "back", rest > 1 && "on"].filter(Boolean);
  if (ways.length) box.dataset.scrolls = ways.join(" ");
  else delete box.dataset.scrolls;
}

/* Uncovers the answer to a question. */
function showPredicted({ dataset: { question } }) {
  for (const output of document.querySelectorAll(`.predicted[data-question="${question}"]`)) {
    output.classList.add("seen");
    for (const part of output.children) hide(part, false);
  }
  letScroll();
}

/* Reveals what contains an element: an answer, and a tab by choosing its framework on
   the whole page. Returns whether there was any. */
function reveal(target) {
  const output = target.closest(".predicted");
  if (output) showPredicted(output);
  const panel = target.closest(".frameworks > .sd-tab-content");
  if (panel && frameworkOf(panel) !== root.dataset.framework) chooseAndSay(frameworkOf(panel), null);
  return output || panel;
}

function openLinkedTab() {
  const id = decodeURIComponent(window.location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (!target) return;
  target.closest("details")?.setAttribute("open", "");
  if (reveal(target)) target.scrollIntoView();
}

/* Returns the framework that a tab's content is for. */
function frameworkOf(panel) {
  return known.find(each => panel.classList.contains(`framework-${each}`));
}

/* Adds the framework to a link within the book if this page's address has it, because
   some browsers store nothing between pages from disk, or if the link may open in
   another window. */
function carryChoice(event) {
  const link = event.target.closest?.("a[href]");
  const elsewhere = event.type !== "click" || event.ctrlKey || event.metaKey || event.shiftKey;
  if (!(named(window.location) || elsewhere) || !link || link.getAttribute("href").startsWith("#")) return;
  const inBook = link.host === window.location.host && link.pathname.endsWith(".html");
  if (inBook && !named(link)) link.href = withFramework(link);
}

/* Makes links to notebooks download. Some servers call them text, which browsers show. */
function saveNotebooks() {
  for (const link of document.querySelectorAll('a[href*="_downloads/"]')) {
    if (link.host !== window.location.host) continue;
    link.setAttribute("download", "");
    link.removeAttribute("target");
    // From disk, browsers show the file no matter what the page asks for.
    if (window.location.protocol === "file:") link.title = "To save it, right-click and choose Save link as";
  }
}

/* Names buttons after their tooltips, and those in the sidebar after their pages. */
function nameButtons() {
  for (const button of document.querySelectorAll("button[title]:not([aria-label])"))
    button.setAttribute("aria-label", button.title);
  for (const summary of document.querySelectorAll(".bd-sidebar .has-children summary")) {
    const page = summary.closest("li").querySelector("a");
    summary.setAttribute("aria-label", `Pages of ${page.textContent.trim()}`);
  }
}

document.querySelectorAll(".frameworks").forEach(makeTabs);
for (const part of document.querySelectorAll(".predicted > :not(.reveal)")) hide(part, true);
showChoice();
putShownFirst();
sessionStorage.setItem(KEY, root.dataset.framework);
if (named(window.location)) {
  keepChoice(root.dataset.framework);
  say();
}
saveNotebooks();
nameButtons();
openLinkedTab();

document.addEventListener("change", event => {
  if (event.target.closest(".framework-switch")) chooseAndSay(event.target.value);
});
for (const kind of ["click", "auxclick", "contextmenu"]) document.addEventListener(kind, carryChoice, true);
document.addEventListener("click", event => {
  const button = event.target.closest(".reveal");
  if (!button) return;
  const output = button.parentElement;
  showPredicted(output);
  output.tabIndex = -1;
  output.focus({ preventScroll: true });
});
document.addEventListener(
  "toggle",
  event => {
    if (event.target.matches("details[data-question][open]")) showPredicted(event.target);
  },
  true
);
document.addEventListener(
  "scroll",
  event => {
    if (event.target.matches?.("[tabindex]")) tellScrolls(event.target);
  },
  { capture: true, passive: true }
);
// The browser's search, or a link to some words, found a match in a hidden part.
document.addEventListener("beforematch", event => reveal(event.target));
window.addEventListener("hashchange", openLinkedTab);
window.addEventListener("resize", letScroll);
window.addEventListener("load", letScroll);
// If the reader comes back to this page, this window's choice still holds.
window.addEventListener("pageshow", event => {
  if (!event.persisted) return;
  choose(sessionStorage.getItem(KEY));
  if (named(window.location)) say();
});

/* Print in light mode, because paper is white. */
const paper = window.matchMedia("print");
let onScreen = null;
function changeTheme(printing) {
  if (printing === (onScreen !== null)) return;
  if (printing) onScreen = root.dataset.theme;
  root.dataset.theme = printing ? "light" : onScreen;
  if (!printing) onScreen = null;
}
paper.addEventListener("change", () => changeTheme(paper.matches));
window.addEventListener("beforeprint", () => changeTheme(true));
window.addEventListener("afterprint", () => changeTheme(false));
