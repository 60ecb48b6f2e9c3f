from .config import ScreenConfig
from .duplicates import Reference, ReferenceSet, compare_pictures
from .encoder_scores import Scorers, load_scorers
from .heads import Head, load_head
from .pixel_measures import Measures, measure_picture, measure_pictures
from .plan import check_screens, screens_of
from .references import StoredReference, add_reference, open_reference
from .registration import match_prints, take_print
from .same_pictures import SamePictureConfig, find_same
from .screen import compare_images, finish_screens, screen_images
from .screens import Screen
from .text_naming import name_texts
from .text_reading import TextConfig, TextReader, read_texts

__all__ = [
    "Head",
    "Measures",
    "Reference",
    "ReferenceSet",
    "SamePictureConfig",
    "Scorers",
    "Screen",
    "ScreenConfig",
    "StoredReference",
    "TextConfig",
    "TextReader",
    "add_reference",
    "check_screens",
    "compare_images",
    "compare_pictures",
    "find_same",
    "finish_screens",
    "load_head",
    "load_scorers",
    "match_prints",
    "measure_picture",
    "measure_pictures",
    "name_texts",
    "open_reference",
    "read_texts",
    "screen_images",
    "screens_of",
    "take_print",
]
