/* The frame of all interactive figures: an address that holds their state, words for
   who does not see them, and buttons that copy code. It and the figures are scripts and
   no modules, since browsers load no module into a page that was opened from disk. */
"use strict";

const bookInteractive = {
  folder: document.currentScript.src.replace(/[^/]*$/, ""),

  /* Loads one script more, because a reader asked for what it does. */
  load(name) {
    return new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = bookInteractive.folder + name;
      script.onload = done;
      script.onerror = () => failed(new Error(`The file ${name} could not be loaded.`));
      document.head.append(script);
    });
  },

  /* Returns what the address asks of a figure, or null: #NAME?setting=value&... */
  asked(name) {
    try {
      const [figure, query] = decodeURIComponent(location.hash.slice(1)).split("?");
      return figure === name && query ? new URLSearchParams(query) : null;
    } catch (error) {
      return null; // an address that cannot be read asks for nothing
    }
  },

  /* Lets the address say the state: whoever gets it sees the same. */
  remember(name, state) {
    const address = new URL(location.href);
    address.hash = `${name}?${new URLSearchParams(state)}`;
    try {
      history.replaceState(history.state, "", address);
    } catch (error) {
      // Some browsers let no page from disk change its address.
    }
  },

  /* Copies and returns what is to be said then, after what the figure itself says. */
  async copy(text) {
    let said = "The code is in the clipboard.";
    try {
      await navigator.clipboard.writeText(text);
    } catch (error) {
      said = `The browser does not allow copying. The code:\n${text}`;
    }
    await new Promise((done) => setTimeout(done, 250));
    return said;
  },

  /* What writes the code of a figure, by its name: each in its file NAME/code.js. */
  code: {},

  /* Copies the code of a figure, as of the framework whose tabs are open. */
  async copyCode(name, ...state) {
    const { code, copy, framework, load } = bookInteractive;
    try {
      if (!code[name]) await load(`${name}/code.js`);
    } catch (error) {
      return error.message;
    }
    return copy(code[name](framework(), ...state));
  },

  /* Short names for finding a part of a figure, and for its status line. */
  parts(place) {
    const find = (selector) => place.querySelector(selector);
    const tell = (text) => { find(".interactive-status").textContent = text; };
    return { find, tell };
  },

  /* The framework whose tabs are open. */
  framework: () => document.documentElement.dataset.framework || "pytorch",

  /* Puts the figure in the place of its picture, which stands before it; on paper it
     stays. */
  replaceStill(place) {
    const still = place.previousElementSibling;
    if (still?.matches("figure")) still.classList.add("interactive-still");
  },

  /* Whether this reader wants nothing to move. */
  calm: () => matchMedia("(prefers-reduced-motion: reduce)").matches,

  /* A number as it is read: few digits, and a true minus. */
  shown(number, digits = 2) {
    const text =
      Math.abs(number) < 1e4 ? number.toFixed(digits) : number.toExponential(1);
    return text.replace("-", "−");
  },

  /* Calls back once nothing was asked for a moment. */
  resting(callback, delay = 200) {
    let timer = 0;
    return () => {
      clearTimeout(timer);
      timer = setTimeout(callback, delay);
    };
  },
};
