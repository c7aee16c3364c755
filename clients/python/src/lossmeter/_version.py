"""The version, as package.json of the service has it."""

__version__ = "0.1.0"
