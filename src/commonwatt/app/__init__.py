"""Use cases that the faces share, and the only floor where the wings meet.

The command line and the console call these functions and render what they
return; nothing here prints or parses options.
"""
