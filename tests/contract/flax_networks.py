"""Run in flax's environment: small networks of MeanFlow's and iMF's layout, checkpoints of them, and what they answer.

    python flax_networks.py (meanflow | imf) (file | folder | store | arrays) FOLDER [TYPE]

Written from the published names and shapes of the parameters, beside which the authors' own modules were run once by
hand. The forms are what different versions of flax and orbax leave: one msgpack file; a folder with one (orbax 0.4,
which the caller puts on the path); an OCDBT store; a folder of zarr for each array. FOLDER gets `io.npz` too.
"""

import sys
from pathlib import Path

import flax
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.training import checkpoints

SIZE, WIDTH, HEADS, CLASSES, STEP = 8, 8, 2, 5, 7


class Wrapped(nn.Module):
    """A dense layer inside a module of its own, as the authors have it."""

    count: int
    bias: bool = True

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.count, use_bias=self.bias, name="_flax_linear")(x)


class Table(nn.Module):
    @nn.compact
    def __call__(self, label):
        return nn.Embed(CLASSES + 1, WIDTH, name="_flax_embedding")(label)


class Labels(nn.Module):
    @nn.compact
    def __call__(self, label):
        return Table(name="embedding_table")(label)


class Layers(nn.Module):
    """Numbered like flax's Sequential: SiLU has a number and no parameters."""

    counts: tuple

    @nn.compact
    def __call__(self, x):
        for place, count in enumerate(self.counts):
            x = nn.silu(x) if count is None else Wrapped(count, name=f"layers_{place}")(x)
        return x


class Scalar(nn.Module):
    @nn.compact
    def __call__(self, value):
        angle = value[:, None] * jnp.exp(-np.log(10000) * jnp.arange(128) / 128)
        waves = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)
        return Layers((WIDTH, None, WIDTH), name="mlp")(waves)


class Patches(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(WIDTH, (2, 2), (2, 2), name="proj")(x)
        return x.reshape(len(x), -1, WIDTH)


def unpatch(tokens):
    side = SIZE // 2
    x = tokens.reshape(-1, side, side, 2, 2, 4)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, SIZE, SIZE, 4)


def attend(q, k, v):
    """[N, T, heads, D / heads] each."""
    weights = jax.nn.softmax(jnp.einsum("nqhd,nkhd->nhqk", q, k) / np.sqrt(q.shape[-1]), axis=-1)
    return jnp.einsum("nhqk,nkhd->nqhd", weights, v).reshape(*q.shape[:2], WIDTH)


def norm(x):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-6)


class Attention(nn.Module):
    @nn.compact
    def __call__(self, x):
        q, k, v = jnp.split(Wrapped(3 * WIDTH, name="qkv")(x).reshape(*x.shape[:2], 3 * HEADS, -1), 3, axis=2)
        return Wrapped(WIDTH, name="proj")(attend(q, k, v))


class Mlp(nn.Module):
    @nn.compact
    def __call__(self, x):
        return Wrapped(WIDTH, name="fc2")(nn.gelu(Wrapped(4 * WIDTH, name="fc1")(x), approximate=True))


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, told):
        parts = jnp.split(Layers((None, 6 * WIDTH), name="adaLN_modulation")(told)[:, None], 6, axis=-1)
        shift, scale, gate, shift_2, scale_2, gate_2 = parts
        x = x + gate * Attention(name="attn")(norm(x) * (1 + scale) + shift)
        return x + gate_2 * Mlp(name="mlp")(norm(x) * (1 + scale_2) + shift_2)


class Blocks(nn.Module):
    count: int

    @nn.compact
    def __call__(self, x, told):
        for place in range(self.count):
            x = Block(name=f"layers_{place}")(x, told)
        return x


class Last(nn.Module):
    @nn.compact
    def __call__(self, x, told):
        shift, scale = jnp.split(Layers((None, 2 * WIDTH), name="adaLN_modulation")(told)[:, None], 2, axis=-1)
        return Wrapped(16, name="linear")(norm(x) * (1 + scale) + shift)


def positions():
    """Two halves for column and row, each sines, then cosines."""
    side = SIZE // 2
    place = np.arange(side * side)
    angles = [np.outer(at, 1 / 10000 ** (np.arange(WIDTH // 4) / (WIDTH // 4))) for at in (place % side, place // side)]
    return jnp.asarray(np.hstack([part for angle in angles for part in (np.sin(angle), np.cos(angle))]), jnp.float32)


class MeanFlow(nn.Module):
    @nn.compact
    def __call__(self, x, t, h, label, guidance):
        told = Scalar(name="t_embedder")(t) + Scalar(name="h_embedder")(h) + Labels(name="y_embedder")(label)
        tokens = Blocks(2, name="blocks")(Patches(name="x_embedder")(x) + positions(), told)
        return unpatch(Last(name="final_layer")(tokens, told))


class Rms(nn.Module):
    @nn.compact
    def __call__(self, x):
        kernel = self.param("kernel", nn.initializers.ones, (x.shape[-1],))
        return x / jnp.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * kernel


def turn(x):
    """Pairs of numbers turned by an angle that grows with the place; [N, T, heads, D]."""
    half = x.shape[-1] // 2
    angle = jnp.outer(jnp.arange(x.shape[1]), 1 / 10000 ** (jnp.arange(half) / half))[None, :, None]
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = [even * jnp.cos(angle) - odd * jnp.sin(angle), even * jnp.sin(angle) + odd * jnp.cos(angle)]
    return jnp.stack(turned, axis=-1).reshape(x.shape)


class TurnedAttention(nn.Module):
    @nn.compact
    def __call__(self, x):
        q, k, v = (
            Wrapped(WIDTH, bias=False, name=f"{name}_proj")(x).reshape(*x.shape[:2], HEADS, -1) for name in "qkv"
        )
        mixed = attend(turn(Rms(name="q_norm")(q)), turn(Rms(name="k_norm")(k)), v)
        return Wrapped(WIDTH, bias=False, name="out_proj")(mixed)


class GatedMlp(nn.Module):
    @nn.compact
    def __call__(self, x):
        inner = int(WIDTH * 8 / 3)
        gate = nn.silu(Wrapped(inner, bias=False, name="w1")(x))
        return Wrapped(WIDTH, bias=False, name="w2")(gate * Wrapped(inner, bias=False, name="w3")(x))


class PlainBlock(nn.Module):
    @nn.compact
    def __call__(self, x):
        gates = [self.param(f"{name}_scale", nn.initializers.zeros, (WIDTH,)) for name in ("attn", "mlp")]
        x = x + gates[0] * TurnedAttention(name="attn")(Rms(name="norm1")(x))
        return x + gates[1] * GatedMlp(name="mlp")(Rms(name="norm2")(x))


class PlainLast(nn.Module):
    @nn.compact
    def __call__(self, x):
        return Wrapped(16, name="linear")(Rms(name="norm")(x))


class Imf(nn.Module):
    @nn.compact
    def __call__(self, x, t, h, label, guidance):
        scale, low, high = guidance.T
        kinds = [
            ("class_tokens", 8, Labels(name="y_embedder")(label)),
            ("omega_tokens", 4, Scalar(name="omega_embedder")(1 - 1 / scale)),
            ("t_min_tokens", 2, Scalar(name="cfg_t_start_embedder")(low)),
            ("t_max_tokens", 2, Scalar(name="cfg_t_end_embedder")(high)),
            ("time_tokens", 4, Scalar(name="h_embedder")(h)),
        ]
        tokens = [
            self.param(name, nn.initializers.normal(), (count, WIDTH)) + told[:, None] for name, count, told in kinds
        ]
        x = jnp.concatenate([*tokens, Patches(name="x_embedder")(x)], axis=1)
        for place in range(2):
            x = PlainBlock(name=f"shared_blocks_{place}")(x)
        u = PlainBlock(name="u_heads_0")(x)
        v = PlainBlock(name="v_heads_0")(x)
        u, _ = PlainLast(name="u_final_layer")(u[:, 20:]), PlainLast(name="v_final_layer")(v[:, 20:])
        return unpatch(u)


def save(folder, state, form):
    import orbax.checkpoint

    if form == "file":
        flax.config.update("flax_use_orbax_checkpointing", False)
        checkpoints.save_checkpoint(folder, state, STEP)
    elif form in ("folder", "store"):
        checkpoints.save_checkpoint_multiprocess(folder, state, STEP)
    else:
        orbax.checkpoint.PyTreeCheckpointer(use_ocdbt=False).save(f"{folder}/{STEP}", state)


def main(name, form, folder, kind="float32"):
    network = {"meanflow": MeanFlow, "imf": Imf}[name]()
    rng = np.random.default_rng(0)
    told = {
        "x": rng.normal(size=(3, SIZE, SIZE, 4)), "t": np.array([1.0, 0.7, 0.2]), "h": np.array([1.0, 0.3, 0.0]),
        "guidance": np.array([[7.0, 0.4, 0.65], [1.0, 0.0, 1.0], [3.0, 0.1, 0.9]]),
    }  # fmt: skip
    told = {key: value.astype(np.float32) for key, value in told.items()} | {"label": np.array([0, 3, CLASSES])}
    arguments = [told[key] for key in ("x", "t", "h", "label", "guidance")]
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), *arguments))["params"]
    average = jax.tree_util.tree_map(lambda one: (0.3 * rng.normal(size=one.shape)).astype(kind), shapes)
    answer = network.apply({"params": jax.tree_util.tree_map(lambda one: one.astype(np.float32), average)}, *arguments)
    # what was trained differs from its average, and is not whole, as it is not what is asked for
    trained = {"net": {"x_embedder": jax.tree_util.tree_map(np.zeros_like, average["x_embedder"])}}
    Path(folder).mkdir(parents=True, exist_ok=True)
    save(str(Path(folder).resolve()), {"step": STEP, "params": trained, "ema_params": {"net": average}}, form)
    np.savez(f"{folder}/io.npz", **told, answer=np.asarray(answer))


if __name__ == "__main__":
    import ml_dtypes  # noqa: F401  teaches numpy the name bfloat16

    main(*sys.argv[1:])
