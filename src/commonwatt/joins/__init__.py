"""Where two wings meet in work, one file a join.

Wings do not see each other; what one needs of another it states as a Protocol, and a
join hands it in.
"""
