/* Gradient descent by hand: the reader sets a start, a learning rate and an optimizer, and
   sees the path. Two sections show the same functions and a few paths as still figures. */
"use strict";

/* The computation, of which the tests ask the same numbers as of the section's code. */
const bookDescent = {
  functions: {
    parabola: {
      formula: "f(w) = (w − 3)²",
      gradient: ([w]) => [2 * (w - 3)],
      value: ([w]) => (w - 3) ** 2,
      curvatures: [2],
      names: ["w"],
      distances: ["w − 3"],
      start: [1],
      rates: {
        descent: { range: [0.02, 1.2, 0.02], first: 0.1, presets: [0.1, 0.5, 0.9, 1.1] },
        momentum: { range: [0.02, 1.6, 0.02], first: 0.1, presets: [0.1, 0.5, 0.9, 1.52] }
      }
    },
    valley: {
      formula: "f(w₁, w₂) = (w₁² + 10 w₂²) / 2",
      gradient: ([a, b]) => [a, 10 * b],
      value: ([a, b]) => (a * a + 10 * b * b) / 2,
      curvatures: [1, 10],
      names: ["w₁", "w₂"],
      distances: ["w₁", "w₂"],
      start: [4, 1],
      rates: {
        descent: { range: [0.005, 0.24, 0.005], first: 0.15, presets: [0.02, 0.15, 0.205] },
        momentum: { range: [0.005, 0.32, 0.005], first: 0.15, presets: [0.02, 0.15, 0.305] }
      }
    }
  },

  /* Those that divide by the size of the gradient take the same rates for all functions. */
  scaled: {
    rmsprop: { range: [0.05, 1, 0.05], first: 0.2, presets: [0.05, 0.2, 0.6] },
    adam: { range: [0.05, 1, 0.05], first: 0.5, presets: [0.1, 0.5, 1] }
  },
  rates: (name, by) => bookDescent.scaled[by] || bookDescent.functions[name].rates[by],

  /* How far one parameter moves against a gradient, in step t; each parameter has a memory
     of its own. */
  optimizers: {
    descent: rate => g => rate * g,
    momentum(rate) {
      let v = 0;
      return g => {
        v = 0.5 * v + g;
        return rate * v;
      };
    },
    rmsprop(rate) {
      let s = 0;
      return g => {
        s = 0.9 * s + 0.1 * g * g;
        return (rate * g) / (Math.sqrt(s) + 1e-8);
      };
    },
    adam(rate) {
      let [m, s] = [0, 0];
      return (g, t) => {
        m = 0.9 * m + 0.1 * g;
        s = 0.999 * s + 0.001 * g * g;
        return (rate * m) / (1 - 0.9 ** t) / (Math.sqrt(s / (1 - 0.999 ** t)) + 1e-8);
      };
    }
  },

  /* Returns the points from the start on, one per step and one more. */
  walk(name, start, rate, steps, by = "descent") {
    const path = [start];
    const moves = start.map(() => this.optimizers[by](rate));
    for (let step = 0; step < steps; step++) {
      const w = path[step];
      const slope = this.functions[name].gradient(w);
      path.push(w.map((each, i) => each - moves[i](slope[i], step + 1)));
    }
    return path;
  },

  /* What a step multiplies the distance from the minimum by, along each axis. */
  factors: (name, rate) => bookDescent.functions[name].curvatures.map(c => 1 - rate * c),

  /* Says what will become of the path. */
  verdict(name, rate) {
    const factors = this.factors(name, rate);
    const largest = Math.max(...factors.map(Math.abs));
    if (Math.abs(largest - 1) < 1e-9) return "it neither arrives nor leaves";
    if (largest > 1) return "it diverges";
    if (Math.min(...factors) < -1e-9) return name === "valley" ? "it zigzags" : "it jumps to and fro";
    return largest > 0.9 ? "it creeps" : "it arrives without overshooting";
  }
};

(() => {
  if (!document.getElementById("descent")) return;
  const { arrow, axes, button, calm, controls, copy, drag, nearest, range, shown, within } = bookInteractive;
  const MOST = 30;
  const VIEW = { parabola: [-4, 10, -2, 36], valley: [-5, 5, -3.2, 3.2] };
  const LEVELS = [0.5, 2, 4.5, 8, 12.5, 18, 32, 50];
  const LABELS = { descent: "gradient descent", momentum: "momentum 0.5", rmsprop: "RMSProp", adam: "Adam" };
  const state = { f: "valley", by: "descent", lr: 0.15, w1: 4, w2: 1, n: 0 };
  const about = () => bookDescent.functions[state.f];
  const rates = (by = state.by) => bookDescent.rates(state.f, by);
  const settings = {
    f: { label: "function", options: { parabola: "parabola", valley: "valley" } },
    by: { label: "optimizer", options: LABELS },
    lr: { label: "learning rate", list: () => range(...rates().range) },
    n: { label: "steps", list: range(0, MOST, 1) },
    w1: { label: "start, w<sub>1</sub>", list: range(-4, 4.5, 0.1) },
    w2: { label: "start, w<sub>2</sub>", list: range(-3, 3, 0.1) }
  };
  const html = `
    <div class="descent-picture">
      <div><p data-says="formula"></p><svg data-panel="path" tabindex="0" role="img"
        aria-label="The path downhill. Arrow keys move its start."></svg></div>
      <div><p>f after each step</p><svg data-panel="values" aria-hidden="true"></svg></div>
    </div>
    <div class="interactive-bar">${button("play", "Play", 'data-text="Play"')}${button("step", "Step")}${button("reset", "Reset")}
      <p class="interactive-status" role="status"></p></div>
    <div class="interactive-settings descent-settings">
      <div class="descent-rate">${controls(settings, "lr")}<div class="descent-bands" aria-hidden="true"></div></div>
      <div class="descent-presets" role="group" aria-label="Learning rates to try"></div>
      ${controls(settings, "n", "f", "by")}
    </div>
    <details><summary>The start and the code</summary>
      <div class="interactive-settings">${controls(settings, "w1", "w2")}</div>
      <div class="interactive-bar">${button("code", "Copy the code")}</div>
    </details>`;

  const start = () => (state.f === "valley" ? [state.w1, state.w2] : [state.w1]);
  const walk = (rate, steps, by = state.by) => bookDescent.walk(state.f, start(), rate, steps, by);
  const value = w => about().value(w);

  function drawPath() {
    const [left, right, low, high] = VIEW[state.f];
    const two = state.f === "valley";
    const { x, y, ground, inside, line } = axes(
      panel.path,
      { low: left, high: right, label: two ? "w₁" : "w" },
      { low, high, label: two ? "w₂" : "f" }
    );
    const path = walk(state.lr, state.n);
    const spot = two ? ([a, b]) => [a, b] : ([w]) => [w, value([w])];
    const here = path.at(-1);
    const next = walk(state.lr, state.n + 1).at(-1);
    const slope = about().gradient(here);
    const plain = state.by === "descent";
    const arrow = (from, to, text) => {
      const [a, b, c, d] = [x(from[0]), y(from[1]), x(to[0]), y(to[1])];
      const length = Math.hypot(c - a, d - b);
      if (length < 4) return "";
      const [u, v] = [(c - a) / length, (d - b) / length];
      const head = [
        [-9, 4.5],
        [-9, -4.5]
      ].map(([p, q]) => `${c + p * u - q * v} ${d + p * v + q * u}`);
      return `<path class="arrow" d="M${a} ${b}L${c} ${d}L${head[0]}L${head[1]}L${c} ${d}"/>
        <text class="number" x="${c + 8 * u}" y="${d + 12 * v + 4}" text-anchor="${u < 0 ? "end" : "start"}">${text}</text>`;
    };
    let scene = "";
    if (two) {
      for (const level of LEVELS) {
        scene += `<ellipse class="contour" cx="${x(0)}" cy="${y(0)}" rx="${x(Math.sqrt(2 * level)) - x(0)}" ry="${y(0) - y(Math.sqrt(level / 5))}"/>`;
        if ([2, 8, 18, 32].includes(level))
          scene += `<text class="number level" text-anchor="middle" x="${x(-0.5 * Math.sqrt(2 * level))}"
          y="${y(0.866 * Math.sqrt(level / 5)) + 4}">${level}</text>`;
      }
      scene += `<path class="least" d="M${x(0) - 6} ${y(0)}h12M${x(0)} ${y(0) - 6}v12"/>`;
    } else {
      scene =
        line(
          range(left, right, 0.1).map(w => [w, value([w])]),
          "contour"
        ) +
        `<path class="least" d="M${x(3) - 6} ${y(0)}h12M${x(3)} ${y(0) - 6}v12"/>` +
        line(
          [
            [here[0] - 3, value(here) - 3 * slope[0]],
            [here[0] + 3, value(here) + 3 * slope[0]]
          ],
          "path dashed"
        ) +
        `<path class="drop" d="M${x(here[0])} ${y(value(here))}V${y(0)}M${x(next[0])} ${y(value(next))}V${y(0)}"/>`;
    }
    const spots = path.map(spot);
    const [a, b] = [x(spots[0][0]), y(spots[0][1])];
    panel.path.innerHTML =
      ground +
      inside(`${scene}${two ? line(spots) : ""}
      ${spots
        .slice(1)
        .map(
          (place, i) =>
            `<circle class="step${i + 2 === spots.length ? " last" : ""}" cx="${x(place[0])}" cy="${y(place[1])}" r="${i + 2 === spots.length ? 5.5 : 3.5}"/>`
        )
        .join("")}
      ${two ? arrow(here, next, plain ? "−η∇f" : "step") : arrow([here[0], 0], [next[0], 0], plain ? "−ηf′" : "step")}
      <circle class="grip" cx="${a}" cy="${b}" r="22"/>
      <rect class="start" x="${a - 7}" y="${b - 7}" width="14" height="14"/>`);
  }

  function drawValues() {
    // The axes fit all the steps, and so stay where they are while it plays.
    const floor = 1e-8;
    const all = walk(state.lr, MOST).map(w => Math.max(floor, value(w)));
    const up = {
      low: 10 ** Math.floor(Math.log10(Math.min(...all))),
      high: 10 ** Math.ceil(Math.log10(Math.max(...all)) + 1e-9),
      label: "f",
      log: true
    };
    const { x, y, ground, inside, line } = axes(
      panel.values,
      { low: -0.7, high: MOST, label: "step" },
      up,
      [8, 14, 34, 48]
    );
    const done = all.slice(0, state.n + 1).map((v, i) => [i, v]);
    panel.values.innerHTML =
      ground +
      inside(
        line(done) +
          done.map(([i, v]) => `<circle class="step" cx="${x(i)}" cy="${y(v)}" r="2.5"/>`).join("") +
          `<circle class="step last" cx="${x(state.n)}" cy="${y(done.at(-1)[1])}" r="5"/>`
      );
  }

  /* Which rates creep, zigzag and diverge, along the slider. */
  function drawBands() {
    const bands = ui.find(".descent-bands");
    bands.hidden = state.by !== "descent";
    const [low, high] = rates("descent").range;
    const steepest = Math.max(...about().curvatures);
    const ends = [1 / steepest, 2 / steepest, high].map(end => (end - low) / (high - low));
    const middle = state.f === "valley" ? "zigzags" : "jumps";
    bands.innerHTML = ["creeps", middle, "diverges"]
      .map((text, i) => `<span style="width: ${(100 * (ends[i] - (ends[i - 1] || 0))).toFixed(2)}%">${text}</span>`)
      .join("");
  }

  /* The section's rates as small pictures of their paths. */
  function drawPresets() {
    const [left, right, low, high] = { valley: [-1, 5, -3.2, 3.2], parabola: VIEW.parabola }[state.f];
    bookInteractive.refill(
      ui.find(".descent-presets"),
      rates()
        .presets.map(rate => {
          const path = walk(rate, 12);
          const points = path.map((w, i) =>
            state.f === "valley"
              ? [((w[0] - left) / (right - left)) * 64, ((high - w[1]) / (high - low)) * 40]
              : [2 + 5 * i, ((right - w[0]) / (right - left)) * 40]
          );
          return `<button type="button" data-do="preset" data-key="${rate}" aria-label="learning rate ${rate}" aria-pressed="${rate === state.lr}">
        <svg viewBox="0 0 64 40" aria-hidden="true"><polyline class="path" points="${points.map(p => p.map(v => within(v, -999, 999).toFixed(1))).join(" ")}"/></svg>${rate}</button>`;
        })
        .join("")
    );
  }

  function draw() {
    ui.says("formula", about().formula);
    drawPath();
    drawValues();
    if (ui.isPlaying()) return;
    drawBands();
    drawPresets();
    ui.find("[data-name=w2]").parentElement.hidden = state.f !== "valley";
    ui.find("[data-do=step]").disabled = state.n >= MOST;
  }

  function say() {
    const end = walk(state.lr, state.n).at(-1);
    const { names, distances } = about();
    const here = `Step ${state.n}: ${names.map((name, i) => `${name} = ${shown(end[i])}`).join(", ")}, f = ${shown(value(end))}.`;
    if (state.by !== "descent") {
      const rate = rates("descent").first;
      const plain = value(walk(rate, state.n, "descent").at(-1));
      return `${here} Gradient descent with a learning rate of ${rate} has f = ${shown(plain)} after as many steps.`;
    }
    const factors = bookDescent.factors(state.f, state.lr);
    const times = distances.map((name, i) => `${name} by ${shown(factors[i])}`).join(" and ");
    return `${here} Each step multiplies ${times}: ${bookDescent.verdict(state.f, state.lr)}.`;
  }

  /* The optimizer in NumPy; the same lines serve one parameter and several. */
  const LINES = {
    descent: ["", "w = w - lr * g"],
    momentum: ["v = 0", "v = 0.5 * v + g", "w = w - lr * v"],
    rmsprop: ["s = 0", "s = 0.9 * s + 0.1 * g**2", "w = w - lr * g / (numpy.sqrt(s) + 1e-8)"],
    adam: [
      "m = s = 0",
      "m = 0.9 * m + 0.1 * g",
      "s = 0.999 * s + 0.001 * g**2",
      "mean, square = m / (1 - 0.9**t), s / (1 - 0.999**t)",
      "w = w - lr * mean / (numpy.sqrt(square) + 1e-8)"
    ]
  };
  function code() {
    const one = state.f === "parabola";
    const [memory, ...lines] = LINES[state.by];
    return [
      "import numpy\n",
      `lr = ${state.lr}`,
      one ? `w = ${state.w1}` : `w = numpy.array([${state.w1}, ${state.w2}])`,
      ...(memory ? [memory] : []),
      `for t in range(1, ${state.n + 1}):`,
      ...[one ? "g = 2 * (w - 3)" : "g = numpy.array([1, 10]) * w", ...lines, "print(t, w)"].map(l => `    ${l}`),
      ""
    ].join("\n");
  }

  const acts = {
    play(was) {
      if (was) return ui.show();
      if (state.n >= MOST) state.n = 0;
      if (calm()) {
        state.n = MOST;
        return ui.show();
      }
      ui.play(() => ++state.n < MOST, 250);
    },
    step() {
      state.n = Math.min(MOST, state.n + 1);
      ui.show();
    },
    reset() {
      state.n = 0;
      ui.show();
    },
    preset(was, { dataset }) {
      state.lr = Number(dataset.key);
      ui.show();
    },
    async code() {
      ui.show();
      ui.tell(await copy(code()));
    }
  };

  function changed(name) {
    if (name !== "f" && name !== "by") return;
    state.lr = rates().first;
    if (name === "f") Object.assign(state, { w1: about().start[0], n: 0 });
  }

  const ui = bookInteractive.figure("descent", {
    title: "Try it: gradient descent",
    html,
    settings,
    state,
    acts,
    changed,
    draw,
    say,
    keep: () => state
  });
  const panel = { path: ui.find("[data-panel=path]"), values: ui.find("[data-panel=values]") };

  /* The start can be dragged, and moved by keys. */
  function put(w1, w2) {
    state.w1 = nearest(settings.w1.list, w1);
    if (state.f === "valley") state.w2 = nearest(settings.w2.list, w2);
    ui.show();
  }
  drag(panel.path, event => {
    if (!event.target.matches(".start, .grip")) return null;
    ui.pause();
    const [left, right, low, high] = VIEW[state.f];
    const { back } = axes(panel.path, { low: left, high: right }, { low, high });
    return at => put(...back(at));
  });
  panel.path.addEventListener("keydown", event => {
    const by = arrow(event);
    if (!by) return;
    event.preventDefault();
    ui.pause();
    put(state.w1 + 0.1 * by[0], state.w2 + 0.1 * by[1]);
  });

  if (ui.wanted) {
    changed(state.f === "valley" ? "by" : "f");
    ui.take();
  }
  ui.showFirst();
})();
