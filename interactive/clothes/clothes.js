/* The network of the section: what it makes of a picture, unit by unit, and how it
   learns. network.js computes; data.py writes the weights that the notebook ended with, and
   pictures, into scripts of their own, which are loaded when a reader asks for them. */
"use strict";

/* Where the data files put what they hold, by name, as text. */
const bookClothes = {};

(() => {
  if (!document.getElementById("clothes")) return;
  const { arrow, axes, button, calm, control, controls, copy, drag, key, load, paint, range, refill, shown, within } =
    bookInteractive;
  const NAMES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];
  const SIDE = 28;
  const PIXELS = SIDE * SIDE;
  const UNITS = 256;
  const WIDTHS = [PIXELS, UNITS, 10];
  const IMAGES = 200;
  const SHOWN = 8; // units that contribute most
  const WINDOW = 300; // images, of which a point of the curves is the mean
  const settings = {
    i: { list: range(1, IMAGES, 1) },
    v: { label: "show", options: { w: "weights", x: "weights × pixels" } },
    lr: { label: "learning rate", list: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1] },
    b: { label: "batch size", list: [16, 32, 64, 128, 256] },
    e: { label: "epochs", list: range(1, 20, 1) }
  };
  const state = { i: 13, v: "w", lr: 0.1, b: 32, e: 10, off: [] };
  let images, labels, net, section, mine; // networks: in use, the notebook's, trained here
  let picture = new Float32Array(PIXELS);
  let before = []; // pictures to go back to
  let [drawn, erasing] = [false, false];
  let cursor = 14 * SIDE + 14;
  let asked = -1; // the class whose score is taken apart; -1: the answer
  let looked = -1; // a unit chosen in the grid
  let training = null;

  const still = document.getElementById("clothes").previousElementSibling?.querySelector("img");
  const html = `<div class="clothes-poster">${still ? `<img src="${still.src}" alt="${still.alt}">` : ""}
      ${button("open", "Open the network (0.6 MB)", 'class="interactive-first"')}</div>
    <div class="interactive-bar"><p class="interactive-status" role="status"></p></div>`;
  const PARTS = `<div class="clothes-parts">
      <div class="clothes-drawing">
        <canvas class="clothes-picture" width="${SIDE}" height="${SIDE}" tabindex="0" role="img"
          aria-label="The picture. Arrow keys move a cursor, the space bar draws, Delete rubs out."></canvas>
        <div class="interactive-bar">${button("erase", "Eraser", 'aria-pressed="false"')}${button("undo", "Undo")}${button("blank", "Blank")}</div>
      </div>
      <div class="clothes-middle">
        <p><span data-says="score"></span></p>
        <div class="clothes-units"></div>
        <div class="clothes-all"><canvas tabindex="0" role="img" aria-label="All 256 units. Arrow keys choose one."></canvas>
          <div><p>All 256 units: ${key("against", "0", "for it")}</p>
            <p>Press one to look at it, and a unit above to switch it off.</p>
            ${control("v", settings.v)}</div></div>
      </div>
      <div class="clothes-bars" role="group" aria-label="The ten probabilities. Press one to see its score."></div>
    </div>`;
  const CHOICE = `<div class="clothes-choice"><label><input type="checkbox" data-only> mistakes only</label>
      <div class="clothes-thumbs" role="radiogroup" aria-label="Test images"></div></div>`;
  const TRAINING = `
    <details><summary>Train it here</summary>
      <p>Starts anew and trains the same network on the first 3,000 training images,
        in this browser (loads 2 MB more).</p>
      <div class="interactive-settings">${controls(settings, "lr", "b", "e")}</div>
      <div class="clothes-curves">
        <div><p>mean loss of ${WINDOW} images</p><svg data-panel="loss" aria-hidden="true"></svg></div>
        <div><p>accuracy on them, and (dots) on 1,000 test images</p><svg data-panel="accuracy" aria-hidden="true"></svg></div>
      </div>
      <div class="interactive-bar">${button("train", "Train")}
        <button type="button" data-do="swap" hidden></button>${button("code", "Copy the code")}
        <p class="interactive-status" role="status" data-says="training"></p></div>
    </details>`;

  // What is loaded

  /* Returns the bytes of a text: base64 of gzip. */
  async function unpack(text) {
    const packed = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* 16-bit floats, low byte first, as 32-bit ones: sign, 5 bits of exponent, 10 of fraction. */
  function halves(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Float32Array.from({ length: bytes.length / 2 }, (_, i) => {
      const bits = view.getUint16(2 * i, true);
      const [exponent, fraction] = [(bits >> 10) & 31, (bits & 1023) / 1024];
      const size = exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction;
      return bits >> 15 ? -size : size;
    });
  }

  async function open() {
    const button = ui.find("[data-do=open]");
    button.disabled = true;
    ui.tell("Loading …");
    try {
      await load("clothes/weights.js");
      const values = halves(await unpack(bookClothes.weights));
      const params = [];
      let at = 0;
      for (const size of [PIXELS * UNITS, UNITS, UNITS * 10, 10]) params.push(values.slice(at, (at += size)));
      section = { widths: WIDTHS, activation: "relu", params };
      const bytes = await unpack(bookClothes.images);
      labels = bytes.subarray(0, IMAGES);
      images = bytes.subarray(IMAGES);
    } catch (error) {
      button.disabled = false;
      ui.tell(
        error.message.startsWith("The file")
          ? error.message
          : "This browser cannot unpack the weights; a newer one can."
      );
      return;
    }
    net = section;
    ui.find(".clothes-poster").outerHTML = PARTS;
    ui.find("figure").insertAdjacentHTML("beforeend", CHOICE + TRAINING);
    prepare();
    if (!drawn) choose(state.i);
    ui.showFirst();
  }

  // What is computed

  const pixels = i => Float32Array.from(images.subarray((i - 1) * PIXELS, i * PIXELS), v => v / 255);

  function choose(i) {
    state.i = i;
    [drawn, asked, before] = [false, -1, []];
    picture = pixels(i);
  }

  /* Hidden values, scores and probabilities, without the units that are switched off. */
  function look(off = state.off) {
    const hidden = bookNetwork.forward(net, picture, 1)[1];
    for (const unit of off) hidden[unit] = 0;
    const last = { widths: [UNITS, 10], activation: "none", params: net.params.slice(2) };
    const scores = bookNetwork.forward(last, hidden, 1)[1];
    return { hidden, scores, probabilities: bookNetwork.softmax(scores, 1) };
  }

  const best = values => values.indexOf(Math.max(...values));

  /* What each hidden unit adds to the score of a class. */
  const contributions = (hidden, c) => hidden.map((h, unit) => h * net.params[2][unit * 10 + c]);

  /* Which of the images this network gets wrong. */
  function mistakes() {
    const X = Float32Array.from(images.subarray(0, IMAGES * PIXELS), v => v / 255);
    const scores = bookNetwork.forward(net, X, IMAGES).at(-1);
    return labels.map((label, i) => Number(best(scores.subarray(10 * i, 10 * i + 10)) !== label));
  }

  // What is seen

  function gray(canvas, values, marked = -1) {
    const context = canvas.getContext("2d");
    const data = context.createImageData(SIDE, SIDE);
    values.forEach((v, p) => data.data.set([255 * v, 255 * v, 255 * v, 255], 4 * p));
    if (marked >= 0) data.data.set([213, 94, 0, 255], 4 * marked);
    context.putImageData(data, 0, 0);
  }

  const drawPicture = () => gray(part.picture, picture, document.activeElement === part.picture ? cursor : -1);

  function drawBars(now, whole, c) {
    const answer = best(now);
    refill(
      ui.find(".clothes-bars"),
      [...now]
        .map(
          (p, k) => `
      <button type="button" data-do="ask" data-key="${k}" aria-pressed="${k === c}" class="${k === answer ? "answer" : ""}">
        <span>${NAMES[k]}${!drawn && labels[state.i - 1] === k ? " (true)" : ""}</span><span>${p.toFixed(3)}</span>
        <i style="width: ${(100 * p).toFixed(1)}%"></i>${state.off.length ? `<i class="old" style="width: ${(100 * whole[k]).toFixed(1)}%"></i>` : ""}</button>`
        )
        .join("")
    );
  }

  /* The weights of a unit as a picture, or what they make of this picture's pixels. */
  function drawWeights(canvas, unit) {
    const value = p => net.params[0][p * UNITS + unit] * (state.v === "x" ? picture[p] : 1);
    paint(canvas, SIDE, value, Math.max(1e-6, ...Array.from({ length: PIXELS }, (_, p) => Math.abs(value(p)))));
  }

  function drawUnits(hidden, c) {
    const added = contributions(hidden, c);
    const order = [...added.keys()].sort((a, b) => Math.abs(added[b]) - Math.abs(added[a]));
    const few = order.slice(0, SHOWN);
    const extra = [...state.off, looked].filter(
      (unit, i, all) => unit >= 0 && !few.includes(unit) && all.indexOf(unit) === i
    );
    const most = Math.max(1e-6, Math.abs(added[order[0]]));
    const signed = v => `${v >= 0 ? "+" : ""}${shown(v)}`;
    const box = ui.find(".clothes-units");
    refill(
      box,
      [...few, ...extra]
        .map(unit => {
          const off = state.off.includes(unit);
          return `<button type="button" data-do="unit" data-unit="${unit}" data-key="${unit}" aria-pressed="${off}"
        aria-label="unit ${unit}, adds ${shown(added[unit])}${off ? ", off" : ""}">
        <canvas aria-hidden="true"></canvas>${off ? "off" : signed(added[unit])}
        <i class="${added[unit] < 0 ? "low" : "high"}" style="width: ${((100 * Math.abs(added[unit])) / most).toFixed(0)}%"></i></button>`;
        })
        .join("")
    );
    for (const one of box.children) drawWeights(one.querySelector("canvas"), Number(one.dataset.unit));
    const on = units => units.filter(unit => !state.off.includes(unit)).reduce((sum, unit) => sum + added[unit], 0);
    const parts = [on(few), on(order.slice(SHOWN)), net.params[3][c]];
    const { scores } = look();
    ui.find("[data-says=score]").innerHTML = `The score of <b>${NAMES[c]}</b>: eight units ${signed(parts[0])},
      the others ${signed(parts[1])}, bias ${signed(parts[2])}, together <b>${shown(scores[c])}</b>`;
    paint(part.all, 16, unit => (state.off.includes(unit) ? 0 : added[unit]), most);
  }

  function draw() {
    if (!net) return;
    const whole = look([]);
    const now = look();
    const c = asked < 0 ? best(now.probabilities) : asked;
    drawPicture();
    drawBars(now.probabilities, whole.probabilities, c);
    drawUnits(whole.hidden, c);
    drawCurves();
    ui.find("[data-do=erase]").setAttribute("aria-pressed", erasing);
    ui.find("[data-do=undo]").disabled = !before.length;
    for (const radio of ui.place.querySelectorAll("[data-thumb]"))
      radio.checked = !drawn && Number(radio.value) === state.i;
  }

  /* The images to choose from; where the network is another, other ones are mistakes. */
  function drawThumbs() {
    const wrong = mistakes();
    ui.place
      .querySelectorAll("[data-thumb]")
      .forEach((radio, i) => radio.parentElement.classList.toggle("wrong", wrong[i] === 1));
  }

  function say() {
    if (!net) return "";
    const { probabilities } = look();
    const answer = best(probabilities);
    const whole = best(look([]).probabilities);
    const what = drawn ? "Your picture" : `Test image ${state.i}, ${NAMES[labels[state.i - 1]]}`;
    const off =
      state.off.length > 3
        ? `${state.off.length} units`
        : `unit${state.off.length > 1 ? "s" : ""} ${state.off.join(", ")}`;
    return (
      `${what}: the network answers ${NAMES[answer]}, with probability ${probabilities[answer].toFixed(3)}.` +
      (state.off.length
        ? ` Without ${off}${whole === answer ? "; with all units it is the same class." : `; with all units it was ${NAMES[whole]}.`}`
        : "")
    );
  }

  function keep() {
    const { off, ...kept } = state;
    if (off.length) kept.off = off.join(".");
    if (drawn) kept.x = [...picture].map(v => Math.round(15 * v).toString(16)).join("");
    return kept;
  }

  // What is touched

  /* Draws a soft spot around a pixel, or rubs it out. */
  function spot(row, column, value) {
    for (let r = row - 1; r <= row + 1; r++)
      for (let c = column - 1; c <= column + 1; c++) {
        if (r < 0 || r >= SIDE || c < 0 || c >= SIDE) continue;
        const near = r === row && c === column ? 1 : r === row || c === column ? 0.8 : 0.4;
        const p = r * SIDE + c;
        picture[p] = value ? Math.max(picture[p], near) : Math.min(picture[p], 1 - near);
      }
    drawn = true;
  }

  const remember = () => {
    before = [...before.slice(-30), { picture: picture.slice(), drawn }];
  };
  const edge = (v, most = SIDE - 1) => within(v, 0, most);
  let part;

  function prepare() {
    part = {
      picture: ui.find(".clothes-picture"),
      all: ui.find(".clothes-all canvas"),
      loss: ui.find("[data-panel=loss]"),
      accuracy: ui.find("[data-panel=accuracy]")
    };
    ui.find(".clothes-thumbs").innerHTML = Array.from(
      labels,
      (label, i) => `<label>
      <input type="radio" name="clothes-image" data-thumb value="${i + 1}" aria-label="${i + 1}, ${NAMES[label]}"><canvas width="${SIDE}" height="${SIDE}"></canvas></label>`
    ).join("");
    ui.place.querySelectorAll(".clothes-thumbs canvas").forEach((canvas, i) => gray(canvas, pixels(i + 1)));
    drawThumbs();
    ui.find(".clothes-thumbs").addEventListener("change", ({ target }) => {
      choose(Number(target.value));
      ui.show();
    });
    ui.find("[data-only]").addEventListener("change", ({ target }) =>
      ui.find(".clothes-thumbs").classList.toggle("only", target.checked)
    );

    // A stroke goes through all pixels between two places of the pointer.
    drag(part.picture, (event, start) => {
      part.picture.focus({ preventScroll: true });
      remember();
      const cell = ([x, y]) => [y, x].map(v => edge(Math.floor((v / part.picture.clientWidth) * SIDE)));
      let last = cell(start);
      const stroke = at => {
        const next = cell(at);
        const steps = Math.max(1, ...next.map((v, k) => Math.abs(v - last[k])));
        for (let s = 0; s <= steps; s++)
          spot(...last.map((v, k) => Math.round(v + (s / steps) * (next[k] - v))), erasing ? 0 : 1);
        last = next;
        cursor = last[0] * SIDE + last[1];
        ui.show();
      };
      stroke(start);
      return stroke;
    });
    part.picture.addEventListener("keydown", event => {
      const step = arrow(event);
      const [row, column] = [Math.floor(cursor / SIDE), cursor % SIDE];
      if (step) cursor = edge(row - step[1]) * SIDE + edge(column + step[0]);
      else if ([" ", "Delete", "Backspace"].includes(event.key)) {
        remember();
        spot(row, column, event.key === " " ? 1 : 0);
      } else return;
      event.preventDefault();
      ui.show();
    });
    for (const change of ["focus", "blur"]) part.picture.addEventListener(change, drawPicture);

    part.all.addEventListener("click", event => {
      const box = part.all.getBoundingClientRect();
      const [row, column] = [event.clientY - box.top, event.clientX - box.left].map(v =>
        edge(Math.floor((v / box.width) * 16), 15)
      );
      looked = 16 * row + column;
      ui.show();
    });
    part.all.addEventListener("keydown", event => {
      const step = arrow(event);
      if (!step) return;
      event.preventDefault();
      looked = looked < 0 ? 0 : 16 * edge(Math.floor(looked / 16) - step[1], 15) + edge((looked % 16) + step[0], 15);
      ui.show();
    });
  }

  const acts = {
    open,
    unit(was, { dataset }) {
      const unit = Number(dataset.unit);
      state.off = state.off.includes(unit) ? state.off.filter(one => one !== unit) : [...state.off, unit];
      ui.show();
    },
    ask(was, { dataset }) {
      asked = asked === Number(dataset.key) ? -1 : Number(dataset.key);
      ui.show();
    },
    erase() {
      erasing = !erasing;
      ui.show();
    },
    undo() {
      ({ picture, drawn } = before.pop());
      ui.show();
    },
    blank() {
      remember();
      picture = new Float32Array(PIXELS);
      drawn = true;
      ui.show();
    },
    train: () => (training ? toggle() : train()),
    swap: () => swap(net === section ? mine : section),
    async code() {
      report(await copy(code()));
    }
  };

  function swap(to) {
    net = to;
    state.off = [];
    const button = ui.find("[data-do=swap]");
    button.hidden = !mine;
    button.textContent = net === section ? "To the weights trained here" : "Back to the section's weights";
    drawThumbs();
    ui.show();
  }

  // What learns

  const report = text => {
    ui.says("training", text);
  };

  /* In the worker: trains for a moment whenever it is asked to, and says how far it is. */
  function work() {
    let net, data, order, random, settings, at, tests;
    const floats = bytes => Float32Array.from(bytes, v => v / 255);
    self.onmessage = ({ data: message }) => {
      if (message.settings) {
        settings = message.settings;
        data = message.data;
        data.X = floats(data.images);
        tests = floats(data.testImages);
        net = bookNetwork.create([784, 256, 10], "relu", 0.01, 1);
        random = bookNetwork.random(2);
        at = 0;
      }
      const until = performance.now() + 60;
      const n = data.labels.length;
      const said = { loss: 0, right: 0, n: 0 };
      do {
        if (at === 0) order = bookNetwork.shuffled(n, random);
        const rows = order.subarray(at, at + settings.batch);
        const X = new Float32Array(rows.length * 784);
        rows.forEach((row, i) => X.set(data.X.subarray(row * 784, row * 784 + 784), i * 784));
        const y = Uint8Array.from(rows, row => data.labels[row]);
        const { loss, right } = bookNetwork.step(net, X, y, rows.length, settings.rate);
        said.loss += loss * rows.length;
        said.right += right;
        said.n += rows.length;
        at += rows.length;
      } while (at < n && said.n < message.room && performance.now() < until);
      if (at >= n) {
        const count = data.testLabels.length;
        const scores = bookNetwork.forward(net, tests, count).at(-1);
        let right = 0;
        for (let i = 0; i < count; i++) {
          const row = scores.subarray(i * 10, i * 10 + 10);
          if (row.indexOf(Math.max(...row)) === data.testLabels[i]) right++;
        }
        Object.assign(said, { test: right / count, params: net.params });
        at = 0;
      }
      postMessage(said);
    };
  }

  async function train() {
    const button = ui.find("[data-do=train]");
    button.disabled = true;
    report("Loading …");
    try {
      if (!bookClothes.training) await load("clothes/training.js");
      const bytes = await unpack(bookClothes.training);
      const cut = [3000, 1000, 3000 * PIXELS, 1000 * PIXELS];
      const [trainLabels, testLabels, trainImages, testImages] = cut.map((size, k) => {
        const from = cut.slice(0, k).reduce((sum, one) => sum + one, 0);
        return bytes.slice(from, from + size);
      });
      // From text, as a page that was opened from disk may start no worker from a file.
      const source = `"use strict";\n${makeBookNetwork}\nconst bookNetwork = makeBookNetwork();\n(${work})();`;
      const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      const worker = new Worker(address);
      URL.revokeObjectURL(address);
      const none = () => ({ loss: 0, right: 0, n: 0 });
      training = {
        worker,
        epochs: state.e,
        size: trainLabels.length,
        done: 0,
        spent: 0,
        none,
        lately: none(),
        epoch: none(),
        curve: [],
        tests: []
      };
      worker.onmessage = ({ data }) => hear(data);
      worker.onerror = () => stop("The training failed in this browser.");
      worker.postMessage({
        room: WINDOW,
        settings: { rate: state.lr, batch: state.b },
        data: { images: trainImages, labels: trainLabels, testImages, testLabels }
      });
      training.asked = performance.now();
      report("Training …");
    } catch (error) {
      stop(error.message.startsWith("The file") ? error.message : "This browser cannot train the network.");
    }
    button.disabled = false;
    if (training) button.textContent = "Pause";
  }

  let last = null; // the training whose curves are shown when it is over

  function stop(text) {
    training?.worker.terminate();
    [last, training] = [training || last, null];
    ui.find("[data-do=train]").textContent = "Train";
    report(text);
  }

  const waits = () => training.paused || document.hidden;

  function goOn() {
    training.waiting = waits();
    if (training.waiting) return;
    training.asked = performance.now();
    training.worker.postMessage({ room: WINDOW - training.lately.n }); // images until the next point
  }

  function toggle() {
    training.paused = !training.paused;
    ui.find("[data-do=train]").textContent = training.paused ? "Go on" : "Pause";
    if (training.paused) report("Paused.");
    else if (training.waiting) goOn();
  }
  document.addEventListener("visibilitychange", () => {
    if (training?.waiting && !waits()) goOn();
  });

  function hear(said) {
    training.spent += performance.now() - training.asked;
    training.done += said.n;
    for (const sums of [training.lately, training.epoch])
      for (const name of ["loss", "right", "n"]) sums[name] += said[name];
    const { lately, epoch } = training;
    const at = training.done / training.size;
    if (lately.n >= WINDOW || said.test !== undefined) {
      training.curve.push([at, lately.loss / lately.n, lately.right / lately.n]);
      training.lately = training.none();
      if (!Number.isFinite(lately.loss)) return stop("The loss is no number any more: the learning rate is too large.");
    }
    if (said.test === undefined) {
      drawCurves();
      return goOn();
    }
    training.tests.push([at, said.test]);
    training.epoch = training.none();
    mine = { widths: WIDTHS, activation: "relu", params: said.params };
    const count = training.tests.length;
    const over = count >= training.epochs;
    if (!over && !calm()) report(`Epoch ${count} of ${training.epochs}.`);
    if (over)
      stop(
        `${count} epoch${count > 1 ? "s" : ""}: train loss ${shown(epoch.loss / epoch.n, 3)}, ` +
          `train accuracy ${shown(epoch.right / epoch.n, 3)}, test accuracy ${shown(said.test, 3)}; ` +
          `${Math.round((training.done / training.spent) * 1000).toLocaleString("en")} images per second. The figure now shows this network.`
      );
    swap(mine); // The figure shows what it has learned so far.
    if (!over) goOn();
  }

  function drawCurves() {
    const { curve, tests, epochs } = training || last || { curve: [], tests: [], epochs: state.e };
    const epoch = { low: 0, high: epochs, label: "epoch" };
    for (const [svg, column, up] of [
      [part.loss, 1, { low: 0, high: 2.4 }],
      [part.accuracy, 2, { low: 0, high: 1 }]
    ]) {
      const { x, y, ground, inside, line } = axes(svg, epoch, up);
      svg.innerHTML =
        ground +
        inside(
          line(curve.map(point => [point[0], point[column]])) +
            (column === 2 ? tests : [])
              .map(([a, b]) => `<circle class="step last" cx="${x(a)}" cy="${y(b)}" r="4"/>`)
              .join("")
        );
    }
  }

  /* The chapter's own cells up to the training, in the framework that was chosen, with
     these settings in them. */
  function code() {
    const cells = [];
    for (const cell of document.querySelectorAll("article div.cell_input pre")) {
      const tab = cell.closest(".frameworks > .sd-tab-content");
      if (tab && (tab.ariaHidden === "true" || !tab.checkVisibility())) continue;
      let text = cell.textContent.trimEnd();
      const trains = /num_epochs, lr = /.test(text);
      text = text
        .replace(/batch_size = \d+/, `batch_size = ${state.b}`)
        .replace(/num_epochs, lr = \S+ \S+/, `num_epochs, lr = ${state.e}, ${state.lr}`);
      cells.push(text);
      if (trains) break;
    }
    return `${cells.join("\n\n")}\n`;
  }

  const changed = () => {};
  const ui = bookInteractive.figure("clothes", {
    title: "Try it: this section’s network",
    html,
    settings,
    state,
    acts,
    changed,
    draw,
    say,
    keep
  });
  bookInteractive.replaceStill(ui.place);
  if (ui.wanted) {
    state.off = [...new Set((ui.wanted.get("off") || "").split(".").filter(Boolean).map(Number))].filter(
      unit => Number.isInteger(unit) && unit >= 0 && unit < UNITS
    );
    if (/^[0-9a-f]{784}$/.test(ui.wanted.get("x") || "")) {
      picture = Float32Array.from(ui.wanted.get("x"), digit => Number.parseInt(digit, 16) / 15);
      drawn = true;
    }
    open();
  }
})();
