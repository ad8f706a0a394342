/* The network of the section: what it makes of a picture, unit by unit, and how it
   learns. network.js computes; data.py writes the weights that the notebook ended with, and
   pictures, into scripts of their own, which are loaded when a reader asks for them. */
"use strict";

/* Where the data files put what they hold, by name, as text. */
const bookClothes = {};

(() => {
  const place = document.getElementById("clothes");
  if (!place) return;
  const { asked, remember, load, copy, calm, shown } = bookInteractive;
  const NAMES = ["t-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot"];
  const SIDE = 28;
  const PIXELS = SIDE * SIDE;
  const WIDTHS = [PIXELS, 256, 10];
  const SHOWN = 8; // most active units
  const RATES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
  const BATCHES = [16, 32, 64, 128, 256];
  const state = { i: 1, off: [], lr: 0.1, b: 32, e: 10 };
  let images, labels, net, section, mine; // networks: in use, the notebook's, trained here
  let picture = new Float32Array(PIXELS);
  let drawn = false;
  let cursor = 14 * SIDE + 14;
  let training = null;

  const slider = (name, label, min, max) => `<label>${label} <span></span>
    <input type="range" data-name="${name}" min="${min}" max="${max}" step="1"></label>`;
  place.innerHTML = `
    <figure aria-labelledby="clothes-title">
      <figcaption id="clothes-title">Try it: this section's network</figcaption>
      <p class="interactive-status" role="status"></p>
      <div class="interactive-row"><button type="button" data-do="open">Open the figure
        (0.6 MB)</button></div>
    </figure>`;
  const figure = place.firstElementChild;
  const { find, tell } = bookInteractive.parts(place);

  const PARTS = `
    <div class="clothes-parts">
      <div>
        <p>the picture; draw on it</p>
        <canvas class="clothes-picture" width="${SIDE}" height="${SIDE}" tabindex="0" role="img"
          aria-label="The picture. Arrow keys move a cursor, the space bar draws, Delete rubs out."></canvas>
        <div class="interactive-sliders">${slider("i", "test image", 1, 200)}</div>
        <div class="interactive-row">
          <button type="button" data-do="next">Next mistake</button>
          <button type="button" data-do="blank">Blank picture</button>
        </div>
      </div>
      <div><p>the ten probabilities</p><ol class="clothes-probabilities"></ol></div>
      <div><p>the 256 hidden units, darker when more active</p>
        <canvas class="clothes-hidden" width="160" height="160" aria-hidden="true"></canvas></div>
      <div class="interactive-wide"><p>the most active units, and what each looks for: red switches
        it on, blue keeps it off. Press one to switch it off.</p>
        <div class="clothes-units"></div></div>
    </div>`;
  const TRAINING = `
    <details><summary>Train it here</summary>
      <p>Starts anew and trains the same network on the first 3,000 training images,
        in this browser (loads 2 MB more).</p>
      <div class="interactive-sliders">
        ${slider("lr", "learning rate", 0, RATES.length - 1)}
        ${slider("b", "batch size", 0, BATCHES.length - 1)}
        ${slider("e", "epochs", 1, 20)}
      </div>
      <div class="interactive-row">
        <button type="button" data-do="train">Train</button>
        <button type="button" data-do="swap" hidden>Back to the section's weights</button>
        <button type="button" data-do="code">Copy the code</button>
      </div>
      <svg class="clothes-curves" viewBox="0 0 640 200" preserveAspectRatio="none" aria-hidden="true"></svg>
      <p class="clothes-key">solid: train loss, from 2.4 down to 0; dashed: train accuracy, dots:
        accuracy on 1,000 test images, from 0 up to 1</p>
      <p class="interactive-status" role="status" data-says="training"></p>
    </details>`;

  // What is loaded

  /* Returns the bytes of a text: base64 of gzip. */
  async function unpack(text) {
    const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
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
    find("[data-do=open]").disabled = true;
    tell("Loading …");
    try {
      await load("clothes/weights.js");
      const values = halves(await unpack(bookClothes.weights));
      const params = [];
      let at = 0;
      for (const size of [PIXELS * 256, 256, 2560, 10]) params.push(values.slice(at, (at += size)));
      section = { widths: WIDTHS, activation: "relu", params };
      const bytes = await unpack(bookClothes.images);
      labels = bytes.subarray(0, 200);
      images = bytes.subarray(200);
    } catch (error) {
      find("[data-do=open]").disabled = false;
      tell(error.message.startsWith("The file") ? error.message
        : "This browser cannot unpack the weights; a newer one can.");
      return;
    }
    net = section;
    find("[data-do=open]").parentElement.remove();
    find(".interactive-status").insertAdjacentHTML("beforebegin", PARTS);
    figure.insertAdjacentHTML("beforeend", TRAINING);
    bookInteractive.replaceStill(place);
    prepare();
    if (!drawn) choose(state.i);
    show();
    say();
  }

  // What is computed

  function choose(i) {
    state.i = i;
    drawn = false;
    picture = Float32Array.from(images.subarray((i - 1) * PIXELS, i * PIXELS), (v) => v / 255);
  }

  /* Hidden values and probabilities, without the units that are switched off. */
  function look(off = state.off, of = net, at = picture) {
    const hidden = bookNetwork.forward(of, at, 1)[1];
    for (const unit of off) hidden[unit] = 0;
    const last = { widths: [256, 10], activation: "none", params: of.params.slice(2) };
    const scores = bookNetwork.forward(last, hidden, 1)[1];
    return { hidden, probabilities: bookNetwork.softmax(scores, 1) };
  }

  const best = (values) => values.indexOf(Math.max(...values));

  // What is seen

  function drawPicture() {
    const canvas = find(".clothes-picture");
    const context = canvas.getContext("2d");
    const data = context.createImageData(SIDE, SIDE);
    picture.forEach((v, p) => data.data.set([255 * v, 255 * v, 255 * v, 255], 4 * p));
    if (document.activeElement === canvas) data.data.set([213, 94, 0, 255], 4 * cursor);
    context.putImageData(data, 0, 0);
  }

  function drawHidden(hidden) {
    const context = find(".clothes-hidden").getContext("2d");
    const most = Math.max(1e-6, ...hidden);
    context.clearRect(0, 0, 160, 160);
    hidden.forEach((h, unit) => {
      context.fillStyle = `rgba(0, 114, 178, ${h / most})`;
      const [x, y] = [(unit % 16) * 10, Math.floor(unit / 16) * 10];
      context.fillRect(x, y, 9, 9);
      if (!state.off.includes(unit)) return;
      context.fillStyle = "#d55e00";
      context.fillRect(x, y + 4, 9, 2);
    });
  }

  function drawProbabilities(probabilities) {
    const chosen = best(probabilities);
    find(".clothes-probabilities").innerHTML = [...probabilities].map((p, c) => `
      <li${c === chosen ? ' class="chosen"' : ""}><span>${NAMES[c]}${
        !drawn && labels[state.i - 1] === c ? " (true)" : ""}</span>
      <span>${p.toFixed(3)}</span><div style="width: ${(100 * p).toFixed(1)}%"></div></li>`).join("");
  }

  /* The weights of a unit as a picture: red positive, blue negative. */
  function drawWeights(canvas, unit) {
    const weights = Array.from({ length: PIXELS }, (_, p) => net.params[0][p * 256 + unit]);
    const most = Math.max(...weights.map(Math.abs));
    const context = canvas.getContext("2d");
    const data = context.createImageData(SIDE, SIDE);
    weights.forEach((w, p) => {
      const pale = 255 * (1 - Math.abs(w) / most);
      data.data.set(w > 0 ? [255, pale, pale, 255] : [pale, pale, 255, 255], 4 * p);
    });
    context.putImageData(data, 0, 0);
  }

  function drawUnits() {
    const all = look([]).hidden;
    const order = [...all.keys()].sort((a, b) => all[b] - all[a]).slice(0, SHOWN);
    for (const unit of state.off) if (!order.includes(unit)) order.push(unit);
    const box = find(".clothes-units");
    const had = document.activeElement?.dataset?.unit;
    box.innerHTML = order.map((unit) => {
      const raised = best([...net.params[2].subarray(unit * 10, unit * 10 + 10)]);
      const off = state.off.includes(unit);
      return `<button type="button" data-unit="${unit}" aria-pressed="${off}">
        <canvas width="${SIDE}" height="${SIDE}" aria-hidden="true"></canvas>
        unit ${unit}${off ? ", off" : ""}<br>${shown(all[unit], 1)}, for ${NAMES[raised]}</button>`;
    }).join("");
    for (const button of box.children) drawWeights(button.querySelector("canvas"), Number(button.dataset.unit));
    if (had) box.querySelector(`[data-unit="${had}"]`)?.focus();
  }

  /* Shows the state everywhere. */
  function show() {
    const { hidden, probabilities } = look();
    drawPicture();
    drawHidden(hidden);
    drawProbabilities(probabilities);
    drawUnits();
    for (const control of place.querySelectorAll("[data-name]")) {
      const { name } = control.dataset;
      const list = { lr: RATES, b: BATCHES }[name];
      control.value = list ? list.indexOf(state[name]) : state[name];
      if (list) control.setAttribute("aria-valuetext", state[name]);
      control.parentElement.querySelector("span").textContent =
        name === "i" ? (drawn ? "drawn" : `${state.i}, ${NAMES[labels[state.i - 1]]}`) : state[name];
    }
    settle();
  }

  function say() {
    const { probabilities } = look();
    const answer = best(probabilities);
    const whole = best(look([]).probabilities);
    const what = drawn ? "Your picture" : `Test image ${state.i}, ${NAMES[labels[state.i - 1]]},`;
    tell(`${what} is taken for: ${NAMES[answer]}, with probability ${probabilities[answer].toFixed(2)}.` +
      (state.off.length ? ` Without unit${state.off.length > 1 ? "s" : ""} ${state.off.join(", ")}` +
        (whole === answer ? "; with them it is the same class." : `; with them it was ${NAMES[whole]}.`) : ""));
  }

  const settle = bookInteractive.resting(() => {
    say();
    const kept = { i: state.i, lr: state.lr, b: state.b, e: state.e };
    if (state.off.length) kept.off = state.off.join(".");
    if (drawn) kept.x = [...picture].map((v) => Math.round(15 * v).toString(16)).join("");
    remember("clothes", kept);
  });

  // What is touched

  /* Draws a soft spot around a pixel, or rubs it out. */
  function paint(row, column, value) {
    for (let r = row - 1; r <= row + 1; r++)
      for (let c = column - 1; c <= column + 1; c++) {
        if (r < 0 || r >= SIDE || c < 0 || c >= SIDE) continue;
        const near = r === row && c === column ? 1 : r === row || c === column ? 0.8 : 0.4;
        const p = r * SIDE + c;
        picture[p] = value ? Math.max(picture[p], near) : Math.min(picture[p], 1 - near);
      }
    drawn = true;
  }

  function prepare() {
    const canvas = find(".clothes-picture");
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientY - box.top, event.clientX - box.left].map((v) => Math.floor((v / box.width) * SIDE));
    };
    canvas.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      canvas.focus();
      canvas.setPointerCapture(event.pointerId);
      const stroke = (moved) => {
        paint(...at(moved), 1);
        cursor = Math.min(PIXELS - 1, Math.max(0, at(moved)[0] * SIDE + at(moved)[1]));
        show();
      };
      stroke(event);
      canvas.onpointermove = stroke;
      canvas.onpointerup = canvas.onpointercancel = () => {
        canvas.onpointermove = canvas.onpointerup = canvas.onpointercancel = null;
      };
    });
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      const [row, column] = [Math.floor(cursor / SIDE), cursor % SIDE];
      const step = steps[event.key];
      const within = (v) => Math.max(0, Math.min(SIDE - 1, v));
      if (step) cursor = within(row + step[0]) * SIDE + within(column + step[1]);
      else if (event.key === " ") paint(row, column, 1);
      else if (event.key === "Delete" || event.key === "Backspace") paint(row, column, 0);
      else return;
      event.preventDefault();
      show();
    });
    for (const change of ["focus", "blur"]) canvas.addEventListener(change, drawPicture);
  }

  place.addEventListener("input", ({ target }) => {
    const { name } = target.dataset;
    const value = Number(target.value);
    if (name === "i") choose(value);
    else if (name) state[name] = ({ lr: RATES, b: BATCHES }[name] || { [value]: value })[value];
    show();
  });

  place.addEventListener("click", async ({ target }) => {
    const unit = target.closest("[data-unit]")?.dataset.unit;
    if (unit !== undefined) {
      const had = state.off.includes(Number(unit));
      state.off = had ? state.off.filter((one) => one !== Number(unit)) : [...state.off, Number(unit)];
      return show();
    }
    const action = target.dataset?.do;
    if (action === "open") return open();
    if (action === "next") {
      let i = state.i;
      do {
        i = (i % 200) + 1;
        choose(i);
      } while (best(look().probabilities) === labels[i - 1] && i !== 200);
      show();
    }
    if (action === "blank") {
      picture = new Float32Array(PIXELS);
      drawn = true;
      show();
    }
    if (action === "train") return training ? toggle() : train();
    if (action === "swap") swap(net === section ? mine : section);
    if (action === "code") report(await copy(code()));
  });

  function swap(to) {
    net = to;
    state.off = [];
    find("[data-do=swap]").textContent =
      net === section ? "To the weights trained here" : "Back to the section's weights";
    show();
  }

  // What learns

  const report = (text) => { find("[data-says=training]").textContent = text; };

  /* In the worker: trains for a moment whenever it is asked to, and says how far it is. */
  function work() {
    let net, data, order, random, settings, at, epoch, sums, tests;
    const floats = (bytes) => Float32Array.from(bytes, (v) => v / 255);
    onmessage = ({ data: message }) => {
      if (message.settings) {
        settings = message.settings;
        data = message.data;
        data.X = floats(data.images);
        tests = floats(data.testImages);
        net = bookNetwork.create([784, 256, 10], "relu", 0.01, 1);
        random = bookNetwork.random(2);
        [at, epoch, sums] = [0, 0, { loss: 0, right: 0, n: 0 }];
      }
      const until = performance.now() + 60;
      const n = data.labels.length;
      const before = at ? sums : { loss: 0, right: 0, n: 0 };
      do {
        if (at === 0) {
          order = bookNetwork.shuffled(n, random);
          sums = { loss: 0, right: 0, n: 0 };
        }
        const rows = order.subarray(at, at + settings.batch);
        const X = new Float32Array(rows.length * 784);
        rows.forEach((row, i) => X.set(data.X.subarray(row * 784, row * 784 + 784), i * 784));
        const y = Uint8Array.from(rows, (row) => data.labels[row]);
        const { loss, right } = bookNetwork.step(net, X, y, rows.length, settings.rate);
        sums = { loss: sums.loss + loss * rows.length, right: sums.right + right, n: sums.n + rows.length };
        at += rows.length;
      } while (at < n && performance.now() < until);
      const said = { at: epoch + at / n, loss: sums.loss / sums.n, accuracy: sums.right / sums.n, images: epoch * n + at };
      // The curve shows what was learned lately, and so it does not jump when an epoch ends.
      const since = sums.n - before.n;
      Object.assign(said, { lately: [(sums.loss - before.loss) / since, (sums.right - before.right) / since] });
      if (at >= n) {
        const count = data.testLabels.length;
        const scores = bookNetwork.forward(net, tests, count).at(-1);
        let right = 0;
        for (let i = 0; i < count; i++) {
          const row = scores.subarray(i * 10, i * 10 + 10);
          if (row.indexOf(Math.max(...row)) === data.testLabels[i]) right++;
        }
        Object.assign(said, { test: right / count, params: net.params });
        epoch++;
        at = 0;
      }
      postMessage(said);
    };
  }

  async function train() {
    const button = find("[data-do=train]");
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
      training = { worker, paused: false, history: [], tests: [], spent: 0 };
      worker.onmessage = ({ data }) => hear(data);
      worker.onerror = () => stop("The training failed in this browser.");
      worker.postMessage({
        settings: { rate: state.lr, batch: state.b },
        data: { images: trainImages, labels: trainLabels, testImages, testLabels },
      });
      training.asked = performance.now();
      training.epochs = state.e;
      report("Training …");
    } catch (error) {
      stop(error.message.startsWith("The file") ? error.message : "This browser cannot train the network.");
    }
    button.disabled = false;
    if (training) button.textContent = "Pause";
  }

  function stop(text) {
    training?.worker.terminate();
    training = null;
    find("[data-do=train]").textContent = "Train";
    report(text);
  }

  const waits = () => training.paused || document.hidden;

  function goOn() {
    training.waiting = waits();
    if (training.waiting) return;
    training.asked = performance.now();
    training.worker.postMessage({});
  }

  function toggle() {
    training.paused = !training.paused;
    find("[data-do=train]").textContent = training.paused ? "Go on" : "Pause";
    if (training.paused) report("Paused.");
    else if (training.waiting) goOn();
  }
  document.addEventListener("visibilitychange", () => {
    if (training?.waiting && !waits()) goOn();
  });

  function hear(said) {
    training.spent += performance.now() - training.asked;
    training.history.push(said);
    if (said.test !== undefined) {
      training.tests.push([said.at, said.test]);
      mine = { widths: WIDTHS, activation: "relu", params: said.params };
    }
    drawCurves();
    if (!Number.isFinite(said.loss)) return stop("The loss is no number any more: the learning rate is too large.");
    if (training.tests.length < training.epochs) {
      if (said.test !== undefined && !calm()) report(`Epoch ${training.tests.length} of ${training.epochs}.`);
      return goOn();
    }
    const speed = Math.round(said.images / training.spent * 1000);
    stop(`${training.epochs} epoch${training.epochs > 1 ? "s" : ""}: train loss ${shown(said.loss, 3)}, ` +
      `train accuracy ${shown(said.accuracy, 3)}, test accuracy ${shown(said.test, 3)}; ` +
      `${speed.toLocaleString("en")} images per second. The figure now shows this network.`);
    find("[data-do=swap]").hidden = false;
    swap(mine);
  }

  function drawCurves() {
    const x = (epoch) => (630 * epoch) / training.epochs;
    const line = (pairs) => pairs.map(([a, b]) => `${x(a).toFixed(1)},${(198 - 196 * Math.min(1, b)).toFixed(1)}`).join(" ");
    find(".clothes-curves").innerHTML = `
      <polyline class="path" points="${line(training.history.map(({ at, lately }) => [at, (lately[0] || 0) / 2.4]))}"/>
      <polyline class="path dashed" points="${line(training.history.map(({ at, lately }) => [at, lately[1]]))}"/>
      ${training.tests.map((pair) => { const [a, b] = line([pair]).split(",");
        return `<path class="dot" d="M${a} ${b}h0"/>`; }).join("")}`;
  }

  /* The chapter's own cells up to the training, in the framework that was chosen, with
     these settings in them. */
  function code() {
    const cells = [];
    for (const cell of document.querySelectorAll("article div.cell_input pre")) {
      if (cell.closest("[role=tabpanel]")?.checkVisibility() === false) continue;
      let text = cell.textContent.trimEnd();
      const trains = /num_epochs, lr = /.test(text);
      text = text.replace(/batch_size = \d+/, `batch_size = ${state.b}`)
        .replace(/num_epochs, lr = \S+ \S+/, `num_epochs, lr = ${state.e}, ${state.lr}`);
      cells.push(text);
      if (trains) break;
    }
    return `${cells.join("\n\n")}\n`;
  }

  /* A teacher's address opens with the teacher's settings; what makes no sense in it
     is left aside. */
  const wanted = asked("clothes");
  if (!wanted) return;
  for (const [name, allowed] of [["i", (v) => v >= 1 && v <= 200 && Number.isInteger(v)],
    ["lr", (v) => RATES.includes(v)], ["b", (v) => BATCHES.includes(v)],
    ["e", (v) => v >= 1 && v <= 20 && Number.isInteger(v)]])
    if (allowed(Number(wanted.get(name)))) state[name] = Number(wanted.get(name));
  state.off = [...new Set((wanted.get("off") || "").split(".").filter(Boolean).map(Number))]
    .filter((unit) => Number.isInteger(unit) && unit >= 0 && unit < 256);
  if (/^[0-9a-f]{784}$/.test(wanted.get("x") || "")) {
    picture = Float32Array.from(wanted.get("x"), (digit) => Number.parseInt(digit, 16) / 15);
    drawn = true;
  }
  place.scrollIntoView();
  open();
})();
