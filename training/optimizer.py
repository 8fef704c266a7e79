"""How a network learns: AdamW with warm-up and cosine decay, and a moving average of the weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from training.options import FitOptions


def compile_model(model: keras.Model, options: FitOptions, steps: int) -> None:
    """Give the model its loss and its optimizer, for a run of so many steps."""
    warmup = max(1, round(steps * options.warmup_fraction))
    peak = options.learning_rate * options.batch_size / 32
    schedule = keras.optimizers.schedules.CosineDecay(
        peak / 20, decay_steps=max(1, steps - warmup), warmup_target=peak, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=options.weight_decay,
        global_clipnorm=5.0,
        use_ema=options.ema_decay > 0,
        ema_momentum=options.ema_decay or 0.99,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=options.label_smoothing)
    # XLA makes a step four times slower on a CPU with TensorFlow; JAX has nothing else.
    model.compile(optimizer, loss, metrics=[], jit_compile=keras.backend.backend() == "jax")


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """The model with the moving average of its weights in place of those of the last step."""
    own = [np.array(variable) for variable in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    for variable in model.trainable_variables:  # a copy: JAX would give away the buffer that both share
        variable.assign(np.array(variable))
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)
