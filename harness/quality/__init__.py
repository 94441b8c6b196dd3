"""Checks the data: do the logs suffice for a verdict, and is agreement between them evidence?"""
