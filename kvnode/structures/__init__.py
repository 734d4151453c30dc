"""Data structures under the datatypes: packed bytes and tables with parallel columns."""
