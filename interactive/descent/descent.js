/* Gradient descent by hand: the reader sets a start and a learning rate, and sees the
   path. The section shows the same functions and a few paths as still figures. */
"use strict";

/* The computation, of which the tests ask the same numbers as of the section's code. */
const bookDescent = {
  functions: {
    parabola: {
      formula: "f(w) = (w − 3)²",
      gradient: ([w]) => [2 * (w - 3)],
      value: ([w]) => (w - 3) ** 2,
      curvatures: [2],
      start: [1],
      rates: [0.02, 1.2, 0.02],
      rate: 0.1,
    },
    valley: {
      formula: "f(w₁, w₂) = (w₁² + 10 w₂²) / 2",
      gradient: ([a, b]) => [a, 10 * b],
      value: ([a, b]) => (a * a + 10 * b * b) / 2,
      curvatures: [1, 10],
      start: [4, 1],
      rates: [0.005, 0.24, 0.005],
      rate: 0.15,
    },
  },

  /* Returns the points from the start on, one per step and one more. */
  walk(name, start, rate, steps) {
    const path = [start];
    for (let step = 0; step < steps; step++) {
      const w = path[step];
      const slope = this.functions[name].gradient(w);
      path.push(w.map((each, i) => each - rate * slope[i]));
    }
    return path;
  },

  /* Says what will become of the path. Along each axis, a step multiplies the distance
     from the minimum by 1 - rate * curvature. */
  verdict(name, rate) {
    const factors = this.functions[name].curvatures.map((c) => 1 - rate * c);
    const largest = Math.max(...factors.map(Math.abs));
    if (Math.abs(largest - 1) < 1e-9) return "It neither arrives nor leaves.";
    if (largest > 1) return "It diverges: each jump is longer than the one before.";
    if (Math.min(...factors) < -1e-9) return "It arrives, jumping from side to side.";
    return "It arrives without overshooting.";
  },
};

(() => {
  const place = document.getElementById("descent");
  if (!place) return;
  const { asked, remember, copy, calm } = bookInteractive;
  const MOST = 30;
  const SIZE = { width: 340, height: 230 };
  const VIEW = { parabola: [-4, 10, -4, 36], valley: [-5, 5, -3.4, 3.4] };
  const LIMITS = { w1: [-4, 4.5, 0.1], w2: [-3, 3, 0.1], n: [0, MOST, 1] };
  const state = { f: "valley", lr: 0.15, w1: 4, w2: 1, n: 12 };
  let timer = 0;

  place.innerHTML = `
    <figure aria-labelledby="descent-title">
      <figcaption id="descent-title">Try it: gradient descent by hand</figcaption>
      <div class="interactive-row" role="radiogroup" aria-label="Function">
        <label><input type="radio" name="descent-f" value="parabola"> one parameter</label>
        <label><input type="radio" name="descent-f" value="valley"> two parameters</label>
      </div>
      <p class="interactive-formula"></p>
      <svg viewBox="0 0 ${SIZE.width} ${SIZE.height}" aria-hidden="true"></svg>
      <div class="interactive-sliders">
        <label>learning rate <span></span><input type="range" data-name="lr"></label>
        <label>steps <span></span>
          <input type="range" data-name="n"></label>
        <label>start, w<sub>1</sub> <span></span>
          <input type="range" data-name="w1"></label>
        <label>start, w<sub>2</sub> <span></span>
          <input type="range" data-name="w2"></label>
      </div>
      <div class="interactive-row">
        <button type="button" data-do="step">One step</button>
        <button type="button" data-do="play">Play</button>
        <button type="button" data-do="reset">Back to the start</button>
        <button type="button" data-do="code">Copy the code</button>
      </div>
      <p class="interactive-status" role="status"></p>
    </figure>`;
  const { find, tell } = bookInteractive.parts(place);
  const svg = find("svg");
  const sliders = [...place.querySelectorAll("input[type=range]")];

  const start = () => (state.f === "valley" ? [state.w1, state.w2] : [state.w1]);
  /* Least, most and step of a setting. */
  const limits = (name) => LIMITS[name] || bookDescent.functions[state.f].rates;
  const path = () => bookDescent.walk(state.f, start(), state.lr, state.n);

  /* From the function's coordinates to those of the drawing, and back. */
  function scale() {
    const [left, right, low, high] = VIEW[state.f];
    const across = SIZE.width / (right - left);
    const up = SIZE.height / (high - low);
    return {
      x: (w) => (w - left) * across,
      y: (v) => SIZE.height - (v - low) * up,
      back: (x, y) => [left + x / across, low + (SIZE.height - y) / up],
    };
  }

  function draw() {
    const { x, y } = scale();
    // Far outside nothing is seen, and browsers draw numbers without end badly.
    const near = (number) => Math.max(-5e3, Math.min(5e3, number)).toFixed(1);
    const spot = (w) =>
      state.f === "valley" ? [w[0], w[1]] : [w[0], bookDescent.functions.parabola.value(w)];
    const points = path().map(spot).map(([a, b]) => [near(x(a)), near(y(b))]);
    let ground = "";
    if (state.f === "valley")
      for (const level of [0.5, 2, 4.5, 8, 12.5, 18, 32])
        ground += `<ellipse cx="${x(0)}" cy="${y(0)}" rx="${x(Math.sqrt(2 * level)) - x(0)}"
          ry="${y(0) - y(Math.sqrt(level / 5))}"/>`;
    else {
      const curve = Array.from({ length: 71 }, (_, i) => -4 + i / 5);
      ground = `<polyline points="${curve.map((w) => [x(w), y((w - 3) ** 2)]).join(" ")}"/>`;
    }
    const [a, b] = points[0].map(Number);
    svg.innerHTML = `<g class="ground">${ground}</g>
      <polyline class="path" points="${points.join(" ")}"/>
      ${points.slice(1).map(([p, q]) => `<circle cx="${p}" cy="${q}" r="3.5"/>`).join("")}
      <rect class="start" x="${a - 7}" y="${b - 7}" width="14" height="14"/>`;
  }

  /* Shows the state everywhere. */
  function show() {
    const about = bookDescent.functions[state.f];
    for (const radio of place.querySelectorAll("input[type=radio]"))
      radio.checked = radio.value === state.f;
    find(".interactive-formula").textContent = about.formula;
    for (const slider of sliders) {
      const name = slider.dataset.name;
      const [min, max, step] = limits(name);
      Object.assign(slider, { min, max, step });
      slider.value = state[name];
      slider.parentElement.querySelector("span").textContent = Number(state[name].toFixed(3));
      if (name === "w2") slider.parentElement.hidden = state.f !== "valley";
    }
    find("[data-do=play]").textContent = timer ? "Pause" : "Play";
    find("[data-do=step]").disabled = state.n >= MOST;
    draw();
    settle();
  }

  /* Puts it into words and into the address, once it has come to rest. */
  function say(keep = true) {
    if (timer) return;
    const end = path().at(-1);
    const names = end.length > 1 ? ["w₁", "w₂"] : ["w"];
    const { shown } = bookInteractive;
    tell(`After ${state.n} step${state.n === 1 ? "" : "s"}: ` +
      `${names.map((name, i) => `${name} = ${shown(end[i])}`).join(", ")}, ` +
      `f = ${shown(bookDescent.functions[state.f].value(end))}. ${bookDescent.verdict(state.f, state.lr)}`);
    if (keep) remember("descent", state);
  }
  const settle = bookInteractive.resting(() => say());

  function pause() {
    clearInterval(timer);
    timer = 0;
  }

  function play() {
    if (state.n >= MOST) state.n = 0;
    if (calm()) {
      state.n = MOST;
      show();
      return;
    }
    timer = setInterval(() => {
      if (document.hidden) return;
      state.n++;
      if (state.n >= MOST) pause();
      show();
    }, 250);
    show();
  }

  function choose(name) {
    const about = bookDescent.functions[name];
    Object.assign(state, { f: name, lr: about.rate, w1: about.start[0], n: 12 });
  }

  function code() {
    const rate = Number(state.lr.toFixed(3));
    return state.f === "parabola"
      ? `w = ${state.w1}\nfor step in range(${state.n}):\n    w = w - ${rate} * 2 * (w - 3)\n    print(step + 1, w)\n`
      : `import numpy\n\nw = numpy.array([${state.w1}, ${state.w2}])\nfor step in range(${state.n}):\n` +
          `    w = w - ${rate} * numpy.array([1, 10]) * w\n    print(step + 1, w)\n`;
  }

  place.addEventListener("input", ({ target }) => {
    pause();
    if (target.type === "radio") choose(target.value);
    else state[target.dataset.name] = Number(target.value);
    show();
  });
  place.addEventListener("click", async ({ target }) => {
    const action = target.dataset?.do;
    if (!action) return;
    const playing = timer !== 0;
    pause();
    if (action === "step") state.n = Math.min(MOST, state.n + 1);
    if (action === "reset") state.n = 0;
    if (action === "play" && !playing) return play();
    show();
    if (action === "code") {
      tell(await copy(code()));
    }
  });

  /* The start can be dragged; the sliders do the same for keyboards. */
  function drag(event) {
    const box = svg.getBoundingClientRect();
    const factor = SIZE.width / box.width;
    const [w1, w2] = scale().back(
      (event.clientX - box.left) * factor, (event.clientY - box.top) * factor);
    const within = (value, [least, most]) => Number(Math.max(least, Math.min(most, value)).toFixed(1));
    state.w1 = within(w1, LIMITS.w1);
    if (state.f === "valley") state.w2 = within(w2, LIMITS.w2);
    show();
  }
  svg.addEventListener("pointerdown", (event) => {
    if (!event.target.classList.contains("start")) return;
    pause();
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    svg.onpointermove = drag;
    svg.onpointerup = svg.onpointercancel = (end) => {
      svg.onpointermove = svg.onpointerup = svg.onpointercancel = null;
      drag(end);
    };
  });

  /* A teacher's address opens with the teacher's settings; what makes no sense in it
     is left aside. */
  const wanted = asked("descent");
  if (wanted) {
    if (Object.hasOwn(bookDescent.functions, wanted.get("f"))) choose(wanted.get("f"));
    for (const key of ["lr", "w1", "w2", "n"]) {
      const [least, most] = limits(key);
      const value = Number.parseFloat(wanted.get(key));
      if (value >= least && value <= most) state[key] = key === "n" ? Math.round(value) : value;
    }
    place.scrollIntoView();
  }
  show();
  say(Boolean(wanted));
})();
