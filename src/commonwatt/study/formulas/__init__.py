"""The formulas of a study's figures: expressions over the tables that the stages wrote.

`assembled` gathers the tables of all stages, `declared` says each formula once with its
sentence, `evaluate` evaluates it, and `identities` says what must hold between the tables
themselves. A figure whose value is not that of its formula stops the study, so a reader is
never shown another formula than the one that gives the figure.
"""
