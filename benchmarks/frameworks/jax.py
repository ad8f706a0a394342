"""The measurements in JAX."""

import functools

import jax

from benchmarks.work import Work


class Measured(Work):
    """A section in JAX, where training takes the parameters and returns new ones."""

    @property
    def model(self):
        return self.net, self.params

    def finish(self):
        jax.block_until_ready(jax.live_arrays())

    def compile(self, on):
        jax.config.update("jax_disable_jit", not on)
        return True

    @functools.partial(jax.jit, static_argnums=0)
    def step(self, params, X, y):
        """Return the parameters after a plain step."""

        def mean_loss(params):
            return self.loss(self.net(params, X), y).mean()

        grads = jax.grad(mean_loss)(params)
        return jax.tree_util.tree_map(lambda p, grad: p - 0.1 * grad, params, grads)

    def plain(self):
        for X, y in self.ready:
            self.params = self.step(self.params, X, y)
