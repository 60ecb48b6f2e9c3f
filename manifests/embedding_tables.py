"""What became of the pictures of a folder or of WebDataset shards that were embedded without a run."""

from __future__ import annotations

from relaionet.manifests.schema import STATUS, Table, columns

EMBEDDED = Table(
    name="embedded",
    columns=columns(
        """
    image_path          str   key: path in the folder, or the sample's key in its archive
    url                 str   where the picture came from; null where nothing says so
    row                 i64   row of the shard's `img_emb_N.npy`; null where the picture was not embedded
    """
        + STATUS
    ),
    statuses={"ok": "embedded", "broken": "no picture, or one that could not be decoded"},
    key=("image_path",),
)

PUBLISHED = Table(
    name="published",
    columns=columns(
        """
    candidate_id        str   key
    file                i64   number of the published shard that holds its row
    row                 i64   row in that shard's `img_emb_N.npy`
    """
    ),
)
