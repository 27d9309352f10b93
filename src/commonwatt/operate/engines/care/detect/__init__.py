"""Detectors: rules with counts in windows, and learned ones that never saw a label.

A learned detector is fitted on telemetry of ordinary days and scores every later step;
an alarm threshold is calibrated on the same ordinary days, for a budget of alarms.
`vus` measures a score against labels without point adjustment.
"""
