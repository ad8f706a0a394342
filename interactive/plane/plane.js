/* A network of two inputs and two classes, drawn while it learns. network.js computes; here
   is what is seen and touched. */
"use strict";

(() => {
  if (!document.getElementById("plane")) return;
  const { arrow, axes, button, calm, controls, copyCode, drag, key, paint, refill, shown, size, within } =
    bookInteractive;
  const GRID = 60; // planes are computed for so many points, times as many
  const SMALL = 22; // and those of the starts
  const MOST = 10000; // steps
  const TRY = 1000; // steps of each start when ten are tried
  const PER_FRAME = 4;
  const MOST_POINTS = 100;
  const FRAMES = { unit: [-0.5, 1.5], wide: [-1.6, 1.6] };
  const BY_HAND = [
    [1, 1, 1, 1],
    [0, -1],
    [0, 1, 0, -2],
    [0.5, 0]
  ];
  const EXAMPLES = {
    stuck: { seed: 3 },
    hand: { first: BY_HAND },
    dead: { seed: 2 },
    triangle: { d: "circles", h: 3, seed: 2 },
    spiral: { d: "spiral", h: 16, a: "tanh", lr: 1, s: 2, seed: 2 },
    rate: { h: 8, lr: 5, seed: 1 }
  };
  const weight = { list: bookInteractive.range(-8, 8, 0.1), text: v => shown(v) };
  const settings = {
    e: {
      label: "example",
      options: {
        "": "choose one",
        stuck: "a stuck start",
        hand: "XOR by hand",
        dead: "two dead units",
        triangle: "a triangle",
        spiral: "a spiral",
        rate: "too large a rate"
      }
    },
    d: {
      label: "points",
      options: { xor: "XOR", circles: "circles", moons: "moons", spiral: "spiral", own: "your own" }
    },
    h: { label: "hidden units", list: bookInteractive.range(0, 16, 1) },
    lr: { label: "learning rate", list: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5] },
    a: { label: "activation", options: { relu: "ReLU", tanh: "tanh", sigmoid: "sigmoid", none: "none" } },
    s: { label: "initial scale", list: [0.01, 0.1, 0.3, 0.5, 1, 2, 4] },
    c: { label: "a click adds", options: { 0: "class 0, circle", 1: "class 1, square" } },
    seed: { list: bookInteractive.range(1, 400, 1) },
    n: { list: bookInteractive.range(0, MOST, 1) },
    w1: { label: "weight of x<sub>1</sub>", ...weight },
    w2: { label: "weight of x<sub>2</sub>", ...weight },
    b: { label: "bias", ...weight },
    v0: { label: "to class 0", ...weight },
    v1: { label: "to class 1", ...weight }
  };
  const DEFAULT = { e: "", d: "xor", h: 2, a: "relu", lr: 0.5, s: 1, seed: 3, n: 0 };
  const UNIT = ["w1", "w2", "b", "v0", "v1"];
  const state = { ...DEFAULT, c: "0", w1: 0, w2: 0, b: 0, v0: 0, v1: 0 };
  const count = n => n.toLocaleString("en");
  const round = number => Math.round(number * 100) / 100;

  /* The sets of points, each as [x1, x2, class]. */
  const DATA = {
    xor: () => [
      [0, 0, 0],
      [0, 1, 1],
      [1, 0, 1],
      [1, 1, 0]
    ],
    circles: () =>
      noisy(60, (i, t) => {
        const radius = i % 2 ? 0.5 : 1.2;
        return [radius * Math.cos(2 * Math.PI * t), radius * Math.sin(2 * Math.PI * t)];
      }),
    moons: () =>
      noisy(60, (i, t) =>
        i % 2
          ? [0.45 - 0.9 * Math.cos(Math.PI * t), 0.2 - 0.9 * Math.sin(Math.PI * t)]
          : [0.9 * Math.cos(Math.PI * t) - 0.45, 0.9 * Math.sin(Math.PI * t) - 0.2]
      ),
    spiral: () =>
      noisy(
        80,
        (i, t) => {
          const angle = 3.2 * Math.PI * Math.sqrt(t) + (i % 2 ? Math.PI : 0);
          const radius = 0.1 + 1.3 * Math.sqrt(t);
          return [radius * Math.cos(angle), radius * Math.sin(angle)];
        },
        0.02
      )
  };

  function noisy(n, spot, noise = 0.08) {
    const { normal } = bookNetwork.random(7);
    return Array.from({ length: n }, (_, i) => [
      ...spot(i, (Math.floor(i / 2) + 0.5) / (n / 2)).map(x => round(x + noise * normal())),
      i % 2
    ]);
  }

  let own = []; // points that the reader set, and the frame in which
  let frame = FRAMES.unit;
  let first = null; // weights that the reader set
  let points, X, y, net, losses;
  let [pinned, hovered] = [-1, -1]; // units
  let thumbs = [];
  let trying = 0;
  const cross = [0.5, 0.5];

  const strip = (name, title, inner) => `<input type="radio" name="plane-strip" id="plane-strip-${name}"
      ${name === "hidden" ? "checked" : ""}><label for="plane-strip-${name}">${title}</label>
    <div class="plane-strip" data-strip="${name}">${inner}</div>`;
  const html = `
    <div class="plane-picture">
      <div class="plane-network" role="group" aria-label="The network, unit by unit"><svg aria-hidden="true"></svg></div>
      <div class="plane-output"><canvas aria-hidden="true"></canvas>
        <svg tabindex="0" role="img" aria-label="The points and the network’s answer. Arrow keys move a cross, 0 and 1 add a point of that class, Delete removes the nearest."></svg></div>
      ${key('<span data-says="low"></span>', "0", '<span data-says="high"></span> a unit’s value')}
      ${key('<span data-says="from"></span>', '<span data-says="middle"></span>', '<span data-says="to"></span>')}
    </div>
    <div class="interactive-bar">
      ${button("play", "Train", 'data-text="Train"')}${button("step", "Step")}${button("reset", "Reset")}${button("seed", "New start")}<p class="interactive-status" role="status"></p>
    </div>
    <div class="plane-strips">
      ${strip("hidden", "hidden layer", '<p data-says="hidden"></p><div class="plane-hidden"><canvas aria-hidden="true"></canvas><svg aria-hidden="true"></svg></div>')}
      ${strip("loss", "loss", '<p>loss over the steps</p><svg data-panel="loss" aria-hidden="true"></svg>')}
      ${strip("starts", "ten starts", `<p data-says="thumbs"></p><div class="plane-thumbs"></div>`)}
      <div class="plane-unit" role="group" aria-label="The weights of a unit" hidden>
        <p data-says="unit"></p>
        <div class="interactive-settings">${controls(settings, ...UNIT)}</div>
      </div>
    </div>
    <div class="interactive-settings">${controls(settings, "e", "d", "h", "lr")}</div>
    <details><summary>More settings and the code</summary>
      <p>Click into the plane to add a point, drag one, or click on one to remove it.</p>
      <div class="interactive-settings">${controls(settings, "a", "s", "c")}</div>
      <div class="interactive-bar">${button("clear", "Remove all points")}${button("code", "Copy the code")}</div>
    </details>`;

  // What is computed

  const widths = () => (state.h ? [2, state.h, 2] : [2, 2]);
  const start = seed => bookNetwork.create(widths(), state.a, state.s, seed, 3);
  const given = () => ({ ...start(1), params: first.map(values => Float32Array.from(values)) });

  /* Takes the points and the first weights; then as many steps as the state says. */
  function begin() {
    points = state.d === "own" ? own : DATA[state.d]();
    if (state.d !== "own") frame = state.d === "xor" ? FRAMES.unit : FRAMES.wide;
    X = Float32Array.from(points.flatMap(([a, b]) => [a, b]));
    y = Uint8Array.from(points, point => point[2]);
    net = first ? given() : start(state.seed);
    [losses, trying] = [[], 0];
    if (pinned >= state.h) pinned = -1;
    const steps = state.n;
    state.n = 0;
    train(steps);
    takeUnit();
  }

  function train(steps) {
    for (let i = 0; i < steps && state.n < MOST && points.length; i++) {
      losses.push(bookNetwork.step(net, X, y, points.length, state.lr).loss);
      state.n++;
    }
  }

  /* Spots of a plane, row by row from the top. */
  function spots(side, [left, low], [right, high]) {
    const all = new Float32Array(2 * side * side);
    for (let i = 0; i < side * side; i++) {
      all[2 * i] = left + (((i % side) + 0.5) / side) * (right - left);
      all[2 * i + 1] = high - ((Math.floor(i / side) + 0.5) / side) * (high - low);
    }
    return all;
  }
  const plane = side => spots(side, [frame[0], frame[0]], [frame[1], frame[1]]);

  /* The units that are 0 for every point: no gradient reaches them any more. */
  function dead() {
    if (state.a !== "relu" || !state.h || !points.length) return [];
    const H = bookNetwork.forward(net, X, points.length)[1];
    return [...Array(state.h).keys()].filter(j => points.every((_, i) => H[i * state.h + j] === 0));
  }

  /* How strongly a unit, or without hidden units an input, pulls towards class 1. */
  const pull = j => net.params.at(-2)[2 * j + 1] - net.params.at(-2)[2 * j];

  // What is seen

  /* Colors a plane by the probabilities that scores mean, paler than the points. */
  function paintAnswer(canvas, side, scores) {
    const P = bookNetwork.softmax(scores, side * side);
    paint(canvas, side, i => P[2 * i + 1] - 0.5, 0.7);
  }

  const mark = ([a, b], c, i) =>
    c
      ? `<rect data-point="${i}" x="${(a - 6).toFixed(1)}" y="${(b - 6).toFixed(1)}" width="12" height="12" class="one"/>`
      : `<circle data-point="${i}" cx="${a.toFixed(1)}" cy="${b.toFixed(1)}" r="6.5" class="zero"/>`;

  /* Points that lie on one another, spread so that each is seen. */
  const fanned = places =>
    places.map(([a, b], i) => {
      const group = places.flatMap(([c, d], k) => (Math.hypot(a - c, b - d) < 6 ? [k] : []));
      const turn = (2 * Math.PI * group.indexOf(i)) / group.length;
      return group.length > 1 ? [a + 9 * Math.cos(turn), b + 9 * Math.sin(turn)] : [a, b];
    });

  const buttons = () => picture.network.querySelectorAll("button");

  function drawNetwork(H, most) {
    const [width, height] = size(picture.network);
    const columns = Math.ceil(state.h / 4) || 1;
    const rows = Math.ceil(state.h / columns) || 1;
    const room = (width - 92) / columns;
    const side = Math.min(88, height / rows - 8, room - 12);
    const tiles = Array.from({ length: state.h }, (_, j) => [
      56 + (Math.floor(j / rows) + 0.5) * room,
      (height / rows) * ((j % rows) + 0.5)
    ]);
    const inputs = [
      [18, height / 3],
      [18, (2 * height) / 3]
    ];
    const out = [width - 18, height / 2];
    const gone = dead();
    const drawn = buttons();
    tiles.forEach(([a, b], j) => {
      const tile = drawn[j];
      tile.style.cssText = `left: ${a - side / 2}px; top: ${b - side / 2}px; width: ${side}px; height: ${side}px`;
      const half = GRID / 2; // a tile is small: every other spot will do
      paint(tile.firstChild, half, i => H[2 * (Math.floor(i / half) * GRID + (i % half)) * state.h + j], most);
      tile.classList.toggle("dead", gone.includes(j));
      tile.classList.toggle("faded", examined() >= 0 && examined() !== j);
      tile.setAttribute("aria-pressed", pinned === j);
    });
    const edges = [];
    if (state.h)
      tiles.forEach((tile, j) => {
        inputs.forEach((input, k) =>
          edges.push([input, [tile[0] - side / 2, tile[1]], net.params[0][k * state.h + j], j, k ? 0.3 : 0.65])
        );
        edges.push([[tile[0] + side / 2, tile[1]], out, pull(j), j]);
      });
    else inputs.forEach((input, k) => edges.push([input, out, pull(k), -1]));
    const strongest = Math.max(1e-6, ...edges.map(edge => Math.abs(edge[2])).filter(Number.isFinite));
    const node = ([a, b], text) =>
      `<circle cx="${a}" cy="${b}" r="16" class="node"/><text x="${a}" y="${b + 5}" text-anchor="middle">${text}</text>`;
    const named = examined() >= 0 || state.h <= 2;
    refill(
      picture.edges,
      edges
        .map(([[a, b], [c, d], w, j]) => {
          const faded = examined() >= 0 && j !== examined() ? " faded" : "";
          return `<path class="${w < 0 ? "negative" : "positive"}${faded}" stroke-width="${(0.5 + (6 * Math.abs(w)) / strongest || 0.5).toFixed(1)}"
        d="M${a} ${b}L${c} ${d}"/>`;
        })
        .join("") +
        inputs.map((place, k) => node(place, `x<tspan dy="3" font-size="10">${k + 1}</tspan>`)).join("") +
        node(out, "o") +
        edges
          .filter(edge => named && (examined() < 0 || edge[3] === examined()))
          .map(
            ([[a, b], [c, d], w, , at = 0.5]) =>
              `<text class="number" x="${a + at * (c - a)}" y="${b + at * (d - b) + 4}" text-anchor="middle">${shown(w)}</text>`
          )
          .join("")
    );
    picture.edges.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }

  function drawOutput(H, O, most) {
    const [side] = size(picture.svg);
    picture.svg.setAttribute("viewBox", `0 0 ${side} ${side}`);
    const along = x => ((x - frame[0]) / (frame[1] - frame[0])) * side;
    const spot = ([a, b]) => [along(a), side - along(b)];
    if (examined() < 0) paintAnswer(picture.canvas, GRID, O);
    else paint(picture.canvas, GRID, i => H[i * state.h + examined()], most);
    // A unit changes where its sum is 0; the line is the darker, the more the unit counts.
    const counts = [...Array(state.h).keys()].map(
      j => Math.abs(pull(j)) * Math.hypot(net.params[0][j], net.params[0][state.h + j])
    );
    const strongest = Math.max(1e-6, ...counts.filter(Number.isFinite));
    const lines = counts.map((count, j) => {
      const [u, v, b] = [net.params[0][j], net.params[0][state.h + j], net.params[1][j]];
      const length = Math.hypot(u, v);
      if (!(length > 1e-6) || (examined() >= 0 && examined() !== j)) return `<path d=""/>`;
      const foot = [(-b * u) / length ** 2, (-b * v) / length ** 2];
      const far = 4 + Math.hypot(...foot);
      const ends = [-far, far].map(t => spot([foot[0] - (v / length) * t, foot[1] + (u / length) * t]));
      return `<path opacity="${Math.max(0.15, count / strongest || 0).toFixed(2)}"
        d="M${ends.map(end => end.map(x => within(x, -1e4, 1e4).toFixed(1))).join("L")}"/>`;
    });
    const [a, b] = spot(cross);
    refill(
      picture.svg,
      `<g class="lines">${lines.join("")}</g>
      ${points.map((point, i) => mark(spot(point), point[2], i)).join("")}
      <path class="cross" d="M${a - 9} ${b}h18M${a} ${b - 9}v18"/>`
    );
  }

  function drawHidden() {
    const n = points.length;
    const two = state.h === 2;
    ui.says("hidden", two ? "what the hidden layer sees" : "the scores of the points");
    picture.hidden.hidden = !two;
    const outputs = n ? bookNetwork.forward(net, X, n) : [[], []];
    const values = Array.from({ length: n }, (_, i) =>
      two ? [outputs[1][2 * i], outputs[1][2 * i + 1]] : [outputs.at(-1)[2 * i + 1] - outputs.at(-1)[2 * i], y[i]]
    );
    const reach = (k, least) => {
      const all = values.map(value => value[k]).filter(Number.isFinite);
      const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
      const room = Math.max(least, 0.2 * (high - low));
      return { low: low - room, high: high + room };
    };
    const across = { ...reach(0, 0.2), label: two ? "h₁" : "score 1 − score 0" };
    const up = two ? { ...reach(1, 0.2), label: "h₂" } : { low: -0.6, high: 1.6, ticks: [], label: "" };
    const { x, y: above, ground, inside } = axes(picture.hiddenSvg, across, up);
    if (two) {
      const last = { ...net, widths: [2, 2], params: net.params.slice(2) };
      const seen = bookNetwork.forward(last, spots(GRID, [across.low, up.low], [across.high, up.high]), GRID * GRID)[1];
      paintAnswer(picture.hidden, GRID, seen);
    }
    const places = values.map(([a, b]) => [x(a), above(b)]);
    picture.hiddenSvg.innerHTML =
      ground +
      inside(`<g class="interactive-axes"><path d="M${x(0)} 0V400${two ? `M0 ${above(0)}H900` : ""}"/></g>
      ${(two ? fanned(places) : places).map((place, i) => mark(place, y[i], i)).join("")}`);
  }

  function drawLoss() {
    const most = within(losses[0] || 1, 1, 2);
    const every = Math.ceil(losses.length / 300);
    const {
      x,
      y: above,
      ground,
      inside,
      line
    } = axes(picture.loss, { low: 0, high: Math.max(100, losses.length), label: "step" }, { low: 0, high: most });
    const pairs = losses.map((loss, i) => [i, loss]).filter((_, i) => i % every === 0);
    picture.loss.innerHTML =
      ground +
      inside(`<path class="dashed" d="M0 ${above(Math.LN2)}H900"/>
      <text x="${x(0) + 6}" y="${above(Math.LN2) - 5}">ln 2, a coin’s</text>${line(pairs)}`);
  }

  function drawThumbs() {
    const box = ui.find(".plane-thumbs");
    refill(
      box,
      thumbs
        .map(
          ({ text, label }, i) => `<button type="button" data-do="open" data-key="${i}" data-thumb="${i}"
      aria-label="${label}"><canvas></canvas>${text}</button>`
        )
        .join("") || button("ten", "Try ten starts", points.length ? "" : "disabled")
    );
    thumbs.forEach(({ scores }, i) => paintAnswer(box.children[i].firstChild, SMALL, scores));
  }

  const examined = () => (hovered >= 0 && hovered < state.h ? hovered : pinned);

  function draw() {
    if (buttons().length !== state.h) {
      buttons().forEach(one => one.remove());
      picture.network.insertAdjacentHTML(
        "beforeend",
        Array.from(
          { length: state.h },
          (_, j) => `<button type="button" class="plane-tile" data-do="pin" data-unit="${j}"><canvas></canvas></button>`
        ).join("")
      );
    }
    const outputs = bookNetwork.forward(net, plane(GRID), GRID * GRID);
    let most = 1e-6;
    if (state.h) for (const value of outputs[1]) if (Math.abs(value) > most) most = Math.abs(value);
    const [one, end] = [examined() + 1, shown(most, 1)];
    ui.says("low", `−${end}`);
    ui.says("high", end);
    ui.says("from", one ? `−${end}` : "class 0");
    ui.says("middle", one ? 0 : "½");
    ui.says("to", one ? `${end} unit ${one}` : "class 1");
    drawNetwork(outputs[1], most);
    drawOutput(outputs[1], outputs.at(-1), most);
    drawHidden();
    drawLoss();
    for (const action of ["play", "step", "code"])
      ui.find(`[data-do=${action}]`).disabled = !points.length || (action === "step" && state.n >= MOST);
    if (ui.isPlaying()) return;
    buttons().forEach((one, j) => one.setAttribute("aria-label", describe(j) + (one.matches(".dead") ? ", dead" : "")));
    picture.unit.hidden = pinned < 0;
    picture.strips.classList.toggle("pinned", pinned >= 0);
    ui.says("unit", pinned < 0 ? "" : `${describe(pinned)}. Press it again to let it go.`);
  }

  function describe(j) {
    const [u, v, b] = [net.params[0][j], net.params[0][state.h + j], net.params[1][j]].map(w => shown(w));
    return `Unit ${j + 1}: weights ${u} and ${v}, bias ${b}; pulls to class ${+(pull(j) > 0)} by ${shown(Math.abs(pull(j)))}`;
  }

  function say() {
    if (trying) return `Start ${thumbs.length + 1} of 10 …`;
    if (!points.length) return "No point is set yet.";
    const { loss, right: good } = bookNetwork.gradients(net, X, y, points.length);
    const gone = dead().length;
    return (
      `${first ? "Your weights" : `Start ${state.seed}`}, step ${count(state.n)}: ` +
      (Number.isFinite(loss) ? `loss ${shown(loss, 3)}` : "the loss is no number any more") +
      `, ${good} of ${points.length} right${gone ? `, ${gone} unit${gone > 1 ? "s" : ""} dead` : ""}.`
    );
  }

  /* A number with just the digits that 32 bits tell apart. */
  const exact = v => Number([v.toFixed(3), v.toPrecision(9)].find(text => Math.fround(text) === v));

  function keep() {
    const { e, c, w1, w2, b, v0, v1, ...kept } = state;
    if (pinned >= 0) kept.u = pinned;
    if (first) kept.w = first.map(values => [...values].map(exact).join("_")).join("__");
    if (state.d === "own")
      Object.assign(kept, {
        v: frame === FRAMES.unit ? "unit" : "wide",
        p: own.map(point => point.join(",")).join(";")
      });
    return kept;
  }

  // What is touched

  const wheres = j => [
    [0, j],
    [0, state.h + j],
    [1, j],
    [2, 2 * j],
    [2, 2 * j + 1]
  ];

  /* The sliders of the pinned unit show its weights. */
  function takeUnit() {
    if (pinned >= 0)
      wheres(pinned).forEach(([k, i], which) => {
        state[UNIT[which]] = net.params[k][i];
      });
  }

  function changed(name) {
    trying = 0;
    if (UNIT.includes(name)) {
      const [k, i] = wheres(pinned)[UNIT.indexOf(name)];
      net.params[k][i] = state[name];
      first = net.params.map(param => param.slice());
    } else if (name === "e") {
      const { first: weights = null, ...example } = EXAMPLES[state.e] || {};
      Object.assign(state, DEFAULT, example, { e: state.e });
      first = weights;
    } else if ("has".includes(name)) first = null; // other weights are drawn
    if (name === "lr" || name === "c") return;
    if (name !== "e") state.e = "";
    if (name === "d" && state.d === "own") own = points.map(point => [...point]);
    anew();
  }

  /* From step 0 again, with the same first weights or others. */
  function anew() {
    thumbs = [];
    state.n = 0;
    begin();
    drawThumbs();
    ui.says("thumbs", "ten starts");
  }

  /* Makes the points the reader's own, to be changed. */
  function change(edit) {
    ui.pause();
    if (state.d !== "own") own = points.map(point => [...point]);
    edit();
    state.d = "own";
    anew();
    ui.show();
  }

  const thumb = (of, text, label, open) => ({
    text,
    label,
    open,
    scores: bookNetwork.forward(of, plane(SMALL), SMALL * SMALL).at(-1)
  });

  /* Ten starts, each for a thousand steps; one after the other, so that the page stays
     awake. */
  async function tryTen() {
    const mine = (trying = Math.random());
    thumbs = [];
    let solved = 0;
    for (let seed = 1; seed <= 10; seed++) {
      ui.tell(say());
      await new Promise(done => setTimeout(done));
      if (trying !== mine) return;
      const one = start(seed);
      for (let n = 0; n < TRY; n++) bookNetwork.step(one, X, y, points.length, state.lr);
      const good = bookNetwork.gradients(one, X, y, points.length).right;
      if (good === points.length) solved++;
      const text = good === points.length ? "✓" : `${good}/${points.length}`;
      thumbs.push(
        thumb(one, text, `Open start ${seed}: ${good} of ${points.length} right`, () => {
          first = null;
          Object.assign(state, { seed, n: TRY });
        })
      );
      drawThumbs();
    }
    trying = 0;
    ui.tell(
      `Starts 1 to 10, ${count(TRY)} steps each: ${solved} of 10 have all ${points.length} points right. Open one.`
    );
  }

  /* For who wants nothing to move: five stills of the course. */
  function stills() {
    thumbs = [];
    for (let i = 0; i < 5; i++) {
      if (i) train(TRY / 4);
      const { n } = state;
      thumbs.push(
        thumb(net, count(n), `Open step ${n}`, () => {
          state.n = n;
        })
      );
    }
    drawThumbs();
    ui.says("thumbs", "the course in five steps");
    ui.find("#plane-strip-starts").checked = true;
    ui.show();
  }

  const acts = {
    play(was) {
      trying = 0;
      if (was) return ui.show();
      if (state.n >= MOST) anew();
      if (calm()) return stills();
      ui.play(() => {
        train(PER_FRAME);
        return state.n < MOST;
      });
    },
    step() {
      train(1);
      takeUnit();
      ui.show();
    },
    reset() {
      anew();
      ui.show();
    },
    seed() {
      first = null;
      state.seed = (state.seed % 400) + 1;
      state.n = 0;
      begin();
      ui.show();
    },
    ten: tryTen,
    open(was, { dataset }) {
      thumbs[dataset.thumb].open();
      begin();
      ui.show();
    },
    pin(was, { dataset }) {
      pinned = pinned === Number(dataset.unit) ? -1 : Number(dataset.unit);
      takeUnit();
      ui.show();
    },
    clear: () =>
      change(() => {
        own = [];
      }),
    async code() {
      ui.show();
      ui.tell(
        await copyCode(
          "plane",
          state,
          points,
          (first ? given() : start(state.seed)).params.map(values => Array.from(values, exact))
        )
      );
    }
  };

  const ui = bookInteractive.figure("plane", {
    title: "Try it: a network in the plane",
    html,
    settings,
    state,
    acts,
    changed,
    draw,
    say,
    keep
  });
  const picture = {
    network: ui.find(".plane-network"),
    edges: ui.find(".plane-network svg"),
    canvas: ui.find(".plane-output canvas"),
    svg: ui.find(".plane-output svg"),
    hidden: ui.find(".plane-hidden canvas"),
    hiddenSvg: ui.find(".plane-hidden svg"),
    loss: ui.find("[data-panel=loss]"),
    strips: ui.find(".plane-strips"),
    unit: ui.find(".plane-unit")
  };

  // A unit is examined while a pointer or the focus is on it.
  const examine = target => {
    const unit = Number(target?.closest?.("[data-unit]")?.dataset.unit ?? -1);
    if (unit === hovered) return;
    hovered = unit;
    draw();
  };
  for (const type of ["pointerover", "focusin"])
    picture.network.addEventListener(type, ({ target }) => examine(target));
  for (const type of ["pointerleave", "focusout"]) picture.network.addEventListener(type, () => examine(null));
  picture.strips.addEventListener("change", () => ui.show());

  const distance = ([a, b], [c, d]) => Math.hypot(a - c, b - d);
  const nearest = spot =>
    points.reduce(
      (best, point, i) => (best < 0 || distance(point, spot) < distance(points[best], spot) ? i : best),
      -1
    );
  const add = (spot, c) => own.length < MOST_POINTS && own.push([...spot.map(round), c]);

  /* A point is dragged; a click removes it, and one beside adds another. */
  drag(picture.svg, (event, from) => {
    const reach = frame[1] - frame[0];
    const [side] = size(picture.svg);
    const back = ([a, b]) =>
      [frame[0] + (a / side) * reach, frame[1] - (b / side) * reach].map(x => within(x, ...frame));
    const near = points.length ? nearest(back(from)) : -1;
    const hit = near >= 0 && distance(points[near], back(from)) < (16 / side) * reach;
    let moved = false;
    return (at, end) => {
      moved ||= Math.hypot(at[0] - from[0], at[1] - from[1]) > 4;
      if (hit && moved)
        change(() => {
          own[near] = [...back(at).map(round), own[near][2]];
        });
      else if (end && !moved) change(() => (hit ? own.splice(near, 1) : add(back(at), Number(state.c))));
    };
  });
  picture.svg.addEventListener("keydown", event => {
    const step = arrow(event);
    if (step) {
      step.forEach((by, k) => {
        cross[k] = within(round(cross[k] + 0.05 * by), ...frame);
      });
      draw();
      ui.tell(`The cross is at ${cross.map(x => shown(x)).join(", ")}.`);
    } else if ("01".includes(event.key)) change(() => add(cross, Number(event.key)));
    else if (event.key === "Delete" || event.key === "Backspace")
      change(() => points.length && own.splice(nearest(cross), 1));
    else return;
    event.preventDefault();
  });

  if (ui.wanted) {
    const numbers = (text, by) => (text || "").split(by).filter(Boolean).map(Number);
    if (state.d === "own") {
      frame = FRAMES[ui.wanted.get("v")] || FRAMES.unit;
      own = (ui.wanted.get("p") || "")
        .split(";")
        .map(point => numbers(point, ","))
        .filter(point => point.length === 3 && point.every(Number.isFinite) && (point[2] === 0 || point[2] === 1))
        .slice(0, MOST_POINTS);
    }
    const weights = (ui.wanted.get("w") || "").split("__").map(text => numbers(text, "_"));
    const fits =
      start(1)
        .params.map(param => param.length)
        .join() === weights.map(list => list.length).join();
    if (fits && weights.flat().every(Number.isFinite)) first = weights;
    const unit = numbers(ui.wanted.get("u"), ",")[0];
    if (Number.isInteger(unit) && unit >= 0) pinned = unit; // begin() lets go of what is not there
  }
  const { n } = state;
  anew();
  state.n = n;
  begin();
  bookInteractive.replaceStill(ui.place);
  ui.showFirst();
})();
