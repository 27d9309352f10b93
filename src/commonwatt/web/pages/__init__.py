"""The pages of the console, one file each; `commonwatt.web` says how one is added."""
