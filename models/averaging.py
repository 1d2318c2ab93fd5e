"""A running mean of the weights while they are trained (B. Polyak, A. Juditsky, 1992)."""

import tensorflow as tf
import tf_keras


class WeightAverage(tf_keras.callbacks.Callback):
    """A running mean of the trainable weights, taken after every step; decay 0 is the weights themselves."""

    def __init__(self, network: tf_keras.Model, decay: float) -> None:
        super().__init__()
        self._weights = network.trainable_variables
        self._decay = decay
        self.state = [tf.Variable(weight, trainable=False) for weight in self._weights] if decay else []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Move the means towards the weights; early on faster, so that the start does not linger."""
        if self.state:
            step = tf.cast(self.model.optimizer.iterations, tf.float32)
            self._update(tf.minimum(self._decay, (1 + step) / (10 + step)))

    @tf.function
    def _update(self, decay: tf.Tensor) -> None:
        for mean, weight in zip(self.state, self._weights, strict=True):
            mean.assign(mean * decay + weight * (1 - decay))

    def swap(self) -> None:
        """Exchange the weights and their means, if there are any."""
        if not self.state:
            return
        for mean, weight in zip(self.state, self._weights, strict=True):
            kept = weight.numpy()
            weight.assign(mean)
            mean.assign(kept)
