"""FUDGE (Yang and Klein 2021)."""
