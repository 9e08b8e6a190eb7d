"""Carries out what the machines decide: the one place where a cable does I/O."""
