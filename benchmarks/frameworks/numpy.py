"""The same network by hand in NumPy, in float32, and its five matrix products alone.

There are two forward and three backward, because we need no gradient of the images.
"""

import statistics

import numpy as np

from benchmarks.work import Work
from d2lutils import fashion_mnist
from d2lutils.minibatches import Minibatches


class Measured(Work):
    """The network with its parameters, and the training images in batches."""

    def __init__(self, width=256, batch_size=256):
        data = fashion_mnist.load()
        arrays = data.train_images, data.train_labels
        batches = Minibatches(*arrays, batch_size, True, to_tensors=lambda *both: both)
        super().__init__({"train_iter": batches})
        rng = np.random.default_rng(0)
        self.W1 = rng.normal(0, 0.01, (784, width)).astype(np.float32)
        self.b1 = np.zeros(width, np.float32)
        self.W2 = rng.normal(0, 0.01, (width, 10)).astype(np.float32)
        self.b2 = np.zeros(10, np.float32)

    def train_epoch(self, batches):
        """Train for an epoch, and add up loss and accuracy as the library does."""
        total = right = 0
        for X, y in batches:
            n = np.arange(len(y))
            X = X.reshape(len(y), 784)
            H = np.maximum(X @ self.W1 + self.b1, 0)
            scores = H @ self.W2 + self.b2
            scores -= scores.max(axis=1, keepdims=True)
            P = np.exp(scores)
            S = P.sum(axis=1, keepdims=True)
            total += float((np.log(S[:, 0]) - scores[n, y]).sum())
            right += int((scores.argmax(axis=1) == y).sum())
            P /= S
            P[n, y] -= 1
            P *= np.float32(0.1 / len(y))
            D = (P @ self.W2.T) * (H > 0)
            self.W2 -= H.T @ P
            self.b2 -= P.sum(axis=0)
            self.W1 -= X.T @ D
            self.b1 -= D.sum(axis=0)

    def products(self, batches):
        """Measure the matrix products of an epoch, without making its batches."""
        rng, sizes = np.random.default_rng(0), [len(y) for _, y in batches]
        shapes = ((max(sizes), d) for d in (784, len(self.b1), 10))
        images, hidden, scores = (rng.random(shape, np.float32) for shape in shapes)

        def compute():
            for n in sizes:
                X, H, P = images[:n], hidden[:n], scores[:n]
                X @ self.W1
                H @ self.W2
                H.T @ P
                P @ self.W2.T
                X.T @ H

        return statistics.median(self.clock(compute) for _ in range(3))

    def by_hand(self):
        """Measure an epoch of training, and its matrix products."""
        train = self.epochs(self.train_iter, 2)[1]
        return {"train": train, "products": self.products(self.ready)}

    def growth(self, num_batches):
        products = self.products(self.ready[:num_batches])
        return super().growth(num_batches) | {"products": products}
