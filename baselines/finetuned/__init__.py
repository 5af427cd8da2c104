"""Fine-tuned language models."""
