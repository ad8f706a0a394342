"""The measurements in TensorFlow."""

import tensorflow as tf

from benchmarks.work import Work


class Measured(Work):
    """A section in TensorFlow."""

    def compile(self, on):
        keras = isinstance(self.net, tf.keras.Model)
        tf.config.run_functions_eagerly(keras and not on)
        if on and not keras:  # d2lutils compiles Keras models
            self.net, self.loss = tf.function(self.net), tf.function(self.loss)
        return True

    def plain(self):
        for X, y in self.ready:
            with tf.GradientTape() as tape:
                losses = self.loss(self.net(X), y)
            self.updater(len(y), tape.gradient(losses, self.params))
