"""Answer questions about people with noise whose privacy is proved, and keep count.

`measures` turns aggregates into noisy answers with OpenDP's samplers, `account`
keeps what a project and each person in it have spent. An answer exists only
after its cost is on record, so nothing that fails can give a cost back.
"""
