/* A network of the book that runs in the page: forward, backward and a step, as the
   sections write them. Nothing in here knows of pages, so that a worker can run it and
   a test can ask it for numbers. It is one function because a worker is started from
   its text: browsers load no second file into a page that was opened from disk.

   Parameters, gradients and hidden values are 32-bit floats; a sum is rounded to 32
   bits after every addition. A matrix with rows of d entries is an array in which
   row i begins at i * d. */
"use strict";

function makeBookNetwork() {
  /* Each with its derivative, written with the value h instead of the argument. */
  const activations = {
    none: { value: z => z, slope: () => 1 },
    relu: { value: z => (z > 0 ? z : 0), slope: h => (h > 0 ? 1 : 0) },
    tanh: { value: Math.tanh, slope: h => 1 - h * h },
    sigmoid: { value: z => 1 / (1 + Math.exp(-z)), slope: h => h * (1 - h) }
  };

  /* Random numbers that a seed decides: mulberry32, and Box and Muller's normal
     numbers made of them. */
  function random(seed) {
    let a = seed >>> 0;
    const uniform = () => {
      a = (a + 0x6d2b79f5) | 0;
      let t = Math.imul(a ^ (a >>> 15), 1 | a);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    return { uniform, normal };
  }

  /* A network of layers of these widths, inputs first: weights N(0, scale²), biases 0,
     in the order [W1, b1, W2, b2, ...]. Weights are rounded to so many digits, if any. */
  function create(widths, activation, scale, seed, digits) {
    const { normal } = random(seed);
    const draw = () => {
      const value = scale * normal();
      return digits === undefined ? value : Number(value.toFixed(digits));
    };
    const params = [];
    for (let k = 0; k + 1 < widths.length; k++)
      params.push(Float32Array.from({ length: widths[k] * widths[k + 1] }, draw), new Float32Array(widths[k + 1]));
    return { widths, activation, params };
  }

  /* y += a x, for rows that begin at i and j; the one loop that takes time. */
  function addRow(y, i, a, x, j, length) {
    for (let k = 0; k < length; k++) y[i + k] += a * x[j + k];
  }

  /* The same for four rows of x that lie wherever they do: y is read and written once. */
  function addRows(y, i, a, x, rows, length) {
    const [a0, a1, a2, a3] = a;
    const [r0, r1, r2, r3] = rows;
    for (let k = 0; k < length; k++) y[i + k] += a0 * x[r0 + k] + a1 * x[r1 + k] + a2 * x[r2 + k] + a3 * x[r3 + k];
  }

  /* What each layer gives for n examples, rows of X: [X, H1, ..., O]. The last layer
     has no activation; its O are the scores. A zero, as half of the pixels of a
     garment are, costs no time. */
  function forward(net, X, n) {
    const outputs = [X];
    const last = net.widths.length - 2;
    for (let k = 0; k <= last; k++) {
      const [from, to] = [net.widths[k], net.widths[k + 1]];
      const [W, b, H] = [net.params[2 * k], net.params[2 * k + 1], outputs[k]];
      const Z = new Float32Array(n * to);
      const values = [0, 0, 0, 0];
      const rows = [0, 0, 0, 0];
      for (let i = 0; i < n; i++) {
        Z.set(b, i * to);
        let waiting = 0;
        for (let p = 0; p < from; p++) {
          const h = H[i * from + p];
          if (h === 0) continue;
          values[waiting] = h;
          rows[waiting++] = p * to;
          if (waiting < 4) continue;
          addRows(Z, i * to, values, W, rows, to);
          waiting = 0;
        }
        for (let r = 0; r < waiting; r++) addRow(Z, i * to, values[r], W, rows[r], to);
      }
      if (k < last && net.activation !== "none") {
        const { value } = activations[net.activation];
        for (let i = 0; i < Z.length; i++) Z[i] = value(Z[i]);
      }
      outputs.push(Z);
    }
    return outputs;
  }

  /* What the scores of n examples mean: the probabilities of the classes, n rows; each
     example's answer, the class with the largest score; and -log of the probability of its
     label, if y holds the labels. The largest score is taken off first, so that nothing
     overflows. */
  function read(scores, n, y) {
    const classes = scores.length / n;
    const probabilities = new Float32Array(scores.length);
    const answers = [];
    const losses = [];
    for (let i = 0; i < n; i++) {
      const row = scores.subarray(i * classes, (i + 1) * classes);
      const most = row.reduce((one, other) => Math.max(one, other));
      let sum = 0;
      for (let j = 0; j < classes; j++) sum += Math.exp(row[j] - most);
      for (let j = 0; j < classes; j++) probabilities[i * classes + j] = Math.exp(row[j] - most) / sum;
      answers.push(row.indexOf(most));
      if (y) losses.push(Math.log(sum) + most - row[y[i]]);
    }
    return { probabilities, answers, losses };
  }

  const answers = (net, X, n) => read(forward(net, X, n).at(-1), n).answers;

  /* The mean cross-entropy, how many examples are right, and the gradients of the mean,
     in the order of the parameters. y holds the labels. */
  function gradients(net, X, y, n) {
    const outputs = forward(net, X, n);
    const { probabilities, answers, losses } = read(outputs.at(-1), n, y);
    const loss = losses.reduce((sum, one) => sum + one, 0) / n;
    const right = answers.filter((answer, i) => answer === y[i]).length;
    const classes = net.widths.at(-1);
    let D = probabilities;
    for (let i = 0; i < n; i++) D[i * classes + y[i]] -= 1;
    for (let i = 0; i < D.length; i++) D[i] /= n;

    // D is the derivative of the loss by what a layer adds up; from last to first.
    const found = [];
    for (let k = net.widths.length - 2; k >= 0; k--) {
      const [from, to] = [net.widths[k], net.widths[k + 1]];
      const [W, H] = [net.params[2 * k], outputs[k]];
      const dW = new Float32Array(from * to);
      const db = new Float32Array(to);
      for (let i = 0; i < n; i++) {
        addRow(db, 0, 1, D, i * to, to);
        for (let p = 0; p < from; p++) {
          const h = H[i * from + p];
          if (h !== 0) addRow(dW, p * to, h, D, i * to, to);
        }
      }
      found.unshift(dW, db);
      if (k === 0) break;
      const { slope } = activations[net.activation];
      const below = new Float32Array(n * from);
      for (let i = 0; i < n; i++)
        for (let p = 0; p < from; p++) {
          let sum = 0;
          for (let j = 0; j < to; j++) sum += D[i * to + j] * W[p * to + j];
          below[i * from + p] = sum * slope(H[i * from + p]);
        }
      D = below;
    }
    return { loss, right, gradients: found };
  }

  /* One step of gradient descent; the loss and the right ones are those before it. */
  function step(net, X, y, n, rate) {
    const { loss, right, gradients: found } = gradients(net, X, y, n);
    found.forEach((gradient, k) => {
      const param = net.params[k];
      addRow(param, 0, -rate, gradient, 0, param.length);
    });
    return { loss, right };
  }

  /* The numbers 0 to n - 1 in an order that the random numbers decide. */
  function shuffled(n, { uniform }) {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(uniform() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  return { random, create, forward, read, answers, gradients, step, shuffled };
}

const bookNetwork = makeBookNetwork();
