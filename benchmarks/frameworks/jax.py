"""The measurements in JAX, where training returns the parameters."""

import time

import jax

from benchmarks.work import Work


class Measured(Work):
    """A section in JAX, which has no loader of its own."""

    def finish(self):
        jax.block_until_ready(self.params)

    def train_epoch(self, batches):
        rest = batches, self.loss, self.updater
        found = self.d2l.train_epoch_ch3(self.net, self.params, *rest)
        self.names["params"] = found[0]

    def train(self, num_epochs):
        rest = self.train_iter, self.test_iter, self.loss, num_epochs, self.updater
        self.names["params"], _ = self.d2l.train_ch3(self.net, self.params, *rest)

    def evaluate(self):
        self.d2l.evaluate_accuracy(self.net, self.params, self.test_iter)

    def predict(self):
        self.d2l.predict_ch3(self.net, self.params, self.test_iter)

    def epoch(self):
        # Every training run compiles its step. We don't time that, so we first train on
        # one batch of each size.
        marks, seen = [], {len(y): (X, y) for X, y in self.train_iter}

        def passes():
            yield from seen.values()
            marks.append(time.perf_counter())
            yield from self.train_iter

        self.train_epoch(passes())
        self.finish()
        return time.perf_counter() - marks[0]

    def as_written(self, from_layers):
        jax.config.update("jax_disable_jit", True)

    def compile(self, from_layers):
        jax.config.update("jax_disable_jit", False)
        return True

    def plain(self):
        net, loss = self.net, self.loss

        @jax.jit
        def step(params, X, y):
            grads = jax.grad(lambda params: loss(net(params, X), y).mean())(params)
            return jax.tree_util.tree_map(lambda p, grad: p - 0.1 * grad, params, grads)

        self.step = vars(self).get("step", step)
        for X, y in self.ready:
            self.names["params"] = self.step(self.params, X, y)

    def use_built_in_relu(self):
        self.names["relu"] = jax.nn.relu
