/* Shows for each hit its heading, its framework's tab and an excerpt, and links right
   to that place. */
"use strict";

/* A page opened from disk may not read others. Show no excerpts then, to avoid errors. */
if (window.location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

const query = new URLSearchParams(window.location.search).get("q") || "";
const shown = document.documentElement.dataset.framework;
const stemmer = new Stemmer();

/* Returns the words of a text in the form the index uses. */
const stems = text => splitQuery(text.toLowerCase()).map(word => stemmer.stemWord(word));

const element = (tag, textContent, className = "") =>
  Object.assign(document.createElement(tag), { textContent, className });

/* Solutions come last, because readers look for the page that explains a word. */
Scorer.score = ([name, , , , score]) => score - (name.includes("/solutions/") ? 100 : 0);

/* Returns the frameworks with all search words that appear only in tabs. The list is
   empty if no word is limited to tabs. */
function frameworksOf(link) {
  const page = new URL(link.href).pathname.replace(/\.html$/, "");
  const name = Object.keys(window.frameworkWords || {}).find(each => page.endsWith(`/${each}`));
  const words = Object.entries(window.frameworkWords?.[name] ?? {});
  let frameworks = null;
  for (const sought of stems(query)) {
    const there = words
      .filter(([, each]) => each.split(" ").some(word => word.startsWith(sought)))
      .map(([framework]) => framework);
    if (there.length) frameworks = frameworks?.filter(each => there.includes(each)) ?? there;
  }
  return frameworks ?? [];
}

/* Returns a formula as plain text, without the commands of TeX. */
function plain(formula) {
  const signs = { approx: "≈", cdot: "·", times: "×", le: "≤", ge: "≥", in: "∈", to: "→", partial: "∂" };
  return formula
    .replace(/\\[()[\]]/g, "")
    .replace(/\\sqrt\{([^{}]*)\}/g, "√$1")
    .replace(/\\d?frac\{([^{}]*)\}\{([^{}]*)\}/g, "$1/$2")
    .replace(/\\(?:math\w+|text|operatorname|hat|bar|begin|end)\*?\{([^{}]*)\}/g, "$1")
    .replace(/\\([a-zA-Z]+)/g, (_, name) => signs[name] ?? name)
    .replace(/\\.|[{}&]/g, "");
}

/* Returns the block with the most search words. Among equals, blocks in the open tabs
   win. Imports in code don't count. */
function bestPlace(article, sought) {
  let best = null;
  for (const block of article.querySelectorAll("h1, h2, h3, p, li, pre, figcaption, td, dt")) {
    const lines = block.textContent.trim().split("\n");
    const text = lines.filter(line => !/^(from|import)\s/.test(line)).join("\n");
    const words = stems(text);
    const found = sought.filter(each => words.some(word => word.includes(each)));
    const panel = block.closest(".frameworks > .sd-tab-content");
    const seen = !panel || panel.classList.contains(`framework-${shown}`);
    const rank = 2 * found.length + seen;
    if (found.length && (!best || rank > best.rank)) best = { rank, block, panel, text, word: found[0] };
  }
  return best;
}

/* Returns what surrounds the word: in code its line, else some 240 characters. */
function excerpt({ block, text, word }) {
  const at = Math.max(text.toLowerCase().indexOf(word), 0);
  if (block.matches("pre")) {
    const [line] = text.slice(text.lastIndexOf("\n", at) + 1).split("\n", 1);
    return element("code", line.trim());
  }
  const start = Math.max(at - 120, 0);
  const after = start + 240 < text.length ? " …" : "";
  return `${start ? "… " : ""}${text.slice(start, start + 240).trim()}${after}`;
}

Search.makeSearchSummary = (html, keywords, anchor) => {
  const summary = document.createElement("p"); // Sphinx takes nothing else
  const page = new DOMParser().parseFromString(html, "text/html");
  const article = (anchor && page.querySelector(anchor)) || page.querySelector("article");
  if (!article) return summary;
  for (const each of article.querySelectorAll(".headerlink, .reveal, script, style")) each.remove();
  for (const each of article.querySelectorAll(".math")) each.textContent = plain(each.textContent);
  const place = bestPlace(article, [...keywords]);
  if (!place) return summary;
  summary.className = "context";
  const heading = place.block.closest("section")?.querySelector("h1, h2, h3, h4");
  if (heading && heading !== place.block && heading.tagName !== "H1") {
    summary.append(element("strong", heading.textContent), ": ");
  }
  summary.append(excerpt(place));
  const target = place.block.closest("figure[id], section[id]");
  if (!anchor && target && target.parentElement !== article) summary.dataset.target = target.id;
  const framework = place.panel?.className.match(/framework-(\w+)/)[1];
  if (framework) summary.dataset.framework = framework;
  return summary;
};

/* Makes the link of a hit lead to the place of its excerpt. */
function follow(summary) {
  const link = summary.parentElement.querySelector("a");
  if (summary.dataset.target) link.hash = summary.dataset.target;
  if (summary.dataset.framework) link.href = withFramework(link, summary.dataset.framework);
}

function markHit(link) {
  const frameworks = frameworksOf(link);
  if (!frameworks.length) return;
  const names = frameworks.map(each => document.querySelector(`select.framework-switch option[value="${each}"]`).text);
  link.after(" ", element("span", `in ${new Intl.ListFormat("en-GB").format(names)}`, "hit-framework"));
  link.href = withFramework(link, frameworks.includes(shown) ? shown : frameworks[0]);
}

/* Adds the term to a hit in the glossary, because the index knows only the page. */
function nameTerm(link) {
  const [, term] = decodeURIComponent(link.hash).match(/^#term-(.+)/) ?? [];
  const words = term?.replaceAll("-", " ");
  if (term && !link.textContent.includes(words)) link.textContent += `: ${words}`;
}

new MutationObserver(changes => {
  for (const added of changes.flatMap(change => [...change.addedNodes])) {
    if (added.matches?.("#search-results li")) {
      nameTerm(added.querySelector("a"));
      markHit(added.querySelector("a"));
    }
    if (added.matches?.("#search-results p.context")) follow(added);
  }
}).observe(document.getElementById("search-results"), { childList: true, subtree: true });
