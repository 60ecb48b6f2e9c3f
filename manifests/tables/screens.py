"""The tables of the screens; see `tables`, which offers them all."""

from __future__ import annotations

from relaionet.manifests.tables.schema import STATUS, Table, columns

# what is measured where a recipe asks for it
_ASKED = ("unsafe_picture_score", "faces_count", "faces_frac")
_REFERENCE_NEAR = ("reference_near", "reference_near_cosine", "reference_near_distance")

MEASURED = Table(
    name="measured",
    columns=columns(
        """
    candidate_id        str   key
    phash_mirrored      str   64-bit perceptual hash (DCT) of the mirrored picture, 16 hex digits
    print               str   32 × 32 grey values of the picture, 2048 hex digits
    contrast            f32   standard deviation of the grey values, 0 to 127.5
    palette_frac        f32   share of the foreground in its 8 commonest of 4096 colours, 0 to 1
    flat_frac           f32   share of the foreground that is flat, 0 to 1
    saturation          f32   mean saturation of the foreground, 0 to 1
    clear_frac          f32   share of the picture that is transparent, 0 to 1
    unsafe_picture_score f32  probability of unsafe content by the recipe's classifier of pictures; null: none looked
    faces_count         i32   faces found in the picture; null: nobody looked for them
    faces_frac          f32   share of the picture that the largest of them covers, 0 to 1; null: none, or not looked
    """
    ),
    later=_ASKED,
)
_MEASURED_EVIDENCE = """
    side_px             i32   shorter side, measured
    aspect              f32   longer side / shorter side
    contrast            f32   standard deviation of the grey values, 0 to 127.5
    punsafe             f32   the source's probability of unsafe content, 0 to 1; null where it states none
    unsafe_score        f32   the recipe's classifier's or texts' probability of it, 0 to 1; null: not asked
    unsafe_picture_score f32  the recipe's classifier of pictures' probability of it, 0 to 1; null: none looked
    pwatermark          f32   the source's probability of a watermark, 0 to 1; null where it states none
    watermark_score     f32   the recipe's classifier's probability of one, 0 to 1; null: not asked
    palette_frac        f32   share of the foreground in its 8 commonest of 4096 colours, 0 to 1
    flat_frac           f32   share of the foreground that is flat, 0 to 1
    clear_frac          f32   share of the picture that is transparent, 0 to 1
    kind                str   what the encoder takes it for: photo, drawing, rendering, text, …; null: not asked
    photo_score         f32   the encoder's probability that it is a photo, 0 to 1; null: not asked
    looks_drawn         bool  flat and of few colours, or what the encoder takes for no photo; a hint, no status
    faces_count         i32   faces found in the picture; null: nobody looked for them
    faces_frac          f32   share of the picture that the largest of them covers, 0 to 1; null: none, or not looked
    shows_faces         bool  a face was found; a hint, no status; null: nobody looked
    same_bytes_count    i32   fetched rows with the very same bytes, this one included
    same_bytes_wnids    i32   classes that the captions of those name
"""
_COMPARED_EVIDENCE = """
    nearest_id          str   other candidate that is the same picture, or else the nearest by embedding; null: none
    nearest_cosine      f32   to that candidate, -1 to 1; null without an encoder
    phash_distance      i32   bits that differ from that candidate, straight or mirrored, 0 to 64
    correlation         f32   of the two laid over each other, -1 to 1; null where they are not the same
    detail              f32   of their detail, -1 to 1; null where they are not the same
    shared_frac         f32   area of the picture that shows more which the other shows too, 0.49 to 1; null as above
    is_mirrored         bool  the two are mirror images; null where they are not the same
    duplicate_of        str   the candidate that is kept instead
    reference           str   reference image this one matches (a leak), in the set that is named before the colon
    reference_cosine    f32   to that reference image, -1 to 1; null without an encoder
    reference_distance  i32   bits of the perceptual hash that differ from it, straight or mirrored, 0 to 64
    reference_detail    f32   correlation of the detail of the two laid over each other, -1 to 1
    leak_via            str   the candidate that matches the reference, where this one only matches that candidate
    reference_near      str   reference image nearest by embedding, the same or not; null without an encoder or a set
    reference_near_cosine f32 to that reference image, -1 to 1
    reference_near_distance i32 bits of the perceptual hash that differ from it, straight or mirrored, 0 to 64
"""
STATUSES = {
    "ok": "goes to review",
    "unsafe": "the source, a classifier or the encoder takes it for unsafe",
    "watermark": "the source or a classifier takes it for watermarked",
    "too_small": "too few pixels",
    "thin": "one side is far longer than the other",
    "plain": "next to no contrast",
    "placeholder": "stands for a picture that is not there: the same bytes serve for several classes",
    "leak": "the same picture as one of a reference set",
    "duplicate": "the same picture as a candidate that is kept",
    "drawing": "a drawing, rendering or other picture that is no photo",
    "faces": "a face was found in it",
    "text_in_image": "the picture shows the name of its class as text",
}

COMPARED = Table(
    name="compared",
    columns=columns("candidate_id        str   key" + _MEASURED_EVIDENCE + _COMPARED_EVIDENCE + STATUS),
    statuses={status: meaning for status, meaning in STATUSES.items() if status != "text_in_image"},
    later=(*_ASKED, "shows_faces", *_REFERENCE_NEAR),
)

TEXTS_READ = Table(
    name="texts_read",
    columns=columns(
        """
    candidate_id        str   key
    image_sha256        str   of the bytes that were read, hex
    texts               strs  lines of text found in the picture, best read first: a stranger's text
    text_scores         f32s  how sure the reader is of each line, 0 to 1
    text_fracs          f32s  share of the picture's area that each line covers, 0 to 1
    reader              str   fingerprint of the reader's models and settings
    """
    ),
    evidence=("texts", "text_scores", "text_fracs", "reader"),
)

SCREENED = Table(
    name="screened",
    columns=columns(
        "candidate_id        str   key"
        + _COMPARED_EVIDENCE
        + _MEASURED_EVIDENCE
        + """
    is_text_read        bool  the picture was searched for text; false where it was not asked or already ruled out
    text                str   the text read in it, lines parted by " / ": a stranger's text; null: none or not read
    text_frac           f32   share of the picture's area that text covers, 0 to 1; null: not read
    text_words          strs  words read that name the proposed class or the caption's
    text_words_frac     f32   share of the picture's area that the lines with those words cover; null: not read
    """
        + STATUS
    ),
    statuses=STATUSES,
    later=COMPARED.later,
)

REFERENCES = Table(
    name="references",
    columns=columns(
        """
    path                str   of the file in the folder of the set; key
    image_sha256        str   of its bytes, hex
    phash               str   64-bit perceptual hash (DCT), 16 hex digits; null where it is no picture
    settings            str   digest of encoder and settings it was embedded with
    """
        + STATUS
    ),
    statuses={"ok": "embedded", "broken": "the file is no picture that can be decoded within the limits"},
    key=("path",),
)
