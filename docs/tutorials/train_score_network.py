"""The score network of the tutorial "Is my corrected diffusion sampler right?".

    python train_score_network.py score_network.npz

runs in an environment of its own, which has jax, for half a minute, and writes six arrays of 1185
numbers. The data are 4000 draws of 0.3 N(-1.2, 0.25²) + 0.7 N(1, 0.4²), the noise is that of
dX = -X dt + √2 dW up to t = 3, and the loss is that of denoising score matching.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

DATA, WIDTH, BATCH, STEPS, RATE = 4000, 32, 512, 20_000, 3e-3
FIRST, LAST = 0.01, 3.0
"""Times of the noise."""


def draws(n, rng):
    """Draw from the mixture."""
    left = rng.random(n) < 0.3
    return np.where(left, -1.2 + 0.25 * rng.standard_normal(n), 1 + 0.4 * rng.standard_normal(n))


def network(weights, x, t):
    """Return s(t) times the score, but for -s(t) x: two hidden layers of x and the noise level."""
    w1, b1, w2, b2, w3, b3 = weights
    level = jnp.log(jnp.expm1(2 * t)) / 4  # log(s/a)/2
    hidden = jnp.tanh(jnp.stack([x, level], axis=-1) @ w1 + b1)
    hidden = jnp.tanh(hidden @ w2 + b2)
    return (hidden @ w3 + b3)[..., 0]


def loss(weights, data, key):
    """Return the mean of |s(t) score + z|² over noise z and times."""
    pick, noise, when = jax.random.split(key, 3)
    x0 = jax.random.choice(pick, data, (BATCH,))
    z = jax.random.normal(noise, (BATCH,))
    t = jax.random.uniform(when, (BATCH,), minval=FIRST ** (1 / 3), maxval=LAST ** (1 / 3)) ** 3
    s = jnp.sqrt(-jnp.expm1(-2 * t))
    x = jnp.exp(-t) * x0 + s * z
    return jnp.mean((network(weights, x, t) - s * x + z) ** 2)


def trained(data, seed):
    """Adam, with a rate that falls to zero like a cosine."""
    key = jax.random.PRNGKey(seed)
    sizes = [(2, WIDTH), (WIDTH, WIDTH), (WIDTH, 1)]
    weights = []
    for n, m in sizes:
        key, own = jax.random.split(key)
        weights += [jax.random.normal(own, (n, m)) / np.sqrt(n), jnp.zeros(m)]
    slope = jax.grad(loss)

    def step(state, number):
        weights, mean, square, key = state
        key, own = jax.random.split(key)
        g = slope(weights, data, own)
        mean = [0.9 * m + 0.1 * a for m, a in zip(mean, g, strict=True)]
        square = [0.999 * v + 0.001 * a * a for v, a in zip(square, g, strict=True)]
        rate = RATE * (1 + jnp.cos(jnp.pi * number / STEPS)) / 2
        rate *= jnp.sqrt(1 - 0.999 ** (number + 1.0)) / (1 - 0.9 ** (number + 1.0))
        weights = [
            w - rate * m / (jnp.sqrt(v) + 1e-8)
            for w, m, v in zip(weights, mean, square, strict=True)
        ]
        return (weights, mean, square, key), None

    zero = [jnp.zeros_like(w) for w in weights]
    run = jax.jit(lambda state: jax.lax.scan(step, state, jnp.arange(STEPS))[0])
    return run((weights, zero, zero, key))[0]


if __name__ == "__main__":
    data = jnp.asarray(draws(DATA, np.random.default_rng(0)))
    names = ("w1", "b1", "w2", "b2", "w3", "b3")
    made = dict(zip(names, trained(data, 1), strict=True))
    np.savez_compressed(sys.argv[1], **{name: np.float32(w) for name, w in made.items()})
