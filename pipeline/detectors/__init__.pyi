from .classify import PictureClassifier, load_classifier
from .config import ClassifierConfig, FacesConfig
from .faces import find_faces
from .packaged import PACKAGES, find_packaged

__all__ = [
    "PACKAGES",
    "ClassifierConfig",
    "FacesConfig",
    "PictureClassifier",
    "find_faces",
    "find_packaged",
    "load_classifier",
]
