"""Rows and files of projects, written on the caller's connection so that moves are whole."""
