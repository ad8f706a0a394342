/* The network of the section: what it makes of a picture, unit by unit, and how it
   learns. network.js computes; data.py writes the weights that the notebook ended with, and
   pictures, into scripts of their own, which are loaded when a reader asks for them. */
"use strict";

/* Where the data files put what they hold, by name, as text. */
const bookClothes = {};

(() => {
  const { axes, button, calm, drag, figure, keys, load, numbers, paint, refill, shown, within } = bookInteractive;
  const NAMES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];
  const SIDE = 28;
  const PIXELS = SIDE * SIDE;
  const UNITS = 256;
  const WIDTHS = [PIXELS, UNITS, 10];
  const IMAGES = 200;
  const SHOWN = 8; // units that contribute most
  const WINDOW = 300; // images, of which a point of the curves is the mean
  const state = { i: 13, v: "w", lr: 0.1, b: 32, e: 10, off: [] };
  let images, labels, net, section, mine; // networks: in use, the notebook's, trained here
  let picture = new Float32Array(PIXELS);
  let before = []; // pictures to go back to
  let [drawn, erasing] = [false, false];
  let cursor = 14 * SIDE + 14;
  let asked = -1; // the class whose score is taken apart; -1: the answer
  let looked = -1; // a unit chosen in the grid
  let training = null; // or the last one, whose curves are shown

  // What is loaded

  /* Returns the bytes of a text, base64 of gzip, cut into parts of these sizes. */
  async function unpack(text, sizes) {
    const packed = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    let at = 0;
    return sizes.map(size => bytes.slice(at, (at += size)));
  }

  /* 16-bit floats, low byte first, as 32-bit ones: sign, 5 bits of exponent, 10 of fraction. */
  function halves(bytes) {
    const view = new DataView(bytes.buffer);
    return Float32Array.from({ length: bytes.length / 2 }, (_, i) => {
      const bits = view.getUint16(2 * i, true);
      const [exponent, fraction] = [(bits >> 10) & 31, (bits & 1023) / 1024];
      const size = exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction;
      return bits >> 15 ? -size : size;
    });
  }

  const why = (error, otherwise) => (error.message.startsWith("The file") ? error.message : otherwise);

  async function open() {
    const opener = ui.find("[data-do=open]");
    opener.disabled = true;
    ui.tell("Loading …");
    try {
      await load("clothes/weights.js");
      const sizes = [PIXELS * UNITS, UNITS, UNITS * 10, 10].map(size => 2 * size);
      const params = (await unpack(bookClothes.weights, sizes)).map(halves);
      section = { widths: WIDTHS, activation: "relu", params };
      [labels, images] = await unpack(bookClothes.images, [IMAGES, IMAGES * PIXELS]);
    } catch (error) {
      opener.disabled = false;
      ui.tell(why(error, "This browser can't unpack the weights. A newer one can."));
      return;
    }
    net = section;
    for (const part of ui.place.querySelectorAll("[data-opens]")) part.hidden = !part.hidden;
    showThumbs();
    if (!drawn) choose(state.i);
    ui.open();
  }

  // What is computed

  const floats = bytes => Float32Array.from(bytes, v => v / 255);
  const pixels = i => floats(images.subarray((i - 1) * PIXELS, i * PIXELS));
  const best = values => values.indexOf(Math.max(...values));

  /* Hidden values, scores and probabilities, without the units that are switched off. */
  function look(off = state.off) {
    const hidden = bookNetwork.forward(net, picture, 1)[1];
    for (const unit of off) hidden[unit] = 0;
    const last = { widths: [UNITS, 10], activation: "none", params: net.params.slice(2) };
    const scores = bookNetwork.forward(last, hidden, 1)[1];
    return { hidden, scores, probabilities: bookNetwork.read(scores, 1).probabilities };
  }

  // What is seen

  function gray(canvas, values, marked = -1) {
    const context = canvas.getContext("2d");
    const data = context.createImageData(SIDE, SIDE);
    values.forEach((v, p) => data.data.set([255 * v, 255 * v, 255 * v, 255], 4 * p));
    if (marked >= 0) data.data.set([213, 94, 0, 255], 4 * marked);
    context.putImageData(data, 0, 0);
  }

  const drawPicture = () => gray(panels.picture, picture, document.activeElement === panels.picture ? cursor : -1);

  function drawBars(now, whole, c) {
    const answer = best(now);
    const bar = (p, looks) => `<i class="${looks}" style="width: ${(100 * p).toFixed(1)}%"></i>`;
    const bars = Array.from(now, (p, k) => {
      const name = `${NAMES[k]}${!drawn && labels[state.i - 1] === k ? " (true)" : ""}`;
      const old = state.off.length ? bar(whole[k], "old") : "";
      return button("ask", `<span>${name}</span><span>${p.toFixed(3)}</span>${bar(p, "new")}${old}`, {
        "data-key": k,
        "aria-pressed": k === c,
        class: k === answer ? "answer" : ""
      });
    });
    refill(panels.bars, bars.join(""));
  }

  /* The weights of a unit as a picture, or what they make of this picture's pixels. */
  function drawWeights(canvas, unit) {
    const values = picture.map((v, p) => net.params[0][p * UNITS + unit] * (state.v === "x" ? v : 1));
    paint(canvas, SIDE, p => values[p], Math.max(1e-6, ...values.map(Math.abs)));
  }

  const signed = v => `${v >= 0 ? "+" : ""}${shown(v)}`;

  /* What the hidden units add to the score of class c: those that add or subtract most, all
     of them, and the sum. */
  function drawUnits(hidden, scores, c) {
    const added = hidden.map((h, unit) => h * net.params[2][unit * 10 + c]);
    const order = [...added.keys()].sort((a, b) => Math.abs(added[b]) - Math.abs(added[a]));
    const few = order.slice(0, SHOWN);
    const units = [...new Set([...few, ...state.off, looked])].filter(unit => unit >= 0);
    const most = Math.max(1e-6, Math.abs(added[order[0]]));
    const isOff = unit => state.off.includes(unit);
    const tiles = units.map(unit => {
      const wide = ((100 * Math.abs(added[unit])) / most).toFixed(0);
      const bar = `<i class="${added[unit] < 0 ? "low" : "high"}" style="width: ${wide}%"></i>`;
      return button("unit", `<canvas aria-hidden="true"></canvas>${isOff(unit) ? "off" : signed(added[unit])}${bar}`, {
        "data-unit": unit,
        "data-key": unit,
        "aria-pressed": isOff(unit),
        "aria-label": `unit ${unit}, adds ${shown(added[unit])}${isOff(unit) ? ", off" : ""}`
      });
    });
    refill(panels.units, tiles.join(""));
    units.forEach((unit, k) => drawWeights(panels.units.children[k].firstChild, unit));
    paint(panels.all, 16, unit => (isOff(unit) ? 0 : added[unit]), most);
    const sum = units => signed(units.reduce((sum, unit) => sum + (isOff(unit) ? 0 : added[unit]), 0));
    ui.find("[data-says=score]").innerHTML =
      `The score of <b>${NAMES[c]}</b>: eight units ${sum(few)}, the others ${sum(order.slice(SHOWN))},
      bias ${signed(net.params[3][c])}, together <b>${shown(scores[c])}</b>`;
  }

  function draw() {
    if (!net) return;
    const [whole, now] = [look([]), look()];
    const c = asked < 0 ? best(now.probabilities) : asked;
    drawPicture();
    drawBars(now.probabilities, whole.probabilities, c);
    drawUnits(whole.hidden, now.scores, c);
    drawCurves();
    ui.find("[data-do=erase]").setAttribute("aria-pressed", erasing);
    ui.find("[data-do=undo]").disabled = !before.length;
    for (const radio of panels.thumbs.querySelectorAll("input"))
      radio.checked = !drawn && Number(radio.value) === state.i;
  }

  /* The images to choose from. */
  function showThumbs() {
    const thumb = (label, i) => `<label><input type="radio" name="clothes-image" data-thumb value="${i + 1}"
      aria-label="${i + 1}, ${NAMES[label]}"><canvas width="${SIDE}" height="${SIDE}"></canvas></label>`;
    panels.thumbs.innerHTML = Array.from(labels, thumb).join("");
    panels.thumbs.querySelectorAll("canvas").forEach((canvas, i) => gray(canvas, pixels(i + 1)));
    panels.thumbs.scrollLeft = (state.i - 3.5) * (panels.thumbs.scrollWidth / IMAGES);
    markMistakes();
  }

  /* Which of the images this network gets wrong. */
  function markMistakes() {
    const answers = bookNetwork.answers(net, floats(images), IMAGES);
    [...panels.thumbs.children].forEach((thumb, i) => thumb.classList.toggle("wrong", answers[i] !== labels[i]));
  }

  function say() {
    if (!net) return "";
    const [{ probabilities }, whole] = [look(), look([])];
    const [answer, before] = [best(probabilities), best(whole.probabilities)];
    const what = drawn ? "Your picture" : `Test image ${state.i}, ${NAMES[labels[state.i - 1]]}`;
    const said = `${what}: the network answers ${NAMES[answer]}, with probability ${probabilities[answer].toFixed(3)}.`;
    const { off } = state;
    if (!off.length) return said;
    const without = off.length > 3 ? `${off.length} units` : `unit${off.length > 1 ? "s" : ""} ${off.join(", ")}`;
    return `${said} This is without ${without}. With all units it ${before === answer ? "gives the same answer" : `answers ${NAMES[before]}`}.`;
  }

  function keep() {
    const { off, ...kept } = state;
    if (off.length) kept.off = off.join(".");
    if (drawn) kept.x = [...picture].map(v => Math.round(15 * v).toString(16)).join("");
    return kept;
  }

  // What is touched

  function choose(i) {
    state.i = i;
    [drawn, asked, before] = [false, -1, []];
    picture = pixels(i);
  }

  /* Draws a soft spot around a pixel, or rubs it out. */
  function spot(row, column, erase) {
    for (let r = Math.max(0, row - 1); r <= Math.min(SIDE - 1, row + 1); r++)
      for (let c = Math.max(0, column - 1); c <= Math.min(SIDE - 1, column + 1); c++) {
        const near = [1, 0.8, 0.4][Math.abs(r - row) + Math.abs(c - column)];
        const p = r * SIDE + c;
        picture[p] = erase ? Math.min(picture[p], 1 - near) : Math.max(picture[p], near);
      }
    cursor = row * SIDE + column;
    drawn = true;
  }

  const remember = () => {
    before = [...before.slice(-30), { picture: picture.slice(), drawn }];
  };

  /* The field [row, column] of a square of fields at a place of a canvas; and one that is a
     step [right, up] away. */
  const field = (canvas, at, side) =>
    [at[1], at[0]].map(v => within(Math.floor((v / canvas.clientWidth) * side), 0, side - 1));
  const stepped = (at, [right, up], side) =>
    within(Math.floor(at / side) - up, 0, side - 1) * side + within((at % side) + right, 0, side - 1);

  /* A stroke goes through all pixels between two places of the pointer. */
  function listen() {
    drag(panels.picture, ({ at }) => {
      panels.picture.focus({ preventScroll: true });
      remember();
      let last = field(panels.picture, at, SIDE);
      const stroke = at => {
        const next = field(panels.picture, at, SIDE);
        const steps = Math.max(1, ...next.map((v, k) => Math.abs(v - last[k])));
        for (let s = 0; s <= steps; s++)
          spot(...last.map((v, k) => Math.round(v + (s / steps) * (next[k] - v))), erasing);
        last = next;
        ui.show();
      };
      stroke(at);
      return stroke;
    });
    const press = erase => () => {
      remember();
      spot(Math.floor(cursor / SIDE), cursor % SIDE, erase);
      ui.show();
    };
    keys(panels.picture, {
      move(step) {
        cursor = stepped(cursor, step, SIDE);
        ui.show();
      },
      " ": press(false),
      Delete: press(true)
    });
    for (const change of ["focus", "blur"]) panels.picture.addEventListener(change, drawPicture);

    panels.all.addEventListener("click", ({ offsetX, offsetY }) => {
      const [row, column] = field(panels.all, [offsetX, offsetY], 16);
      looked = 16 * row + column;
      ui.show();
    });
    keys(panels.all, {
      move(step) {
        looked = looked < 0 ? 0 : stepped(looked, step, 16);
        ui.show();
      }
    });
    panels.thumbs.addEventListener("change", ({ target }) => {
      choose(Number(target.value));
      ui.show();
    });
    panels.only.addEventListener("change", () => panels.thumbs.classList.toggle("only", panels.only.checked));
  }

  const acts = {
    open,
    unit({ dataset }) {
      const unit = Number(dataset.unit);
      state.off = state.off.includes(unit) ? state.off.filter(one => one !== unit) : [...state.off, unit];
    },
    ask({ dataset }) {
      asked = asked === Number(dataset.key) ? -1 : Number(dataset.key);
    },
    erase() {
      erasing = !erasing;
    },
    undo() {
      ({ picture, drawn } = before.pop());
    },
    blank() {
      remember();
      picture = new Float32Array(PIXELS);
      drawn = true;
    },
    train: () => (training?.worker ? toggle() : train()),
    swap: () => swap(net === section ? mine : section)
  };

  function swap(to) {
    net = to;
    state.off = [];
    const swapper = ui.find("[data-do=swap]");
    swapper.hidden = false;
    swapper.textContent = net === section ? "Use the weights trained here" : "Use the section's weights";
    markMistakes();
    ui.show();
  }

  // What learns

  /* In the worker: the message holds what to learn from and how; each further one asks for
     some images more, and is answered by their losses, and by the network at the end of an
     epoch. */
  function work() {
    let net, given, order, random, X, tests, at;
    const floats = bytes => Float32Array.from(bytes, v => v / 255);
    function begin(message) {
      given = message;
      [X, tests, at] = [floats(given.trainImages), floats(given.testImages), 0];
      net = bookNetwork.create(given.widths, "relu", 0.01, 1);
      random = bookNetwork.random(2);
    }
    function batch() {
      const pixels = given.widths[0];
      const rows = order.subarray(at, at + given.batch);
      const inputs = new Float32Array(rows.length * pixels);
      rows.forEach((row, i) => inputs.set(X.subarray(row * pixels, (row + 1) * pixels), i * pixels));
      const y = Uint8Array.from(rows, row => given.trainLabels[row]);
      at += rows.length;
      return { n: rows.length, ...bookNetwork.step(net, inputs, y, rows.length, given.rate) };
    }
    self.onmessage = ({ data }) => {
      if (data.widths) begin(data);
      if (at === 0) order = bookNetwork.shuffled(given.trainLabels.length, random);
      const said = { loss: 0, right: 0, n: 0 };
      while (at < order.length && said.n < given.window) {
        const { n, loss, right } = batch();
        said.loss += loss * n;
        said.right += right;
        said.n += n;
      }
      if (at >= order.length) {
        const answers = bookNetwork.answers(net, tests, given.testLabels.length);
        const right = answers.filter((answer, i) => answer === given.testLabels[i]).length;
        Object.assign(said, { test: right / answers.length, params: net.params });
        at = 0;
      }
      postMessage(said);
    };
  }

  const report = text => ui.says("training", text);

  async function train() {
    const trainer = ui.find("[data-do=train]");
    trainer.disabled = true;
    report("Loading …");
    try {
      if (!bookClothes.training) await load("clothes/training.js");
      const sizes = [3000, 1000, 3000 * PIXELS, 1000 * PIXELS];
      const [trainLabels, testLabels, trainImages, testImages] = await unpack(bookClothes.training, sizes);
      // From text, as a page that was opened from disk may start no worker from a file.
      const source = `"use strict";\n${makeBookNetwork}\nconst bookNetwork = makeBookNetwork();\n(${work})();`;
      const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      const worker = new Worker(address);
      URL.revokeObjectURL(address);
      const epoch = { loss: 0, right: 0, n: 0 };
      training = { worker, epoch, epochs: state.e, done: 0, spent: 0, curve: [], tests: [] };
      worker.onmessage = ({ data }) => hear(data);
      worker.onerror = () => stop("The training failed in this browser.");
      training.asked = performance.now();
      worker.postMessage({
        ...{ widths: WIDTHS, window: WINDOW, rate: state.lr, batch: state.b },
        ...{ trainLabels, testLabels, trainImages, testImages }
      });
      report("Training …");
    } catch (error) {
      stop(why(error, "This browser can't train the network."));
    }
    trainer.disabled = false;
    if (training?.worker) trainer.textContent = "Pause";
  }

  function stop(text) {
    training?.worker?.terminate();
    if (training) training.worker = null;
    ui.find("[data-do=train]").textContent = "Train";
    report(text);
  }

  function toggle() {
    training.paused = !training.paused;
    ui.find("[data-do=train]").textContent = training.paused ? "Continue" : "Pause";
    if (training.paused) report("Paused.");
    else if (training.waiting) goOn();
  }

  /* Asks for more images at the next frame, of which there is none while nobody sees the page. */
  function goOn() {
    training.waiting = training.paused;
    if (training.waiting) return;
    requestAnimationFrame(() => {
      training.asked = performance.now();
      training.worker?.postMessage({});
    });
  }

  function hear(said) {
    const { epoch, curve, tests, epochs } = training;
    training.spent += performance.now() - training.asked;
    training.done += said.n;
    for (const name of ["loss", "right", "n"]) epoch[name] += said[name];
    curve.push([training.done / 3000, said.loss / said.n, said.right / said.n]);
    if (!Number.isFinite(said.loss)) return stop("The loss is no longer a number. The learning rate is too large.");
    if (said.test === undefined) {
      drawCurves();
      return goOn();
    }
    tests.push([tests.length + 1, said.test]);
    mine = { widths: WIDTHS, activation: "relu", params: said.params };
    const count = tests.length;
    if (count < epochs) {
      training.epoch = { loss: 0, right: 0, n: 0 };
      if (!calm()) report(`Epoch ${count} of ${epochs}.`);
      goOn();
    } else
      stop(
        `${count} epoch${count > 1 ? "s" : ""}: train loss ${shown(epoch.loss / epoch.n, 3)}, ` +
          `train accuracy ${shown(epoch.right / epoch.n, 3)}, test accuracy ${shown(said.test, 3)}; ` +
          `${Math.round((training.done / training.spent) * 1000).toLocaleString("en")} images per second. The figure now shows this network.`
      );
    swap(mine); // The figure shows what it has learned so far.
  }

  function drawCurves() {
    const { curve, tests, epochs } = training || { curve: [], tests: [], epochs: state.e };
    const epoch = { low: 0, high: epochs, label: "epoch" };
    const [loss, accuracy] = [2.4, 1].map((high, k) =>
      axes(k ? panels.accuracy : panels.loss, epoch, { low: 0, high })
    );
    loss.fill(loss.line(curve.map(([at, mean]) => [at, mean])));
    const dots = tests.map(test => accuracy.dot(test, 4, "step last"));
    accuracy.fill(accuracy.line(curve.map(([at, , share]) => [at, share])) + dots.join(""));
  }

  const ui = figure("clothes", { still: true, state, acts, draw, say, keep, code: () => [state] });
  const { panels } = ui;
  listen();
  const still = ui.place.previousElementSibling?.querySelector("img");
  if (still) ui.find(".clothes-poster").prepend(still.cloneNode());
  if (ui.wanted) {
    const all = new Set(numbers(ui.wanted.get("off"), "."));
    state.off = [...all].filter(unit => Number.isInteger(unit) && unit >= 0 && unit < UNITS);
    if (/^[0-9a-f]{784}$/.test(ui.wanted.get("x") || "")) {
      picture = Float32Array.from(ui.wanted.get("x"), digit => Number.parseInt(digit, 16) / 15);
      drawn = true;
    }
    open();
  }
})();
