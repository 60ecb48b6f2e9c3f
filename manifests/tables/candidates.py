"""The tables from a source row to the choice of what is fetched; see `tables`, which offers them all."""

from __future__ import annotations

from relaionet.manifests.tables.schema import STATUS, Table, columns

# of a caption that are read, where no recipe says otherwise
CAPTION_CHARS = 10_000

NEIGHBOURS = Table(
    name="neighbours",
    columns=columns(
        """
    candidate_id        str   sha256 of the URL, hex; where there is none, of the place in the answer
    url                 str   where the image was seen; null where the answer has none
    caption             str   alt text, unescaped: a stranger's text
    wnid                str   class that was searched for
    query               str   text_search or image_search
    asked               str   the text, or the file name of the picture, that was searched with
    rank                i32   0 is the nearest of that search
    cosine              f32   of the query and the image, -1 to 1, as the service says; null where it does not
    width_px            i32   as the service says, not measured
    height_px           i32   as the service says, not measured
    punsafe             f32   the service's probability of unsafe content, 0 to 1
    pwatermark          f32   the service's probability of a watermark, 0 to 1
    source              str   index that was searched
    source_row          i64   row in that index; null where the answer has none
    """
        + STATUS
    ),
    statuses={
        "ok": "found; together with class and kind of search the only such row",
        "repeated": "a nearer result of the same class and kind of search has the same URL",
        "malformed": "the answer's row is not what the service promises",
        "failed": "the service has no answer to this query; a later run asks again",
    },
    key=(),  # one row per result of every query
)

CANDIDATES = Table(
    name="candidates",
    columns=columns(
        """
    candidate_id        str   sha256 of the URL, hex; the id of the row from here to the scores
    url                 str   where the image was seen; null where the source row has none
    caption             str   alt text of the source row, unescaped: a stranger's text
    wnid                str   the one class named in the caption; null where none or two are
    lemma               str   the words of the caption that matched
    other_wnids         strs  all classes named in the caption, where two or more are
    possible_wnids      strs  classes a word of the caption may name that may also mean something else; the text decides
    found_by            strs  lemma, text_search, image_search: how the row became a candidate
    sought_wnids        strs  classes whose search in an image index found the row
    width_px            i32   as the source says, not measured
    height_px           i32   as the source says, not measured
    punsafe             f32   the source's probability of unsafe content, 0 to 1
    pwatermark          f32   the source's probability of a watermark, 0 to 1
    source              str   file the row was read from
    source_row          i64   row number in that file, from 0
    """
        + STATUS
    ),
    statuses={
        "ok": "a label candidate",
        "no_label": "the caption names no class",
        "two_labels": "the caption names two or more classes",
        "too_small": "the source says the image is too small",
        "unsafe": "the source's unsafe probability is too high",
        "watermark": "the source's watermark probability is too high",
        "bad_url": "the URL is missing, too long or is not http(s)",
        "bad_text": "the caption is not text in UTF-8, too long or holds control characters",
        "malformed": "the line of the source's file is no row",
        "repeated": "an earlier row that is alive has the same URL",
    },
    key=(),  # a URL may stand in several rows; of those that pass every other rule all but the first are `repeated`
)

PASSED_OVER = Table(
    name="passed_over",
    columns=columns(
        """
    source              str   file the rows were read from
    rows_count          i64   rows counted
    """
        + STATUS
    ),
    statuses={status: meaning for status, meaning in CANDIDATES.statuses.items() if status != "ok"},
    key=("source", "status", "reason"),  # rows of a large source that name no class: counted, not kept one by one
)

TEXT_MATCHES = Table(
    name="text_matches",
    columns=columns(
        """
    candidate_id        str   key
    wnid                str   class the caption is about; null where it names none or the image is to decide
    cosine              f32   of the caption and the text of that class, -1 to 1; null where not compared
    margin              f32   cosine minus that of the next possible class; null where there is one class only
    """
        + STATUS
    ),
    statuses={
        "ok": "goes on to the choice",
        "dissimilar": "the caption is not about the class its words name",
        "ambiguous": "the caption's words name several classes and the text does not decide",
    },
)

CHOSEN = Table(
    name="chosen",
    columns=columns(
        """
    candidate_id        str   key
    wnid                str   class the row counts for; null where the image is to decide
    place               i32   place in the order of choice of its class, from 0
    stratum             i32   part of its class by text similarity it was taken from, 0 the least similar
    """
        + STATUS
    ),
    statuses={
        "ok": "is fetched",
        "over_budget": "its class is full",
    },
)
