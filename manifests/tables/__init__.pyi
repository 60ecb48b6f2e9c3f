from .candidates import CANDIDATES, CHOSEN, NEIGHBOURS, PASSED_OVER, TEXT_MATCHES
from .catalogue import TABLES
from .embeddings import DOWNLOADS, EMBEDDINGS, HITS
from .proposals import PROPOSALS, ROUTED
from .releases import EVIDENCE, MANIFEST, WITHDRAWN
from .reviews import DECISIONS, TASKS, VERDICTS
from .schema import ALIVE, STATUS, Table, alive, check_table, columns, count_statuses, fill_later, shape_table
from .scores import CLASS_SCORES, DIFFERENCES, PRINTS, SAMPLES, SCORES, SHIFTS
from .screens import COMPARED, MEASURED, REFERENCES, SCREENED, TEXTS_READ
from .splits import CHECKED, COMPARISONS, PICTURE_VECTORS, SNAPSHOTS, SPLIT

__all__ = [
    "ALIVE",
    "CANDIDATES",
    "CHECKED",
    "CHOSEN",
    "CLASS_SCORES",
    "COMPARED",
    "COMPARISONS",
    "DECISIONS",
    "DIFFERENCES",
    "DOWNLOADS",
    "EMBEDDINGS",
    "EVIDENCE",
    "HITS",
    "MANIFEST",
    "MEASURED",
    "NEIGHBOURS",
    "PASSED_OVER",
    "PICTURE_VECTORS",
    "PRINTS",
    "PROPOSALS",
    "REFERENCES",
    "ROUTED",
    "SAMPLES",
    "SCORES",
    "SCREENED",
    "SHIFTS",
    "SNAPSHOTS",
    "SPLIT",
    "STATUS",
    "TABLES",
    "TASKS",
    "TEXTS_READ",
    "TEXT_MATCHES",
    "VERDICTS",
    "WITHDRAWN",
    "Table",
    "alive",
    "check_table",
    "columns",
    "count_statuses",
    "fill_later",
    "shape_table",
]
