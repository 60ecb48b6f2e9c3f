"""The tables of an evaluation: samples, scores, scores by class, differences; and those of two sets compared."""

from __future__ import annotations

from relaionet.manifests.tables.schema import STATUS, Table, columns

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


SHIFTS = Table(
    name="shifts",
    columns=columns(
        """
    one                 str   name of the first set, A
    other               str   name of the second set, B
    representation      str   extractor of the features compared; empty where pictures or files are
    metric              str   what is measured; `relaionet compare --help` lists them
    mix                 str   `equal`: as many pictures of each class; `any`: classes as they are; `all`: all of them
    part                str   wnid of the class; empty for the sets as wholes
    about               str   `both`: how far they are apart; `A` or `B`: of one of them; `A − B`: their difference
    value               f64   the number
    low                 f64   lower end of its 95 % interval; null where there is none
    high                f64   upper end
    floor               f64   the same of two random halves of both sets put together; null where none was made
    n                   i64   pictures of each set it is made from
    draws               i32   draws it is the mean of
    method              str   how the interval was found
    """
    ),
    key=("one", "other", "representation", "metric", "mix", "part", "about"),
)


PRINTS = Table(
    name="prints",
    columns=columns(
        """
    path                str   key: in the set's folder, with `/`; for a picture in a parquet file `<file>/<row>`
    image_sha256        str   of the bytes; null where they are no picture
    bytes_count         i64   length of the bytes
    width_px            i32   of the picture as it is shown
    height_px           i32   of the picture as it is shown
    phash               str   perceptual hash, 16 hex digits
    phash_mirrored      str   perceptual hash of the mirrored picture, 16 hex digits
    print               str   32 × 32 grey values, 2048 hex digits
    """
        + STATUS
    ),
    statuses={"ok": "a picture", "broken": "bytes that are no picture that can be decoded within the limits"},
    key=("path",),
)
