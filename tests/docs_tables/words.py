"""The words that pages, `--help` and templates no longer use, read from the glossary."""

from __future__ import annotations

import re

from tests.docs_tables.commands import commands, help_text
from tests.docs_tables.pages import ROOT

GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
HISTORY = (GLOSSARY, ROOT / "CHANGELOG.md")


def replaced_words() -> list[str]:
    """The words in the glossary's last table: those that a term of the field stands for now."""
    table = GLOSSARY.read_text(encoding="utf-8").split("## Words that are gone")[1]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [word.strip() for row in rows for word in row.split("|")[1].split(",")]


def banned_words(text: str) -> list[str]:
    """Replaced words in a text; code and addresses do not count, since what is stored keeps its name."""
    plain = re.sub(r"^```(?!text).*?^```|`[^`\n]*`|\]\([^)]*\)", " ", text, flags=re.DOTALL | re.MULTILINE)
    return [word for word in replaced_words() if re.search(rf"\b{re.escape(word)}\b", plain, re.IGNORECASE)]


def public_texts() -> list[tuple[str, str]]:
    """Pages, help texts and the templates of HTML pages: where each stands, and what it says."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    templates = sorted((ROOT / "flows" / "pages" / "templates").rglob("*.html"))
    found = [(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in pages if path not in HISTORY]
    found += [
        (
            str(path.relative_to(ROOT)),
            re.sub(r"\{[{%#].*?[}%#]\}|<[^>]*>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL),
        )
        for path in templates
    ]
    return found + [(context.command_path, help_text(context) + "\n") for context in commands()]
