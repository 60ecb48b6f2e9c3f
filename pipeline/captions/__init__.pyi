from .laionet_rule import find_laionet_lemmas, laionet_lemmas
from .lemma_forms import fold_text, written_forms
from .lemma_match import find_lemmas, name_classes
from .rule_comparison import compare_rules
from .sentence_encoder import SentenceEncoder, open_sentence_encoder
from .text_encoders import TextEncoder, load_text_encoder
from .text_match import TextMatchConfig, TextThresholds, embed_classes, match_texts
from .text_threshold import TextThreshold, calibrate_threshold, read_text_threshold
from .word_search import find_words, space_texts

__all__ = [
    "SentenceEncoder",
    "TextEncoder",
    "TextMatchConfig",
    "TextThreshold",
    "TextThresholds",
    "calibrate_threshold",
    "compare_rules",
    "embed_classes",
    "find_laionet_lemmas",
    "find_lemmas",
    "find_words",
    "fold_text",
    "laionet_lemmas",
    "load_text_encoder",
    "match_texts",
    "name_classes",
    "open_sentence_encoder",
    "read_text_threshold",
    "space_texts",
    "written_forms",
]
