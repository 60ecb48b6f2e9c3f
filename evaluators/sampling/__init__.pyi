from .processes import sample_in_processes
from .sample import SamplingConfig, plan_shards, read_record, sample_generator
from .shards import ShardedImages, read_samples

__all__ = [
    "SamplingConfig",
    "ShardedImages",
    "plan_shards",
    "read_record",
    "read_samples",
    "sample_generator",
    "sample_in_processes",
]
