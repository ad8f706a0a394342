/* A sum of ReLUs, one fold for each: the reader moves the vertices of the sum, and sees it
   come near a curve or not. */
"use strict";

/* The computation, of which the tests ask the same numbers as of the section's code. */
const bookFolds = {
  low: 0,
  high: 2 * Math.PI,
  curves: {
    sine: Math.sin,
    bump: x => Math.exp(-((x - Math.PI) ** 2)),
    // Stairs end with a step at the very end, which no piece could climb.
    stairs: x => Math.floor((Math.min(x, 2 * Math.PI - 1e-9) * 3) / (2 * Math.PI)) / 2 - 0.5
  },

  /* b + sum of w_j max(x - t_j, 0) */
  sum: ({ t, w, b }, x) => t.reduce((sum, knot, j) => sum + w[j] * Math.max(x - knot, 0), b),

  /* The sum with these vertices [x, y], the last of which lies at the end. */
  through(vertices) {
    const slopes = vertices.slice(1).map(([x, y], j) => (y - vertices[j][1]) / (x - vertices[j][0]));
    return {
      t: vertices.slice(0, -1).map(([x]) => x),
      w: slopes.map((s, j) => s - (slopes[j - 1] ?? 0)),
      b: vertices[0][1]
    };
  },

  vertices: folds => [...folds.t, bookFolds.high].map(x => [x, bookFolds.sum(folds, x)]),

  /* The ends of n equal parts. */
  parts: n => Array.from({ length: n + 1 }, (_, i) => bookFolds.low + (i * (bookFolds.high - bookFolds.low)) / n),

  /* Knots at equal distances, and the weights with which the sum meets the curve there. */
  place(curve, units) {
    return this.through(this.parts(units).map(at => [at, this.curves[curve](at)]));
  },

  /* The largest distance between sum and curve at the 1,001 places of the section, and
     where it is. */
  worst(folds, curve) {
    let found = { distance: 0, at: this.low };
    for (let i = 0; i <= 1000; i++) {
      const at = this.low + (i * (this.high - this.low)) / 1000;
      const distance = Math.abs(this.sum(folds, at) - this.curves[curve](at));
      if (distance > found.distance + 1e-9) found = { distance, at };
    }
    return found;
  },

  /* The vertices with one more on the curve where the distance is largest; one that is
     there already is moved on to it. */
  mended(folds, curve) {
    const { at } = this.worst(folds, curve);
    const height = this.curves[curve](at);
    const all = this.vertices(folds);
    const near = all.findIndex(([x]) => Math.abs(x - at) < 0.05);
    if (near >= 0) return all.map(([x, y], j) => (j === near ? [x, height] : [x, y]));
    return [...all, [at, height]].sort(([a], [b]) => a - b);
  }
};

(() => {
  const { axes, button, calm, drag, figure, keys, numbers, range, shown, size, within } = bookInteractive;
  const { low, high, curves } = bookFolds;
  const [BOTTOM, TOP] = [-1.6, 1.6];
  const MOST = 12;
  const GAP = 0.05;
  const FLOOR = 1e-4; // the lower end of a logarithmic axis
  const state = { f: "sine", units: 4, ...bookFolds.place("sine", 4) };
  let chosen = -1; // the vertex that was touched last
  let after; // the vertices that are on their way
  let paper; // the axes of the sum

  const worst = (folds = state) => bookFolds.worst(folds, state.f);
  const even = units => worst(bookFolds.place(state.f, units)).distance;
  const take = folds => {
    Object.assign(state, folds, { units: folds.t.length });
    chosen = Math.min(chosen, folds.t.length);
  };
  const takeVertices = vertices => take(bookFolds.through(vertices));

  // What is seen

  function drawSum() {
    const across = { low: low - 0.2, high: high + 0.2, label: "x" };
    paper = axes(panels.sum, across, { low: BOTTOM, high: TOP }, [6, 6, 34, 30]);
    const { x, y, line, points } = paper;
    const vertices = bookFolds.vertices(state);
    const ends = [[low, bookFolds.sum(state, low)], ...vertices];
    const target = bookFolds.parts(240).map(at => [at, curves[state.f](at)]);
    const { at, distance } = worst();
    const [middle, from, to] = [x(at), y(bookFolds.sum(state, at)), y(curves[state.f](at))];
    const right = middle < size(panels.sum)[0] - 90;
    const handles = vertices.map(([a, b], j) => {
      const name = `role="slider" aria-label="vertex ${j + 1}" aria-valuenow="${b.toFixed(2)}" aria-valuetext="x ${shown(a)}, height ${shown(b)}"`;
      return `<g class="vertex${j === chosen ? " chosen" : ""}" data-vertex="${j}" data-key="${j}" tabindex="0" ${name}>
        ${paper.dot([a, b], 22, "grip")}${paper.dot([a, b], 7, "")}</g>`;
    });
    paper.fill(`<polygon class="shade" points="${points([...target, ...[...ends].reverse()])}"/>
      ${line(target, "path dashed")}${line(ends, "path sum")}
      <path class="bar" d="M${middle - 5} ${from}h10M${middle} ${from}V${to}M${middle - 5} ${to}h10"/>
      <text class="number" x="${middle + (right ? 10 : -10)}" y="${(from + to) / 2 + 4}"
        text-anchor="${right ? "start" : "end"}">${shown(distance, 4)}</text>${handles.join("")}`);
  }

  function drawError() {
    const knots = range(1, MOST, 1).map(units => [units, even(units)]);
    const now = [state.t.length, Math.max(FLOOR, worst().distance)];
    const least = Math.min(now[1], ...knots.map(pair => pair[1]));
    const across = { low: 0.9, high: MOST + 2, label: "hidden units", log: true, ticks: [1, 2, 4, 8] };
    const up = { low: least < 0.01 ? FLOOR : 0.01, high: 3, log: true };
    const { x, y, fill, line, dot } = axes(panels.error, across, up, [8, 14, 34, 42]);
    fill(`${line(knots)}${knots.map(pair => dot(pair, 3)).join("")}
      <text x="${x(1.1)}" y="${y(knots[0][1]) - 8}">even knots</text>
      ${dot(now, 6, "yours")}<text class="number" x="${x(now[0]) + 8}" y="${y(now[1]) - 8}">yours</text>`);
  }

  /* What each unit adds, all on one scale. */
  function drawTerms() {
    const ends = state.t.map((t, j) => state.w[j] * (high - t));
    const most = Math.max(1, ...ends.map(Math.abs));
    const terms = state.t.map((t, j) => {
      const sign = state.w[j] < -1e-9 ? "negative" : "positive";
      const from = (100 * (t - low)) / (high - low);
      return `<div class="${j === chosen ? "chosen" : ""}"><svg viewBox="0 0 100 60" preserveAspectRatio="none">
        <path class="zero-line" d="M0 30H100"/>
        <path class="${sign}" d="M0 30H${from.toFixed(1)}L100 ${(30 - (27 * ends[j]) / most).toFixed(1)}"/></svg>
        ${shown(state.w[j])}</div>`;
    });
    ui.find(".folds-terms").innerHTML = terms.join("");
    ui.says("bias", shown(state.b));
  }

  function draw() {
    drawSum();
    drawError();
    drawTerms();
    ui.find("[data-do=add]").disabled = state.t.length >= MOST;
    ui.find("[data-do=remove]").disabled = state.t.length <= 1;
  }

  function say() {
    const units = state.t.length;
    const [now, before] = [worst().distance, even(units)];
    return (
      `${units} hidden unit${units > 1 ? "s" : ""}: largest distance ${shown(now, 4)}. ` +
      (now < before - 5e-5
        ? `Better than even knots (${shown(before, 4)}).`
        : `Drag the vertices. Can you beat even knots (${shown(before, 4)})?`)
    );
  }

  // What is touched

  /* Moves a vertex as far as its neighbors let it; the last one stays at the end. */
  function move(j, [x, y]) {
    const all = bookFolds.vertices(state);
    const last = j === all.length - 1;
    const across = last ? high : within(x, j ? all[j - 1][0] + GAP : low, all[j + 1][0] - GAP);
    all[j] = [across, within(y, BOTTOM, TOP)];
    chosen = j;
    takeVertices(all);
    ui.show();
  }

  function remove(j) {
    const all = bookFolds.vertices(state);
    if (all.length <= 2) return;
    all.splice(j < 0 ? all.length - 2 : Math.min(j, all.length - 2), 1);
    chosen = -1;
    takeVertices(all);
  }

  /* Lets a vertex rise or fall to where the distance is largest. */
  function add({ was }) {
    if (was) takeVertices(after); // the one that is under way arrives at once
    after = bookFolds.mended(state, state.f);
    const from = after.map(([x]) => bookFolds.sum(state, x));
    chosen = after.findIndex(([, y], j) => Math.abs(from[j] - y) > 1e-9);
    let share = calm() ? 1 : 0;
    const advance = () => {
      share = Math.min(1, share + 0.08);
      takeVertices(after.map(([x, y], j) => [x, share < 1 ? from[j] + share * (y - from[j]) : y]));
      return share < 1;
    };
    if (advance()) ui.run(advance);
  }

  const changed = () => take(bookFolds.place(state.f, state.units));
  const ui = figure("folds", {
    state,
    changed,
    draw,
    say,
    keep: () => ({ f: state.f, t: state.t.join("_"), w: state.w.join("_"), b: state.b }),
    code: () => [state],
    acts: {
      add,
      remove: () => remove(chosen),
      place: () => take(bookFolds.place(state.f, state.t.length))
    }
  });
  const { panels } = ui;

  drag(panels.sum, ({ target }) => {
    const vertex = target.closest("[data-vertex]");
    if (!vertex) return null;
    ui.pause();
    vertex.focus({ preventScroll: true });
    return at => move(Number(vertex.dataset.vertex), paper.back(at));
  });
  const at = target => Number(target.dataset.vertex);
  keys(panels.sum, {
    move(by, target) {
      const vertex = bookFolds.vertices(state)[at(target)];
      const moved = vertex.map((v, k) => v + GAP * by[k]);
      move(at(target), moved);
    },
    Delete(target) {
      remove(at(target));
      ui.show();
    }
  });

  /* What the address says, if it is a sum that can be; knots may come in any order. */
  function wanted() {
    const [t, w, b] = ["t", "w", "b"].map(name => numbers(ui.wanted.get(name), "_"));
    const fits = t.length && t.length === w.length && t.length <= MOST && b.length === 1;
    if (!fits || ![...t, ...w, ...b].every(v => Math.abs(v) <= 1e3)) return;
    if (!t.every(at => at >= low && at < high)) return;
    const order = [...t.keys()].sort((i, j) => t[i] - t[j]);
    take({ t: order.map(j => t[j]), w: order.map(j => w[j]), b: b[0] });
  }
  if (ui.wanted) {
    changed();
    wanted();
  }
  ui.open();
})();
