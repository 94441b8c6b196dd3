"""Writers of a comparison: text, Markdown, JSON, plots. None of them decides anything."""
