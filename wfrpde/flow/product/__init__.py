"""Flows in any dimension, put together from those of independent factors."""
