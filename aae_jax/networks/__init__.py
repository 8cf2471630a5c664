"""The paper's multilayer perceptrons and a convolutional pair, behind `Network(init, apply)`.

Flax is used here and nowhere else. A network's inputs are concatenated, so that noise, labels or categories can
stand beside an image or a code: `network.apply(variables, image, noise)`.

What is where: `layers` (what all share), `perceptron` (`mlp`, `linear`), `convolutional` (encoder and decoder).
"""

from aae_jax.networks.convolutional import convolutional_decoder, convolutional_encoder
from aae_jax.networks.layers import he, normal
from aae_jax.networks.perceptron import linear, mlp

__all__ = ["convolutional_decoder", "convolutional_encoder", "he", "linear", "mlp", "normal"]
