"""Prompting: a language model that follows instructions is told the control in words."""
