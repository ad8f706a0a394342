/* The code that the figure copies: the sum with its knots and weights, and its curve. */
"use strict";

bookInteractive.code.folds = (framework, state) => {
  const dialects = {
    pytorch: [
      "import torch\nfrom d2lutils import torch as d2l",
      "torch.tensor",
      "torch.relu",
      "torch.linspace(0, 2 * torch.pi, 400)",
      "H @ w"
    ],
    mxnet: [
      "from d2lutils import mxnet as d2l\nfrom mxnet import np, npx\n\nnpx.set_np()",
      "np.array",
      "npx.relu",
      "np.linspace(0, 2 * np.pi, 400)",
      "np.dot(H, w)"
    ],
    tensorflow: [
      "import tensorflow as tf\nfrom d2lutils import tensorflow as d2l",
      "tf.constant",
      "tf.nn.relu",
      "tf.linspace(0.0, 6.2831853, 400)",
      "tf.linalg.matvec(H, w)"
    ],
    jax: [
      "import jax\nfrom d2lutils import jax as d2l\nfrom jax import numpy as jnp",
      "jnp.array",
      "jax.nn.relu",
      "jnp.linspace(0, 2 * jnp.pi, 400)",
      "H @ w"
    ]
  };
  const [head, array, relu, range, product] = dialects[framework];
  const list = values => `[${values.map(v => (Number.isInteger(v) ? `${v}.0` : v)).join(", ")}]`;
  const column = framework === "tensorflow" ? "tf.reshape(x, (-1, 1))" : "x.reshape(-1, 1)";
  return (
    `${head}\n\nt = ${array}(${list(state.t)})\nw = ${array}(${list(state.w)})\nb = ${state.b}\n\n\n` +
    `def net(x):\n    H = ${relu}(${column} - t)\n    return ${product} + b\n\n\n` +
    `x = ${range}\nd2l.plot(x, [net(x)], xlabel="x")\n`
  );
};
