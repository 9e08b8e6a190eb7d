"""All tests; ``tests.support`` and the like are importable from the root of the repository."""
