from .batches import embed_batches
from .class_texts import TEMPLATE_SETS, Prototypes, embed_class_texts, make_prototypes
from .dataset import DatasetConfig, embed_samples
from .embed import EmbedConfig, embed_images, hash_images
from .encoders import Encoder, encoder_names, load_encoder, pick_device
from .open_clip import OpenClipEncoder, load_open_clip
from .published import embed_with_published, find_published
from .store import embedding_shards, read_embeddings, write_embeddings

__all__ = [
    "TEMPLATE_SETS",
    "DatasetConfig",
    "EmbedConfig",
    "Encoder",
    "OpenClipEncoder",
    "Prototypes",
    "embed_batches",
    "embed_class_texts",
    "embed_images",
    "embed_samples",
    "embed_with_published",
    "embedding_shards",
    "encoder_names",
    "find_published",
    "hash_images",
    "load_encoder",
    "load_open_clip",
    "make_prototypes",
    "pick_device",
    "read_embeddings",
    "write_embeddings",
]
