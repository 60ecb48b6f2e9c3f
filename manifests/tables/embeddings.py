"""What became of the pictures of a folder or of WebDataset shards that were embedded without a run."""

from __future__ import annotations

from relaionet.manifests.tables.schema import STATUS, Table, columns

EMBEDDED = Table(
    name="embedded",
    columns=columns(
        """
    image_path          str   key: path in the folder, or name of the archive and of the picture in it
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


DOWNLOADS = Table(
    name="downloads",
    columns=columns(
        """
    candidate_id        str   key
    url                 str   address asked for
    final_url           str   where its redirects led, passwords and signatures as ***; null where nothing answered
    http_code           i32   of the last answer; null where none came
    tries_count         i32   requests made for the row, in all fetches of it
    seconds             f64   they took, without waiting for the host's turn
    may_come_back       bool  the reason it failed may pass: no answer in time, HTTP 429 and 5xx, a lost connection
    image_sha256        str   of the bytes as served, hex; null where none came
    bytes_count         i64   length of the bytes as served
    width_px            i32   measured on the decoded image
    height_px           i32   measured on the decoded image
    format              str   jpeg, png, webp, gif, …, from the bytes, not the name
    is_animated         bool  more frames follow the first one, which is the picture
    phash               str   64-bit perceptual hash (DCT) of the decoded image, 16 hex digits
    path                str   of the stored bytes, relative to the images folder
    fetched_at          time  when the row was fetched, UTC
    settings            str   digest of the settings it was fetched under, 16 hex digits
    """
        + STATUS
    ),
    statuses={
        "ok": "bytes stored and decodable",
        "gone": "the server answered that it is not there, or the host is not there",
        "refused": "the server or this project's safety rules refused it",
        "slow": "not complete within the time limit",
        "broken": "bytes came but are no image that can be decoded within the limits",
    },
)


EMBEDDINGS = Table(
    name="embeddings",
    columns=columns(
        """
    candidate_id        str   key
    row                 i64   row of the shard's `img_emb_N.npy`; null where the image was not embedded
    phash               str   64-bit perceptual hash (DCT) of the decoded image, 16 hex digits
    thumbprint          str   16 × 16 grey values and 2 × 8 × 8 colour values of it, 768 hex digits
    fingerprint_version i32   of both hashes; null means 1
    note                str   what was left out of the decode; null where nothing
    """
        + STATUS
    ),
    statuses={"ok": "embedded", "broken": "the stored bytes could not be decoded"},
    later=("fingerprint_version", "note"),
)


HITS = Table(
    name="hits",
    columns=columns(
        """
    class_index         i32   class searched for, 0 to 999
    wnid                str   class searched for
    candidate_id        str   image found
    cosine              f32   of class text and image, -1 to 1
    rank                i32   0 is the nearest image of that class
    """
    ),
    key=("class_index", "candidate_id"),
)
