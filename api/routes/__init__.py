"""One module per group of nouns; api.app puts them under /api/v1."""
