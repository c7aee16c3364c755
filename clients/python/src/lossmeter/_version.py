"""The version, the same as in package.json of the service."""

__version__ = "0.1.0"
