"""Hypothesis without deadlines: a test never asserts how fast the machine is."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("gnomon", deadline=None)
settings.load_profile("gnomon")
