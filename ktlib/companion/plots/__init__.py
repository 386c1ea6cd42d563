"""Figures: every function takes rows or pictures and an optional `ax`, draws, and computes nothing new."""
