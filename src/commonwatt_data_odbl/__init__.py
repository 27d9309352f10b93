"""Data under the Open Database License, apart from the program, which is under another.

The licence asks that what is made from these tables is shared alike. The program reads
them where they are installed and says how to get them where they are not.
"""
