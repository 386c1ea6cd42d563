"""Measured numbers and printed ones, how they are compared, and how a claim is judged."""
