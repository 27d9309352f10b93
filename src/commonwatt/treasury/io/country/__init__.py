"""Countries: the files that describe them and the macro tables that they come from.

`model` is what a country means, `file` how its folder is spelled, `weo` how any
economy of the World Economic Outlook becomes one.
"""
