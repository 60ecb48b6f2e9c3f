"""A script around a model's own code, to start one of your own from: `relaionet generators script > my_model.py`.

It runs in the environment the model needs, which need not hold this project; `job.py` lies beside it.
"""

import numpy as np
from job import Job

job = Job()
for batch in job.batches(8):
    # put the model here: a request has sample_id, class_index, wnid, class_name, prompt and a seed of its own
    images = np.stack(
        [np.random.default_rng(request["seed"]).integers(0, 256, (64, 64, 3), np.uint8) for request in batch]
    )
    calls = [job.steps] * len(batch)  # count them: `Counter(network)` of job.py does
    job.save(batch, images, calls)
job.finish(versions={"numpy": np.__version__})
