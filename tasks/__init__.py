"""Corpora, controls, control tasks and oracles: everything that is known without a generator."""

from tasks.registry import Registry

TASKS = Registry(
    "task",
    {
        "syntax_spans": "tasks.syntax_spans:SyntaxSpans",
        "length": "tasks.length:LengthTask",
    },
)
