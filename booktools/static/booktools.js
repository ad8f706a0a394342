/* What a page of the book can do beyond its theme. Without this script all of it
   can still be read: the tabs are radio buttons. */
"use strict";

/* Where sphinx-design keeps the choice: lately for all visits, before 0.7 for the
   session only. */
const KEY = "sphinx-design-tab-id-framework";

/* Shows a framework in every tab set of the page, and keeps the choice. Tells
   whether the page has it. */
function choose(framework) {
  if (!framework) return false;
  const own = `.frameworks > label[data-sync-id="${CSS.escape(framework)}"]`;
  const labels = document.querySelectorAll(own);
  if (!labels.length) return false;
  for (const label of labels) label.previousElementSibling.checked = true;
  try {
    window.localStorage.setItem(KEY, framework);
    window.sessionStorage.setItem(KEY, framework);
  } catch (error) {
    // The browser keeps nothing for this page: then each page starts anew.
  }
  return true;
}

/* Returns the choice of an earlier visit, if there was one. */
function earlierChoice() {
  try {
    return window.localStorage.getItem(KEY);
  } catch (error) {
    return null;
  }
}

/* Names the groups of tabs for those who hear the page. */
function nameTabSets() {
  for (const tabSet of document.querySelectorAll(".frameworks")) {
    tabSet.setAttribute("role", "group");
    tabSet.setAttribute("aria-label", "Framework");
  }
}

/* Where a link leads into a tab, chooses its framework on the whole page. */
function openLinkedTab() {
  const id = decodeURIComponent(window.location.hash.slice(1));
  const target = id && document.getElementById(id);
  const content = target && target.closest(".frameworks > .sd-tab-content");
  if (!content) return;
  choose(content.previousElementSibling.dataset.syncId);
  target.scrollIntoView();
}

/* Saves notebooks; where a server calls them text, a browser would show them. */
function saveNotebooks() {
  for (const link of document.querySelectorAll('a[href$=".ipynb"]')) {
    if (link.host !== window.location.host) continue;
    link.setAttribute("download", "");
    link.removeAttribute("target");
  }
}

/* Read before sphinx-design, when the document is complete, puts in its place what
   the address asks for, be it a framework or not. */
const kept = earlierChoice();

document.addEventListener("DOMContentLoaded", () => {
  nameTabSets();
  saveNotebooks();
  window.addEventListener("hashchange", openLinkedTab);
  document.addEventListener("change", (event) => {
    if (!event.target.matches(".frameworks > input")) return;
    choose(event.target.nextElementSibling.dataset.syncId);
  });
  const asked = new URLSearchParams(window.location.search).get("framework");
  choose(asked) || choose(kept);
  openLinkedTab();
});
