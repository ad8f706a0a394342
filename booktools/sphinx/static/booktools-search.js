/* Says in which framework's tabs a hit of the search is, where not all have it. */
"use strict";

/* From disk no page may read another: then hits have no excerpts, and no errors. */
if (window.location.protocol === "file:")
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

const query = new URLSearchParams(window.location.search).get("q") || "";
const sought = query.toLowerCase().match(/\w+/g) || [];

/* Returns the frameworks to whose cells alone the words sought belong. */
function frameworksOf(link) {
  const page = new URL(link.href).pathname.replace(/\.html$/, "");
  const name = Object.keys(window.frameworkWords || {}).find((each) =>
    page.endsWith(`/${each}`),
  );
  if (!name) return [];
  const words = window.frameworkWords[name];
  return Object.keys(words).filter((framework) =>
    sought.some((term) => ` ${words[framework]} `.includes(` ${term} `)),
  );
}

function markHit(link) {
  if (link.dataset.marked) return;
  link.dataset.marked = "yes";
  const frameworks = frameworksOf(link);
  if (!frameworks.length) return;
  const names = frameworks.map(
    (each) =>
      document.querySelector(`select.framework-switch option[value="${each}"]`).text,
  );
  const note = document.createElement("span");
  note.className = "hit-framework";
  note.textContent = `in ${names.join(" and ")}`;
  link.after(" ", note);
  const shown = document.documentElement.dataset.framework;
  const address = new URL(link.href);
  address.searchParams.set("framework", frameworks.includes(shown) ? shown : frameworks[0]);
  link.href = address;
}

new MutationObserver(() =>
  document.querySelectorAll("#search-results li > a").forEach(markHit),
).observe(document.getElementById("search-results"), { childList: true, subtree: true });
document.querySelectorAll("#search-results li > a").forEach(markHit);
