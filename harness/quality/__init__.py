"""Reasons why agreement between these logs is no evidence, and what is wrong within them."""
