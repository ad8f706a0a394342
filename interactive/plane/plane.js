/* A network of two inputs and two classes, drawn while it learns. network.js computes; here
   is what is seen and touched. */
"use strict";

(() => {
  const place = document.getElementById("plane");
  if (!place) return;
  const { asked, remember, copyCode, calm, shown } = bookInteractive;
  const SIZE = 300; // of a square panel, in the units of its drawing
  const GRID = 60; // the region is computed for so many points, times as many
  const MOST = 10000; // steps
  const TRY = 1000; // steps of each start when ten are tried
  const PER_FRAME = 4;
  const MOST_POINTS = 100;
  const COLORS = [[0, 114, 178], [213, 94, 0]];
  const FRAMES = { unit: [-0.5, 1.5], wide: [-1.6, 1.6] };
  const CHOICES = {
    h: Array.from({ length: 17 }, (_, i) => i),
    lr: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    s: [0.01, 0.1, 0.3, 0.5, 1, 2, 4],
    seed: Array.from({ length: 400 }, (_, i) => i + 1),
  };
  const LABELS = {
    h: "hidden units", lr: "learning rate", s: "initial scale", seed: "seed",
  };

  const round = (number) => Math.round(number * 100) / 100;

  /* The sets of points, each as [x1, x2, class]. */
  const DATA = {
    xor: () => [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]],
    circles: () => noisy(60, (i, t) => {
      const radius = i % 2 ? 0.5 : 1.2;
      return [radius * Math.cos(2 * Math.PI * t), radius * Math.sin(2 * Math.PI * t)];
    }),
    moons: () => noisy(60, (i, t) => i % 2
      ? [0.45 - 0.9 * Math.cos(Math.PI * t), 0.2 - 0.9 * Math.sin(Math.PI * t)]
      : [0.9 * Math.cos(Math.PI * t) - 0.45, 0.9 * Math.sin(Math.PI * t) - 0.2]),
    spiral: () => noisy(80, (i, t) => {
      const angle = 3.2 * Math.PI * Math.sqrt(t) + (i % 2 ? Math.PI : 0);
      const radius = 0.1 + 1.3 * Math.sqrt(t);
      return [radius * Math.cos(angle), radius * Math.sin(angle)];
    }, 0.02),
  };

  function noisy(n, spot, noise = 0.08) {
    const { normal } = bookNetwork.random(7);
    return Array.from({ length: n }, (_, i) => [
      ...spot(i, (Math.floor(i / 2) + 0.5) / (n / 2)).map((x) => round(x + noise * normal())),
      i % 2,
    ]);
  }

  const state = { d: "xor", h: 4, a: "relu", lr: 0.5, s: 1, seed: 1, n: 0 };
  let own = []; // points that the reader set, and the frame in which
  let frame = FRAMES.unit;
  let points, X, y, net, losses;
  let playing = 0;
  let trying = 0;
  let told = 0;
  let axes = null; // directions of the projection

  const options = (list) => list.map(([value, text]) => `<option value="${value}">${text}</option>`).join("");
  const slider = (name) => `<label>${LABELS[name]} <span></span>
    <input type="range" data-name="${name}" min="0" max="${CHOICES[name].length - 1}" step="1"></label>`;
  place.innerHTML = `
    <figure aria-labelledby="plane-title">
      <figcaption id="plane-title">Try it: a network in two dimensions</figcaption>
      <div class="interactive-row">
        <label>points <select data-name="d">${options([["xor", "XOR"], ["circles", "circles"],
          ["moons", "moons"], ["spiral", "spiral"], ["own", "your own"]])}</select></label>
        <label>activation <select data-name="a">${options([["relu", "ReLU"], ["tanh", "tanh"],
          ["sigmoid", "sigmoid"], ["none", "none"]])}</select></label>
      </div>
      <div class="interactive-sliders">${Object.keys(CHOICES).map(slider).join("")}</div>
      <div class="interactive-row">
        <button type="button" data-do="play">Train</button>
        <button type="button" data-do="step">One step</button>
        <button type="button" data-do="reset">Start anew</button>
        <button type="button" data-do="ten">Try ten seeds</button>
        <button type="button" data-do="code">Copy the code</button>
      </div>
      <div class="interactive-panels">
        <div><p>the inputs, and what the network says of them</p>
          <div class="interactive-panel" data-panel="inputs">
            <canvas width="${GRID}" height="${GRID}" aria-hidden="true"></canvas>
            <svg viewBox="0 0 ${SIZE} ${SIZE}" aria-hidden="true"></svg></div></div>
        <div><p data-says="hidden"></p>
          <div class="interactive-panel" data-panel="hidden">
            <canvas width="${GRID}" height="${GRID}" aria-hidden="true"></canvas>
            <svg viewBox="0 0 ${SIZE} ${SIZE}" aria-hidden="true"></svg></div></div>
        <div class="interactive-wide"><p>loss, <span data-says="steps"></span></p>
          <svg data-panel="loss" viewBox="0 0 640 120" preserveAspectRatio="none" aria-hidden="true"></svg></div>
      </div>
      <p class="interactive-status" role="status"></p>
      <details><summary>Set points</summary>
        <p>Click into the panel of the inputs, or move the cross there and add a point.
          A click on a point removes it.</p>
        <div class="interactive-row" role="radiogroup" aria-label="Class of new points">
          <label><input type="radio" name="plane-class" value="0" checked> class 0, circle</label>
          <label><input type="radio" name="plane-class" value="1"> class 1, square</label>
        </div>
        <div class="interactive-sliders">
          <label>x<sub>1</sub> <span></span><input type="range" data-cross="0" step="0.05"></label>
          <label>x<sub>2</sub> <span></span><input type="range" data-cross="1" step="0.05"></label>
        </div>
        <div class="interactive-row">
          <button type="button" data-do="add">Add at the cross</button>
          <button type="button" data-do="remove">Remove the nearest</button>
          <button type="button" data-do="clear">Remove all</button>
        </div>
      </details>
      <details><summary>The parameters</summary><pre data-says="parameters" tabindex="0"></pre></details>
    </figure>`;
  const { find, tell } = bookInteractive.parts(place);
  const [inputs, hidden] = ["inputs", "hidden"].map((name) => {
    const panel = find(`[data-panel=${name}]`);
    const canvas = panel.querySelector("canvas");
    return { canvas: canvas.getContext("2d"), svg: panel.querySelector("svg") };
  });
  const [setting] = place.querySelectorAll("details");
  const parameters = find("[data-says=parameters]");
  const cross = [0.5, 0.5];

  // What is computed

  const widths = () => (state.h ? [2, state.h, 2] : [2, 2]);
  const start = (seed) => bookNetwork.create(widths(), state.a, state.s, seed, 3);

  /* Takes the points and draws new weights; then as many steps as the state says. */
  function begin() {
    points = state.d === "own" ? own : DATA[state.d]();
    if (state.d !== "own") frame = state.d === "xor" ? FRAMES.unit : FRAMES.wide;
    X = Float32Array.from(points.flatMap(([a, b]) => [a, b]));
    y = Uint8Array.from(points, (point) => point[2]);
    net = start(state.seed);
    losses = [];
    axes = null;
    const steps = state.n;
    state.n = 0;
    train(steps);
  }

  function train(steps) {
    for (let i = 0; i < steps && state.n < MOST && points.length; i++) {
      losses.push(bookNetwork.step(net, X, y, points.length, state.lr).loss);
      state.n++;
    }
  }

  /* How many points a network has right. */
  function right(of) {
    const scores = bookNetwork.forward(of, X, points.length).at(-1);
    return points.filter((_, i) => (scores[2 * i + 1] > scores[2 * i]) === (y[i] === 1)).length;
  }

  const loss = () => bookNetwork.gradients(net, X, y, points.length).loss;

  // What is seen

  const along = ([low, high]) => (x) => ((x - low) / (high - low)) * SIZE;
  const clipped = (x) => Math.max(-1e4, Math.min(1e4, x)).toFixed(1);

  const mark = ([a, b], c) => c
    ? `<rect x="${clipped(a - 6)}" y="${clipped(b - 6)}" width="12" height="12" class="one"/>`
    : `<circle cx="${clipped(a)}" cy="${clipped(b)}" r="6.5" class="zero"/>`;

  /* Colours a panel by what the layers from one on say of its points. */
  function paint(context, layers, from, [left, low], [right, high]) {
    const picture = context.createImageData(GRID, GRID);
    const spots = new Float32Array(2 * GRID * GRID);
    for (let i = 0; i < GRID * GRID; i++) {
      spots[2 * i] = left + ((i % GRID) + 0.5) / GRID * (right - left);
      spots[2 * i + 1] = high - (Math.floor(i / GRID) + 0.5) / GRID * (high - low);
    }
    const part = { ...net, widths: layers, params: net.params.slice(from) };
    const P = bookNetwork.softmax(bookNetwork.forward(part, spots, GRID * GRID).at(-1), GRID * GRID);
    for (let i = 0; i < GRID * GRID; i++) {
      const p = P[2 * i + 1];
      picture.data.set(COLORS[p > 0.5 ? 1 : 0], 4 * i);
      picture.data[4 * i + 3] = 30 + 290 * Math.abs(p - 0.5);
    }
    context.putImageData(picture, 0, 0);
  }

  function drawInputs() {
    const x = along(frame);
    const spot = ([a, b]) => [x(a), SIZE - x(b)];
    paint(inputs.canvas, widths(), 0, [frame[0], frame[0]], [frame[1], frame[1]]);
    let lines = "";
    if (state.h) {
      const [W, b] = net.params;
      for (let j = 0; j < state.h; j++) {
        const [u, v] = [W[j], W[state.h + j]];
        const size = Math.hypot(u, v);
        if (size < 1e-6) continue;
        // The line where u x1 + v x2 + b is 0, and a tick to the side where it is more.
        const foot = [(-b[j] * u) / size ** 2, (-b[j] * v) / size ** 2];
        const far = 4 + Math.hypot(...foot);
        const ends = [-far, far].map((t) => spot([foot[0] - (v / size) * t, foot[1] + (u / size) * t]));
        const middle = (frame[0] + frame[1]) / 2;
        const slide = ((middle - foot[0]) * -v + (middle - foot[1]) * u) / size;
        const near = [foot[0] - (v / size) * slide, foot[1] + (u / size) * slide];
        const tick = [near, [near[0] + (u / size) * 0.12, near[1] + (v / size) * 0.12]].map(spot);
        lines += `<path d="M${ends.map((end) => end.map(clipped)).join("L")}
          M${tick.map((end) => end.map(clipped)).join("L")}"/>`;
      }
    }
    const at = spot(cross);
    const aim = setting.open
      ? `<path class="cross" d="M${at[0] - 9} ${at[1]}h18M${at[0]} ${at[1] - 9}v18"/>` : "";
    inputs.svg.innerHTML = `<g class="lines">${lines}</g>
      ${points.map((point) => mark(spot(point), point[2])).join("")}${aim}`;
  }

  /* The principal components: directions in which rows vary most, by repeated multiplication with their
     covariance matrix, from the directions of the frame before. */
  function directions(rows) {
    const d = rows[0].length;
    const covariance = Array.from({ length: d }, (_, i) => Array.from({ length: d }, (_, j) =>
      rows.reduce((sum, row) => sum + row[i] * row[j], 0)));
    const found = [];
    for (let k = 0; k < 2; k++) {
      let v = axes?.[k]?.length === d ? axes[k] : Array.from({ length: d }, (_, i) => 1 / (1 + i + k));
      for (let times = 0; times < 30; times++) {
        let w = covariance.map((row) => row.reduce((sum, c, i) => sum + c * v[i], 0));
        for (const other of found) {
          const share = w.reduce((sum, c, i) => sum + c * other[i], 0);
          w = w.map((c, i) => c - share * other[i]);
        }
        const size = Math.hypot(...w);
        if (size < 1e-9) break;
        v = w.map((c) => c / size);
      }
      found.push(v);
    }
    axes = found;
    return found;
  }

  function drawHidden() {
    const says = find("[data-says=hidden]");
    const n = points.length;
    let spots = [];
    if (!state.h) says.textContent = "no hidden layer: the scores see the inputs";
    else if (state.h === 1) says.textContent = "as the hidden unit sees the points";
    else if (state.h === 2) says.textContent = "as the two hidden units see the points";
    else says.textContent = "the hidden layer along its two principal components";
    if (n && state.h) {
      const H = bookNetwork.forward(net, X, n)[1];
      const rows = Array.from({ length: n }, (_, i) => [...H.subarray(i * state.h, (i + 1) * state.h)]);
      if (state.h === 1) spots = rows.map(([h]) => [h, 0]);
      else if (state.h === 2) spots = rows;
      else {
        const mean = rows[0].map((_, j) => rows.reduce((sum, row) => sum + row[j], 0) / n);
        const centred = rows.map((row) => row.map((h, j) => h - mean[j]));
        const [first, second] = directions(centred);
        const share = (row, v) => row.reduce((sum, h, j) => sum + h * v[j], 0);
        spots = centred.map((row) => [share(row, first), share(row, second)]);
      }
    } else if (n) spots = points.map(([a, b]) => [a, b]);
    // One unit of length is as long across as up.
    const middle = [0, 1].map((k) => {
      const values = spots.map((spot) => spot[k]);
      return n ? (Math.min(...values) + Math.max(...values)) / 2 : 0;
    });
    const reach = 1.25 * Math.max(0.4, ...spots.flatMap((spot) => spot.map((v, k) => Math.abs(v - middle[k]))));
    const low = middle.map((m) => m - reach);
    const high = middle.map((m) => m + reach);
    hidden.canvas.clearRect(0, 0, GRID, GRID);
    if (state.h === 2) paint(hidden.canvas, [2, 2], 2, low, high);
    if (state.h === 0) paint(hidden.canvas, [2, 2], 0, low, high);
    const [x, up] = [along([low[0], high[0]]), along([low[1], high[1]])];
    const frameLines = state.h <= 2
      ? `<path d="M${clipped(x(0))} 0V${SIZE}M0 ${clipped(SIZE - up(0))}H${SIZE}"/>` : "";
    hidden.svg.innerHTML = `<g class="ground">${frameLines}</g>
      ${spots.map(([a, b], i) => mark([x(a), SIZE - up(b)], y[i])).join("")}`;
  }

  function drawLoss() {
    const last = Math.max(losses.length, 100);
    const most = Math.max(1, ...losses.slice(0, 1).filter(Number.isFinite));
    const every = Math.ceil(losses.length / 320);
    const path = losses.filter((_, i) => i % every === 0).map((value, i) =>
      `${((i * every * 640) / last).toFixed(1)},${(120 - 116 * Math.min(1, (value || 0) / most)).toFixed(1)}`);
    const coin = 120 - (116 * Math.LN2) / most;
    find("[data-panel=loss]").innerHTML = `<path class="ground" d="M0 ${coin}H640"/>
      <polyline class="path" points="${path.join(" ")}"/>`;
    find("[data-says=steps]").textContent =
      `${losses.length.toLocaleString("en")} steps, from ${shown(most)} down to 0; the thin line is ln 2`;
  }

  function showParameters() {
    if (!parameters.parentElement.open) return;
    const names = state.h ? ["W1", "b1", "W2", "b2"] : ["W", "b"];
    parameters.textContent = names.map((name, k) => {
      const width = state.h && k < 2 ? state.h : 2;
      const rows = [...net.params[k]].map((v) => shown(v).padStart(6));
      const lines = [];
      for (let i = 0; i < rows.length; i += width) lines.push(rows.slice(i, i + width).join(" "));
      return `${name}\n${lines.join("\n")}`;
    }).join("\n\n");
  }

  function draw() {
    drawInputs();
    drawHidden();
    drawLoss();
    showParameters();
  }

  /* Shows the state everywhere, and says it once nothing moves any more. */
  function show() {
    for (const control of place.querySelectorAll("[data-name]")) {
      const { name } = control.dataset;
      if (!CHOICES[name]) control.value = state[name];
      else {
        control.value = CHOICES[name].indexOf(state[name]);
        control.setAttribute("aria-valuetext", state[name]);
        control.parentElement.querySelector("span").textContent = state[name];
      }
    }
    for (const control of place.querySelectorAll("[data-cross]")) {
      [control.min, control.max] = frame;
      control.value = cross[control.dataset.cross];
      control.parentElement.querySelector("span").textContent = shown(cross[control.dataset.cross]);
    }
    find("[data-do=play]").textContent = playing ? "Pause" : "Train";
    for (const action of ["play", "step", "ten", "code"])
      find(`[data-do=${action}]`).disabled = !points.length || (action === "step" && state.n >= MOST);
    draw();
    settle();
  }


  const say = () => playing || trying || sayNow();

  function sayNow() {
    find(".interactive-status").setAttribute("aria-live", playing ? "off" : "polite");
    if (!points.length) return tell("No point is set yet.");
    const now = loss();
    tell(`After ${state.n.toLocaleString("en")} step${state.n === 1 ? "" : "s"}: ` +
      (Number.isFinite(now) ? `loss ${shown(now, 3)}` : "the loss is no number any more") +
      `, ${right(net)} of ${points.length} points right.`);
  }

  const settle = bookInteractive.resting(() => {
    say();
    if (playing || trying) return;
    const kept = { ...state };
    if (state.d === "own") Object.assign(kept, {
      v: frame === FRAMES.unit ? "unit" : "wide",
      p: own.map((point) => point.join(",")).join(";"),
    });
    remember("plane", kept);
  });

  // What is touched

  function pause() {
    cancelAnimationFrame(playing);
    playing = 0;
    trying = 0;
  }

  function frameOfTraining() {
    train(PER_FRAME);
    if (state.n >= MOST) {
      pause();
      show();
      return;
    }
    draw();
    // Often enough to be read; whoever only hears it is told at rest.
    const now = performance.now();
    if (now - told > 250) {
      told = now;
      sayNow();
    }
    playing = requestAnimationFrame(frameOfTraining);
  }

  function play() {
    if (state.n >= MOST) {
      state.n = 0;
      begin();
    }
    if (calm()) train(TRY);
    else playing = requestAnimationFrame(frameOfTraining);
    show();
  }

  /* Ten starts from the seed on, each for a thousand steps; one after the other, so
     that the page stays awake. */
  async function tryTen() {
    const mine = (trying = Date.now() + Math.random());
    let solved = 0;
    for (let i = 0; i < 10; i++) {
      tell(`Start ${i + 1} of 10 …`);
      await new Promise((done) => setTimeout(done));
      if (trying !== mine) return;
      const one = start(state.seed + i);
      for (let n = 0; n < TRY; n++) bookNetwork.step(one, X, y, points.length, state.lr);
      if (right(one) === points.length) solved++;
    }
    trying = 0;
    tell(`Seeds ${state.seed} to ${state.seed + 9}, ${TRY.toLocaleString("en")} steps each: ` +
      `${solved} of 10 networks have all ${points.length} points right.`);
  }

  /* Makes the points the reader's own, to be changed. */
  function change(edit) {
    pause();
    own = points.map((point) => [...point]);
    edit();
    Object.assign(state, { d: "own", n: 0 });
    begin();
    show();
  }

  const distance = ([a, b], [c, d]) => Math.hypot(a - c, b - d);
  const nearest = (spot) => own.reduce((best, point, i) =>
    best < 0 || distance(point, spot) < distance(own[best], spot) ? i : best, -1);

  function add(spot) {
    if (own.length >= MOST_POINTS) return;
    own.push([...spot.map(round), Number(find("input[name=plane-class]:checked").value)]);
  }

  place.addEventListener("input", ({ target }) => {
    const { name, cross: axis } = target.dataset;
    if (axis) {
      cross[axis] = Number(target.value);
      show();
    }
    if (!name) return;
    pause();
    if (name === "d" && target.value === "own") own = points.map((point) => [...point]);
    state[name] = CHOICES[name] ? CHOICES[name][target.value] : target.value;
    if (state.d === "own" && name === "d") setting.open = true;
    if (name !== "lr") {
      state.n = 0;
      begin();
    }
    show();
  });

  place.addEventListener("click", async ({ target }) => {
    const action = target.dataset?.do;
    if (!action) return;
    const was = playing;
    pause();
    if (action === "step") train(1);
    if (action === "reset") {
      state.n = 0;
      begin();
    }
    if (action === "play" && !was) return play();
    if (action === "ten") return tryTen();
    if (action === "add") return change(() => add(cross));
    if (action === "remove") return change(() => own.length && own.splice(nearest(cross), 1));
    if (action === "clear") return change(() => { own = []; });
    show();
    if (action === "code") {
      const first = start(state.seed).params;
      tell(await copyCode("plane", state, points, first));
    }
  });

  inputs.svg.addEventListener("click", (event) => {
    const box = inputs.svg.getBoundingClientRect();
    const back = (share) => frame[0] + share * (frame[1] - frame[0]);
    const spot = [back((event.clientX - box.left) / box.width), back((box.bottom - event.clientY) / box.height)];
    change(() => {
      const near = nearest(spot);
      if (near >= 0 && distance(own[near], spot) < (frame[1] - frame[0]) / 40) own.splice(near, 1);
      else add(spot);
    });
  });
  for (const each of place.querySelectorAll("details")) each.addEventListener("toggle", draw);

  // Nobody sees it: nothing is computed.
  new IntersectionObserver(([entry]) => {
    if (entry.isIntersecting || !playing) return;
    pause();
    show();
  }).observe(place);

  /* A teacher's address opens with the teacher's settings; what makes no sense in it
     is left aside. */
  const wanted = asked("plane");
  if (wanted) {
    for (const [name, choices] of Object.entries(CHOICES))
      if (choices.includes(Number(wanted.get(name)))) state[name] = Number(wanted.get(name));
    for (const name of ["d", "a"]) {
      const known = [...find(`[data-name=${name}]`).options].map((option) => option.value);
      if (known.includes(wanted.get(name))) state[name] = wanted.get(name);
    }
    const n = Number.parseInt(wanted.get("n"), 10);
    if (n >= 0 && n <= MOST) state.n = n;
    if (state.d === "own") {
      frame = FRAMES[wanted.get("v")] || FRAMES.unit;
      own = (wanted.get("p") || "").split(";").filter(Boolean).map((point) => point.split(",").map(Number))
        .filter((point) => point.length === 3 && point.every(Number.isFinite) &&
          (point[2] === 0 || point[2] === 1)).slice(0, MOST_POINTS);
    }
    place.scrollIntoView();
  }
  begin();
  bookInteractive.replaceStill(place);
  show();
  say();
})();
