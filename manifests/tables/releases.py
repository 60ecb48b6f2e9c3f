"""The tables of a release: one row for every released picture, what is known of each, and what was withdrawn."""

from __future__ import annotations

from relaionet.manifests.tables.schema import Table, columns

# of phash and thumbprint; `pipeline.images.fingerprints` says what each is
FINGERPRINT_VERSIONS = (1, 2)

MANIFEST = Table(
    name="manifest",
    columns=columns(
        """
    candidate_id        str   sha256 of the URL, or of `<image_sha256> <path>` where there is a path, hex
    url                 str   where the image was seen; null for an adopted image whose address nobody knows
    other_urls          strs  further addresses of the same picture, best first; null where none is known
    path                str   of an adopted image in the set's folder, with `/`; null where there is none
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
    wnids               strs  every class the picture shows, the label among them; null where it is the label alone
    caption             str   alt text, unescaped
    votes_count         i32   answers counted; 0 where nobody was asked
    yes_count           i32   answers for this class
    selection_frac      f64   yes_count / votes_count; null where nobody was asked
    confidence          f64   posterior of the label given the reviewers' accuracy
    score               f32   probability of the label as proposed; null: not known, or people chose another one
    reviewers           strs  pseudonyms of those who answered
    source              str   file the row was read from
    source_row          i64   row number in that file
    fetched_at          time  when the bytes were fetched, UTC
    is_core             bool  its address answered with the picture at every check there was; null where none was
    """
    ),
    later=("thumbprint", "path", "fingerprint_version", "other_urls", "wnids", "is_core"),
)

EVIDENCE = Table(
    name="evidence",
    columns=columns(
        """
    candidate_id        str   which row; key together with step and fact
    step                str   what found it: the name of a screen, `proposals`, `lookup`, …
    fact                str   what was found: a name as in the table of that step
    value               str   its value as JSON
    """
    ),
    key=("candidate_id", "step", "fact"),
)

WITHDRAWN = Table(
    name="withdrawn",
    columns=columns(
        """
    kind                str   what is withdrawn: url, host, image_sha256 or candidate_id; key together with value
    value               str   the URL, the host's name (all hosts below it too), or 64 hex digits
    since               str   day it was withdrawn, as 2026-11-30
    why                 str   in words; null where no reason was given
    """
    ),
    key=("kind", "value"),
)
