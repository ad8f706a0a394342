"""The measurements in MXNet."""

from mxnet import autograd, gluon, nd, npx

from benchmarks.work import Work


class Measured(Work):
    """A section in MXNet."""

    def finish(self):
        nd.waitall()

    def compile(self, from_layers):
        if from_layers:  # a plain function cannot be compiled
            if not isinstance(self.net, gluon.nn.HybridSequential):
                layers = gluon.nn.HybridSequential()
                layers.add(*self.net)
                self.names["net"] = layers
            self.net.hybridize()
        return from_layers

    def counting(self):
        net = self.Net()
        net.add(gluon.nn.Dense(256, activation="relu"), gluon.nn.Dense(10))
        net.initialize()
        sgd = "sgd", {"learning_rate": 0.1}
        self.names |= {"net": net, "updater": gluon.Trainer(net.collect_params(), *sgd)}

    def plain(self):
        for X, y in self.ready:
            with autograd.record():
                losses = self.loss(self.net(X), y)
            losses.backward()
            self.updater(len(y))

    def use_built_in_relu(self):
        self.names["relu"] = npx.relu

    def loader(self, images, labels):
        dataset = gluon.data.ArrayDataset(images[:, None], labels)
        return gluon.data.DataLoader(dataset, 256, shuffle=True)
