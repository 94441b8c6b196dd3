"""Writers of a single comparison: text, Markdown, JSON, HTML and plots."""
