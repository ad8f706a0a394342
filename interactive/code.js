/* The code that figures copy: a function for each, of what the figure tells and of the framework.
   It has the figure's points and first weights, and so ends where the figure does. */
"use strict";

bookInteractive.code = (() => {
  const float = v => (Number.isInteger(v) ? `${v}.0` : String(v));
  const list = values => `[${values.join(", ")}]`;
  const rows = (values, width) =>
    Array.from({ length: values.length / width }, (_, i) => list(values.slice(i * width, (i + 1) * width)));

  /* A list over several lines, each as full as it may be. */
  function filled(items) {
    const lines = [""];
    for (const item of items) {
      if (lines.at(-1).length + item.length > 76) lines.push("");
      lines[lines.length - 1] += `${lines.at(-1) && " "}${item},`;
    }
    return `[\n    ${lines.join("\n    ")}\n]`;
  }

  // How the frameworks say it
  const DIALECTS = {
    pytorch: {
      head: "import torch\nfrom d2lutils import torch as d2l\n",
      loss: "from torch import nn\n",
      names: { relu: "torch.relu", tanh: "torch.tanh", sigmoid: "torch.sigmoid" },
      array: "torch.tensor",
      data: "torch.tensor(points).float(), torch.tensor(classes)",
      param: value => `torch.tensor(${value}).requires_grad_()`,
      fit: (steps, rate) => `loss = nn.CrossEntropyLoss(reduction="none")
for step in range(${steps}):
    losses = loss(net(X), y)
    losses.sum().backward()
    d2l.sgd(params, ${rate}, len(y))`,
      end: "loss(net(X), y).mean().item()",
      range: "torch.linspace(0, 2 * torch.pi, 400)"
    },
    mxnet: {
      head: "from d2lutils import mxnet as d2l\nfrom mxnet import autograd, gluon, np, npx\n\nnpx.set_np()\n",
      names: { relu: "npx.relu", tanh: "np.tanh", sigmoid: "npx.sigmoid" },
      array: "np.array",
      data: "np.array(points), np.array(classes)",
      param: value => `np.array(${value})`,
      times: (H, W) => `np.dot(${H}, ${W})`,
      fit: (steps, rate) => `for param in params:
    param.attach_grad()
loss = gluon.loss.SoftmaxCrossEntropyLoss()
for step in range(${steps}):
    with autograd.record():
        losses = loss(net(X), y)
    losses.backward()
    d2l.sgd(params, ${rate}, len(y))`,
      end: "loss(net(X), y).mean().item()",
      range: "np.linspace(0, 2 * np.pi, 400)"
    },
    tensorflow: {
      head: "import tensorflow as tf\nfrom d2lutils import tensorflow as d2l\n",
      names: { relu: "tf.nn.relu", tanh: "tf.nn.tanh", sigmoid: "tf.nn.sigmoid" },
      array: "tf.constant",
      data: "tf.constant(points, tf.float32), tf.constant(classes)",
      param: value => `tf.Variable(${value})`,
      fit: (steps, rate) => `loss = tf.nn.sparse_softmax_cross_entropy_with_logits
for step in range(${steps}):
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(loss(y, net(X)))
    d2l.sgd(params, tape.gradient(total, params), ${rate}, len(y))`,
      end: "tf.reduce_mean(loss(y, net(X))).numpy()",
      range: "tf.linspace(0.0, 6.2831853, 400)",
      column: "tf.reshape(x, (-1, 1))",
      dot: "tf.linalg.matvec(H, w)"
    },
    jax: {
      head: "import jax\nfrom d2lutils import jax as d2l\nfrom jax import numpy as jnp\n",
      names: { relu: "jax.nn.relu", tanh: "jnp.tanh", sigmoid: "jax.nn.sigmoid" },
      array: "jnp.array",
      data: "jnp.array(points, float), jnp.array(classes)",
      param: value => `jnp.array(${value})`,
      inputs: "params, X",
      fit: (steps, rate) => `def total_loss(params):
    log_p = jax.nn.log_softmax(net(params, X))
    return -jnp.take_along_axis(log_p, y[:, None], axis=1).sum()


for step in range(${steps}):
    grads = jax.grad(total_loss)(params)
    params = d2l.sgd(params, grads, ${rate}, len(y))`,
      end: "total_loss(params) / len(y)",
      range: "jnp.linspace(0, 2 * jnp.pi, 400)"
    }
  };
  const dialect = framework => ({ times: (H, W) => `${H} @ ${W}`, inputs: "X", loss: "", ...DIALECTS[framework] });

  function plane(state, points, params, framework) {
    const { head, loss, names, data, param, times, inputs, fit, end } = dialect(framework);
    const params_ = state.h ? ["W1", "b1", "W2", "b2"] : ["W", "b"];
    const firsts = params_.map((name, k) => {
      const values = params[k].map(float);
      return `${name} = ${param(filled(k % 2 ? values : rows(values, state.h && k < 2 ? state.h : 2)))}`;
    });
    const layer = (H, k) => `${times(H, params_[k])} + ${params_[k + 1]}`;
    const hidden = state.a === "none" ? `(${layer("X", 0)})` : `${names[state.a]}(${layer("X", 0)})`;
    return `${head}${loss}
points = ${filled(points.map(point => list(point.slice(0, 2))))}
classes = ${filled(points.map(point => String(point[2])))}
X, y = ${data}
${firsts.join("\n")}
params = [${params_.join(", ")}]


def net(${inputs}):
${inputs === "X" ? "" : `    ${params_.join(", ")} = params\n`}    return ${state.h ? layer(hidden, 2) : layer("X", 0)}


${fit(state.n || 1000, state.lr)}
print(f"loss {${end}:.3f}")
`;
  }

  function folds({ t, w, b }, framework) {
    const { head, names, array, range, times, column = "x.reshape(-1, 1)", dot } = dialect(framework);
    return `${head.replace("autograd, gluon, ", "")}
t = ${array}(${list(t.map(float))})
w = ${array}(${list(w.map(float))})
b = ${b}


def net(x):
    H = ${names.relu}(${column} - t)
    return ${dot || times("H", "w")} + b


x = ${range}
d2l.plot(x, [net(x)], xlabel="x")
`;
  }

  /* The optimizer in NumPy; the same lines serve one parameter and several. */
  const STEPS = {
    descent: ["w = w - lr * g"],
    momentum: ["v = 0.5 * v + g", "w = w - lr * v"],
    rmsprop: ["s = 0.9 * s + 0.1 * g**2", "w = w - lr * g / (numpy.sqrt(s) + 1e-8)"],
    adam: [
      "m = 0.9 * m + 0.1 * g",
      "s = 0.999 * s + 0.001 * g**2",
      "mean, square = m / (1 - 0.9**t), s / (1 - 0.999**t)",
      "w = w - lr * mean / (numpy.sqrt(square) + 1e-8)"
    ]
  };
  const MEMORY = { descent: "", momentum: "v = 0\n", rmsprop: "s = 0\n", adam: "m = s = 0\n" };

  function descent({ f, by, lr, n, w1, w2 }) {
    const [w, g] = f === "parabola" ? [w1, "2 * (w - 3)"] : [`numpy.array([${w1}, ${w2}])`, "numpy.array([1, 10]) * w"];
    return `import numpy

lr = ${lr}
w = ${w}
${MEMORY[by]}for t in range(1, ${n + 1}):
    ${[`g = ${g}`, ...STEPS[by], "print(t, w)"].join("\n    ")}
`;
  }

  /* The chapter's own cells up to the training, in the framework that was chosen, with these
     settings in them. */
  function clothes({ b, e, lr }) {
    const cells = [];
    for (const cell of document.querySelectorAll("article div.cell_input pre")) {
      const tab = cell.closest(".frameworks > .sd-tab-content");
      if (tab && (tab.ariaHidden === "true" || !tab.checkVisibility())) continue;
      const text = cell.textContent.trimEnd();
      const mine = text
        .replace(/batch_size = \d+/, `batch_size = ${b}`)
        .replace(/num_epochs, lr = \S+ \S+/, `num_epochs, lr = ${e}, ${lr}`);
      cells.push(mine);
      if (/num_epochs, lr = /.test(text)) break;
    }
    return `${cells.join("\n\n")}\n`;
  }

  return { plane, folds, descent, clothes };
})();
