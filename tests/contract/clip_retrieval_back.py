"""What the contract test runs inside clip-retrieval's own environment; the package itself is as it was published.

back INDICES PORT MODEL_CONFIGS MODEL   index the embeddings where that was not done, then serve them
client URL INDEX                        its ClipClient: one JSON query per line in, one JSON answer per line out
infer TARS OUT MODEL_CONFIGS MODEL      its clip_inference, images and metadata
read EMBEDDINGS                         what its embedding_reader and its clip_index make of a folder, as JSON
"""

import importlib.util
import json
import sys
from pathlib import Path


def back(indices: str, port: str, configs: str, model: str) -> None:
    import flask
    import open_clip
    from clip_retrieval import clip_back, clip_index

    for folder in json.loads(Path(indices).read_text()).values():
        if not Path(folder).exists():
            clip_index(str(Path(folder).with_suffix(".embeddings")), folder, nb_cores=1)
    # it would listen on every address of the machine
    run = flask.Flask.run
    flask.Flask.run = lambda self, host=None, **options: run(self, host="127.0.0.1", **options)
    open_clip.add_model_config(configs)
    clip_back(
        indices_paths=indices, port=int(port), clip_model=model, use_jit=False, enable_mclip_option=False,
        provide_aesthetic_embeddings=False,
    )  # fmt: skip


def client(url: str, index: str) -> None:
    # the module alone: importing the package loads torch and more, which a client has no use for
    package = importlib.util.find_spec("clip_retrieval")
    spec = importlib.util.spec_from_file_location("clip_client", Path(package.origin).with_name("clip_client.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        clip = module.ClipClient(url + "/knn-service", index, aesthetic_weight=0.0, **asked.pop("options", {}))
        print(json.dumps(clip.query(**asked)), flush=True)


def infer(tars: str, out: str, configs: str, model: str) -> None:
    import open_clip
    from clip_retrieval.clip_inference.main import main as clip_inference

    open_clip.add_model_config(configs)
    clip_inference(
        tars, out, input_format="webdataset", enable_text=False, enable_metadata=True, clip_model=model, use_jit=False,
        batch_size=4, num_prepro_workers=1,
    )  # fmt: skip


def read(embeddings: str) -> None:
    from clip_retrieval import clip_index
    from embedding_reader import EmbeddingReader

    columns = ["url", "caption", "image_path"]
    reader = EmbeddingReader(
        f"{embeddings}/img_emb",
        metadata_folder=f"{embeddings}/metadata",
        meta_columns=columns,
        file_format="parquet_npy",
    )
    parts = list(reader(batch_size=5, show_progress=False))
    rows = [row for vectors, _ in parts for row in vectors.astype("float64").tolist()]
    about = [record for _, meta in parts for record in meta[columns].to_dict("records")]
    clip_index(embeddings, f"{embeddings}-index", nb_cores=1)
    import faiss

    index = faiss.read_index(f"{embeddings}-index/image.index")
    print(json.dumps({"rows": rows, "about": about, "indexed": index.ntotal}))


if __name__ == "__main__":
    {"back": back, "client": client, "infer": infer, "read": read}[sys.argv[1]](*sys.argv[2:])
