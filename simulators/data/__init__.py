"""Data files of the sample world; ORIGIN.md names their sources and licences."""
