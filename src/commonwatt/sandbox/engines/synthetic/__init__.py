"""Synthetic tables: the shape of a dataset, with nobody in them, to write code on outside."""
