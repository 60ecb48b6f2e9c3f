from .encoder import save_encoder, train
from .encoder_card import check_encoder, write_card
from .samples import TrainConfig, draw_samples

__all__ = [
    "TrainConfig",
    "check_encoder",
    "draw_samples",
    "save_encoder",
    "train",
    "write_card",
]
