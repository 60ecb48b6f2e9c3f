"""The tables between an embedding and a review task; see `tables`, which offers them all."""

from __future__ import annotations

from relaionet.manifests.tables.schema import STATUS, Table, columns

PROPOSALS = Table(
    name="proposals",
    columns=columns(
        """
    candidate_id        str   key
    wnid                str   proposed class; null where unclear
    class_index         i32   proposed class, 0 to 999; null where unclear
    tier                str   agree, picture, caption, disagree or unclear: what the proposal rests on
    label_score         f32   probability of the best class or group, given picture and caption, 0 to 1; null: not known
    label_margin        f32   that less the probability of the next class outside the group, 0 to 1
    least_score         f32   least label_score at which this class is proposed, 0 to 1
    class_group         str   group of classes that a picture cannot tell apart; null where the class is in none
    group_wnids         strs  members of that group, best first
    member_score        f32   probability of the best class alone, given picture and caption; label_score in no group
    score               f32   probability of the nearest class given the picture alone, 0 to 1; null: not known
    margin              f32   score minus the score of the second class, 0 to 1
    top_wnids           strs  nearest classes, best first
    top_scores          f32s  their probabilities given the picture alone
    caption_wnid        str   the class the caption names; null where it names none or several
    caption_wnids       strs  all classes it names, or may name
    caption_score       f32   their probability given the picture alone; null where it names none
    agrees_with_caption bool  the nearest class or its group is among them; null where the caption names none
    hit_rank            i32   place of the picture in the search for the best class, from 0; null where not found
    calibration         str   digest of the calibration the probabilities are from, 16 hex digits
    """
        + STATUS
    ),
    statuses={"ok": "one class is proposed", "unclear": "no class stands out"},
    later=(
        "tier", "label_score", "label_margin", "least_score", "class_group", "group_wnids", "member_score",
        "caption_wnids", "caption_score", "hit_rank", "calibration",
    ),
    evidence=(
        "wnid", "tier", "label_score", "label_margin", "least_score", "class_group", "group_wnids", "member_score",
        "score", "margin", "top_wnids", "top_scores", "caption_wnid", "caption_wnids", "caption_score",
        "agrees_with_caption", "hit_rank", "calibration",
    ),
)  # fmt: skip

ROUTED = Table(
    name="routed",
    columns=columns(
        """
    candidate_id        str   key
    tier                str   agree, picture, caption, disagree: what the proposal rests on
    label_score         f32   probability that the proposed label, or its group, is right, 0 to 1; null: not known
    information_bits    f32   expected of the first answer, 0 to 1: the more, the more doubtful the row; null: not known
    place               i32   place in the order of asking, from 0, most doubtful first
    is_sample           bool  drawn at random to speak for the rows that are not_sampled
    answers_wanted_count i32  independent answers it is to get; 0 where nobody is asked
    """
        + STATUS
    ),
    statuses={
        "ok": "goes to review",
        "over_budget": "the budget of answers went to other rows; nobody looks at it, it is not released",
        "not_sampled": "picture and caption agree and the control sample left it out; it is not released",
    },
)
