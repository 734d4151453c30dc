"""Histories from seeds, on simulated disks."""
