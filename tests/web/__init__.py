"""Tests of the console; helpers are `console`, `sample` and `provider`."""
