"""Figures, drawn from records; one file for each kind of run."""
