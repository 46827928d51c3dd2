"""Anonymous code blocks: DO."""
