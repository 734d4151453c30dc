"""Intermediate data of batch jobs: blocks of map attempts, kept until their readers have them."""
