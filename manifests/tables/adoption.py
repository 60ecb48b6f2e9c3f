"""What is found when an image set on a disk is adopted: every file in it, with what it is or why it is none."""

from __future__ import annotations

from relaionet.manifests.tables.schema import STATUS, Table, columns

PICTURES = Table(
    name="pictures",
    columns=columns(
        """
    path                str   key: in the set's folder, with `/`; for a picture in a parquet file `<file>/<row>`
    bytes_count         i64   length of the bytes
    image_sha256        str   of the bytes; null where they could not be read
    phash               str   64-bit perceptual hash (DCT), 16 hex digits
    thumbprint          str   16 × 16 grey values and 2 × 8 × 8 colour values, 768 hex digits
    fingerprint_version i32   of both hashes; null means 1
    note                str   what was left out of the decode; null where nothing
    width_px            i32   measured
    height_px           i32   measured
    format              str   jpeg, png, … from the bytes, not the name
    """
        + STATUS
    ),
    statuses={"ok": "a picture", "broken": "bytes that are no picture that can be decoded within the limits"},
    key=("path",),
    later=("fingerprint_version", "note"),
)

ADOPTED = Table(
    name="adopted",
    columns=columns(
        """
    path                str   key: in the set's folder, with `/`
    folder              str   what says its class: name of its folder, label number, or number of its file
    wnid                str   class it is adopted as; null where it is not adopted
    class_index         i32   the same, 0 to 999
    candidate_id        str   its id in the release; null where it is not adopted
    image_sha256        str   of the bytes
    same_bytes_as       str   path of the first file with the same bytes; null where it is the first
    same_bytes_wnid     str   that file's class, where it is another one
    wnids               strs  every class it shows, where the set names more than one; else null
    could_be            strs  the classes its folder may mean, where that is more than one; else null
    probabilities       f32s  of each of them, by the encoder that was named; null where none looked
    decided_by          str   `encoder`, where it was sure, or `mapping`; null where the folder means one class
    """
        + STATUS
    ),
    statuses={
        "ok": "in the release",
        "broken": "bytes that are no picture that can be decoded within the limits",
        "skipped": "left out by the mapping file, or no picture by its name, hidden, or a link",
        "unlabelled": "the set says no class for it",
        "withdrawn": "an older version of the release says it is to be left out",
    },
    key=("path",),
    later=("wnids", "could_be", "probabilities", "decided_by"),
)

CHOICES = Table(
    name="choices",
    columns=columns(
        """
    path                str   key: in the set's folder, with `/`
    could_be            strs  the classes its folder may mean
    probabilities       f32s  of each of them; null where the picture could not be embedded
    wnid                str   the one it shows; null where none is probable enough
    """
    ),
    key=("path",),
)

ROW_LABELS = Table(
    name="row_labels",
    columns=columns(
        """
    path                str   key: as in PICTURES
    name                str   of the picture itself, as the set gives it; empty where it has none
    labels              strs  what the column of labels says, numbers as text
    words               strs  what the column of texts beside it says
    """
    ),
    key=("path",),
)
