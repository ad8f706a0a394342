/* A sum of ReLUs, one fold for each: the reader moves the vertices of the sum, and sees it
   come near a curve or not. */
"use strict";

/* The computation, of which the tests ask the same numbers as of the section's code. */
const bookFolds = {
  low: 0,
  high: 2 * Math.PI,
  curves: {
    sine: { value: Math.sin },
    bump: { value: x => Math.exp(-((x - Math.PI) ** 2)) },
    // Stairs end with a step at the very end, which no piece could climb.
    stairs: { value: x => Math.floor((Math.min(x, 2 * Math.PI - 1e-9) * 3) / (2 * Math.PI)) / 2 - 0.5 }
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

  /* Knots at equal distances, and the weights with which the sum meets the curve there. */
  place(curve, units) {
    const f = this.curves[curve].value;
    const x = Array.from({ length: units + 1 }, (_, j) => this.low + (j * (this.high - this.low)) / units);
    return this.through(x.map(at => [at, f(at)]));
  },

  /* The largest distance between sum and curve at the 1,001 places of the section, and
     where it is. */
  worst(folds, curve) {
    let found = { distance: 0, at: this.low };
    for (let i = 0; i <= 1000; i++) {
      const at = this.low + (i * (this.high - this.low)) / 1000;
      const distance = Math.abs(this.sum(folds, at) - this.curves[curve].value(at));
      if (distance > found.distance + 1e-9) found = { distance, at };
    }
    return found;
  },

  /* The vertices with one more on the curve where the distance is largest; one that is
     there already is moved on to it. */
  mended(folds, curve) {
    const { at } = this.worst(folds, curve);
    const here = [at, this.curves[curve].value(at)];
    const all = this.vertices(folds);
    const near = all.findIndex(([x]) => Math.abs(x - at) < 0.05);
    if (near >= 0) return all.map(([x, y], j) => (j === near ? [x, here[1]] : [x, y]));
    return [...all, here].sort(([a], [b]) => a - b);
  }
};

(() => {
  if (!document.getElementById("folds")) return;
  const { arrow, axes, button, calm, controls, copyCode, drag, range, refill, shown, size, within } = bookInteractive;
  const { low, high, curves } = bookFolds;
  const [BOTTOM, TOP] = [-1.6, 1.6];
  const AXES = [{ low: low - 0.2, high: high + 0.2, label: "x" }, { low: BOTTOM, high: TOP }, [6, 6, 34, 30]];
  const MOST = 12;
  const GAP = 0.05;
  const EPSILON = 1e-4; // the lower end of a logarithmic axis
  const settings = {
    f: { label: "curve", options: { sine: "sine", bump: "bump", stairs: "stairs" } },
    units: { label: "even knots", list: range(1, MOST, 1) }
  };
  const state = { f: "sine", units: 4, ...bookFolds.place("sine", 4) };
  let chosen = -1; // the vertex that was touched last
  let after; // the vertices that are on their way
  const html = `
    <div class="folds-picture">
      <div><p><b class="folds-sum">the sum</b> and <b class="folds-curve">the curve</b></p>
        <svg data-panel="sum" role="group" aria-label="The vertices of the sum. Arrow keys move one, Delete removes it."></svg></div>
      <div><p>largest distance over units</p><svg data-panel="error" aria-hidden="true"></svg></div>
    </div>
    <p>It adds up these, and the bias <span data-says="bias"></span>:</p>
    <div class="folds-terms" aria-hidden="true"></div>
    <div class="interactive-bar">${button("add", "Add where worst")}${button("remove", "Remove")}
      ${button("place", "Even")}<p class="interactive-status" role="status"></p></div>
    <div class="interactive-settings">${controls(settings, "f", "units")}
      ${button("code", "Copy the code")}</div>`;

  const curve = x => curves[state.f].value(x);
  const take = folds => {
    Object.assign(state, folds, { units: folds.t.length });
    chosen = Math.min(chosen, folds.t.length);
  };

  function drawSum() {
    const { x, y, ground, inside, line } = axes(panel.sum, ...AXES);
    const places = range(0, 240, 1).map(i => low + (i * (high - low)) / 240);
    const ends = [low, ...state.t, high].map(at => [at, bookFolds.sum(state, at)]);
    const target = places.map(at => [at, curve(at)]);
    const shade = [...target, ...ends.reverse()].map(([a, b]) => `${x(a)},${y(b)}`).join(" ");
    const { at, distance } = bookFolds.worst(state, state.f);
    const [from, to] = [y(bookFolds.sum(state, at)), y(curve(at))];
    const right = x(at) < size(panel.sum)[0] - 90;
    refill(
      panel.sum,
      ground +
        inside(`<polygon class="shade" points="${shade}"/>
      ${line(target, "path dashed")}${line(ends, "path sum")}
      <path class="bar" d="M${x(at) - 5} ${from}h10M${x(at)} ${from}V${to}M${x(at) - 5} ${to}h10"/>
      <text class="number" x="${x(at) + (right ? 10 : -10)}" y="${(from + to) / 2 + 4}" text-anchor="${right ? "start" : "end"}">${shown(distance, 4)}</text>
      ${bookFolds
        .vertices(state)
        .map(
          (
            [a, b],
            j
          ) => `<g class="vertex${j === chosen ? " chosen" : ""}" data-vertex="${j}" data-key="${j}" tabindex="0"
        role="slider" aria-label="vertex ${j + 1}" aria-valuenow="${b.toFixed(2)}" aria-valuetext="x ${shown(a)}, height ${shown(b)}">
        <circle class="grip" cx="${x(a)}" cy="${y(b)}" r="22"/><circle cx="${x(a)}" cy="${y(b)}" r="7"/></g>`
        )
        .join("")}`)
    );
  }

  function drawError() {
    const ticks = [1, 2, 4, 8];
    const even = settings.units.list.map(units => [
      units,
      bookFolds.worst(bookFolds.place(state.f, units), state.f).distance
    ]);
    const [units, now] = [state.t.length, Math.max(EPSILON, bookFolds.worst(state, state.f).distance)];
    const least = Math.min(now, ...even.map(pair => pair[1]));
    const { x, y, ground, inside, line } = axes(
      panel.error,
      { low: 0.9, high: MOST + 2, label: "hidden units", log: true, ticks },
      { low: least < 0.01 ? EPSILON : 0.01, high: 3, log: true },
      [8, 14, 34, 42]
    );
    panel.error.innerHTML =
      ground +
      inside(`${line(even)}
      ${even.map(([a, b]) => `<circle class="step" cx="${x(a)}" cy="${y(b)}" r="3"/>`).join("")}
      <text x="${x(1.1)}" y="${y(even[0][1]) - 8}">even knots</text>
      <circle class="yours" cx="${x(units)}" cy="${y(now)}" r="6"/>
      <text class="number" x="${x(units) + 8}" y="${y(now) - 8}">yours</text>`);
  }

  /* What each unit adds, all on one scale. */
  function drawTerms() {
    const most = Math.max(1, ...state.t.map((t, j) => Math.abs(state.w[j] * (high - t))));
    ui.find(".folds-terms").innerHTML = state.t
      .map((t, j) => {
        const [from, end] = [(100 * (t - low)) / (high - low), 30 - (27 * state.w[j] * (high - t)) / most];
        return `<div class="${j === chosen ? "chosen" : ""}"><svg viewBox="0 0 100 60" preserveAspectRatio="none"><path class="zero-line" d="M0 30H100"/>
        <path class="${state.w[j] < -1e-9 ? "negative" : "positive"}" d="M0 30H${from.toFixed(1)}L100 ${end.toFixed(1)}"/></svg>
        ${shown(state.w[j])}</div>`;
      })
      .join("");
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
    const now = bookFolds.worst(state, state.f).distance;
    const even = bookFolds.worst(bookFolds.place(state.f, units), state.f).distance;
    return (
      `${units} hidden unit${units > 1 ? "s" : ""}: largest distance ${shown(now, 4)}. ` +
      (now < even - 5e-5
        ? `Better than even knots (${shown(even, 4)}).`
        : `Drag the vertices: can you beat even knots (${shown(even, 4)})?`)
    );
  }

  /* Moves a vertex as far as its neighbors let it; the last one stays at the end. */
  function move(j, [x, y]) {
    const all = bookFolds.vertices(state);
    const last = j === all.length - 1;
    const across = last ? high : within(x, j ? all[j - 1][0] + GAP : low, all[j + 1][0] - GAP);
    all[j] = [across, within(y, BOTTOM, TOP)];
    chosen = j;
    take(bookFolds.through(all));
    ui.show();
  }

  function remove(j) {
    const all = bookFolds.vertices(state);
    if (all.length <= 2) return;
    all.splice(j < 0 ? all.length - 2 : Math.min(j, all.length - 2), 1);
    chosen = -1;
    take(bookFolds.through(all));
    ui.show();
  }

  const acts = {
    add(was) {
      if (was) take(bookFolds.through(after)); // the one that is under way arrives at once
      const before = { t: state.t, w: state.w, b: state.b };
      after = bookFolds.mended(state, state.f);
      chosen = after.findIndex(([x, y]) => Math.abs(bookFolds.sum(before, x) - y) > 1e-9);
      let share = calm() ? 1 : 0;
      const advance = () => {
        share = Math.min(1, share + 0.08);
        take(
          bookFolds.through(
            after.map(([x, y]) => [
              x,
              share < 1 ? bookFolds.sum(before, x) + share * (y - bookFolds.sum(before, x)) : y
            ])
          )
        );
        return share < 1;
      };
      if (advance()) ui.play(advance);
      else ui.show();
    },
    remove: () => remove(chosen),
    place() {
      take(bookFolds.place(state.f, state.t.length));
      ui.show();
    },
    async code() {
      ui.show();
      ui.tell(await copyCode("folds", state));
    }
  };

  const changed = () => take(bookFolds.place(state.f, state.units));
  const keep = () => ({ f: state.f, t: state.t.join("_"), w: state.w.join("_"), b: state.b });
  const ui = bookInteractive.figure("folds", {
    title: "Try it: a curve from folds",
    html,
    settings,
    state,
    acts,
    changed,
    draw,
    say,
    keep
  });
  const panel = { sum: ui.find("[data-panel=sum]"), error: ui.find("[data-panel=error]") };

  drag(panel.sum, event => {
    const vertex = event.target.closest("[data-vertex]");
    if (!vertex) return null;
    ui.pause();
    vertex.focus({ preventScroll: true });
    const j = Number(vertex.dataset.vertex);
    const { back } = axes(panel.sum, ...AXES);
    return at => move(j, back(at));
  });
  panel.sum.addEventListener("keydown", event => {
    const j = Number(event.target.dataset.vertex);
    const by = arrow(event);
    if (by)
      move(
        j,
        bookFolds.vertices(state)[j].map((v, k) => v + GAP * by[k])
      );
    else if (event.key === "Delete" || event.key === "Backspace") remove(j);
    else return;
    event.preventDefault();
  });

  if (ui.wanted) {
    changed();
    const [t, w, b] = ["t", "w", "b"].map(name => (ui.wanted.get(name) || "").split("_").filter(Boolean).map(Number));
    const order = t.map((_, j) => j).sort((i, j) => t[i] - t[j]);
    if (
      t.length &&
      t.length === w.length &&
      t.length <= MOST &&
      b.length === 1 &&
      [...t, ...w, ...b].every(v => Math.abs(v) <= 1e3) &&
      t.every(at => at >= low && at < high)
    )
      take({ t: order.map(j => t[j]), w: order.map(j => w[j]), b: b[0] });
  }
  ui.showFirst();
})();
