"""The tables of a lookup: where else the pictures of a release are seen, and how what is served there compares."""

from __future__ import annotations

from relaionet.manifests.tables.schema import STATUS, Table, columns
from relaionet.manifests.tables.splits import EVIDENCE as MEASURES

NEAR = Table(
    name="near",
    columns=columns(
        """
    candidate_id        str   row of the release; key together with url_id and place
    url_id              str   sha256 of the URL, hex
    url                 str   address of a picture near the row's
    place               str   name of the folder or address of the service that was searched
    rank                i32   0 is the nearest of that place
    cosine              f32   of the two pictures' embeddings, -1 to 1; null where a service does not say
    caption             str   alt text there: a stranger's text
    source_row          i64   row of the place; null where it does not say
    """
    ),
    key=("candidate_id", "url_id", "place"),
)

ADDRESSES = Table(
    name="addresses",
    columns=columns(
        """
    candidate_id        str   key: sha256 of the URL, hex
    url                 str   address that is asked what it serves
    """
    ),
)

COMPARED_ADDRESSES = Table(
    name="compared_addresses",
    columns=columns(
        """
    candidate_id        str   row of the release; key together with url_id
    url_id              str   sha256 of the URL, hex
    url                 str   address that was asked
    image_sha256        str   of the bytes served there; null where none came
    fetched_at          time  when they were fetched, UTC
    """
        + MEASURES
        + STATUS
    ),
    statuses={
        "exact": "the release's own bytes",
        "same_picture": "other bytes, the same picture",
        "changed": "near by its embedding, and another picture",
        "gone": "could not be fetched",
    },
    key=("candidate_id", "url_id"),
)

LOOKUP = Table(
    name="lookup",
    columns=columns(
        """
    candidate_id        str   key
    wnid                str   label
    url                 str   the best address found; of a row that is known the one it has
    other_urls          strs  further addresses of the same picture, best first; null where none was found
    verdict             str   exact or same_picture: what the best address serves; null where none was found
    phash_distance      i32   bits in which the perceptual hashes differ there, 0 to 64
    luma_distance       f32   largest difference of grey in any of 16 × 16 cells, beyond what edges allow, 0 to 255
    chroma_distance     f32   largest difference of colour in any of 8 × 8 cells, 0 to 255
    cosine              f32   of the two pictures' embeddings, -1 to 1; null where it was found without embeddings
    found_in            str   name of the folder, file or service the address is from
    found_row           i64   row there; null where it does not say
    caption             str   alt text there: a stranger's text
    served_sha256       str   of the bytes served there, hex
    served_at           time  when they were fetched, UTC
    addresses_count     i32   addresses that were looked at for the row because they are near it
    """
        + STATUS
    ),
    statuses={
        "ok": "an address serves the picture",
        "known": "the release has an address for it already",
        "no_picture": "its picture is not at hand, so nothing could be searched for",
        "not_near": "nothing near it was found",
        "changed": "what is near it was fetched, and is another picture",
        "gone": "what is near it could not be fetched",
    },
)
