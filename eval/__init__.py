"""Command line, presets, artefact store, judging, statistics and tables."""
