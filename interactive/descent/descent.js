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
    if (Math.abs(largest - 1) < 1e-9) return "it keeps its distance";
    if (largest > 1) return "it diverges";
    if (Math.min(...factors) < -1e-9) return name === "valley" ? "it zigzags" : "it jumps back and forth";
    return largest > 0.9 ? "it creeps" : "it arrives without overshooting";
  }
};

(() => {
  const { axes, button, drag, figure, keys, nearest, range, refill, shown, values, within } = bookInteractive;
  const MOST = 30;
  const VIEW = { parabola: [-4, 10, -2, 36], valley: [-5, 5, -3.2, 3.2] };
  const LEVELS = [0.5, 2, 4.5, 8, 12.5, 18, 32, 50];
  const NAMED = [2, 8, 18, 32];
  const state = { f: "valley", by: "descent", lr: 0.15, w1: 4, w2: 1, n: 0 };
  const about = () => bookDescent.functions[state.f];
  const two = () => state.f === "valley";
  const rates = (by = state.by) => bookDescent.rates(state.f, by);
  const start = () => (two() ? [state.w1, state.w2] : [state.w1]);
  const walk = (rate, steps, by = state.by) => bookDescent.walk(state.f, start(), rate, steps, by);
  const value = w => about().value(w);
  let paper; // the axes of the path

  // What is seen

  const least = (a, b) => `<path class="least" d="M${a - 6} ${b}h12M${a} ${b - 6}v12"/>`;

  /* An arrow with a head and a text, in places of the drawing, where it is long enough. */
  function arrow([a, b], [c, d], text) {
    const length = Math.hypot(c - a, d - b);
    if (length < 4) return "";
    const [u, v] = [(c - a) / length, (d - b) / length];
    const head = [4.5, -4.5].map(q => `${c - 9 * u - q * v} ${d - 9 * v + q * u}`);
    const line = `<path class="arrow" d="M${a} ${b}L${c} ${d}L${head.join("L")}L${c} ${d}"/>`;
    if (length < 20) return line;
    return `${line}<text class="number" x="${c + 8 * u}" y="${d + 12 * v + 4}" text-anchor="${u < 0 ? "end" : "start"}">${text}</text>`;
  }

  function drawPath() {
    const [left, right, low, high] = VIEW[state.f];
    const names = two() ? ["w₁", "w₂"] : ["w", "f"];
    paper = axes(panels.path, { low: left, high: right, label: names[0] }, { low, high, label: names[1] });
    const { x, y, dot } = paper;
    const path = walk(state.lr, state.n + 1);
    const next = path.pop();
    const spots = path.map(w => (two() ? w : [w[0], value(w)]));
    const [a, b] = [x(spots[0][0]), y(spots[0][1])];
    const dots = spots.slice(1).map((spot, i) => (i + 1 === state.n ? dot(spot, 5.5, "step last") : dot(spot, 3.5)));
    paper.fill(`${two() ? valley(path, next) : parabola(path.at(-1), next)}
      ${dots.join("")}
      <circle class="grip" cx="${a}" cy="${b}" r="22"/>
      <rect class="start" x="${a - 7}" y="${b - 7}" width="14" height="14"/>`);
  }

  /* Lines of equal value, which are ellipses, the path, and its next step. */
  function valley(path, next) {
    const { x, y, line } = paper;
    const contours = LEVELS.map(level => {
      const [a, b] = [Math.sqrt(2 * level), Math.sqrt(level / 5)];
      const name = NAMED.includes(level) ? level : "";
      return `<ellipse class="contour" cx="${x(0)}" cy="${y(0)}" rx="${x(a) - x(0)}" ry="${y(0) - y(b)}"/>
        <text class="number level" text-anchor="middle" x="${x(-0.5 * a)}" y="${y(0.866 * b) + 4}">${name}</text>`;
    });
    const [from, to] = [path.at(-1), next].map(w => [x(w[0]), y(w[1])]);
    const step = arrow(from, to, state.by === "descent" ? "−η∇f" : "step");
    return contours.join("") + least(x(0), y(0)) + line(path) + step;
  }

  /* The curve, its tangent here, and the step along the axis. */
  function parabola(here, next) {
    const { x, y, line } = paper;
    const curve = range(...VIEW.parabola.slice(0, 2), 0.1).map(w => [w, value([w])]);
    const tangent = [-3, 3].map(by => [here[0] + by, value(here) + by * about().gradient(here)[0]]);
    const drops = [here, next].map(w => `M${x(w[0])} ${y(value(w))}V${y(0)}`).join("");
    const step = arrow([x(here[0]), y(0)], [x(next[0]), y(0)], state.by === "descent" ? "−ηf′" : "step");
    return `${line(curve, "contour")}${least(x(3), y(0))}${line(tangent, "path dashed")}
      <path class="drop" d="${drops}"/>${step}`;
  }

  /* The axes fit all the steps, and so stay where they are while it plays. */
  function drawValues() {
    const all = walk(state.lr, MOST).map((w, i) => [i, Math.max(1e-8, value(w))]);
    const powers = all.map(([, v]) => Math.log10(v));
    const [low, high] = [Math.floor(Math.min(...powers)), Math.ceil(Math.max(...powers) + 1e-9)];
    const up = { low: 10 ** low, high: 10 ** high, label: "f", log: true };
    const { fill, line, dot } = axes(panels.values, { low: -0.7, high: MOST, label: "step" }, up, [8, 14, 34, 48]);
    const done = all.slice(0, state.n + 1);
    fill(line(done) + done.map(pair => dot(pair, 2.5)).join("") + dot(done.at(-1), 5, "step last"));
  }

  /* Which rates creep, zigzag and diverge, along the slider. */
  function drawBands() {
    const bands = ui.find(".descent-bands");
    bands.hidden = state.by !== "descent";
    const [low, high] = rates("descent").range;
    const steepest = Math.max(...about().curvatures);
    const ends = [0, 1 / steepest - low, 2 / steepest - low, high - low].map(end => (100 * end) / (high - low));
    bands.innerHTML = ["creeps", two() ? "zigzags" : "jumps", "diverges"]
      .map((text, i) => `<span style="width: ${(ends[i + 1] - ends[i]).toFixed(2)}%">${text}</span>`)
      .join("");
  }

  /* The section's rates as small pictures of their paths. */
  function drawPresets() {
    const [low, high] = VIEW[state.f].slice(two() ? 2 : 0);
    const spot = (w, i) =>
      two()
        ? [((w[0] + 1) / 6) * 64, ((high - w[1]) / (high - low)) * 40]
        : [2 + 5 * i, ((high - w[0]) / (high - low)) * 40];
    const presets = rates().presets.map(rate => {
      const points = walk(rate, 12).map((w, i) => spot(w, i).map(v => within(v, -999, 999).toFixed(1)));
      const drawing = `<svg viewBox="0 0 64 40" aria-hidden="true"><polyline class="path" points="${points.join(" ")}"/></svg>${rate}`;
      return button("preset", drawing, {
        "data-key": rate,
        "aria-label": `learning rate ${rate}`,
        "aria-pressed": rate === state.lr
      });
    });
    refill(ui.find(".descent-presets"), presets.join(""));
  }

  function draw() {
    drawPath();
    drawValues();
    if (ui.isPlaying()) return;
    ui.says("formula", about().formula);
    drawBands();
    drawPresets();
    ui.find("[data-name=w2]").parentElement.hidden = !two();
    ui.find("[data-do=step]").disabled = state.n >= MOST;
  }

  function say() {
    const end = walk(state.lr, state.n).at(-1);
    const { names, distances } = about();
    const here = `Step ${state.n}: ${names.map((name, i) => `${name} = ${shown(end[i])}`).join(", ")}, f = ${shown(value(end))}.`;
    if (state.by !== "descent") {
      const rate = rates("descent").first;
      const plain = value(walk(rate, state.n, "descent").at(-1));
      return `${here} After the same number of steps, gradient descent with a learning rate of ${rate} has reached f = ${shown(plain)}.`;
    }
    const factors = bookDescent.factors(state.f, state.lr);
    const times = distances.map((name, i) => `${name} by ${shown(factors[i])}`).join(" and ");
    return `${here} Each step multiplies ${times}, so ${bookDescent.verdict(state.f, state.lr)}.`;
  }

  // What is touched

  function changed(name) {
    if (name !== "f" && name !== "by") return;
    state.lr = rates().first;
    ui.find("[data-name=lr]").dataset.range = rates().range.join(" ");
    if (name === "f") Object.assign(state, { w1: about().start[0], n: 0 });
  }

  const ui = figure("descent", {
    state,
    changed,
    draw,
    say,
    keep: () => state,
    code: () => [state],
    acts: {
      preset({ dataset }) {
        state.lr = Number(dataset.key);
      }
    },
    course: {
      pace: [1, 250],
      advance(steps) {
        state.n = Math.min(MOST, state.n + steps);
        return state.n < MOST;
      },
      reset() {
        state.n = 0;
      },
      calm() {
        state.n = MOST;
      }
    }
  });
  const { panels } = ui;

  /* The start can be dragged, and moved by keys. */
  function put([w1, w2]) {
    ui.pause();
    const put = (name, w) => {
      state[name] = nearest(values(ui.find(`[data-name=${name}]`)), w);
    };
    put("w1", w1);
    if (two()) put("w2", w2);
    ui.show();
  }
  drag(panels.path, ({ target }) => target.matches(".start, .grip") && (at => put(paper.back(at))));
  keys(panels.path, { move: ([right, up]) => put([state.w1 + 0.1 * right, state.w2 + 0.1 * up]) });

  if (ui.wanted) {
    changed(two() ? "by" : "f");
    ui.take();
  }
  ui.open();
})();
