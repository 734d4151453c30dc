"""Tests of single parts, without sockets."""
