"""Writes C++ and documentation from the rows of native/spec."""
