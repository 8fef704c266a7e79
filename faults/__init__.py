"""Trials under faults: hostile files, kills, full disks, crowds on one cache, an hour of mixed calls.

Each is a command that prints one line of figures and ends with a status other than 0 where something was lost. What
was measured stands in docs/reliability.md. Needs requirements-faults.txt.
"""
