/* A network of two inputs and two classes, drawn while it learns. network.js computes; here
   is what is seen and touched. */
"use strict";

(() => {
  const { axes, button, drag, figure, keys, numbers, paint, refill, shown, size, within } = bookInteractive;
  const GRID = 60; // planes are computed for so many points, times as many
  const SMALL = 22; // and those of the starts
  const MOST = 10000; // steps
  const TRY = 1000; // steps of each start when ten are tried
  const MOST_POINTS = 100;
  const FRAMES = { unit: [-0.5, 1.5], wide: [-1.6, 1.6] };
  const EXAMPLES = {
    stuck: { seed: 3 },
    hand: { first: weights("1_1_1_1__0_-1__0_1_0_-2__0.5_0") },
    dead: { seed: 2 },
    triangle: { d: "circles", h: 3, seed: 2 },
    spiral: { d: "spiral", h: 16, a: "tanh", lr: 1, s: 2, seed: 2 },
    rate: { h: 8, lr: 5, seed: 1 }
  };
  const DEFAULT = { e: "", d: "xor", h: 2, a: "relu", lr: 0.5, s: 1, seed: 3, n: 0 };
  const state = { ...DEFAULT, c: "0", w1: 0, w2: 0, b: 0, v0: 0, v1: 0 }; // the last five: of the pinned unit

  const count = n => n.toLocaleString("en");
  const round = number => Math.round(number * 100) / 100;
  const distance = ([a, b], [c, d]) => Math.hypot(a - c, b - d);
  const each = (length, make) => Array.from({ length }, (_, i) => make(i));

  /* The sets of points, each as [x1, x2, class]. */
  const circle = (radius, turns) => [radius * Math.cos(2 * Math.PI * turns), radius * Math.sin(2 * Math.PI * turns)];
  const DATA = {
    xor: () => each(4, i => [i >> 1, i & 1, (i >> 1) ^ (i & 1)]),
    circles: () => noisy(60, (c, t) => circle(c ? 0.5 : 1.2, t)),
    moons: () =>
      noisy(60, (c, t) => {
        const [a, b] = circle(0.9, t / 2);
        return c ? [0.45 - a, 0.2 - b] : [a - 0.45, b - 0.2];
      }),
    spiral: () => noisy(80, (c, t) => circle(0.1 + 1.3 * Math.sqrt(t), 1.6 * Math.sqrt(t) + c / 2), 0.02)
  };

  /* n points, of the two classes in turn, near the spots of c, the class, and t from 0 to 1. */
  function noisy(n, spot, noise = 0.08) {
    const { normal } = bookNetwork.random(7);
    return each(n, i => [
      ...spot(i % 2, (Math.floor(i / 2) + 0.5) / (n / 2)).map(x => round(x + noise * normal())),
      i % 2
    ]);
  }

  let own = []; // points that the reader set, and the frame in which
  let frame = FRAMES.unit;
  let first = null; // weights that the reader set
  let points, X, y, net, losses;
  let [pinned, hovered] = [-1, -1]; // units
  let thumbs = []; // networks to open
  let trying = 0;
  const cross = [0.5, 0.5];
  let paper; // the axes of the plane
  const spot = ([a, b]) => [paper.x(a), paper.y(b)];

  // What is computed

  const start = seed => bookNetwork.create(state.h ? [2, state.h, 2] : [2, 2], state.a, state.s, seed, 3);
  const given = () =>
    first ? { ...start(1), params: first.map(values => Float32Array.from(values)) } : start(state.seed);

  /* The weights in an address, and back: "_" between numbers, "__" between arrays. */
  function weights(text) {
    return text.split("__").map(values => numbers(values, "_"));
  }

  /* A number with just the digits that 32 bits tell apart. */
  const exact = v => Number([v.toFixed(3), v.toPrecision(9)].find(text => Math.fround(text) === v));

  /* Takes the points and the first weights; then as many steps as the state says. */
  function begin() {
    points = state.d === "own" ? own : DATA[state.d]();
    if (state.d !== "own") frame = state.d === "xor" ? FRAMES.unit : FRAMES.wide;
    X = Float32Array.from(points.flatMap(point => point.slice(0, 2)));
    y = Uint8Array.from(points, point => point[2]);
    net = given();
    [losses, trying] = [[], 0];
    if (pinned >= state.h) pinned = -1;
    const steps = state.n;
    state.n = 0;
    train(steps);
  }

  /* Trains for so many steps, or as many as are left; returns whether any is. */
  function train(steps) {
    for (let i = 0; i < steps && state.n < MOST && points.length; i++) {
      losses.push(bookNetwork.step(net, X, y, points.length, state.lr).loss);
      state.n++;
    }
    return state.n < MOST;
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

  /* The spots of the plane, which only another frame changes: training draws it many times. */
  const planes = new Map();
  function plane(side) {
    const key = `${side} in ${frame}`;
    if (!planes.has(key)) planes.set(key, spots(side, [frame[0], frame[0]], [frame[1], frame[1]]));
    return planes.get(key);
  }
  const forward = (of, side) => bookNetwork.forward(of, plane(side), side * side);

  /* What each layer gives for the points. */
  const atPoints = () => bookNetwork.forward(net, X, points.length);

  /* The units that are 0 for every point: no gradient reaches them any more. */
  function dead([, H] = atPoints()) {
    if (state.a !== "relu" || !state.h || !points.length) return [];
    return each(state.h, j => j).filter(j => points.every((_, i) => H[i * state.h + j] === 0));
  }

  /* How strongly a unit, or without hidden units an input, pulls towards class 1. */
  const pull = j => net.params.at(-2)[2 * j + 1] - net.params.at(-2)[2 * j];

  /* Where the weights of unit j are, by their sliders: the array, and the place in it. */
  const places = j => ({ w1: [0, j], w2: [0, state.h + j], b: [1, j], v0: [2, 2 * j], v1: [2, 2 * j + 1] });
  const weightsOf = j => Object.values(places(j)).map(([k, i]) => net.params[k][i]);

  const examined = () => (hovered >= 0 && hovered < state.h ? hovered : pinned);
  const largest = values => Math.max(1e-6, ...values.map(Math.abs).filter(Number.isFinite));

  // What is seen

  /* Colors a plane by the probabilities that scores mean, paler than the points: the
     hyperbolic tangent is the difference of the two. */
  function paintAnswer(canvas, side, scores) {
    paint(canvas, side, i => Math.tanh((scores[2 * i + 1] - scores[2 * i]) / 2), 1.4);
  }

  /* The points at these places: circles and squares, all of a class as one shape. */
  const marks = places =>
    ["m-6.5 0a6.5 6.5 0 1 0 13 0a6.5 6.5 0 1 0-13 0z", "m-6-6h12v12h-12z"].map((shape, c) => {
      const mine = places.filter((_, i) => y[i] === c);
      const drawing = mine.map(([a, b]) => `M${a.toFixed(1)} ${b.toFixed(1)}${shape}`);
      return `<path class="${c ? "one" : "zero"}" d="${drawing.join("")}"/>`;
    });

  /* Points that lie on one another, spread so that each is seen. */
  const fanned = places =>
    places.map(([a, b], i) => {
      const group = places.flatMap((place, k) => (distance(place, [a, b]) < 6 ? [k] : []));
      const turn = group.length > 1 ? circle(9, group.indexOf(i) / group.length) : [0, 0];
      return [a + turn[0], b + turn[1]];
    });

  const tiles = () => panels.tiles.querySelectorAll("button");

  /* As many tiles as there are units, in columns of four. Returns the places of their
     middles, and their side. */
  function drawTiles(H, most, gone) {
    const [width, height] = size(panels.network);
    const columns = Math.ceil(state.h / 4) || 1;
    const rows = Math.ceil(state.h / columns) || 1;
    const room = (width - 92) / columns;
    const side = Math.min(88, height / rows - 8, room - 12);
    const middles = each(state.h, j => [
      56 + (Math.floor(j / rows) + 0.5) * room,
      (height / rows) * ((j % rows) + 0.5)
    ]);
    const all = middles.map(([a, b], j) =>
      button("pin", "<canvas></canvas>", {
        class: "plane-tile",
        style: `left: ${a - side / 2}px; top: ${b - side / 2}px; width: ${side}px; height: ${side}px`,
        "aria-label": `Unit ${j + 1}`,
        "data-unit": j,
        "data-key": j
      })
    );
    refill(panels.tiles, all.join(""));
    const half = GRID / 2; // a tile is small: every other spot will do
    tiles().forEach((tile, j) => {
      paint(tile.firstChild, half, i => H[2 * (Math.floor(i / half) * GRID + (i % half)) * state.h + j], most);
      tile.classList.toggle("dead", gone.includes(j));
      tile.classList.toggle("faded", examined() >= 0 && examined() !== j);
      tile.setAttribute("aria-pressed", pinned === j);
    });
    return [middles, side];
  }

  /* The edges from the inputs to the units and on to the output, as wide as their weights;
     with numbers where there is room for them. */
  function drawEdges([middles, side]) {
    const [width, height] = size(panels.network);
    const inputs = [1, 2].map(k => [18, (k * height) / 3]);
    const out = [width - 18, height / 2];
    const edges = middles.flatMap(([a, b], unit) => [
      ...inputs.map((from, k) => ({ from, to: [a - side / 2, b], w: weightsOf(unit)[k], unit, at: 0.6 })),
      { from: [a + side / 2, b], to: out, w: pull(unit), unit, at: 0.5 }
    ]);
    if (!state.h) edges.push(...inputs.map((from, k) => ({ from, to: out, w: pull(k), unit: -1, at: 0.5 })));
    const strongest = largest(edges.map(edge => edge.w));
    const chosen = edge => examined() < 0 || edge.unit === examined();
    const lines = edges.map(edge => {
      const { from, to, w } = edge;
      const looks = `${w < 0 ? "negative" : "positive"}${chosen(edge) ? "" : " faded"}`;
      const wide = (0.5 + (6 * Math.abs(w)) / strongest || 0.5).toFixed(1);
      return `<path class="${looks}" stroke-width="${wide}" d="M${from}L${to}"/>`;
    });
    const named = edges.filter(edge => chosen(edge) && (examined() >= 0 || state.h <= 2));
    const texts = named.map(({ from, to, w, at }) => {
      const [a, b] = from.map((v, k) => v + at * (to[k] - v));
      return `<text class="number" x="${a}" y="${b + 4}" text-anchor="middle">${shown(w)}</text>`;
    });
    const node = ([a, b], text) =>
      `<circle cx="${a}" cy="${b}" r="16" class="node"/><text x="${a}" y="${b + 5}" text-anchor="middle">${text}</text>`;
    const nodes = inputs.map((place, k) => node(place, `x<tspan dy="3" font-size="10">${k + 1}</tspan>`));
    panels.edges.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const parts = [...lines, [...nodes, node(out, "o")].join(""), texts.join("")];
    refill(panels.edges, `<g>${"<g></g>".repeat(parts.length)}</g>`, ...parts);
  }

  /* The network's answer in the plane, or a unit's values; with the lines at which units
     change, the darker the more they count, and the points. */
  function drawOutput(H, O, most) {
    const along = { low: frame[0], high: frame[1], ticks: [] };
    paper = axes(panels.output, along, along, [0, 0, 0, 0]);
    if (examined() < 0) paintAnswer(panels.answer, GRID, O);
    else paint(panels.answer, GRID, i => H[i * state.h + examined()], most);
    const units = each(state.h, weightsOf);
    const counts = units.map(([u, v], j) => Math.abs(pull(j)) * Math.hypot(u, v));
    const strongest = largest(counts);
    const lines = units.map(([u, v, b], j) => {
      const length = Math.hypot(u, v);
      if (!(length > 1e-6) || (examined() >= 0 && examined() !== j)) return `<path d=""/>`;
      const foot = [(-b * u) / length ** 2, (-b * v) / length ** 2];
      const far = 4 + Math.hypot(...foot);
      const ends = [-far, far].map(t => spot([foot[0] - (v / length) * t, foot[1] + (u / length) * t]));
      return `<path opacity="${Math.max(0.15, counts[j] / strongest || 0).toFixed(2)}" d="M${ends.join("L")}"/>`;
    });
    const [a, b] = spot(cross);
    paper.fill(
      `<g class="lines">${lines.join("")}</g>`,
      marks(points.map(spot)).join(""),
      `<path class="cross" d="M${a - 9} ${b}h18M${a} ${b - 9}v18"/>`
    );
  }

  /* The points as two hidden units see them; of other widths, the scores of the points, a
     little above and below one another. */
  function drawHidden([, H, O = H]) {
    const n = points.length;
    const two = state.h === 2;
    ui.says("hidden", two ? "what the hidden layer sees" : "the scores of the points");
    panels.hiddenAnswer.hidden = !two;
    const seen = each(n, i =>
      two ? [H[2 * i], H[2 * i + 1]] : [O[2 * i + 1] - O[2 * i], y[i] + 0.12 * ((i & ~1) % 5) - 0.24]
    );
    const reach = k => {
      const all = seen.map(value => value[k]).filter(Number.isFinite);
      const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
      const room = Math.max(0.2, 0.2 * (high - low));
      return { low: low - room, high: high + room };
    };
    const across = { ...reach(0), label: two ? "h₁" : "score 1 − score 0" };
    const up = two ? { ...reach(1), label: "h₂" } : { low: -0.6, high: 1.6, ticks: [] };
    const { x, y: above, fill } = axes(panels.hidden, across, up);
    if (two) {
      const last = { ...net, widths: [2, 2], params: net.params.slice(2) };
      const all = spots(GRID, [across.low, up.low], [across.high, up.high]);
      paintAnswer(panels.hiddenAnswer, GRID, bookNetwork.forward(last, all, GRID * GRID)[1]);
    }
    const places = seen.map(([a, b]) => [x(a), above(b)]);
    const zero = `<g class="interactive-axes"><path d="M${x(0)} 0V400${two ? `M0 ${above(0)}H900` : ""}"/></g>`;
    fill(zero, ...marks(two ? fanned(places) : places));
  }

  function drawLoss() {
    const up = { low: 0, high: within(losses[0] || 1, 1, 2) };
    const { x, y, fill, line } = axes(panels.loss, { low: 0, high: Math.max(100, losses.length), label: "step" }, up);
    const every = Math.ceil(losses.length / 300) || 1;
    const pairs = each(Math.ceil(losses.length / every), i => [i * every, losses[i * every]]);
    const guess = `<path class="dashed" d="M0 ${y(Math.LN2)}H900"/>
      <text x="${x(0) + 6}" y="${y(Math.LN2) - 5}">ln 2, guessing</text>`;
    fill(guess, line(pairs));
  }

  function drawThumbs() {
    const all = thumbs.map(({ text, label }, i) =>
      button("open", `<canvas></canvas>${text}`, { "data-key": i, "aria-label": label })
    );
    const ten = button("ten", "Try ten starts", points.length ? {} : { disabled: "" });
    refill(panels.thumbs, all.join("") || ten);
    thumbs.forEach(({ scores }, i) => paintAnswer(panels.thumbs.children[i].firstChild, SMALL, scores));
  }

  function draw(all = !ui.isPlaying()) {
    const outputs = forward(net, GRID);
    const [H, O] = [outputs[1], outputs.at(-1)];
    const seen = atPoints();
    let most = 1e-6;
    for (let i = 0; state.h && i < H.length; i++) most = Math.max(most, Math.abs(H[i]) || 0);
    const [one, end] = [examined() + 1, shown(most, 1)];
    ui.says("low", `−${end}`);
    ui.says("high", end);
    ui.says("from", one ? `−${end}` : "class 0");
    ui.says("middle", one ? 0 : "½");
    ui.says("to", one ? `${end} unit ${one}` : "class 1");
    drawEdges(drawTiles(H, most, dead(seen)));
    drawOutput(H, O, most);
    drawHidden(seen);
    drawLoss();
    for (const action of ["play", "step", "code"])
      ui.find(`[data-do=${action}]`).disabled = !points.length || (action === "step" && state.n >= MOST);
    if (all) describeUnits();
  }

  /* What a screen reader says of the units, and the sliders of the pinned one. */
  function describeUnits() {
    const describe = j => {
      const [u, v, b] = weightsOf(j).map(w => shown(w));
      return `Unit ${j + 1}: weights ${u} and ${v}, bias ${b}, pulls toward class ${+(pull(j) > 0)} by ${shown(Math.abs(pull(j)))}`;
    };
    tiles().forEach((tile, j) =>
      tile.setAttribute("aria-label", describe(j) + (tile.matches(".dead") ? ", dead" : ""))
    );
    panels.unit.hidden = pinned < 0;
    panels.strips.classList.toggle("pinned", pinned >= 0);
    ui.says("unit", pinned < 0 ? "" : `${describe(pinned)}. Press the unit again to deselect it.`);
    if (pinned < 0) return;
    for (const [name, [k, i]] of Object.entries(places(pinned))) state[name] = net.params[k][i];
  }

  function say() {
    if (trying) return `Start ${thumbs.length + 1} of 10 …`;
    if (!points.length) return "There are no points yet.";
    const { loss, right } = bookNetwork.gradients(net, X, y, points.length);
    const gone = dead().length;
    return (
      `${first ? "Your weights" : `Start ${state.seed}`}, step ${count(state.n)}: ` +
      (Number.isFinite(loss) ? `loss ${shown(loss, 3)}` : "the loss is no longer a number") +
      `, ${right} of ${points.length} right${gone ? `, ${gone} unit${gone > 1 ? "s" : ""} dead` : ""}.`
    );
  }

  function keep() {
    const { e, c, w1, w2, b, v0, v1, ...kept } = state;
    if (pinned >= 0) kept.u = pinned;
    if (first) kept.w = first.map(values => [...values].map(exact).join("_")).join("__");
    if (state.d !== "own") return kept;
    return { ...kept, v: frame === FRAMES.unit ? "unit" : "wide", p: own.map(point => point.join(",")).join(";") };
  }

  // What is touched

  function changed(name) {
    trying = 0;
    if (name in places(pinned)) {
      const [k, i] = places(pinned)[name];
      net.params[k][i] = state[name];
      first = net.params.map(param => param.slice());
    } else if (name === "e") {
      const { first: hand = null, ...example } = EXAMPLES[state.e] || {};
      Object.assign(state, DEFAULT, example, { e: state.e });
      first = hand;
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

  /* Ten starts, each for a thousand steps; one after the other, so that the page stays
     awake. */
  async function tryTen() {
    const mine = (trying = Math.random());
    const all = points.length;
    let solved = 0;
    thumbs = [];
    for (let seed = 1; seed <= 10; seed++) {
      ui.tell(say());
      await new Promise(done => setTimeout(done));
      if (trying !== mine) return;
      const one = start(seed);
      for (let n = 0; n < TRY; n++) bookNetwork.step(one, X, y, all, state.lr);
      const { right } = bookNetwork.gradients(one, X, y, all);
      const label = `Open start ${seed}: ${right} of ${all} right`;
      const text = right === all ? "✓" : `${right}/${all}`;
      thumbs.push({ text, label, scores: forward(one, SMALL).at(-1), opens: { seed, n: TRY }, first: null });
      if (right === all) solved++;
      drawThumbs();
    }
    trying = 0;
    ui.tell(
      `Starts 1 to 10, ${count(TRY)} steps each. ${solved} of 10 get all ${all} points right. Press one to open it.`
    );
  }

  /* For who wants nothing to move: five stills of the course. */
  function stills() {
    thumbs = [];
    for (let i = 0; i < 5; i++) {
      if (i) train(TRY / 4);
      const { n } = state;
      thumbs.push({ text: count(n), label: `Open step ${n}`, scores: forward(net, SMALL).at(-1), opens: { n }, first });
    }
    drawThumbs();
    ui.says("thumbs", "the training run in five pictures");
    ui.find("#plane-strip-starts").checked = true;
  }

  const acts = {
    seed() {
      first = null;
      state.seed = (state.seed % 400) + 1;
      state.n = 0;
      begin();
    },
    ten: tryTen,
    open({ dataset }) {
      const thumb = thumbs[dataset.key];
      first = thumb.first;
      Object.assign(state, thumb.opens);
      begin();
    },
    pin({ dataset }) {
      pinned = pinned === Number(dataset.unit) ? -1 : Number(dataset.unit);
    },
    clear: () => change(() => own.splice(0))
  };

  const ui = figure("plane", {
    still: true,
    state,
    acts,
    changed,
    draw,
    say,
    keep,
    code: () => [state, points, given().params.map(values => Array.from(values, exact))],
    course: { pace: [4, 0], advance: train, reset: anew, calm: stills }
  });
  const { panels } = ui;

  // A unit is examined while a pointer or the focus is on it.
  function examine({ target, type }) {
    const leaves = type === "pointerleave" || type === "focusout";
    const unit = leaves ? -1 : Number(target.closest("[data-unit]")?.dataset.unit ?? -1);
    if (unit === hovered) return;
    hovered = unit;
    draw();
  }
  for (const type of ["pointerover", "focusin", "pointerleave", "focusout"])
    panels.network.addEventListener(type, examine);
  panels.strips.addEventListener("change", () => ui.show());

  /* The point that is nearest to a spot; -1 where there is none. */
  function nearest(spot) {
    const all = points.map(point => distance(point, spot));
    return all.indexOf(Math.min(...all));
  }
  const add = (spot, c) => change(() => own.length < MOST_POINTS && own.push([...spot.map(round), c]));
  const remove = i => change(() => own.splice(i, i < 0 ? 0 : 1));

  /* A point is dragged; a click removes it, and one beside adds another. */
  drag(panels.output, ({ at: from }) => {
    const back = at => paper.back(at).map(x => within(x, ...frame));
    const near = nearest(back(from));
    const hit = near >= 0 && distance(spot(points[near]), from) < 16;
    let moved = false;
    return (at, end) => {
      moved ||= distance(at, from) > 4;
      if (hit && moved) change(() => own.splice(near, 1, [...back(at).map(round), own[near][2]]));
      else if (end && !moved && hit) remove(near);
      else if (end && !moved) add(back(at), Number(state.c));
    };
  });
  keys(panels.output, {
    move(step) {
      step.forEach((by, k) => {
        cross[k] = within(round(cross[k] + 0.05 * by), ...frame);
      });
      draw();
      ui.tell(`The cross is at ${cross.map(x => shown(x)).join(", ")}.`);
    },
    0: () => add(cross, 0),
    1: () => add(cross, 1),
    Delete: () => remove(nearest(cross))
  });

  /* What the address says besides the settings: points, weights, and the pinned unit. */
  function take(wanted) {
    if (state.d === "own") {
      frame = FRAMES[wanted.get("v")] || FRAMES.unit;
      const all = (wanted.get("p") || "").split(";").map(point => numbers(point, ","));
      own = all.filter(point => point.length === 3 && point.every(Number.isFinite) && [0, 1].includes(point[2]));
      own.length = Math.min(own.length, MOST_POINTS);
    }
    const given = weights(wanted.get("w") || "");
    const lengths = arrays => arrays.map(array => array.length).join();
    if (lengths(given) === lengths(start(1).params) && given.flat().every(Number.isFinite)) first = given;
    const [unit] = numbers(wanted.get("u"), ",");
    if (Number.isInteger(unit) && unit >= 0) pinned = unit; // begin() lets go of what is not there
  }
  if (ui.wanted) take(ui.wanted);
  const { n } = state;
  anew();
  state.n = n;
  begin();
  ui.open();
})();
