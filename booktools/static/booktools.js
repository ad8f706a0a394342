/* What a page of the book can do beyond its theme. Without this script all of it
   can still be read: the tabs are radio buttons. */
"use strict";

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
  content.previousElementSibling.click();
  target.scrollIntoView();
}

/* Saves notebooks; a browser would show them as text when opened from disk. */
function saveNotebooks() {
  for (const link of document.querySelectorAll('a[href$=".ipynb"]')) {
    if (link.host !== window.location.host) continue;
    link.setAttribute("download", "");
    link.removeAttribute("target");
  }
}

/* Keeps the choice for the next visit. Older versions of sphinx-design keep it in
   the session only, so what the next one will ask for is put there first. */
const KEY = "sphinx-design-tab-id-framework";

function rememberChoice() {
  try {
    const kept = window.localStorage.getItem(KEY);
    if (kept && !window.sessionStorage.getItem(KEY)) {
      window.sessionStorage.setItem(KEY, kept);
    }
    document.addEventListener("change", (event) => {
      if (!event.target.matches(".frameworks > input")) return;
      const framework = event.target.nextElementSibling.dataset.syncId;
      window.localStorage.setItem(KEY, framework);
      window.sessionStorage.setItem(KEY, framework);
    });
  } catch (error) {
    // The browser keeps nothing for this page: then each page starts anew.
  }
}

/* Deferred scripts run before the document is declared complete, and so before
   sphinx-design looks for a choice. */
rememberChoice();

document.addEventListener("DOMContentLoaded", () => {
  nameTabSets();
  saveNotebooks();
  openLinkedTab();
  window.addEventListener("hashchange", openLinkedTab);
});
