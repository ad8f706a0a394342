"""The measurements in MXNet."""

from mxnet import autograd, gluon, nd

from benchmarks.work import Work


class Measured(Work):
    """A section in MXNet."""

    def finish(self):
        nd.waitall()

    def compile(self, on):
        layers = isinstance(self.net, gluon.Block)  # else a function, as it stays
        if on and layers:
            compiled = gluon.nn.HybridSequential()
            compiled.add(*self.net)
            compiled.hybridize()
            self.net = compiled
        return layers or not on

    def plain(self):
        for X, y in self.ready:
            with autograd.record():
                losses = self.loss(self.net(X), y)
            losses.backward()
            self.updater(len(y))
