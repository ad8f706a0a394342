/* The frame of all interactive figures: their settings, what plays and pauses, a status
   that says what is shown, an address that holds it, buttons that copy code; and axes and
   a scale of colors. It and the figures are scripts and no modules, since browsers load no
   module into a page that was opened from disk. */
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
    await new Promise(done => setTimeout(done, 250));
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
    const text = Math.abs(number) < 1e4 ? number.toFixed(digits) : number.toExponential(1);
    return Number(text) ? text.replace("-", "−") : text.replace("-", "");
  },

  // What figures are made of

  button: (action, text, more = "") => `<button type="button" data-do="${action}" ${more}>${text}</button>`,

  /* A setting: a slider over a list of values, or a choice among options by name. */
  control: (name, { label, options }) =>
    options
      ? `<label>${label} <select data-name="${name}">${Object.entries(options)
          .map(([value, text]) => `<option value="${value}">${text}</option>`)
          .join("")}</select></label>`
      : `<label class="interactive-slider">${label} <span></span>
      <input type="range" data-name="${name}" min="0" step="1"></label>`,

  controls: (settings, ...names) => names.map(name => bookInteractive.control(name, settings[name])).join(""),

  /* The scale of all signed values, with what its ends and its middle mean. */
  key: (low, middle, high) => `<span class="interactive-key"><span>${low}</span>
    <i><b>${middle}</b></i><span>${high}</span></span>`,

  /* Evenly spaced values, without the dust of their addition. */
  range: (low, high, step) =>
    Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => Number((low + i * step).toFixed(6))),

  /* Where an arrow key points, right and up, if it is one. */
  arrow: ({ key }) => ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] })[key],

  nearest: (list, value) => list.reduce((best, v) => (Math.abs(v - value) < Math.abs(best - value) ? v : best)),

  within: (value, low, high) => Math.max(low, Math.min(high, value)),

  /* A figure in its place on the page: `html` below its title; `settings` by name, each
     with a list of values or with options; `state`, which holds them; `acts`, by what
     buttons do; `changed`, when a setting was; `draw`, `say` (what the status says) and
     `keep` (what the address holds). */
  figure(name, { title, html, settings, state, acts, changed, draw, say, keep }) {
    const { asked, remember } = bookInteractive;
    const place = document.getElementById(name);
    place.innerHTML = `<figure aria-labelledby="${name}-title">
      <figcaption id="${name}-title">${title}</figcaption>${html}</figure>`;
    const find = selector => place.querySelector(selector);
    const says = (name, text) => {
      find(`[data-says=${name}]`).textContent = text;
    };
    const values = ({ list, options }) => (options ? Object.keys(options) : list.call ? list() : list);
    let playing = 0;

    /* While something plays, only who sees the status is told. */
    function tell(text) {
      const status = find(".interactive-status");
      status.setAttribute("aria-live", playing ? "off" : "polite");
      if (status.textContent !== text) status.textContent = text;
    }

    let resting = 0;
    function settle() {
      clearTimeout(resting);
      resting = setTimeout(() => {
        if (playing) return;
        tell(say());
        remember(name, keep());
      }, 200);
    }

    function redraw() {
      bookInteractive.sizes.clear();
      draw();
    }

    function showFirst() {
      sync();
      redraw();
      tell(say());
    }

    /* Shows the state everywhere, and says and keeps it once nothing moves any more. */
    function show() {
      sync();
      redraw();
      settle();
    }

    function sync() {
      for (const control of place.querySelectorAll("[data-name]")) {
        const setting = settings[control.dataset.name];
        const value = state[control.dataset.name];
        if (setting.options) control.value = value;
        else {
          const list = values(setting);
          control.max = list.length - 1;
          control.value = list.indexOf(bookInteractive.nearest(list, value));
          const text = setting.text ? setting.text(value) : String(value).replace("-", "−");
          control.setAttribute("aria-valuetext", text);
          control.parentElement.querySelector("span").textContent = text;
        }
      }
      const play = find("[data-do=play]");
      if (play) play.textContent = playing ? "Pause" : play.dataset.text;
    }

    function pause() {
      cancelAnimationFrame(playing);
      playing = 0;
    }

    /* Advances while there is more and while somebody sees it, not oftener than so. */
    function play(advance, every = 0) {
      let [last, told] = [0, 0];
      const frame = now => {
        playing = requestAnimationFrame(frame);
        if (now - last < every) return;
        last = now;
        if (!advance()) {
          pause();
          return show();
        }
        draw();
        if (now - told < 250) return;
        told = now;
        tell(say());
      };
      playing = requestAnimationFrame(frame);
      show();
    }

    place.addEventListener("input", ({ target }) => {
      const setting = settings[target.dataset.name];
      if (!setting) return;
      pause();
      state[target.dataset.name] = setting.options ? target.value : values(setting)[target.value];
      changed(target.dataset.name);
      show();
    });
    place.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-do]");
      if (!button) return;
      const was = playing;
      pause();
      acts[button.dataset.do](was, button);
    });
    new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting || !playing) return;
      pause();
      show();
    }).observe(place);
    let width = place.clientWidth;
    new ResizeObserver(() => {
      if (width !== (width = place.clientWidth)) redraw();
    }).observe(place);
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });

    /* A teacher's address opens with the teacher's settings; what makes no sense in it
       is left aside. */
    const wanted = asked(name);
    if (wanted) place.scrollIntoView();
    function take() {
      for (const [key, setting] of Object.entries(wanted ? settings : {})) {
        const text = wanted.get(key);
        const value = setting.options ? text : Number(text);
        if (text !== null && values(setting).includes(value)) state[key] = value;
      }
    }
    take();
    return { place, find, says, tell, show, showFirst, play, pause, take, wanted, isPlaying: () => playing > 0 };
  },

  /* The width and the height of an element; asked of the page, which has to lay itself out
     for that, once for all frames in which nothing but a drawing changes. */
  sizes: new Map(),
  size(element) {
    const { sizes } = bookInteractive;
    if (!sizes.has(element)) sizes.set(element, [element.clientWidth || 300, element.clientHeight || 150]);
    return sizes.get(element);
  },

  /* Replaces what an element holds; where the focus was, it stays. */
  refill(element, html) {
    const key = element.contains(document.activeElement) && document.activeElement.dataset.key;
    element.innerHTML = html;
    if (key) element.querySelector(`[data-key="${key}"]`)?.focus({ preventScroll: true });
  },

  /* Calls begin(event, [x, y]) when a pointer is pressed, and what it returns, if
     anything, for each move until the pointer is released. */
  drag(element, begin) {
    const at = event => {
      const box = element.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    element.addEventListener("pointerdown", event => {
      const move = begin(event, at(event));
      if (!move) return;
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      element.onpointermove = moved => move(at(moved), false);
      element.onpointerup = element.onpointercancel = end => {
        element.onpointermove = element.onpointerup = element.onpointercancel = null;
        move(at(end), true);
      };
    });
  },

  // How values are drawn

  /* The scale's colors from the lowest value to the highest, as pixels, by theme. */
  pixels: {},
  colors() {
    const { theme } = document.documentElement.dataset;
    return (bookInteractive.pixels[theme] ??= (() => {
      const style = getComputedStyle(document.querySelector(".interactive"));
      const [low, middle, high] = ["low", "middle", "high"].map(end =>
        [1, 3, 5].map(at =>
          Number.parseInt(
            style
              .getPropertyValue(`--interactive-${end}`)
              .trim()
              .slice(at, at + 2),
            16
          )
        )
      );
      return Uint32Array.from({ length: 511 }, (_, i) => {
        const share = Math.abs(i - 255) / 255;
        const [r, g, b] = middle.map((m, k) => Math.round(m + share * ((i < 255 ? low : high)[k] - m)));
        return (255 << 24) | (b << 16) | (g << 8) | r;
      });
    })());
  },

  /* Paints a square of so many pixels a side, whose values go from -most to most. */
  paint(canvas, side, value, most) {
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    const picture = context.createImageData(side, side);
    const pixels = new Uint32Array(picture.data.buffer);
    const colors = bookInteractive.colors();
    for (let i = 0; i < pixels.length; i++)
      pixels[i] = colors[Math.round(255 + 255 * Math.max(-1, Math.min(1, value(i) / most || 0)))];
    context.putImageData(picture, 0, 0);
  },

  /* Round values between two, a handful; of powers of ten on a logarithmic axis. */
  ticks(low, high, log, most) {
    const spread = (first, step, last) =>
      bookInteractive.range(first, first + step * Math.floor((last - first) / step + 1e-9), step);
    if (log) {
      const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
      return spread(from, Math.ceil((to - from + 1) / most), to).map(power => 10 ** power);
    }
    const raw = (high - low) / most;
    const unit = 10 ** Math.floor(Math.log10(raw));
    const step = unit * [1, 2, 5, 10].find(round => round * unit >= raw);
    return spread(step * Math.ceil(low / step - 1e-9), step, high);
  },

  /* Axes in a drawing, in the size that it has on the screen. Returns what makes places
     of values (x, y) and values of places (back), the axes, and a frame around what must
     not leave them. An axis is { low, high, label, log }. */
  axes(svg, across, up, margin = [6, 14, 34, 40]) {
    const [width, height] = bookInteractive.size(svg);
    const [top, right, bottom, left] = margin;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const along = ({ low, high, log }, from, to) => {
      const f = log ? Math.log10 : v => v;
      const span = f(high) - f(low);
      const there = v => bookInteractive.within(from + ((f(v) - f(low)) / span) * (to - from), -5e3, 5e3);
      const back = place => f(low) + ((place - from) / (to - from)) * span;
      return [v => Number((Number.isNaN(there(v)) ? to : there(v)).toFixed(1)), log ? v => 10 ** back(v) : back];
    };
    const [x, backX] = along(across, left, width - right);
    const [y, backY] = along(up, height - bottom, top);
    const text = tick =>
      tick !== 0 && (Math.abs(tick) < 1e-3 || Math.abs(tick) >= 1e4)
        ? `10<tspan dy="-4" font-size="9">${String(Math.round(Math.log10(tick))).replace("-", "−")}</tspan>`
        : String(tick).replace("-", "−");
    const ticks = (axis, size) =>
      axis.ticks || bookInteractive.ticks(axis.low, axis.high, axis.log, Math.max(2, Math.floor(size)));
    const ground = `<g class="interactive-axes">
      ${ticks(across, width / 70)
        .map(
          tick => `<path d="M${x(tick)} ${height - bottom}v4"/>
        <text x="${x(tick)}" y="${height - bottom + 16}" text-anchor="middle">${text(tick)}</text>`
        )
        .join("")}
      ${ticks(up, height / 40)
        .map(
          tick => `<path class="grid" d="M${left} ${y(tick)}H${width - right}"/>
        <text x="${left - 5}" y="${y(tick) + 4}" text-anchor="end">${text(tick)}</text>`
        )
        .join("")}
      <path d="M${left} ${height - bottom}H${width - right}"/>
      <text x="${(left + width - right) / 2}" y="${height - 4}" text-anchor="middle">${across.label || ""}</text>
      <text x="11" y="${(top + height - bottom) / 2}" text-anchor="middle"
        transform="rotate(-90 11 ${(top + height - bottom) / 2})">${up.label || ""}</text></g>`;
    const inside =
      drawing => `<svg x="${left}" y="${top}" width="${width - left - right}" height="${height - top - bottom}"
      viewBox="${left} ${top} ${width - left - right} ${height - top - bottom}">${drawing}</svg>`;
    const line = (pairs, looks = "path") => `<polyline class="${looks}"
      points="${pairs.map(([a, b]) => `${x(a)},${y(b)}`).join(" ")}"/>`;
    return { x, y, back: ([a, b]) => [backX(a), backY(b)], ground, inside, line };
  }
};
