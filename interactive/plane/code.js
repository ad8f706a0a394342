/* The code that the figure copies: the chapter's own with the settings of the figure, for
   a framework. It has the same points and the same first weights, so that it ends where
   the figure does. */
"use strict";

bookInteractive.code.plane = (framework, state, points, params) => {
  const rows = (list, width) => {
    const parts = [];
    for (let i = 0; i < list.length; i += width) parts.push(`[${list.slice(i, i + width).join(", ")}]`);
    return parts;
  };
  const filled = items => {
    const lines = [""];
    for (const item of items) {
      if (lines.at(-1).length + item.length > 76) lines.push("");
      lines[lines.length - 1] += `${lines.at(-1) && " "}${item},`;
    }
    return `[\n    ${lines.join("\n    ")}\n]`;
  };
  const names = state.h ? ["W1", "b1", "W2", "b2"] : ["W", "b"];
  const firsts = names.map((name, k) => {
    const width = state.h && k < 2 ? state.h : 2;
    const values = params[k].map(v => (Number.isInteger(v) ? `${v}.0` : String(v)));
    return filled(k % 2 ? values : rows(values, width));
  });
  const steps = state.n || 1000;

  const dialects = {
    pytorch: {
      head: "import torch\nfrom d2lutils import torch as d2l\nfrom torch import nn",
      data: "X, y = torch.tensor(points).float(), torch.tensor(classes)",
      param: value => `torch.tensor(${value}).requires_grad_()`,
      relu: "torch.relu",
      tanh: "torch.tanh",
      sigmoid: "torch.sigmoid",
      affine: (H, W, b) => `${H} @ ${W} + ${b}`,
      fit: `loss = nn.CrossEntropyLoss(reduction="none")
for step in range(${steps}):
    losses = loss(net(X), y)
    losses.sum().backward()
    d2l.sgd(params, ${state.lr}, len(y))`,
      end: "loss(net(X), y).mean().item()"
    },
    mxnet: {
      head: "from d2lutils import mxnet as d2l\nfrom mxnet import autograd, gluon, np, npx\n\nnpx.set_np()",
      data: "X, y = np.array(points), np.array(classes)",
      param: value => `np.array(${value})`,
      after: "for param in params:\n    param.attach_grad()\n",
      relu: "npx.relu",
      tanh: "np.tanh",
      sigmoid: "npx.sigmoid",
      affine: (H, W, b) => `np.dot(${H}, ${W}) + ${b}`,
      fit: `loss = gluon.loss.SoftmaxCrossEntropyLoss()
for step in range(${steps}):
    with autograd.record():
        losses = loss(net(X), y)
    losses.backward()
    d2l.sgd(params, ${state.lr}, len(y))`,
      end: "loss(net(X), y).mean().item()"
    },
    tensorflow: {
      head: "import tensorflow as tf\nfrom d2lutils import tensorflow as d2l",
      data: "X, y = tf.constant(points, tf.float32), tf.constant(classes)",
      param: value => `tf.Variable(${value})`,
      relu: "tf.nn.relu",
      tanh: "tf.nn.tanh",
      sigmoid: "tf.nn.sigmoid",
      affine: (H, W, b) => `${H} @ ${W} + ${b}`,
      fit: `loss = tf.nn.sparse_softmax_cross_entropy_with_logits
for step in range(${steps}):
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(loss(y, net(X)))
    d2l.sgd(params, tape.gradient(total, params), ${state.lr}, len(y))`,
      end: "tf.reduce_mean(loss(y, net(X))).numpy()"
    },
    jax: {
      head: "import jax\nfrom d2lutils import jax as d2l\nfrom jax import numpy as jnp",
      data: "X, y = jnp.array(points, float), jnp.array(classes)",
      param: value => `jnp.array(${value})`,
      relu: "jax.nn.relu",
      tanh: "jnp.tanh",
      sigmoid: "jax.nn.sigmoid",
      affine: (H, W, b) => `${H} @ ${W} + ${b}`,
      fit: `def total_loss(params):
    log_p = jax.nn.log_softmax(net(params, X))
    return -jnp.take_along_axis(log_p, y[:, None], axis=1).sum()


for step in range(${steps}):
    grads = jax.grad(total_loss)(params)
    params = d2l.sgd(params, grads, ${state.lr}, len(y))`,
      end: "total_loss(params) / len(y)"
    }
  };
  const dialect = dialects[framework];
  const { affine } = dialect;
  const around = state.a === "none" ? "" : dialect[state.a];
  const body = state.h ? affine(`${around}(${affine("X", "W1", "b1")})`, "W2", "b2") : affine("X", "W", "b");
  const unpack = `    ${names.join(", ")} = params\n`;
  return `${dialect.head}

points = ${filled(
    rows(
      points.flatMap(([a, b]) => [a, b]),
      2
    )
  )}
classes = ${filled(points.map(point => String(point[2])))}
${dialect.data}
${names.map((name, k) => `${name} = ${dialect.param(firsts[k])}`).join("\n")}
params = [${names.join(", ")}]
${dialect.after || ""}

def net(${framework === "jax" ? "params, " : ""}X):
${framework === "jax" ? unpack : ""}    return ${body}


${dialect.fit}
print(f"loss {${dialect.end}:.3f}")
`;
};
