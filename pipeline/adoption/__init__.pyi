from .adopt import AdoptConfig, Adoption, label_pictures, make_adopted_manifest, plan_adoption
from .class_names import find_classes, names_to_classes
from .layouts import Layout, find_layout
from .mapping import apply_mapping, read_mapping, write_template
from .real_labels import choose_label, read_real_labels

__all__ = [
    "AdoptConfig",
    "Adoption",
    "Layout",
    "apply_mapping",
    "choose_label",
    "find_classes",
    "find_layout",
    "label_pictures",
    "make_adopted_manifest",
    "names_to_classes",
    "plan_adoption",
    "read_mapping",
    "read_real_labels",
    "write_template",
]
