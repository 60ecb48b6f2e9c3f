"""The table of a release: one row for every released picture."""

from __future__ import annotations

from relaionet.manifests.tables.schema import Table, columns

# of phash and thumbprint; `pipeline.images.fingerprints` says what each is
FINGERPRINT_VERSIONS = (1, 2)

MANIFEST = Table(
    name="manifest",
    columns=columns(
        """
    candidate_id        str   sha256 of the URL, or of `<image_sha256> <path>` where there is none, hex
    url                 str   where the image was seen; null for an image of a set that was adopted from a disk
    path                str   of an adopted image in the set's folder, with `/`; null where there is a URL
    image_sha256        str   of the bytes as served, hex
    phash               str   64-bit perceptual hash (DCT), 16 hex digits
    thumbprint          str   16 × 16 grey values and 2 × 8 × 8 colour values, 768 hex digits; null where not taken
    fingerprint_version i32   of both hashes; null means 1
    bytes_count         i64   length of the bytes
    width_px            i32   measured
    height_px           i32   measured
    format              str   jpeg, png, …
    wnid                str   the label: WordNet synset id
    class_index         i32   the label: 0 to 999 in sorted-wnid order
    class_name          str   the label in words, for reading only
    caption             str   alt text, unescaped
    votes_count         i32   answers counted; 0 where nobody was asked
    yes_count           i32   answers for this class
    selection_frac      f64   yes_count / votes_count; null where nobody was asked
    confidence          f64   posterior of the label given the reviewers' accuracy
    score               f32   probability of the label as proposed; null where people chose another one
    reviewers           strs  pseudonyms of those who answered
    source              str   file the row was read from
    source_row          i64   row number in that file
    fetched_at          time  when the bytes were fetched, UTC
    """
    ),
)
