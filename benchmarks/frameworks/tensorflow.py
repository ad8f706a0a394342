"""The measurements in TensorFlow."""

import tensorflow as tf

from benchmarks.work import Work


class Measured(Work):
    """A section in TensorFlow."""

    def as_written(self, from_layers):
        tf.config.run_functions_eagerly(from_layers)

    def compile(self, from_layers):
        tf.config.run_functions_eagerly(False)
        if not from_layers:
            self.names["net"] = tf.function(self.net)
            self.names["loss"] = tf.function(self.loss)
        return True

    def plain(self):
        for X, y in self.ready:
            with tf.GradientTape() as tape:
                losses = self.loss(self.net(X), y)
            self.updater(len(y), tape.gradient(losses, self.params))

    def use_built_in_relu(self):
        self.names["relu"] = tf.nn.relu

    def loader(self, images, labels):
        dataset = tf.data.Dataset.from_tensor_slices((images[..., None], labels))
        return dataset.shuffle(60000).batch(256)
