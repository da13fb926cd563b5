"""Chains of BlackJAX that the notebook "judge your sampler" judges.

    python chains.py FILE

runs in an environment of its own, which has blackjax, and writes two arrays (chains, draws, 2).
"""

import sys

import blackjax
import jax
import jax.numpy as jnp
import numpy as np

CHAINS, DRAWS, WARMUP = 8, 1500, 100
STEP, APART = 0.02, 20
"""Step of unadjusted Langevin dynamics, and how many steps lie between two of its draws."""


def log_prob(x):
    """Two wells in x, and y near x."""
    return -2.0 * (x[0] ** 2 - 1) ** 2 - (x[1] - x[0]) ** 2


def chains(init, step, apart, key):
    """Independent chains, of draws that are some steps apart."""

    def chain(key):
        first, rest = jax.random.split(key)
        keys = jax.random.split(rest, (WARMUP + DRAWS) * apart)
        state = init(jax.random.normal(first, (2,)))
        return jax.lax.scan(step, state, keys)[1][WARMUP * apart :: apart]

    return jax.jit(jax.vmap(chain))(jax.random.split(key, CHAINS))


nuts = blackjax.nuts(log_prob, step_size=0.3, inverse_mass_matrix=jnp.ones(2))
sgld = blackjax.sgld(lambda x, batch: jax.grad(log_prob)(x))


def nuts_step(state, key):
    """One trajectory."""
    state, _ = nuts.step(key, state)
    return state, state.position


def langevin_step(x, key):
    """One step of unadjusted Langevin dynamics."""
    x = sgld.step(key, x, None, STEP)
    return x, x


if __name__ == "__main__":
    made = {
        "nuts": chains(nuts.init, nuts_step, 1, jax.random.PRNGKey(1)),
        "langevin": chains(lambda x: x, langevin_step, APART, jax.random.PRNGKey(2)),
    }
    np.savez_compressed(sys.argv[1], **{name: np.float32(x) for name, x in made.items()})
