/* The frame of all interactive figures: their controls, what plays and pauses, a status
   that says what is shown, an address that holds it, code to copy; and axes and a scale
   of colors. It and the figures are scripts and no modules, since browsers load no module
   into a page that was opened from disk. What a figure is made of stands in NAME/NAME.html. */
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

  /* Copies the code of a figure, as of the framework whose tabs are open. Returns what is to
     be said then, after what the figure itself says. */
  async copyCode(name, facts) {
    let code = "";
    try {
      if (!bookInteractive.code) await bookInteractive.load("code.js");
      code = bookInteractive.code[name](...facts, document.documentElement.dataset.framework || "pytorch");
      await navigator.clipboard.writeText(code);
    } catch (error) {
      return code ? `The browser doesn't allow copying. Here is the code:\n${code}` : error.message;
    }
    await new Promise(done => setTimeout(done, 250));
    return "The code is on the clipboard.";
  },

  // Small tools

  /* Whether this reader wants nothing to move. */
  calm: () => matchMedia("(prefers-reduced-motion: reduce)").matches,

  /* A number as it is read: few digits, and a true minus. */
  shown(number, digits = 2) {
    const text = Math.abs(number) < 1e4 ? number.toFixed(digits) : number.toExponential(1);
    return Number(text) ? text.replace("-", "−") : text.replace("-", "");
  },

  /* Evenly spaced values, without the dust of their addition. */
  range: (low, high, step) =>
    Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => Number((low + i * step).toFixed(6))),

  /* The numbers in a text of an address. */
  numbers: (text, by) => (text || "").split(by).filter(Boolean).map(Number),

  nearest: (list, value) => list.reduce((best, v) => (Math.abs(v - value) < Math.abs(best - value) ? v : best)),

  within: (value, low, high) => Math.max(low, Math.min(high, value)),

  /* The width and the height of an element; asked of the page, which has to lay itself out
     for that, once for all frames in which nothing but a drawing changes. */
  sizes: new Map(),
  size(element) {
    const { sizes } = bookInteractive;
    if (!sizes.has(element)) sizes.set(element, [element.clientWidth || 300, element.clientHeight || 150]);
    return sizes.get(element);
  },

  // The parts of a figure

  /* A button that was not there when the page was loaded. `more`: its attributes. */
  button(action, content, more = {}) {
    const attributes = Object.entries({ "data-do": action, ...more }).map(([name, value]) => `${name}="${value}"`);
    return `<button type="button" ${attributes.join(" ")}>${content}</button>`;
  },

  /* Replaces what an element holds, if it is something else; where the focus was, it stays.
     Further parts go into the elements within the last one that it holds: while a figure
     plays, most of them stay as they are, and cost nothing. */
  held: new WeakMap(),
  refill(element, html, ...parts) {
    const { held } = bookInteractive;
    const key = element.contains(document.activeElement) && document.activeElement.dataset.key;
    const put = (place, text) => {
      if (held.get(place) !== text) place.innerHTML = text;
      held.set(place, text);
    };
    put(element, html);
    parts.forEach((part, i) => put(element.lastElementChild.children[i], part));
    if (key) element.querySelector(`[data-key="${key}"]`)?.focus({ preventScroll: true });
  },

  /* The values among which a control chooses: its options; the numbers in data-list; or those
     of data-range, "from to step". */
  values({ options, dataset: { list, range } }) {
    if (options) return Array.from(options, option => option.value);
    const { numbers } = bookInteractive;
    return list ? numbers(list, " ") : bookInteractive.range(...numbers(range, " "));
  },

  /* Lets a control show a value. A slider goes over the places in its list. */
  showValue(control, value) {
    if (control.type !== "range") {
      control.value = value;
      return;
    }
    const { nearest, shown, values } = bookInteractive;
    const list = values(control);
    const { digits } = control.dataset;
    const text = digits ? shown(value, Number(digits)) : String(value).replace("-", "−");
    control.max = list.length - 1;
    control.value = list.indexOf(nearest(list, value));
    control.setAttribute("aria-valuetext", text);
    control.previousElementSibling.textContent = text;
  },

  /* Calls move([right, up], where) for an arrow key, and what `acts` has for another key. */
  keys(element, { move, ...acts }) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    element.addEventListener("keydown", event => {
      const act = arrows[event.key] ? move : acts[event.key === "Backspace" ? "Delete" : event.key];
      if (!act) return;
      event.preventDefault();
      if (act === move) move(arrows[event.key], event.target);
      else act(event.target);
    });
  },

  /* Calls begin({ target, at }) when a pointer is pressed at [x, y], and what it returns, if
     anything, for each move until the pointer is released. */
  drag(element, begin) {
    const at = event => {
      const box = element.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    element.addEventListener("pointerdown", event => {
      const move = begin({ target: event.target, at: at(event) });
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

  /* A figure in its place on the page. `state` holds the value of each control by its
     data-name; `acts`, by data-do, what buttons do, which is shown then, unless they return
     something (as a promise, to show it themselves); `changed(name)` hears of a control.
     `draw`, `say` (what the status says) and `keep` (what the address holds) show the state,
     and while it plays, draw(true) is called whenever all that is written is to follow;
     `code` returns what the code to copy is made of. A figure that runs through steps has a
     `course`: a pace (steps of a frame, ms between frames), advance, which says whether there
     is more, reset, and what is shown to readers who want nothing to move. */
  figure(name, { state, acts, changed, draw, say, keep, code, course, still }) {
    const { asked, calm, copyCode, remember, showValue, values } = bookInteractive;
    const place = document.getElementById(name);
    place.replaceChildren(place.querySelector("template").content);
    const find = selector => place.querySelector(selector);
    const controls = [...place.querySelectorAll("[data-name]")];
    const panels = Object.fromEntries([...place.querySelectorAll("[data-panel]")].map(one => [one.dataset.panel, one]));
    const player = find("[data-do=play]");
    const play = player?.textContent;
    // The picture that stands before it gives way to it, but on paper.
    if (still) place.previousElementSibling?.classList.add("interactive-still");
    let [playing, resting] = [0, 0];

    /* Writes a text, if it is another one: the page lays itself out for each. */
    function write(element, text) {
      if (element.textContent !== text) element.textContent = text;
    }
    const says = (what, text) => write(find(`[data-says=${what}]`), String(text));

    /* While something plays, only who sees the status is told. */
    function tell(text) {
      const status = find(".interactive-status");
      status.setAttribute("aria-live", playing ? "off" : "polite");
      write(status, text);
    }

    function redraw() {
      bookInteractive.sizes.clear();
      draw();
    }

    function showValues() {
      for (const control of controls) showValue(control, state[control.dataset.name]);
    }

    function showAll() {
      redraw();
      showValues();
      if (player) player.textContent = playing ? "Pause" : play;
    }

    /* Shows the state everywhere, and says and keeps it once nothing moves any more. */
    function show() {
      showAll();
      clearTimeout(resting);
      resting = setTimeout(() => {
        if (playing) return;
        tell(say());
        remember(name, keep());
      }, 200);
    }

    function pause() {
      cancelAnimationFrame(playing);
      playing = 0;
    }

    /* Advances while there is more and while somebody sees it, not oftener than so. */
    function run(advance, every = 0) {
      let [last, told] = [0, 0];
      const frame = now => {
        playing = requestAnimationFrame(frame);
        if (now - last < every) return;
        last = now;
        if (!advance()) {
          pause();
          return show();
        }
        const telling = now - told >= 250;
        draw(telling);
        if (!telling) return;
        told = now;
        tell(say());
        showValues();
      };
      playing = requestAnimationFrame(frame);
    }

    const steps = {
      play({ was }) {
        if (was) return;
        if (!course.advance(0)) course.reset();
        if (calm()) course.calm();
        else run(() => course.advance(course.pace[0]), course.pace[1]);
      },
      step() {
        course.advance(1);
      },
      reset: () => course.reset(),
      async code({ button }) {
        show();
        const status = button.parentElement.querySelector("[role=status]") || find(".interactive-status");
        status.textContent = await copyCode(name, code());
      }
    };

    place.addEventListener("input", ({ target }) => {
      const { name } = target.dataset;
      if (!name) return;
      pause();
      state[name] = target.type === "range" ? values(target)[target.value] : target.value;
      changed?.(name);
      show();
    });
    place.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-do]");
      if (!button) return;
      const was = playing;
      pause();
      const act = acts[button.dataset.do] || steps[button.dataset.do];
      if (!act({ was, button, dataset: button.dataset })) show();
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
      for (const control of wanted ? controls : []) {
        const text = wanted.get(control.dataset.name);
        const value = control.options ? text : Number(text);
        if (text !== null && values(control).includes(value)) state[control.dataset.name] = value;
      }
    }
    take();

    function open() {
      showAll();
      tell(say());
    }
    return { place, find, panels, says, tell, show, open, run, pause, take, wanted, isPlaying: () => playing > 0 };
  },

  // How values are drawn

  /* The scale's colors from the lowest value to the highest, as pixels, by theme. */
  pixels: {},
  colors() {
    const style = getComputedStyle(document.querySelector(".interactive"));
    const hex = end => style.getPropertyValue(`--interactive-${end}`).match(/\w\w/g);
    const [low, middle, high] = ["low", "middle", "high"].map(end => hex(end).map(pair => Number.parseInt(pair, 16)));
    return Uint32Array.from({ length: 511 }, (_, i) => {
      const share = Math.abs(i - 255) / 255;
      const [r, g, b] = middle.map((m, k) => Math.round(m + share * ((i < 255 ? low : high)[k] - m)));
      return (255 << 24) | (b << 16) | (g << 8) | r;
    });
  },

  /* Paints a square of so many pixels a side, whose values go from -most to most. */
  pictures: {},
  paint(canvas, side, value, most) {
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const colors = (bookInteractive.pixels[document.documentElement.dataset.theme] ??= bookInteractive.colors());
    const picture = (bookInteractive.pictures[side] ??= new ImageData(side, side));
    const pixels = new Uint32Array(picture.data.buffer);
    for (let i = 0; i < pixels.length; i++)
      pixels[i] = colors[Math.round(255 + 255 * Math.max(-1, Math.min(1, value(i) / most || 0)))];
    canvas.getContext("2d").putImageData(picture, 0, 0);
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

  /* The places of an axis's values between two ends of a drawing, and the values of places. */
  scale({ low, high, log }, from, to) {
    const f = log ? Math.log10 : v => v;
    const span = f(high) - f(low);
    const place = v => bookInteractive.within(from + ((f(v) - f(low)) / span) * (to - from), -5e3, 5e3);
    const back = at => f(low) + ((at - from) / (to - from)) * span;
    return [v => Number((Number.isNaN(place(v)) ? to : place(v)).toFixed(1)), log ? at => 10 ** back(at) : back];
  },

  /* Axes in a drawing, in the size that it has on the screen; an axis is { low, high, label,
     log, ticks }. Returns what makes places of values (x, y) and values of places (back),
     what draws lines and dots, and what fills the frame, which nothing leaves, with parts. */
  axes(svg, across, up, margin = [6, 14, 34, 40]) {
    const [width, height] = bookInteractive.size(svg);
    const [top, right, bottom, left] = [margin[0], width - margin[1], height - margin[2], margin[3]];
    const [x, backX] = bookInteractive.scale(across, left, right);
    const [y, backY] = bookInteractive.scale(up, bottom, top);
    const text = tick =>
      tick !== 0 && (Math.abs(tick) < 1e-3 || Math.abs(tick) >= 1e4)
        ? `10<tspan dy="-4" font-size="9">${String(Math.round(Math.log10(tick))).replace("-", "−")}</tspan>`
        : String(tick).replace("-", "−");
    const ticks = ({ low, high, log, ticks }, room, mark) =>
      (ticks || bookInteractive.ticks(low, high, log, Math.max(3, Math.floor(room)))).map(mark).join("");
    const middle = (top + bottom) / 2;
    const ground = `<g class="interactive-axes">
      ${ticks(across, width / 70, tick => `<path d="M${x(tick)} ${bottom}v4"/><text x="${x(tick)}" y="${bottom + 16}" text-anchor="middle">${text(tick)}</text>`)}
      ${ticks(up, height / 40, tick => `<path class="grid" d="M${left} ${y(tick)}H${right}"/><text x="${left - 5}" y="${y(tick) + 4}" text-anchor="end">${text(tick)}</text>`)}
      <path d="M${left} ${bottom}H${right}"/>
      <text x="${(left + right) / 2}" y="${height - 4}" text-anchor="middle">${across.label || ""}</text>
      <text x="11" y="${middle}" text-anchor="middle" transform="rotate(-90 11 ${middle})">${up.label || ""}</text></g>`;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const frame = [left, top, right - left, bottom - top];
    const inner = `<svg x="${left}" y="${top}" width="${frame[2]}" height="${frame[3]}" viewBox="${frame.join(" ")}">`;
    const fill = (...parts) =>
      bookInteractive.refill(svg, `${ground}${inner}${"<g></g>".repeat(parts.length)}</svg>`, ...parts);
    const points = pairs => pairs.map(([a, b]) => `${x(a)},${y(b)}`).join(" ");
    const line = (pairs, looks = "path") => `<polyline class="${looks}" points="${points(pairs)}"/>`;
    const dot = ([a, b], radius, looks = "step") =>
      `<circle class="${looks}" cx="${x(a)}" cy="${y(b)}" r="${radius}"/>`;
    return { x, y, back: ([a, b]) => [backX(a), backY(b)], fill, points, line, dot };
  }
};
