"""Programme files: what the user writes, read once into frozen domain objects.

Every fault of a file is reported at once, each with its path inside the file.
Text such as "400 W" is turned into the unit of its column here and nowhere else.
"""
