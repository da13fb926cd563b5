"""Formulations of the flow, one a module."""
