"""What is found out when a release is rebuilt: how each picture now served compares, and the verdict on each row."""

from __future__ import annotations

from relaionet.manifests.tables.schema import STATUS, Table, columns

EVIDENCE = """
    phash_distance      i32   bits that differ from the manifest's perceptual hash, 0 to 64
    luma_distance       f32   largest difference of grey in any of 16 × 16 cells, beyond what edges allow, 0 to 255
    chroma_distance     f32   largest difference of colour in any of 8 × 8 cells, 0 to 255
    contrast            f32   standard deviation of the 16 × 16 grey values of the picture now served, 0 to 127.5
    cosine              f32   of the two pictures' embeddings, -1 to 1; null where none was asked for
"""

PICTURE_VECTORS = Table(
    name="vectors",
    columns=columns(
        """
    candidate_id        str   key
    encoder             str   name of the encoder that made the vector
    fingerprint         str   of its weights and preprocessing
    vector              f32s  unit row, rounded to float16
"""
    ),
)

COMPARISONS = Table(
    name="comparisons",
    columns=columns(
        """
    candidate_id        str   key
    image_sha256        str   of the bytes now served
"""
        + EVIDENCE
    ),
)

SNAPSHOTS = Table(
    name="snapshots",
    columns=columns(
        """
    candidate_id        str   which row; key together with address and rank
    address             str   of the row, asked about
    rank                i32   0 is the snapshot nearest to the row's date; null where there is none
    snapshot            str   where the archive keeps the bytes as they were served; null where it holds none
    archived_at         time  when it took them, UTC
    asked_at            time  when it was asked, UTC
"""
        + STATUS
    ),
    statuses={
        "ok": "a snapshot",
        "none": "the archive holds none that could be the picture, or may not show it",
        "failed": "the archive did not answer; a later run asks again",
    },
    key=("candidate_id", "address", "rank"),
)

CHECKED = Table(
    name="checked",
    columns=columns(
        """
    candidate_id        str   key: a row of the sample
    wnid                str   label
    host                str   of the row's address; null where nobody knows one
    is_alive            bool  an address of the row answered with its picture
    checked_at          time  when it was asked last, UTC
    fetched_from        str   where the picture came from, if not from the row's `url`
"""
        + STATUS
    ),
    statuses={
        "exact": "the same bytes",
        "same_picture": "other bytes, the same picture",
        "changed": "another picture now",
        "gone": "could not be fetched",
        "withdrawn": "taken out of the set on request; never asked for",
    },
)

SPLIT = Table(
    name="split",
    columns=columns(
        """
    candidate_id        str   key
    wnid                str   label
    class_index         i32   label, 0 to 999
    wnids               strs  every class the picture shows, the label among them; null where it is the label alone
    path                str   image file relative to the split's folder; null where not kept
    aside_path          str   file of a picture that was fetched but is not kept, relative to the split's folder
    image_sha256        str   of the bytes now served; null where none came
    bytes_count         i64   length of the bytes now served; null where none came
    width_px            i32   of the picture now served
    height_px           i32   of the picture now served
    format              str   of the picture now served
"""
        + EVIDENCE
        + """
    http_code           i32   the server's last answer; null where none came
    may_come_back       bool  the reason may pass: `--retry` asks again; null where bytes came
    fetched_from        str   where the bytes came from, if not from the row's `url`: another address, or an archive's
    archived_at         time  when the archive took the snapshot they are from, UTC; null where they are from none
    kept                bool  part of the split under the policy asked for
    """
        + STATUS
    ),
    statuses={
        "exact": "the same bytes",
        "same_picture": "other bytes, the same picture",
        "changed": "another picture now",
        "gone": "could not be fetched",
        "withdrawn": "taken out of the set on request; never asked for, and its file is removed",
    },
    later=("wnids", "fetched_from", "archived_at"),
)
