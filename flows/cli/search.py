"""`relaionet search` and `relaionet index`: embeddings on disk, searched by text, by picture or by one of their own."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli.options import FOLDER, LocalPath, start
from relaionet.flows.runs.console import echo
from relaionet.manifests.escape import one_line

UNITS = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}


class Bytes(click.ParamType):
    """A number of bytes: 4GB, 512MB or plain digits."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        if isinstance(value, int):
            return value
        text = value.strip().upper()
        number, unit = (text[:-2], UNITS[text[-2:]]) if text[-2:] in UNITS else (text, 1)
        try:
            return int(float(number) * unit)
        except ValueError:
            self.fail(f"'{value}' is no size; write 4GB, 512MB or a number of bytes.", param, ctx)


MEMORY = click.option(
    "--memory", type=Bytes(), default=0, help="Most memory to use, such as 4GB.  [default: half of what is free]"
)


@click.command()
@click.argument("store", type=FOLDER)
@click.option("--text", "texts", multiple=True, help="A text to search for; may be given again.")
@click.option("--image", "images", multiple=True, type=LocalPath(dir_okay=False),
              help="A picture file to search for.")  # fmt: skip
@click.option("--id", "candidate_ids", multiple=True, help="A candidate_id of the store, or the start of one.")
@click.option("--encoder", help="The encoder the embeddings were made with; needed for --text and --image.")
@click.option("--count", "-k", type=click.IntRange(min=1), default=10, show_default=True, help="Pictures per query.")
@click.option("--exact", is_flag=True, help="Compare with every row, even where there is an index.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda; for exact search.")
@click.option("--out", type=LocalPath(dir_okay=False), help="Write the table as parquet or CSV too.")
@MEMORY
@click.pass_context
def search(
    ctx: click.Context, store: Path, texts: tuple[str, ...], images: tuple[Path, ...], candidate_ids: tuple[str, ...],
    encoder: str | None, count: int, exact: bool, device: str, out: Path | None, memory: int,
) -> None:  # fmt: skip
    """Find the pictures of STORE nearest to a text, a picture or one of its own.

    STORE is a folder of embeddings in clip-retrieval's layout: RUN/embeddings/clip of a run, or what clip-retrieval
    itself made. It is read block by block, so it may be larger than memory.

    \b
    relaionet search runs/demo/embeddings/clip --text "a photo of a crane bird" --encoder miniature
    relaionet search laion/ --image cat.jpg --encoder ViT-B-32/openai -k 50 --out cats.csv
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    from relaionet.flows.search import Question, search_store
    from relaionet.manifests.files import write_atomic
    from relaionet.manifests.store import csv_bytes, parquet_bytes
    from relaionet.pipeline.retrieval.search import RetrieveConfig

    question = Question(texts=texts, images=images, candidate_ids=candidate_ids)
    config = RetrieveConfig(device=device, memory_bytes=memory)
    table = search_store(store, question, count, encoder=encoder, use_index=not exact, config=config)
    if out is not None:
        write_atomic(out, csv_bytes(table) if out.suffix == ".csv" else parquet_bytes(table))
    for (query,), found in table.group_by("query", maintain_order=True):
        echo(one_line(str(query)))
        for row in found.iter_rows(named=True):
            echo(
                f"{row['rank']:>4}  {row['cosine']:.4f}  {row['candidate_id'][:16]}  {one_line(row['url'] or '')}  "
                f"{one_line(row['caption'] or '')[:80]}"
            )


@click.group()
def index() -> None:
    """Make an index of a folder of embeddings, so that many questions are answered faster."""


@index.command("build")
@click.argument("store", type=FOLDER)
@click.option("--kind", default="auto", show_default=True, help="auto, ivf_flat or ivf_pq.")
@click.option("--recall", type=float, default=0.99, show_default=True, help="Share of the true nearest it must find.")
@click.option("--cells", type=int, default=0, help="Cells.  [default: about 4 times the square root of the rows]")
@click.option("--encoder", help="Measure recall with the texts of the 1000 classes, by this encoder.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the training sample and of k-means.")
@MEMORY
@click.pass_context
def index_build(
    ctx: click.Context, store: Path, kind: str, recall: float, cells: int, encoder: str | None, seed: int, memory: int
) -> None:
    """Make the index of STORE, in STORE/index; run again to continue where it was stopped.

    What kind fits is chosen from the number of rows, their width and the memory, and said with its reasons. Recall is
    measured against an exact search and kept with the index: with rows of the store as queries, or with class texts
    where an encoder is named. Texts are harder to serve than pictures; measure with what you will ask.
    """
    start(ctx)
    from relaionet.flows.search import make_store_index
    from relaionet.pipeline.retrieval.index_plan import IndexConfig

    config = IndexConfig(kind=kind, wanted_recall=recall, cells_count=cells, seed=seed, memory_bytes=memory)
    make_store_index(store, config, encoder=encoder)


@index.command("show")
@click.argument("store", type=FOLDER)
@click.pass_context
def index_show(ctx: click.Context, store: Path) -> None:
    """Say what the index of STORE is, why it was chosen, and what it finds."""
    start(ctx)
    from relaionet.flows.search import describe_store_index

    for line in describe_store_index(store):
        echo(line)
