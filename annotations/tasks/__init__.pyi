from .page import InterfaceConfig, label_config, page_labels
from .pictures import stage_image, stage_images
from .tasks import TasksConfig, make_tasks

__all__ = [
    "InterfaceConfig",
    "TasksConfig",
    "label_config",
    "make_tasks",
    "page_labels",
    "stage_image",
    "stage_images",
]
