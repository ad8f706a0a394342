"""The measurements in PyTorch."""

import torch

from benchmarks.work import Work


class Measured(Work):
    """A section in PyTorch."""

    def compile(self, from_layers):
        self.names["net"] = torch.compile(self.net)
        return True

    def plain(self):
        for X, y in self.ready:
            self.updater.zero_grad()
            self.loss(self.net(X), y).mean().backward()
            self.updater.step()

    def use_built_in_relu(self):
        self.names["relu"] = torch.relu

    def loader(self, images, labels):
        tensors = torch.from_numpy(images[:, None]), torch.from_numpy(labels)
        dataset = torch.utils.data.TensorDataset(*tensors)
        return torch.utils.data.DataLoader(dataset, 256, shuffle=True)
