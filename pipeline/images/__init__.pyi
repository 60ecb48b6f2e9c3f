from .decode import FORMATS, BrokenImage, ImageFacts, open_image, read_facts
from .files import PictureLimits, Place, list_pictures, read_pictures
from .location import strip_position
from .perceptual_hash import phash_distance, phash_hex
from .picture import AS_SHOWN, Reading, read_picture
from .webdataset import find_shards, read_samples

__all__ = [
    "AS_SHOWN",
    "FORMATS",
    "BrokenImage",
    "ImageFacts",
    "PictureLimits",
    "Place",
    "Reading",
    "find_shards",
    "list_pictures",
    "open_image",
    "phash_distance",
    "phash_hex",
    "read_facts",
    "read_picture",
    "read_pictures",
    "read_samples",
    "strip_position",
]
