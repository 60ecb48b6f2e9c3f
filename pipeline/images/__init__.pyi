from .decode import FORMATS, BrokenImage, ImageFacts, open_image, read_facts
from .files import PictureLimits, Place, list_pictures, read_pictures
from .fingerprints import Fingerprints, take_fingerprints
from .location import strip_position
from .perceptual_hash import phash_distance, phash_hex
from .picture import find_oddities, read_as_published, read_picture, show_picture
from .webdataset import find_shards, read_samples

__all__ = [
    "FORMATS",
    "BrokenImage",
    "Fingerprints",
    "ImageFacts",
    "PictureLimits",
    "Place",
    "find_oddities",
    "find_shards",
    "list_pictures",
    "open_image",
    "phash_distance",
    "phash_hex",
    "read_as_published",
    "read_facts",
    "read_picture",
    "read_pictures",
    "read_samples",
    "show_picture",
    "strip_position",
    "take_fingerprints",
]
