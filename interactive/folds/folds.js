/* A sum of ReLUs, one fold for each: the reader moves knots and weights, and sees the
   sum come near a curve or not. */
"use strict";

/* The computation, of which the tests ask the same numbers as of the section's code. */
const bookFolds = {
  low: 0,
  high: 2 * Math.PI,
  curves: {
    sine: { name: "the sine", value: Math.sin },
    bump: { name: "a bump", value: (x) => Math.exp(-((x - Math.PI) ** 2)) },
    steps: { name: "stairs", value: (x) => Math.floor((x * 3) / (2 * Math.PI)) / 2 - 0.5 },
  },

  /* b + sum of w_j max(x - t_j, 0) */
  sum: ({ t, w, b }, x) => t.reduce((sum, knot, j) => sum + w[j] * Math.max(x - knot, 0), b),

  /* Knots at equal distances, and the weights with which the sum meets the curve there. */
  place(curve, units) {
    const f = this.curves[curve].value;
    const t = Array.from({ length: units + 1 }, (_, j) => this.low + (j * (this.high - this.low)) / units);
    // Stairs end with a step at the very end, which no piece could climb.
    const values = t.map((x) => f(Math.min(x, this.high - 1e-9)));
    const slopes = t.slice(1).map((x, j) => (values[j + 1] - values[j]) / (x - t[j]));
    return { t: t.slice(0, -1), w: slopes.map((s, j) => s - (slopes[j - 1] ?? 0)), b: values[0] };
  },

  /* The largest distance between sum and curve, at the 1,001 places of the section. */
  error(folds, curve) {
    const far = Array.from({ length: 1001 }, (_, i) => this.low + (i * (this.high - this.low)) / 1000)
      .map((x) => Math.abs(this.sum(folds, x) - this.curves[curve].value(Math.min(x, this.high - 1e-9))));
    return Math.max(...far);
  },
};

(() => {
  const place = document.getElementById("folds");
  if (!place) return;
  const { asked, remember, copyCode, shown } = bookInteractive;
  const SIZE = { width: 400, height: 280 };
  const { low, high } = bookFolds;
  const [BOTTOM, TOP] = [-2, 2];
  const MOST = 8;
  const LIMITS = { t: [0, 6.2], w: [-4, 4], b: [-2, 2] };
  const state = { f: "sine", chosen: 0, t: [], w: [], b: 0 };

  place.innerHTML = `
    <figure aria-labelledby="folds-title">
      <figcaption id="folds-title">Try it: a curve from folds</figcaption>
      <div class="interactive-row">
        <label>curve <select data-name="f">${Object.entries(bookFolds.curves).map(([key, { name }]) =>
          `<option value="${key}">${name}</option>`).join("")}</select></label>
        <label>unit <select data-name="chosen"></select></label>
      </div>
      <svg viewBox="0 0 ${SIZE.width} ${SIZE.height}" aria-hidden="true"></svg>
      <div class="interactive-sliders">
        <label>knot of the unit <span></span><input type="range" data-name="t" step="0.05"></label>
        <label>weight of the unit <span></span><input type="range" data-name="w" step="0.05"></label>
        <label>bias of the sum <span></span><input type="range" data-name="b" step="0.05"></label>
      </div>
      <div class="interactive-row">
        <button type="button" data-do="more">One unit more</button>
        <button type="button" data-do="fewer">One unit fewer</button>
        <button type="button" data-do="place">Place them evenly</button>
        <button type="button" data-do="code">Copy the code</button>
      </div>
      <p class="interactive-status" role="status"></p>
    </figure>`;
  const { find, tell } = bookInteractive.parts(place);
  const svg = find("svg");

  const x = (value) => ((value - low) / (high - low)) * (SIZE.width - 40) + 20;
  const y = (value) => ((TOP - value) / (TOP - BOTTOM)) * SIZE.height;
  const within = (value, [least, most]) => Math.max(least, Math.min(most, value));
  const round = (value) => Math.round(value * 100) / 100;
  const near = (number) => within(number, [-5e3, 5e3]).toFixed(1);

  function take({ t, w, b }) {
    Object.assign(state, { t, w, b });
    state.chosen = Math.min(state.chosen, t.length - 1);
  }

  const line = (f, places) => places.map((at) => `${near(x(at))},${near(y(f(at)))}`).join(" ");

  function draw() {
    const places = Array.from({ length: 121 }, (_, i) => low + (i * (high - low)) / 120);
    const corners = [low, ...[...state.t].sort((a, b) => a - b), high];
    const curve = bookFolds.curves[state.f].value;
    const units = state.t.map((knot, j) => {
      const end = state.w[j] * (high - knot);
      const chosen = j === state.chosen ? " chosen" : "";
      // The end of a steep one lies outside: its handle waits at the border.
      const reach = Math.abs(end) > 1.8 ? knot + 1.8 / Math.abs(state.w[j]) : high;
      const at = within(end, [-1.8, 1.8]);
      return `<path class="unit${chosen}" d="M${near(x(knot))} ${y(0)}L${near(x(reach))} ${near(y(at))}"/>
        <circle class="handle${chosen}" data-knot="${j}" cx="${near(x(knot))}" cy="${y(0)}" r="9"/>
        <rect class="handle${chosen}" data-weight="${j}" x="${near(x(reach) - 8)}" y="${near(y(at) - 8)}" width="16" height="16"/>`;
    });
    svg.innerHTML = `<path class="ground" d="M0 ${y(0)}H${SIZE.width}"/>
      ${units.join("")}
      <polyline class="path dashed" points="${line((at) => curve(Math.min(at, high - 1e-9)), places)}"/>
      <polyline class="path sum" points="${line((at) => bookFolds.sum(state, at), corners)}"/>`;
  }

  function show() {
    find("[data-name=f]").value = state.f;
    find("[data-name=chosen]").innerHTML = state.t.map((_, j) =>
      `<option value="${j}">${j + 1} of ${state.t.length}</option>`).join("");
    find("[data-name=chosen]").value = state.chosen;
    for (const slider of place.querySelectorAll("input")) {
      const { name } = slider.dataset;
      [slider.min, slider.max] = LIMITS[name];
      const value = name === "b" ? state.b : state[name][state.chosen];
      slider.value = value;
      slider.parentElement.querySelector("span").textContent = shown(value);
    }
    find("[data-do=more]").disabled = state.t.length >= MOST;
    find("[data-do=fewer]").disabled = state.t.length <= 1;
    draw();
    settle();
  }

  function say() {
    const units = state.t.length;
    tell(`${units} hidden unit${units > 1 ? "s" : ""} (solid) and ${bookFolds.curves[state.f].name} ` +
      `(dashed): largest distance ${shown(bookFolds.error(state, state.f), 4)}.`);
  }
  const settle = bookInteractive.resting(() => {
    say();
    remember("folds", { f: state.f, t: state.t.join("_"), w: state.w.join("_"), b: state.b });
  });

  place.addEventListener("input", ({ target }) => {
    const { name } = target.dataset;
    if (name === "f") state.f = target.value;
    else if (name === "chosen") state.chosen = Number(target.value);
    else if (name === "b") state.b = Number(target.value);
    else state[name][state.chosen] = Number(target.value);
    show();
  });
  place.addEventListener("click", async ({ target }) => {
    const action = target.dataset?.do;
    if (!action) return;
    if (action === "more") {
      state.t.push(round(within((Math.max(...state.t) + high) / 2, LIMITS.t)));
      state.w.push(0);
      state.chosen = state.t.length - 1;
    }
    if (action === "fewer") for (const list of [state.t, state.w]) list.splice(state.chosen, 1);
    state.chosen = Math.min(state.chosen, state.t.length - 1);
    if (action === "place") take(bookFolds.place(state.f, state.t.length));
    show();
    if (action === "code") {
      tell(await copyCode("folds", state));
    }
  });

  /* Knots move along, weights up and down; the sliders do the same for keyboards. */
  svg.addEventListener("pointerdown", (event) => {
    const { knot, weight } = event.target.dataset;
    if (knot === undefined && weight === undefined) return;
    event.preventDefault();
    state.chosen = Number(knot ?? weight);
    svg.setPointerCapture(event.pointerId);
    const j = state.chosen;
    const reach = Number(event.target.getAttribute("x") ?? 0) + 8;
    const move = (moved) => {
      const box = svg.getBoundingClientRect();
      const factor = SIZE.width / box.width;
      const across = low + (((moved.clientX - box.left) * factor - 20) / (SIZE.width - 40)) * (high - low);
      const up = TOP - (((moved.clientY - box.top) * factor) / SIZE.height) * (TOP - BOTTOM);
      if (knot !== undefined) state.t[j] = round(within(across, LIMITS.t));
      else {
        const run = low + ((reach - 20) / (SIZE.width - 40)) * (high - low) - state.t[j];
        state.w[j] = round(within(up / Math.max(run, 0.1), LIMITS.w));
      }
      show();
    };
    svg.onpointermove = move;
    svg.onpointerup = svg.onpointercancel = () => {
      svg.onpointermove = svg.onpointerup = svg.onpointercancel = null;
    };
    show();
  });

  /* A teacher's address opens with the teacher's settings; what makes no sense in it
     is left aside. */
  take(bookFolds.place("sine", 4));
  const wanted = asked("folds");
  if (wanted) {
    if (Object.hasOwn(bookFolds.curves, wanted.get("f"))) state.f = wanted.get("f");
    const [t, w] = ["t", "w"].map((name) => (wanted.get(name) || "").split("_").filter(Boolean).map(Number)
      .filter((v) => v >= LIMITS[name][0] && v <= LIMITS[name][1]));
    const b = Number.parseFloat(wanted.get("b"));
    if (t.length && t.length === w.length && t.length <= MOST) Object.assign(state, { t, w });
    if (b >= LIMITS.b[0] && b <= LIMITS.b[1]) state.b = b;
    place.scrollIntoView();
  }
  show();
  say();
})();
