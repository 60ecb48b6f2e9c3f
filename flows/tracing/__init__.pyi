from .keep import keep_rows
from .page import write_trace_page
from .places import Place, find_places
from .trace import Step, resolve_id, trace_row

__all__ = ["Place", "Step", "find_places", "keep_rows", "resolve_id", "trace_row", "write_trace_page"]
