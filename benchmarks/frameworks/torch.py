"""The measurements in PyTorch."""

import torch

from benchmarks.work import Work


class Measured(Work):
    """A section in PyTorch."""

    def compile(self, on):
        self.net = torch.compile(self.net) if on else self.net
        return True

    def plain(self):
        for X, y in self.ready:
            self.updater.zero_grad()
            self.loss(self.net(X), y).mean().backward()
            self.updater.step()
