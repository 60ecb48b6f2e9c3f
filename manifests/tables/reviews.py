"""The tables of a review: what is asked, what was answered, what it settles to."""

from __future__ import annotations

from relaionet.manifests.tables.schema import STATUS, Table, columns

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
    remark              str   what a screen saw that reviewers are told, such as `1 face`; null: nothing
    """
    ),
    key=("candidate_id", "round"),
    later=("answers_wanted_count", "remark"),
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
    wnids               strs  the classes it shows, where choice is `several` and they were named; null else
    """
    ),
    key=("annotation_id", "at"),
    later=("wnids",),
)


VERDICTS = Table(
    name="verdicts",
    columns=columns(
        """
    candidate_id        str   key
    proposed_wnid       str   class that was asked about
    wnid                str   class the reviewers settled on; null where none
    wnids               strs  every class they settled on, the one above among them; null where it is that one alone
    votes_count         i32   answers counted
    yes_count           i32   answers for the settled class
    selection_frac      f64   yes_count / votes_count, 0 to 1
    confidence          f64   posterior of the settled answer given the reviewers' accuracy, 0 to 1
    reviewers           strs  pseudonyms of those who answered
    """
        + STATUS
    ),
    statuses={
        "accept": "settled on a class, or on several where the rules take such pictures",
        "reject": "settled that it is no picture of one class",
        "again": "undecided: needs more answers",
    },
    later=("wnids",),
)
