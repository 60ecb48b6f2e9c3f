"""Tiny models with random weights in the layouts the Hub has them in, made by the libraries' own `save_pretrained`.

Each function takes a folder and fills it; they need transformers, diffusers or sentence-transformers and take about a
second each after the import. Weights come from one seed.
"""

from __future__ import annotations

from pathlib import Path

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "the", "crane", "dog", "cat", "tower"]


def make_text_model(folder: Path) -> None:
    """A one-layer BERT with its tokenizer: `AutoModel.from_pretrained`, `AutoTokenizer.from_pretrained`."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32,
    )  # fmt: skip
    BertModel(config).eval().save_pretrained(folder)
    words = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=32,
    )  # fmt: skip
    tokenizer.save_pretrained(folder)


def make_sentence_model(folder: Path, text_model: Path) -> None:
    """A sentence-transformers model (mean pooling) over `make_text_model`'s."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    words = Transformer(str(text_model), max_seq_length=32)
    SentenceTransformer(modules=[words, Pooling(16)], device="cpu").save(str(folder), create_model_card=False)


def make_unet_pipeline(folder: Path) -> None:
    """A DDPM pipeline (UNet and scheduler) of 8 x 8 images: `DDPMPipeline.from_pretrained`."""
    import torch
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(8, 8), norm_num_groups=4,
        down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, attention_head_dim=8,
    )  # fmt: skip
    DDPMPipeline(unet, DDPMScheduler(num_train_timesteps=10)).save_pretrained(folder)


def make_dit_pipeline(folder: Path) -> None:
    """A class-conditional DiT pipeline (transformer, VAE, scheduler) of 1000 classes: `DiTPipeline.from_pretrained`."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, DiTPipeline, DiTTransformer2DModel

    torch.manual_seed(0)
    transformer = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=1, sample_size=4,
        patch_size=2, num_embeds_ada_norm=1000, norm_type="ada_norm_zero",
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8,), down_block_types=("DownEncoderBlock2D",), up_block_types=("UpDecoderBlock2D",),
        norm_num_groups=4, latent_channels=4, sample_size=4,
    )  # fmt: skip
    DiTPipeline(transformer, vae, DDIMScheduler(num_train_timesteps=10)).save_pretrained(folder)


def make_consistency_pipeline(folder: Path) -> None:
    """A consistency model (UNet and scheduler) of 1000 classes, 8 x 8: `ConsistencyModelPipeline.from_pretrained`."""
    import torch
    from diffusers import CMStochasticIterativeScheduler, ConsistencyModelPipeline, UNet2DModel

    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(8, 8), norm_num_groups=4,
        down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, attention_head_dim=8,
        num_class_embeds=1000,
    )  # fmt: skip
    ConsistencyModelPipeline(unet, CMStochasticIterativeScheduler()).save_pretrained(folder)


def make_prompt_pipeline(folder: Path) -> None:
    """A Stable Diffusion pipeline (UNet, VAE, CLIP text tower) of 8 x 8 images: `DiffusionPipeline.from_pretrained`."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(8, 8), norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16, attention_head_dim=4,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8,), down_block_types=("DownEncoderBlock2D",), up_block_types=("UpDecoderBlock2D",),
        norm_num_groups=4, latent_channels=4, sample_size=8,
    )  # fmt: skip
    text = CLIPTextConfig(
        vocab_size=1000, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=77, projection_dim=16, bos_token_id=998, eos_token_id=999,
    )  # fmt: skip
    StableDiffusionPipeline(
        vae=vae, unet=unet, text_encoder=CLIPTextModel(text), tokenizer=make_clip_tokenizer(folder.parent),
        scheduler=DDIMScheduler(clip_sample=False, steps_offset=1), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip


def make_clip_tokenizer(folder: Path) -> object:
    """A CLIP tokenizer that knows single letters alone."""
    import json

    from transformers import CLIPTokenizer

    letters = [*"abcdefghijklmnopqrstuvwxyz,'-"]
    words = {word: index for index, word in enumerate([*letters, *(letter + "</w>" for letter in letters)])}
    words |= {"<|startoftext|>": 998, "<|endoftext|>": 999}
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)
