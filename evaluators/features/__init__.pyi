from .extract import Features, extract_features
from .extractors import DinoExtractor, EncoderExtractor, Extractor, InceptionExtractor, load_extractor
from .feature_sets import FeatureSet, extract_set
from .images import ArrayImages, FileImages, ImageSource, resize_image
from .models import Models, load_models
from .raters import Rater, rate_images
from .statistics import Statistics, export_statistics, make_statistics, read_statistics, write_statistics

__all__ = [
    "ArrayImages",
    "DinoExtractor",
    "EncoderExtractor",
    "Extractor",
    "FeatureSet",
    "Features",
    "FileImages",
    "ImageSource",
    "InceptionExtractor",
    "Models",
    "Rater",
    "Statistics",
    "export_statistics",
    "extract_features",
    "extract_set",
    "load_extractor",
    "load_models",
    "make_statistics",
    "rate_images",
    "read_statistics",
    "resize_image",
    "write_statistics",
]
