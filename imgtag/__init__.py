"""imgtag: train your own image tagger in the browser, without programming."""

__version__ = "0.1.0"
