"""Every table of the row path: its columns, their types and what they mean, and the statuses a row can have.

A stage takes the rows that are still alive (status `ok` in the table before) and returns exactly those rows with a
status and a reason of its own, so rows in = sum over statuses at every stage and no row ever vanishes.
"""

from __future__ import annotations

from relaionet.manifests.candidate_tables import CANDIDATES, CHOSEN, NEIGHBOURS, PASSED_OVER, TEXT_MATCHES
from relaionet.manifests.proposal_tables import PROPOSALS, ROUTED
from relaionet.manifests.schema import (  # noqa: F401
    ALIVE,
    STATUS,
    Table,
    alive,
    check_table,
    columns,
    count_statuses,
    fill_later,
    shape_table,
)  # fmt: skip
from relaionet.manifests.screen_tables import COMPARED, MEASURED, REFERENCES, SCREENED, TEXTS_READ  # noqa: F401
from relaionet.manifests.split_tables import COMPARISONS, PICTURE_VECTORS, SPLIT

DOWNLOADS = Table(
    name="downloads",
    columns=columns(
        """
    candidate_id        str   key
    url                 str   address asked for
    final_url           str   where its redirects led; null where nothing answered
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
    """
        + STATUS
    ),
    statuses={"ok": "embedded", "broken": "the stored bytes could not be decoded"},
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

TASKS = Table(
    name="tasks",
    columns=columns(
        """
    candidate_id        str   key together with round
    round               i32   review round, from 1
    position            i32   place in the shuffled order, from 0
    proposed_wnid       str   class the reviewer is asked about
    runner_up_wnids     strs  next classes, best first
    is_control          bool  a hidden control with a known answer; never shown to reviewers
    control_wnid        str   its true class; null where it is no control
    image_path          str   relative to the folder of the images
    caption             str   a stranger's text, shown escaped
    answers_wanted_count i32  independent answers this round is to bring; null: as many as the recipe's overlap says
    """
    ),
    key=("candidate_id", "round"),
    later=("answers_wanted_count",),
)

DECISIONS = Table(
    name="decisions",
    columns=columns(
        """
    candidate_id        str   key
    round               i32   review round, from 1
    reviewer            str   stable pseudonym of the reviewer
    choice              str   yes, other, several, drawing, unsafe, broken, none or unsure
    other_wnid          str   the class chosen instead, where choice is `other`
    seconds             f64   time spent
    at                  time  when the answer was given or last changed, UTC
    annotation_id       i64   Label Studio's id of the answer; an answer changed later is a further row
    """
    ),
    key=("annotation_id", "at"),
)

VERDICTS = Table(
    name="verdicts",
    columns=columns(
        """
    candidate_id        str   key
    proposed_wnid       str   class that was asked about
    wnid                str   class the reviewers settled on; null where none
    votes_count         i32   answers counted
    yes_count           i32   answers for the settled class
    selection_frac      f64   yes_count / votes_count, 0 to 1
    confidence          f64   posterior of the settled answer given the reviewers' accuracy, 0 to 1
    reviewers           strs  pseudonyms of those who answered
    """
        + STATUS
    ),
    statuses={
        "accept": "settled on one class",
        "reject": "settled that it is no picture of one class",
        "again": "undecided: needs more answers",
    },
)

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

SAMPLES = Table(
    name="samples",
    columns=columns(
        """
    sample_id           str   candidate_id of the request's row, `-k` appended for the k-th sample of it
    class_index         i32   requested class, 0 to 999
    wnid                str   requested class
    seed                i64   of this sample alone: hash of (base seed, split, sample_id), 0 to 2^63 - 1
    nfe                 i32   forward calls of the network, measured
    row                 i64   row of `images.npy`; null where the sample failed
    """
        + STATUS
    ),
    statuses={"ok": "made", "failed": "the generator raised or returned something that is no image"},
    key=("sample_id",),
)

SCORES = Table(
    name="scores",
    columns=columns(
        """
    generator           str   registered name
    split               str   name of the split
    protocol            str   named set of choices; only equal protocols may be compared
    steps               i32   sampling steps asked for; 0 where the generator has none
    guidance            f64   guidance scale asked for; 1 is none
    nfe                 f64   mean forward calls per sample, measured
    metric              str   name of the metric
    value               f64   the metric
    low                 f64   lower end of the interval; null where there is none
    high                f64   upper end of the interval
    n                   i64   images scored
    method              str   how the interval was found
    made_with           str   first 12 digits of a digest of the protocol's choices and the models' weights
    """
    ),
    key=("generator", "split", "protocol", "steps", "guidance", "metric"),
)

CLASS_SCORES = Table(
    name="class_scores",
    columns=columns(
        """
    generator           str   registered name
    split               str   name of the split
    protocol            str   named set of choices; only equal protocols may be compared
    steps               i32   sampling steps asked for; 0 where the generator has none
    guidance            f64   guidance scale asked for; 1 is none
    kind                str   class, or group of classes
    part                str   wnid of the class, or name of the group
    metric              str   name of the metric
    value               f64   the metric over the part's images alone
    low                 f64   lower end of the interval; null where there is none
    high                f64   upper end of the interval
    n                   i64   images of the part
    method              str   how the interval was found
    """
    ),
    key=("generator", "split", "protocol", "steps", "guidance", "kind", "part", "metric"),
)

DIFFERENCES = Table(
    name="differences",
    columns=columns(
        """
    split               str   name of the split
    protocol            str   named set of choices
    metric              str   name of the metric
    one                 str   a scored set: generator, steps, guidance
    other               str   another, on the same requests
    difference          f64   value of one less value of other
    low                 f64   lower end of the interval of the difference
    high                f64   upper end
    p_value             f64   chance of so large a difference between sets that do not differ, 0 to 1
    p_holm              f64   the same, corrected for all pairs of sets under this metric (Holm)
    n                   i64   requests both answered
    """
    ),
    key=("split", "protocol", "metric", "one", "other"),
)

TABLES = {
    table.name: table
    for table in (
        NEIGHBOURS, CANDIDATES, PASSED_OVER, TEXT_MATCHES, CHOSEN, DOWNLOADS, EMBEDDINGS, HITS, PROPOSALS,
        MEASURED, COMPARED, TEXTS_READ, SCREENED,
        ROUTED, TASKS, DECISIONS, VERDICTS, MANIFEST, COMPARISONS, SPLIT, PICTURE_VECTORS,
        SAMPLES, SCORES, CLASS_SCORES, DIFFERENCES,
    )
}  # fmt: skip
