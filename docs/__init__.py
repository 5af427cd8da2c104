"""The documentation: pages for mkdocs, and in ``made`` what of them is made."""
