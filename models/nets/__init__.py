"""Networks and their training: what every family of generators is built from."""
